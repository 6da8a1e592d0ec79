//! What the raw text of an answer means: its plan, its words, and which phrase is which triplet.

/// A piece of an answer's body, in reading order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Words outside of phrases.
    Words(String),
    /// A phrase.
    Phrase {
        /// The concept as it stands in the sentence.
        words: String,
        /// The number of its triplet, from 0, as [`crate::event::Event::Triplet`] counts them; none
        /// while its references are not there yet, or when none came.
        triplet: Option<usize>,
    },
}

/// An answer's raw text, taken apart. Never fails: what is cut off or malformed is read as far as
/// it goes, and a tag that is still open takes what follows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// The plan (VD-CoT): its lines without the tags. Empty where there is none.
    pub plan: Vec<String>,
    /// Whether the plan is still being written.
    pub planning: bool,
    /// The body.
    pub body: Vec<Piece>,
}

const PLAN_OPEN: &str = "<Task>";
const PLAN_CLOSE: &str = "</Task>";

impl Reading {
    /// Reads the raw text of an answer, finished or not.
    pub fn new(raw: &str) -> Self {
        let open = raw.split_once(PLAN_OPEN);
        let (plan, planning, body) = match (open, raw.rsplit_once(PLAN_CLOSE)) {
            (_, Some((before, body))) => {
                (before.split_once(PLAN_OPEN).map_or("", |(_, plan)| plan), false, body)
            }
            (Some((body, plan)), None) => (plan, true, body),
            (None, None) => ("", false, raw),
        };
        let lines = plan.lines().map(|line| without_tags(line).trim().to_string());
        let plan = lines.filter(|line| !line.is_empty()).collect();
        Self { plan, planning, body: pieces(body.trim_start()) }
    }

    /// The body as plain words.
    pub fn words(&self) -> String {
        let pieces = self.body.iter().map(|piece| match piece {
            Piece::Words(words) | Piece::Phrase { words, .. } => words.as_str(),
        });
        pieces.collect::<String>().trim().to_string()
    }

    /// Whether the phrases of the body are exactly the triplets `0..count`, in order.
    pub fn ties(&self, count: usize) -> bool {
        let tied = self.body.iter().filter_map(|piece| match piece {
            Piece::Phrase { triplet, .. } => Some(*triplet),
            Piece::Words(_) => None,
        });
        tied.eq((0..count).map(Some))
    }
}

fn pieces(mut rest: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut triplets = 0;
    while let Some((before, after)) = rest.split_once("<Phrase>") {
        push_words(&mut pieces, before);
        let (words, behind) = after.split_once("</Phrase>").unwrap_or((after, ""));
        let (references, behind) = bracket(behind);
        let triplet = (references > 0).then_some(triplets);
        triplets += usize::from(references > 0);
        pieces.push(Piece::Phrase { words: without_tags(words).trim().into(), triplet });
        rest = behind;
    }
    push_words(&mut pieces, rest);
    pieces
}

fn push_words(pieces: &mut Vec<Piece>, words: &str) {
    let words = without_tags(words);
    if !words.is_empty() {
        pieces.push(Piece::Words(words));
    }
}

/// Takes `(<Unit>box</Unit>[0]<REF>...)` off the front, finished or not: how many references it
/// holds, and what stands behind.
fn bracket(text: &str) -> (usize, &str) {
    const OPEN: &str = "(<Unit>";
    let trimmed = text.trim_start();
    if trimmed.is_empty() || !(trimmed.starts_with(OPEN) || OPEN.starts_with(trimmed)) {
        return (0, text);
    }
    let (inside, behind) = trimmed.split_once(')').unwrap_or((trimmed, ""));
    (inside.matches("<REF>").count(), behind)
}

