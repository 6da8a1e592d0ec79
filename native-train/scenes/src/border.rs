//! The border between training and held-out scenes, as far as it runs through what is shown.

use crate::classes::{Class, Place};
use crate::noise::hash;

/// Share of combinations that only held-out scenes contain, in 1/256.
const HELD_OUT: u32 = 31;

/// FNV-1a over both names, well mixed.
fn held_out_hash(class: &str, other: &str) -> u32 {
    let bytes = class.bytes().chain([b'/']).chain(other.bytes());
    let fnv = bytes.fold(0x811c_9dc5u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    hash(fnv as i32, 0, 0)
}

pub(crate) fn is_held_out(class: &str, colour: &str) -> bool {
    held_out_hash(class, colour) & 255 < HELD_OUT
}

/// People are everywhere, and few backgrounds have water: what lives on it must be seen on each.
pub(crate) fn is_held_out_on(class: &Class, background: &str) -> bool {
    !class.is_person()
        && class.place != Place::Water
        && held_out_hash(class.name, background) & 255 < HELD_OUT
}
