//! Articles, plurals and numbers.

/// How a noun behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// `a dog`, `two dogs`.
    Count,
    /// `hair`: no article, no plural.
    Mass,
    /// `shoes`: no article, already plural.
    Plural,
}

/// Last words of nouns that cannot be counted.
const MASS: &[&str] = &[
    "hair",
    "skin",
    "rice",
    "tofu",
    "tempeh",
    "bread",
    "broccoli",
    "sky",
    "catfish",
    "mackerel",
    "grass",
    "water",
    "sand",
    "snow",
    "sea",
    "food",
    "fish",
    "furniture",
    "clothing",
    "luggage",
    "vegetation",
    "terrain",
];

/// Last words of nouns that are plural already.
const PLURAL: &[&str] = &[
    "shoes",
    "stockings",
    "sunglasses",
    "pumps",
    "socks",
    "boots",
    "pants",
    "trousers",
    "leggings",
    "glasses",
    "heels",
    "jeans",
    "wedges",
    "sandals",
    "shorts",
    "loafers",
    "sneakers",
    "trainers",
    "tights",
    "flats",
    "gloves",
    "earrings",
    "skis",
    "scissors",
    "stairs",
    "clothes",
    "binoculars",
    "headphones",
    "goggles",
    "people",
    "curtains",
];

const IRREGULAR: &[(&str, &str)] = &[
    ("person", "people"),
    ("man", "men"),
    ("woman", "women"),
    ("child", "children"),
    ("mouse", "mice"),
    ("foot", "feet"),
    ("tooth", "teeth"),
    ("goose", "geese"),
    ("sheep", "sheep"),
    ("deer", "deer"),
    ("knife", "knives"),
    ("shelf", "shelves"),
    ("bookshelf", "bookshelves"),
    ("leaf", "leaves"),
    ("loaf", "loaves"),
    ("scarf", "scarves"),
    ("wolf", "wolves"),
    ("tomato", "tomatoes"),
    ("potato", "potatoes"),
    ("aircraft", "aircraft"),
];

/// How the noun behaves.
pub fn number(noun: &str) -> Number {
    // `a slice of bread` is counted though bread is not.
    let last = noun.split(" of ").next().unwrap_or(noun).rsplit(' ').next().unwrap_or(noun);
    if MASS.contains(&last) {
        Number::Mass
    } else if PLURAL.contains(&last) {
        Number::Plural
    } else {
        Number::Count
    }
}

/// `dogs`, `slices of bread`, `hair`.
pub fn plural(noun: &str) -> String {
    if number(noun) != Number::Count {
        return noun.into();
    }
    let (head, tail) = noun.find(" of ").map_or((noun, ""), |at| noun.split_at(at));
    let (front, last) = head.rfind(' ').map_or(("", head), |at| head.split_at(at + 1));
    format!("{front}{}{tail}", plural_word(last))
}

fn plural_word(word: &str) -> String {
    if let Some((_, plural)) = IRREGULAR.iter().find(|(singular, _)| *singular == word) {
        return (*plural).into();
    }
    let hisses = ["s", "x", "z", "ch", "sh"].iter().any(|end| word.ends_with(end));
    let mut letters = word.chars().rev();
    match (letters.next(), letters.next()) {
        (Some('y'), Some(before)) if !"aeiou".contains(before) => {
            format!("{}ies", &word[..word.len() - 1])
        }
        _ if hisses => format!("{word}es"),
        _ => format!("{word}s"),
    }
}

/// `a dog`, `an umbrella`, `hair`, `shoes`.
pub fn indefinite(noun: &str) -> String {
    if number(noun) != Number::Count {
        return noun.into();
    }
    let lower = noun.to_lowercase();
    let vowel = lower.starts_with(['a', 'e', 'i', 'o', 'u']);
    // Spelled with a vowel and spoken with a consonant, or the other way round.
    let consonant = ["uni", "use", "euro", "ukulele", "one", "uten"];
    let silent = ["hour", "honest", "heir", "x-ray"];
    let starts = |list: &[&str]| list.iter().any(|start| lower.starts_with(start));
    let an = starts(&silent) || vowel && !(starts(&consonant));
    format!("{} {noun}", if an { "an" } else { "a" })
}

/// The verb behind `there`, for the noun as [`indefinite`] gives it: `is` or `are`.
pub fn is_or_are(noun: &str) -> &'static str {
    if number(noun) == Number::Plural { "are" } else { "is" }
}

/// The verb for the noun as [`plural`] gives it.
pub fn are_or_is(noun: &str) -> &'static str {
    if number(noun) == Number::Mass { "is" } else { "are" }
}

/// Numbers as words up to twelve, then digits.
pub fn number_word(count: usize) -> String {
    const WORDS: [&str; 13] = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve",
    ];
    WORDS.get(count).map_or_else(|| count.to_string(), |word| (*word).into())
}

/// `There are 3 dogs.`, `There are no dogs.`
pub fn there_are(count: usize, noun: &str) -> String {
    match count {
        0 => format!("There are no {}.", plural(noun)),
        1 => format!("There is 1 {noun}."),
        _ => format!("There are {count} {}.", plural(noun)),
    }
}

/// `There is no dog in the picture.`, `There are no shoes in the picture.`
pub fn absent(noun: &str) -> String {
    format!("There {} no {noun} in the picture.", is_or_are(noun))
}

/// The first letter in upper case.
pub fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_bend_as_people_say_them() {
        for (noun, wanted) in [
            ("person", "people"),
            ("bus", "buses"),
            ("wine glass", "wine glasses"),
            ("knife", "knives"),
            ("computer mouse", "computer mice"),
            ("slice of bread", "slices of bread"),
            ("sheep", "sheep"),
            ("toothbrush", "toothbrushes"),
            ("couch", "couches"),
            ("monkey", "monkeys"),
            ("baby", "babies"),
            ("shoes", "shoes"),
            ("fried tofu", "fried tofu"),
            ("scarf", "scarves"),
            ("accessory", "accessories"),
            ("giraffe", "giraffes"),
            ("tie", "ties"),
            ("dress", "dresses"),
        ] {
            assert_eq!(plural(noun), wanted);
        }
        for (noun, wanted) in [
            ("umbrella", "an umbrella"),
            ("uniform", "a uniform"),
            ("oven", "an oven"),
            ("hour glass", "an hour glass"),
            ("dog", "a dog"),
            ("hair", "hair"),
            ("sunglasses", "sunglasses"),
            ("accessory", "an accessory"),
        ] {
            assert_eq!(indefinite(noun), wanted);
        }
        assert_eq!(absent("shoes"), "There are no shoes in the picture.");
        assert_eq!(absent("dog"), "There is no dog in the picture.");
        assert_eq!(there_are(2, "person"), "There are 2 people.");
    }

    #[test]
    fn every_known_noun_has_a_plural_of_its_own_unless_it_is_one() {
        let same = ["sheep", "deer"];
        for noun in crate::sources::known_nouns() {
            let changed = plural(noun) != *noun;
            let counted = number(noun) == Number::Count && !same.contains(&noun.as_str());
            assert_eq!(changed, counted, "{noun}: {}", plural(noun));
            assert!(!plural(noun).ends_with("ss") && !plural(noun).ends_with("sss"), "{noun}");
        }
    }
}