/// Drops `<...>` where it looks like a special token: short, and without spaces.
fn without_tags(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, tagged)) = rest.split_once('<') {
        kept.push_str(before);
        let tag = tagged.split_once('>').filter(|(name, _)| {
            (1..23).contains(&name.len()) && !name.contains(char::is_whitespace)
        });
        match tag {
            Some((_, behind)) => rest = behind,
            None => {
                kept.push('<');
                rest = tagged;
            }
        }
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = "<Task>\nUnit decode (True). Class name, target unit and number:\n\
        - Name: a dog Unit: box Num: 2\n</Task>\nHere <Phrase>a dog</Phrase>(<Unit>box</Unit>[0]<REF>\
        [1]<REF>) and <Phrase>a cat</Phrase> by <Phrase>a tree</Phrase>(<Unit>mask</Unit>[0]<REF>).";

    fn words(text: &str) -> Piece {
        Piece::Words(text.into())
    }

    fn phrase(text: &str, triplet: Option<usize>) -> Piece {
        Piece::Phrase { words: text.into(), triplet }
    }

    #[test]
    fn plan_words_and_phrases_come_apart() {
        let reading = Reading::new(RAW);
        assert_eq!(reading.plan.len(), 2);
        assert!(!reading.planning);
        let expected = vec![
            words("Here "),
            phrase("a dog", Some(0)),
            words(" and "),
            phrase("a cat", None),
            words(" by "),
            phrase("a tree", Some(1)),
            words("."),
        ];
        assert_eq!(reading.body, expected);
        assert!(!reading.ties(2), "the cat has no triplet");
    }

    #[test]
    fn plan_and_tags_go_phrases_stay() {
        let raw = "<Task>\nUnit decode (True). Class name, target unit and number:\n- Name: \
            Two bears Unit: mask Num: 2\n</Task>\n<Phrase>Two bears</Phrase>(<Unit>mask</Unit>\
            [0]<REF>[1]<REF>) walk on <Phrase>the grass</Phrase>(<Unit>mask</Unit>[0]<REF>).</s>";
        let reading = Reading::new(raw);
        assert_eq!(reading.words(), "Two bears walk on the grass.");
        let expected = [
            phrase("Two bears", Some(0)),
            words(" walk on "),
            phrase("the grass", Some(1)),
            words("."),
        ];
        assert_eq!(reading.body, expected);
        assert!(reading.ties(2) && !reading.ties(1) && !reading.ties(3));
    }

    #[test]
    fn no_tag_ever_shows_while_text_streams() {
        // Special tokens arrive whole; words may break anywhere.
        let mut raw = String::new();
        let mut last = 0;
        for part in RAW.split_inclusive(['>', ' ', ']']) {
            let cut = part.find('<').unwrap_or(0);
            for piece in [&part[..cut], &part[cut..]] {
                raw += piece;
                let reading = Reading::new(&raw);
                for piece in &reading.body {
                    let (Piece::Words(text) | Piece::Phrase { words: text, .. }) = piece;
                    assert!(!text.contains('<') && !text.contains("[0]"), "{raw:?}: {text:?}");
                }
                assert!(reading.body.len() >= last.min(1));
                last = reading.body.len();
            }
        }
        assert_eq!(Reading::new(&raw), Reading::new(RAW));
    }

    #[test]
    fn plain_words_are_words() {
        let raw = "<Task>\nUnit decode (False).\n</Task>\nTwo (or three) dogs.";
        assert_eq!(Reading::new(raw).body, [words("Two (or three) dogs.")]);
        assert_eq!(Reading::new("Hello").body, [words("Hello")]);
        assert_eq!(Reading::new(""), Reading::default());
        assert!(Reading::new("<Task>\nUnit").planning);
    }

    #[test]
    fn what_is_cut_off_is_read_as_far_as_it_goes() {
        let plain = |raw: &str| Reading::new(raw).words();
        assert_eq!(plain("<Task>\nUnit decode"), "");
        assert_eq!(plain("a <Phrase>dog</Phrase>(<Unit>box</Unit>[0]"), "a dog");
        assert_eq!(plain("a <Phrase>do"), "a do");
        assert_eq!(plain("1 < 2 and 3 > 2"), "1 < 2 and 3 > 2");
        assert_eq!(plain("<Phrase>dog</Phrase> (brown)"), "dog (brown)");
    }

    #[test]
    fn a_phrase_without_a_reference_has_no_number() {
        for bare in ["<Phrase>dog</Phrase> (brown)", "<Phrase>dog</Phrase>(<Unit>box</Unit>)"] {
            let raw = format!("{bare} <Phrase>cat</Phrase>(<Unit>box</Unit>[0]<REF>)");
            let body = Reading::new(&raw).body;
            assert_eq!(body.first(), Some(&phrase("dog", None)), "{raw}");
            assert_eq!(body.last(), Some(&phrase("cat", Some(0))), "{raw}");
        }
    }
}
