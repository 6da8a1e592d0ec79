//! Words.

use super::Counts;
use std::collections::BTreeMap;

const ARTICLES: [&str; 3] = ["a", "an", "the"];
const NUMBERS: [&str; 21] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];

/// Lower case, single spaces, without a leading article and without final points.
pub fn normalised(text: &str) -> String {
    let lower = text.to_lowercase();
    let mut words = lower.trim().trim_end_matches('.').split_whitespace().peekable();
    let first_is_article = words.peek().is_some_and(|w| ARTICLES.contains(w));
    words.skip(usize::from(first_is_article)).collect::<Vec<_>>().join(" ")
}

/// Whether two texts are equal once [`normalised`].
pub fn exact_match(found: &str, truth: &str) -> bool {
    normalised(found) == normalised(truth)
}

/// Whether the words of one text occur in another, in their order and next to each other; both are
/// [`normalised`] first.
pub fn holds(found: &str, truth: &str) -> bool {
    let (found, truth) = (words(&normalised(found)), words(&normalised(truth)));
    !truth.is_empty() && found.windows(truth.len()).any(|run| run == truth)
}

/// The first number a text speaks of: digits, `zero` to `twenty`, or `no` and `none` for 0.
pub fn counted_number(text: &str) -> Option<u64> {
    words(text).into_iter().find_map(|word| match word.as_str() {
        "no" | "none" => Some(0),
        word => {
            NUMBERS.iter().position(|n| *n == word).map(|n| n as u64).or_else(|| word.parse().ok())
        }
    })
}

/// Counts over the words of two texts, each as often as it stands there, articles left out.
pub fn word_counts(found: &str, truth: &str) -> Counts {
    let without_articles = |text: &str| {
        words(text).into_iter().filter(|w| !ARTICLES.contains(&w.as_str())).collect::<Vec<_>>()
    };
    item_counts(&without_articles(found), &without_articles(truth))
}

/// Counts over two lists of items, each as often as it stands there.
pub(super) fn item_counts(found: &[String], truth: &[String]) -> Counts {
    let mut left: BTreeMap<&str, u64> = BTreeMap::new();
    for item in truth {
        *left.entry(item).or_default() += 1;
    }
    let mut right = 0;
    for item in found {
        if let Some(count) = left.get_mut(item.as_str()).filter(|c| **c > 0) {
            *count -= 1;
            right += 1;
        }
    }
    Counts { right, wrong: found.len() as u64 - right, missed: truth.len() as u64 - right }
}

/// Lower-case words without the marks around them.
fn words(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|w| w.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase())
        .filter(|w| !w.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_article_and_point_do_not_matter() {
        assert!(exact_match("A red  car.", "a red car"));
        assert!(exact_match("the car", "A car"));
        assert!(!exact_match("a car", "a cat"));
        assert!(!exact_match("red a car", "red car"));
        assert_eq!(normalised("The"), "");
    }

    #[test]
    fn numbers_are_read_as_words_or_digits() {
        let cases = [
            ("There are two dogs.", Some(2)),
            ("There are no dogs.", Some(0)),
            ("12 birds", Some(12)),
            ("Twenty!", Some(20)),
            ("dogs", None),
        ];
        for (text, number) in cases {
            assert_eq!(counted_number(text), number, "{text}");
        }
    }

    #[test]
    fn words_count_as_often_as_they_stand() {
        let counts = word_counts("A dog, a dog and a cat.", "The dog and the bird");
        assert_eq!(counts, Counts { right: 2, wrong: 2, missed: 1 });
    }
}
