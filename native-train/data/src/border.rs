//! The border between photos to learn from and photos to measure with, by their names.

use serde::Deserialize;

/// One in this many is kept for validation where a hash decides.
const ONE_IN: u64 = 10;

/// A side of the border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// To learn from.
    Train,
    /// To measure with.
    Validation,
}

/// How the validation part of a source is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rule {
    /// By a hash of the name.
    #[default]
    Hash,
    /// Names whose last number is divisible by this.
    Every(u64),
    /// Names that start with one of these.
    Starts(Vec<String>),
    /// By a hash of what stands before the last number and of the number divided by this.
    Block(u64),
}

/// The side of a picture of `source` by its file's name without ending.
pub(crate) fn side_of(rule: &Rule, source: &str, stem: &str) -> Split {
    let (before, number) = last_number(stem);
    let kept = match (rule, number) {
        (Rule::Every(step), Some(number)) => number.is_multiple_of(*step),
        (Rule::Starts(starts), _) => starts.iter().any(|start| stem.starts_with(start.as_str())),
        (Rule::Block(length), Some(number)) => {
            let block = number.checked_div(*length).unwrap_or(number);
            hash(&format!("{source}/{before}{block}")).is_multiple_of(ONE_IN)
        }
        _ => hash(&format!("{source}/{stem}")).is_multiple_of(ONE_IN),
    };
    if kept { Split::Validation } else { Split::Train }
}

/// The number at the end of a name and what stands before it.
fn last_number(stem: &str) -> (&str, Option<u64>) {
    let before = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    (before, stem.get(before.len()..).and_then(|digits| digits.parse().ok()))
}

/// FNV-1a: the same for every platform and version, unlike the standard library's hash.
pub(crate) fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// [`fnv`] with a final mix, so that the lowest bits depend on every letter.
fn hash(text: &str) -> u64 {
    let fnv = fnv(text);
    let mixed = (fnv ^ fnv >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 29
}

/// A number of which every bit depends on every bit of the one given (the last step of SplitMix64).
pub(crate) fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// A number in 0..1 of a hash.
pub(crate) fn unit(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1u64 << 53) as f64
}
