//! Small grammar: articles, numbers, colours and prepositions.

use super::facts::Noun;
use crate::{Family, Object};

/// The noun with its indefinite article.
pub(super) fn indefinite(phrase: &str) -> String {
    let vowel = phrase.starts_with(['a', 'e', 'i', 'o', 'u']);
    // Spelled with a vowel, spoken with a consonant.
    let spoken_consonant = ["uni", "euro", "ukulele", "one"].iter().any(|p| phrase.starts_with(p));
    let article = if vowel && !spoken_consonant { "an" } else { "a" };
    format!("{article} {phrase}")
}

/// The first letter in upper case.
pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// Numbers as words up to twelve, then digits.
pub(super) fn number(count: usize) -> String {
    const WORDS: [&str; 13] = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve",
    ];
    WORDS.get(count).map_or_else(|| count.to_string(), |word| (*word).into())
}

/// Ordinals of the positions that people count off: second to fourth.
pub(super) fn ordinal(position: usize) -> Option<&'static str> {
    match position {
        2 => Some("second"),
        3 => Some("third"),
        4 => Some("fourth"),
        _ => None,
    }
}

/// How many there are, as a sentence in the canonical form.
pub(super) fn there_are(count: usize, noun: Noun) -> String {
    match count {
        0 => format!("There are no {}.", noun.plural),
        1 => format!("There is 1 {}.", noun.singular),
        _ => format!("There are {count} {}.", noun.plural),
    }
}

/// Class with colour, without an article: `red car`, `person in a red shirt`.
pub(super) fn coloured(class: &str, family: Family, colour: Option<&str>) -> String {
    match colour {
        None => class.into(),
        Some(colour) if family == Family::Person => {
            format!("{class} in {} shirt", indefinite(colour))
        }
        Some(colour) => format!("{colour} {class}"),
    }
}

/// The canonical description of one object: `a red car`.
pub(super) fn described(object: &Object) -> String {
    indefinite(&coloured(object.class, object.family, object.colour))
}

/// `a`, `a and b`, `a, b and c`: what stands before the item at `index`.
pub(super) fn joint(index: usize, count: usize) -> &'static str {
    match index {
        0 => "",
        _ if index + 1 == count => " and ",
        _ => ", ",
    }
}

/// The background as a place: `on a beach`, `in a forest`.
pub(super) fn at_place(background: &str) -> String {
    let preposition = match background.rsplit(' ').next() {
        Some("beach" | "street" | "playground") => "on",
        Some("lake" | "sunset") => "at",
        _ => "in",
    };
    format!("{preposition} {background}")
}
