//! What a person should know of a picture that was read all the same.

use std::fmt;

/// What was done to a picture, or what it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// A part of it is missing or damaged, and was filled with grey or by chance.
    Missing {
        /// The decoder's words.
        reason: String,
    },
    /// Its colours were brought to sRGB by its profile.
    Converted,
    /// Its profile could not be used.
    Profile {
        /// Why.
        reason: String,
    },
    /// It is in the inks of print (CMYK), without a profile that says how they look.
    Print,
    /// Only the lower ones of its 16 bits were used; they were stretched.
    Stretched,
}

impl Remark {
    /// Whether the answer may suffer from it.
    pub fn matters(&self) -> bool {
        matches!(self, Remark::Missing { .. })
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remark::Missing { reason } => write!(
                f,
                "a part is missing or damaged ({reason}), and the answer knows only the rest: get \
                 the file again"
            ),
            Remark::Converted => f.write_str("its colours were brought to sRGB by its profile"),
            Remark::Profile { reason } => write!(
                f,
                "its colour profile cannot be used ({reason}), so its colours are taken as sRGB: \
                 convert it to sRGB if they matter"
            ),
            Remark::Print => f.write_str(
                "it is in CMYK without a usable profile, so its colours are about right only: \
                 convert it to RGB if they matter",
            ),
            Remark::Stretched => {
                f.write_str("only the lower ones of its 16 bits are used, and were stretched")
            }
        }
    }
}
