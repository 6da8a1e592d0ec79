//! Parts of a build, for any scheduler that starts n copies of a program.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Most parts.
const MOST: u64 = 100_000;

/// One of several parts: `0/4` to `3/4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    number: u64,
    of: u64,
}

/// What is wrong with the name of a part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a part: write NUMBER/COUNT with NUMBER from 0 to COUNT - 1, as in 0/4")]
pub struct PartError(String);

impl Part {
    /// All of it.
    pub const WHOLE: Part = Part { number: 0, of: 1 };

    /// Which one, from zero.
    pub fn number(self) -> u64 {
        self.number
    }

    /// How many there are.
    pub fn of(self) -> u64 {
        self.of
    }

    /// Whether it builds that entry.
    pub(super) fn has(self, position: u64) -> bool {
        position % self.of == self.number
    }

    /// Its share of so many; those of all parts add up to them.
    pub(super) fn share(self, all: u64) -> u64 {
        all / self.of + u64::from(self.number < all % self.of)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Part {
    type Err = PartError;
    fn from_str(text: &str) -> Result<Self, PartError> {
        let numbers = text.split_once('/').and_then(|(number, of)| {
            Some(Part { number: number.trim().parse().ok()?, of: of.trim().parse().ok()? })
        });
        let sound = |part: &Part| part.number < part.of && part.of <= MOST;
        numbers.filter(sound).ok_or_else(|| PartError(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_share_everything_once() {
        let parts: Vec<Part> = (0..7).map(|k| format!("{k}/7").parse().unwrap()).collect();
        for all in [0, 3, 7, 100] {
            assert_eq!(parts.iter().map(|part| part.share(all)).sum::<u64>(), all);
        }
        for position in 0..50 {
            assert_eq!(parts.iter().filter(|part| part.has(position)).count(), 1);
        }
        for wrong in ["7/7", "1", "0/0", "-1/2", "a/b", "0/1000000"] {
            assert!(wrong.parse::<Part>().unwrap_err().to_string().contains("0/4"), "{wrong}");
        }
    }
}
