//! Words as caption scores count them: the rules of the Penn Treebank tokeniser that apply to
//! captions, and its marks left out, as `pycocoevalcap` does it.
//!
//! At each place the rule that takes most characters wins. What the text becomes afterwards (lower
//! case, `-lrb-` for a bracket, `$` for every currency) is that tool's, too.

mod place;
mod rules;
mod signs;

use rules::{Taken, longest};

/// Tokens that do not count. A bracket does: the official tool looks for it in upper case.
const MARKS: [&str; 13] = ["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"];

/// The tokens of a text.
pub fn tokens(text: &str) -> Vec<String> {
    let text: Vec<char> = text.trim().chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let Taken { chars, as_text } = longest(&text, at);
        if let Some(token) = as_text {
            let token = token.to_lowercase();
            if !token.is_empty() && !MARKS.contains(&token.as_str()) {
                tokens.push(token);
            }
        }
        at += chars.max(1);
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn words_are_cut_where_the_treebank_cuts_them() {
        let cases = [
            ("A man's dog can't sit.", "a man 's dog ca n't sit"),
            ("Mr. Smith lives in the U.S. of A.", "mr. smith lives in the u.s. of a."),
            ("1,000 well-known T-shirts at 9:30pm", "1,000 well-known t-shirts at 9:30 pm"),
            ("\"Hello\" (he said) - bye...", "hello -lrb- he said -rrb- bye"),
            ("They cannot pay €5 and/or 5%", "they can not pay $ 5 and/or 5 %"),
            ("Rock 'n' roll, o'clock; y'all 'em", "rock 'n' roll o'clock y' all 'em"),
            ("", ""),
        ];
        for (text, wanted) in cases {
            assert_eq!(tokens(text).join(" "), wanted, "{text}");
        }
    }
}
