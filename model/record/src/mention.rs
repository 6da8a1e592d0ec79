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

/// Cuts the text of a question at its markers. What looks like one but holds no number is words.
pub fn cut(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut words = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(MARKER) {
        words += before;
        let marked = behind
            .split_once(']')
            .and_then(|(number, behind)| Some((number.trim().parse().ok()?, behind)));
        match marked {
            Some((number, behind)) => {
                if !words.is_empty() {
                    pieces.push(Piece::Words(std::mem::take(&mut words)));
                }
                pieces.push(Piece::Prompt(number));
                rest = behind;
            }
            None => {
                words += MARKER;
                rest = behind;
            }
        }
    }
    words += rest;
    if !words.is_empty() {
        pieces.push(Piece::Words(words));
    }
    pieces
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
        for plain in ["[prompt x]", "[prompt 1", "no chip", "ü[prompt "] {
            assert_eq!(cut(plain), [Piece::Words(plain.into())]);
        }
        assert_eq!(cut("[prompt [prompt 2]"), [Piece::Words("[prompt ".into()), Piece::Prompt(2)]);
        assert!(cut("").is_empty());
    }
}
