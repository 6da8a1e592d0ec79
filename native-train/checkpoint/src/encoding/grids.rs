//! GGML's blocks of fewer than four bits whose numbers are taken out of grids: eight (or four)
//! numbers at once, by the place of a row in a grid.
//!
//! The grids are llama.cpp's (MIT licence), a table each, packed as `grids.bin` by
//! `tests/fixtures/quantised.py`: rows one after the other, the first number in the lowest bits.

use super::half_at;
use half::f16;

static GRIDS: &[u8; 9216] = include_bytes!("grids.bin");

/// A table of rows.
struct Grid {
    /// Its first byte.
    at: usize,
    /// Numbers of a row.
    row: usize,
    /// Bits of a number: a place in `steps`.
    bits: usize,
    steps: &'static [i8],
}

/// Magnitudes of IQ2.
const STEPS2: &[i8] = &[8, 25, 43, 0];
const IQ2_XXS: Grid = Grid { at: 0, row: 8, bits: 2, steps: STEPS2 };
const IQ2_XS: Grid = Grid { at: 512, row: 8, bits: 2, steps: STEPS2 };
const IQ2_S: Grid = Grid { at: 1536, row: 8, bits: 2, steps: STEPS2 };
const IQ3_XXS: Grid = Grid { at: 3584, row: 4, bits: 4, steps: &[4, 12, 20, 28, 36, 44, 52, 62] };
const IQ3_S: Grid = Grid { at: 4096, row: 4, bits: 4, steps: &[1, 3, 5, 7, 9, 11, 13, 15] };
const IQ1: Grid = Grid { at: 5120, row: 8, bits: 2, steps: &[-1, 0, 1, 0] };

impl Grid {
    /// Number `i` of a row.
    fn number(&self, row: usize, i: usize) -> f32 {
        let bit = (row * self.row + i) * self.bits;
        let place = GRIDS[self.at + bit / 8] >> (bit % 8) & ((1 << self.bits) - 1);
        self.steps.get(usize::from(place)).map_or(0.0, |&step| step.into())
    }
}

/// The eight signs that seven bits stand for: their number of minus signs is even.
fn signs(seven: u32) -> u8 {
    let seven = (seven & 127) as u8;
    seven | (seven.count_ones() as u8 & 1) << 7
}

/// Eight numbers and their signs.
fn eight(out: &mut [f32], factor: f32, signs: u8, number: impl Fn(usize) -> f32) {
    for (i, out) in out.iter_mut().enumerate().take(8) {
        let sign = if signs >> i & 1 == 1 { -1.0 } else { 1.0 };
        *out = factor * number(i) * sign;
    }
}

fn word(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([block[at], block[at + 1]])
}

fn long(block: &[u8], at: usize) -> u32 {
    u32::from(word(block, at)) | u32::from(word(block, at + 2)) << 16
}

/// Four bits of a byte each.
fn nibble(bytes: &[u8], i: usize) -> f32 {
    f32::from(bytes[i / 2] >> (4 * (i % 2)) & 15)
}

/// Scale; for each 32 numbers four rows of 8 bits, then four times 7 bits of signs and 4 of scale.
pub(super) fn iq2_xxs(block: &[u8; 66], out: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    for (k, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let group = &block[2 + 8 * (k / 4)..][..8];
        let bits = long(group, 4);
        let factor = scale * (0.5 + (bits >> 28) as f32) * 0.25;
        let row = usize::from(group[k % 4]);
        eight(out, factor, signs(bits >> (7 * (k % 4))), |i| IQ2_XXS.number(row, i));
    }
}

/// Scale; 32 times a row of 9 bits and 7 bits of signs; 16 scales of 4 bits.
pub(super) fn iq2_xs(block: &[u8; 74], out: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    for (k, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let bits = word(block, 2 + 2 * k);
        let factor = scale * (0.5 + nibble(&block[66..], k / 2)) * 0.25;
        let row = usize::from(bits & 511);
        eight(out, factor, signs(u32::from(bits >> 9)), |i| IQ2_XS.number(row, i));
    }
}

