//! How the text of a question mentions its prompts.

const MARKER: &str = "[prompt ";

/// How the text of a question mentions a prompt: `[prompt k]`, k from 1.
pub fn marker(number: usize) -> String {
    format!("{MARKER}{number}]")
}

/// A piece of a question's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Words; never empty.
    Words(String),
    /// The prompt of a number, from 1.
    Prompt(usize),
}

/// Cuts the text of a question at its markers. `[Prompt 1]` and `[prompt1]` are markers too; what
/// looks like one but holds no number is words.
pub fn cut(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut words = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        let (before, marked) = rest.split_at(at);
        words += before;
        match marked_number(marked) {
            Some((number, behind)) => {
                if !words.is_empty() {
                    pieces.push(Piece::Words(std::mem::take(&mut words)));
                }
                pieces.push(Piece::Prompt(number));
                rest = behind;
            }
            None => {
                words.push('[');
                rest = &marked[1..];
            }
        }
    }
    words += rest;
    if !words.is_empty() {
        pieces.push(Piece::Words(words));
    }
    pieces
}

/// The number of the marker that a text begins with, and what stands behind it. A number too large
/// to be held is that of no prompt either.
fn marked_number(text: &str) -> Option<(usize, &str)> {
    let word = MARKER.trim_end();
    let (number, behind) = text.split_once(']')?;
    let number = number
        .get(..word.len())
        .filter(|start| start.eq_ignore_ascii_case(word))
        .and(number.get(word.len()..).map(str::trim))?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| (number.parse().unwrap_or(usize::MAX), behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_cut_out_of_words() {
        let pieces = [
            Piece::Words("Is ".into()),
            Piece::Prompt(1),
            Piece::Words(" near ".into()),
            Piece::Prompt(12),
            Piece::Words("?".into()),
        ];
        assert_eq!(cut(&format!("Is {} near {}?", marker(1), marker(12))), pieces);
        for near in ["[Prompt 2]", "[prompt2]", "[PROMPT  2 ]", "[prompt\u{a0}2]"] {
            assert_eq!(cut(near), [Piece::Prompt(2)], "{near}");
        }
        // Not words: the person hears that there is no such prompt.
        assert_eq!(cut("[prompt 99999999999999999999]"), [Piece::Prompt(usize::MAX)]);
        for plain in [
            "[prompt -1]",
            "[prompts 1]",
            "[prompt]",
            "[[",
            "[prömpt 1]",
            "[prompt x]",
            "[prompt 1",
            "no chip",
            "ü[prompt ",
        ] {
            assert_eq!(cut(plain), [Piece::Words(plain.into())]);
        }
        assert_eq!(cut("[prompt [prompt 2]"), [Piece::Words("[prompt ".into()), Piece::Prompt(2)]);
        assert!(cut("").is_empty());
    }
}
