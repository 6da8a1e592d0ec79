//! The answer's words below the picture, word-wrapped, its phrases tied to the marks by number
//! and colour.

use super::canvas::{fill, rounded};
use super::labels::disc;
use super::palette;
use super::text::{self, Weight};
use refvlm_record::reading::Piece;
use tiny_skia::Pixmap;

const SIZE: f32 = 19.0;
const LINE: f32 = 31.0;
const DISC: f32 = 9.5;
const UNDERLINE: f32 = 2.2;
/// In letters.
const LONGEST_WORD: usize = 30;

/// Words laid out in lines.
#[derive(Debug, Default)]
pub(super) struct Panel {
    words: Vec<Word>,
    lines: usize,
    u: f32,
}

#[derive(Debug, Clone, PartialEq)]
struct Word {
    text: String,
    ink: [u8; 3],
    /// The phrase it belongs to.
    triplet: Option<usize>,
    /// The first word of a phrase carries the badge.
    badge: bool,
    /// No space, and so no line break, before it.
    glued: bool,
    /// A line break stands before it.
    breaks: bool,
    x: f32,
    line: usize,
    width: f32,
}

impl Word {
    /// Whether this is a further word of the same phrase.
    fn follows(&self, before: &Word) -> bool {
        !self.badge && self.triplet == before.triplet
    }
}

impl Panel {
    /// Lays out the pieces, and a failure's text after them, in `width` px.
    pub fn new(pieces: &[Piece], failure: Option<&str>, width: f32, u: f32) -> Self {
        let mut words = Vec::new();
        let mut glued = true;
        for piece in pieces {
            match piece {
                Piece::Words(text) => add(&mut words, text, palette::INK, None, &mut glued),
                Piece::Phrase { words: text, triplet } => {
                    add(&mut words, text, palette::INK, *triplet, &mut glued);
                }
            }
        }
        if let Some(failure) = failure {
            let breaks = if words.is_empty() { "" } else { "\n" };
            add(&mut words, &format!("{breaks}{failure}"), palette::ALARM, None, &mut glued);
        }
        for word in &mut words {
            word.width = text::width(&word.text, weight(word), SIZE * u);
            word.width += if word.badge { badge_width(u) } else { 0.0 };
        }
        let mut panel = Self { words, lines: 0, u };
        panel.wrap(width);
        panel
    }

    /// Height in px; zero without words.
    pub fn height(&self) -> f32 {
        self.lines as f32 * LINE * self.u
    }

    /// Draws with the upper left corner at `[x, y]`.
    pub fn draw(&self, pixmap: &mut Pixmap, [x, y]: [f32; 2]) {
        let u = self.u;
        for (k, word) in self.words.iter().enumerate() {
            let baseline =
                y + (word.line as f32 + 0.5) * LINE * u + text::cap_height(SIZE * u) / 2.0;
            let mut at = x + word.x;
            if let (true, Some(triplet)) = (word.badge, word.triplet) {
                let middle = [at + DISC * u, baseline - text::cap_height(SIZE * u) / 2.0];
                disc(pixmap, triplet + 1, middle, DISC * u, palette::triplet(triplet));
                at += badge_width(u);
            }
            let weight = weight(word);
            text::draw(pixmap, &word.text, weight, SIZE * u, [at, baseline], word.ink);
            if let Some(triplet) = word.triplet {
                // The line runs on below the space to the next word of the phrase.
                let same = |next: &&Word| next.line == word.line && next.follows(word);
                let end = match self.words.get(k + 1).filter(same) {
                    Some(next) => x + next.x + UNDERLINE * u,
                    None => x + word.x + word.width,
                };
                let rect = [at, baseline + 4.5 * u, end - at, UNDERLINE * u];
                if let Some(line) = rounded(rect, UNDERLINE * u / 2.0) {
                    fill(pixmap, &line, palette::triplet(triplet), 255);
                }
            }
        }
    }