/// Scale; 32 rows of 8 bits, 32 bytes of signs, two more bits of each row, 16 scales of 4 bits.
pub(super) fn iq2_s(block: &[u8; 82], out: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    for (k, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let high = block[66 + k / 4] >> (2 * (k % 4)) & 3;
        let row = usize::from(block[2 + k]) | usize::from(high) << 8;
        let factor = scale * (0.5 + nibble(&block[74..], k / 2)) * 0.25;
        eight(out, factor, block[34 + k], |i| IQ2_S.number(row, i));
    }
}

/// Scale; 64 rows of 8 bits; for each 32 numbers four times 7 bits of signs and 4 of scale.
pub(super) fn iq3_xxs(block: &[u8; 98], out: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    for (k, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let bits = long(block, 66 + 4 * (k / 4));
        let factor = scale * (0.5 + (bits >> 28) as f32) * 0.5;
        let row = |i| usize::from(block[2 + 2 * k + i / 4]);
        eight(out, factor, signs(bits >> (7 * (k % 4))), |i| IQ3_XXS.number(row(i), i % 4));
    }
}

/// Scale; 64 rows of 8 bits, one more bit of each, 32 bytes of signs, eight scales of 4 bits.
pub(super) fn iq3_s(block: &[u8; 110], out: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    for (k, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let factor = scale * (1.0 + 2.0 * nibble(&block[106..], k / 4));
        let row = |i: usize| {
            let place = 2 * k + i / 4;
            let high = block[66 + place / 8] >> (place % 8) & 1;
            usize::from(block[2 + place]) | usize::from(high) << 8
        };
        eight(out, factor, block[74 + k], |i| IQ3_S.number(row(i), i % 4));
    }
}

/// What is added to a row of IQ1, up or down.
fn shift(down: bool) -> f32 {
    if down { -0.125 } else { 0.125 }
}

/// Scale; 32 rows of 8 bits; for each 32 numbers four times 3 more bits of the row, 3 of scale and
/// one of shift.
pub(super) fn iq1_s(block: &[u8; 50], out: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    for (k, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let bits = word(block, 34 + 2 * (k / 4));
        let factor = scale * f32::from(2 * (bits >> 12 & 7) + 1);
        let row = usize::from(block[2 + k]) | usize::from(bits >> (3 * (k % 4)) & 7) << 8;
        let shift = shift(bits >> 15 == 1);
        eight(out, factor, 0, |i| IQ1.number(row, i) + shift);
    }
}

/// 32 rows of 8 bits; of each 3 more bits and one of shift; 16 scales of 3 bits, whose four spare
/// bits in each four make the scale of all.
pub(super) fn iq1_m(block: &[u8; 56], out: &mut [f32; 256]) {
    let words = [0, 1, 2, 3].map(|i| word(block, 48 + 2 * i));
    let bits = (0..4).fold(0, |bits, i| bits | (words[i] >> 12) << (4 * i));
    let scale = f16::from_bits(bits).to_f32();
    for (k, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let high = block[32 + k / 2] >> (4 * (k % 2)) & 15;
        let row = usize::from(block[k]) | usize::from(high & 7) << 8;
        let three = words[k / 8] >> (3 * (k / 2 % 4)) & 7;
        let (factor, shift) = (scale * f32::from(2 * three + 1), shift(high & 8 != 0));
        eight(out, factor, 0, |i| IQ1.number(row, i) + shift);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Checkpoint;
    use std::path::Path;

    /// Every number of every table, as the package gguf unpacks it.
    #[test]
    fn the_packed_tables_are_those_of_the_gguf_package() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/grids.safetensors");
        let file = Checkpoint::open(&path).unwrap();
        for (name, grid) in [
            ("IQ2_XXS", IQ2_XXS),
            ("IQ2_XS", IQ2_XS),
            ("IQ2_S", IQ2_S),
            ("IQ3_XXS", IQ3_XXS),
            ("IQ3_S", IQ3_S),
            ("IQ1_S", IQ1),
        ] {
            let expected = file.read(file.require(name).unwrap()).unwrap();
            let found = (0..expected.len()).map(|i| grid.number(i / grid.row, i % grid.row));
            assert!(found.eq(expected), "{name}");
        }
    }
}
