//! Which nouns stand in a question.

/// Plurals that are not the singular with an ending.
const IRREGULAR: [(&str, &str); 10] = [
    ("people", "person"),
    ("men", "man"),
    ("women", "woman"),
    ("children", "child"),
    ("mice", "mouse"),
    ("geese", "goose"),
    ("knives", "knife"),
    ("leaves", "leaf"),
    ("shelves", "shelf"),
    ("loaves", "loaf"),
];

/// The longest of some nouns that stands in a question, in singular or plural.
pub(super) fn named<'n>(question: &str, nouns: &'n [String]) -> Option<&'n str> {
    let nouns = nouns.iter().map(String::as_str);
    nouns.filter(|noun| names(question, noun)).max_by_key(|noun| noun.len())
}

/// Whether a noun stands in a question, in singular or plural.
pub(super) fn names(question: &str, noun: &str) -> bool {
    let (question, noun) = (question.to_lowercase(), noun.to_lowercase());
    let (said, noun) = (words(&question), words(&noun));
    let same =
        |said: &&str, word: &&str| said == word || is_plural(said, word) || is_plural(word, said);
    let stands = |at: &[&str]| at.iter().zip(&noun).all(|(said, word)| same(said, word));
    !noun.is_empty() && said.windows(noun.len()).any(stands)
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '-').filter(|word| !word.is_empty()).collect()
}

fn is_plural(many: &str, one: &str) -> bool {
    let stems = many.strip_suffix("ies").zip(one.strip_suffix('y'));
    matches!(many.strip_prefix(one), Some("s" | "es"))
        || stems.is_some_and(|(many, one)| many == one)
        || IRREGULAR.contains(&(many, one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_is_found_in_either_number_and_as_whole_words() {
        for (question, noun) in [
            ("Where is the person?", "person"),
            ("Segment the people.", "person"),
            ("Detect all knives!", "knife"),
            ("Find the buses", "bus"),
            ("find the bus", "bus"),
            ("Are there couches?", "couch"),
            ("Tomatoes", "tomato"),
            ("the cherries", "cherry"),
            ("Where are the wine glasses?", "wine glass"),
            ("Cut out the Scissors.", "scissors"),
            ("T-shirts", "t-shirt"),
        ] {
            assert!(names(question, noun), "{question}: {noun}");
        }
        for (question, noun) in [
            ("Where is the scarf?", "car"),
            ("Take care.", "car"),
            ("the wine", "wine glass"),
            ("", "cat"),
            ("cat", ""),
        ] {
            assert!(!names(question, noun), "{question}: {noun}");
        }
        let nouns = ["glass", "wine glass", "wine"].map(String::from);
        assert_eq!(named("Is there a wine glass?", &nouns), Some("wine glass"));
        assert_eq!(named("Is there a cup?", &nouns), None);
    }
}