    fn wrap(&mut self, width: f32) {
        let u = self.u;
        let space = text::width(" ", Weight::Regular, SIZE * u);
        let (mut pen, mut line) = (0.0f32, 0);
        for start in 0..self.words.len() {
            if start > 0 && self.words[start].glued {
                continue;
            }
            let end = (start + 1..self.words.len())
                .find(|&k| !self.words[k].glued)
                .unwrap_or(self.words.len());
            let cluster: f32 = self.words[start..end].iter().map(|w| w.width).sum();
            let gap = if pen > 0.0 { space } else { 0.0 };
            if self.words[start].breaks || pen > 0.0 && pen + gap + cluster > width {
                line += usize::from(start > 0);
                pen = 0.0;
            } else {
                pen += gap;
            }
            for word in &mut self.words[start..end] {
                (word.x, word.line) = (pen, line);
                pen += word.width;
            }
        }
        self.lines = if self.words.is_empty() { 0 } else { line + 1 };
    }
}

fn badge_width(u: f32) -> f32 {
    (2.0 * DISC + 6.0) * u
}

fn weight(word: &Word) -> Weight {
    if word.triplet.is_some() { Weight::SemiBold } else { Weight::Regular }
}

/// Adds the words of a text. `glued` says whether the text before ended without a space.
fn add(words: &mut Vec<Word>, text: &str, ink: [u8; 3], triplet: Option<usize>, glued: &mut bool) {
    let mut badge = triplet.is_some();
    let mut breaks = false;
    let mut rest = text;
    loop {
        let word_at = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        let (spaces, after) = rest.split_at(word_at);
        breaks |= spaces.contains('\n');
        *glued &= spaces.is_empty();
        if after.is_empty() {
            return;
        }
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        for part in parts(&after[..end]) {
            words.push(Word {
                text: part,
                ink,
                triplet,
                badge,
                glued: *glued,
                breaks,
                x: 0.0,
                line: 0,
                width: 0.0,
            });
            (badge, breaks, *glued) = (false, false, false);
        }
        // Within a text, words are parted by spaces; at its end, the next text decides.
        *glued = true;
        rest = &after[end..];
    }
}

/// Longer words than any line holds are cut.
fn parts(word: &str) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    letters.chunks(LONGEST_WORD).map(|part| part.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phrase(text: &str, k: usize) -> Piece {
        Piece::Phrase { words: text.into(), triplet: Some(k) }
    }

    #[test]
    fn words_wrap_and_punctuation_stays_with_its_phrase() {
        let pieces =
            [phrase("Two bears", 0), Piece::Words(", walking on ".into()), phrase("grass", 1)];
        let wide = Panel::new(&pieces, None, 4000.0, 1.0);
        let texts: Vec<&str> = wide.words.iter().map(|w| w.text.as_str()).collect();
        assert_eq!(texts, ["Two", "bears", ",", "walking", "on", "grass"]);
        assert_eq!(wide.lines, 1);
        let badges: Vec<bool> = wide.words.iter().map(|w| w.badge).collect();
        assert_eq!(badges, [true, false, false, false, false, true]);
        let comma = &wide.words[2];
        assert!((comma.x - (wide.words[1].x + wide.words[1].width)).abs() < 1e-3);
        let narrow = Panel::new(&pieces, None, 120.0, 1.0);
        assert!(narrow.lines >= 3);
        assert_eq!(narrow.words[1].line, narrow.words[2].line);
        assert!(narrow.words.iter().all(|w| w.x + w.width <= 120.0), "{narrow:?}");
    }

    #[test]
    fn lines_of_the_answer_and_a_failure_stay_lines() {
        let panel = Panel::new(&[Piece::Words("a\nb".into())], Some("out of memory"), 900.0, 1.0);
        assert_eq!(panel.lines, 3);
        assert_eq!(Panel::new(&[], None, 900.0, 1.0).height(), 0.0);
    }
}
