//! GGML's blocks of quantised numbers with scales of their own: from bytes to f32.
//!
//! Held to the Python package `gguf` by `tests/checkpoint/formats.rs`. A block is a header of scales and the
//! numbers, whose bits lie in planes: number `i` and number `i + 16` or `i + 32` share a byte.

use super::half_at;

/// The sixteen steps of IQ4.
const NON_LINEAR: [i8; 16] =
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
/// Twice the sixteen numbers of 4-bit floats: a sign, two bits of exponent, one of mantissa.
const FOUR_BIT_FLOATS: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

pub(super) fn q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    for (out, &byte) in out.iter_mut().zip(&block[2..]) {
        *out = scale * f32::from(byte.cast_signed());
    }
}

/// The low halves of the bytes are the first 16 numbers, the high halves the others.
fn halves(bytes: &[u8], out: &mut [f32; 32], number: impl Fn(usize, u8) -> f32) {
    for (i, &byte) in bytes.iter().enumerate().take(16) {
        out[i] = number(i, byte & 15);
        out[i + 16] = number(i + 16, byte >> 4);
    }
}

pub(super) fn q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    halves(&block[2..], out, |_, q| scale * (f32::from(q) - 8.0));
}

pub(super) fn q4_1(block: &[u8; 20], out: &mut [f32; 32]) {
    let (scale, least) = (half_at(block, 0), half_at(block, 2));
    halves(&block[4..], out, |_, q| scale * f32::from(q) + least);
}

/// The fifth bits of 32 numbers.
fn fifth(bytes: &[u8]) -> impl Fn(usize) -> u8 {
    move |i| (bytes[i / 8] >> (i % 8) & 1) << 4
}

pub(super) fn q5_0(block: &[u8; 22], out: &mut [f32; 32]) {
    let (scale, high) = (half_at(block, 0), fifth(&block[2..6]));
    halves(&block[6..], out, |i, q| scale * (f32::from(q | high(i)) - 16.0));
}

pub(super) fn q5_1(block: &[u8; 24], out: &mut [f32; 32]) {
    let (scale, least, high) = (half_at(block, 0), half_at(block, 2), fifth(&block[4..8]));
    halves(&block[8..], out, |i, q| scale * f32::from(q | high(i)) + least);
}

pub(super) fn iq4_nl(block: &[u8; 18], out: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    halves(&block[2..], out, |_, q| scale * f32::from(NON_LINEAR[usize::from(q)]));
}

/// The scale is half a power of two: eight bits of exponent.
pub(super) fn mxfp4(block: &[u8; 17], out: &mut [f32; 32]) {
    let exponent = u32::from(block[0]);
    // The two smallest have no place in the exponent of an f32.
    let bits = if exponent < 2 { 0x0020_0000 << exponent } else { (exponent - 1) << 23 };
    let scale = f32::from_bits(bits);
    halves(&block[1..], out, |_, q| scale * f32::from(FOUR_BIT_FLOATS[usize::from(q)]));
}

/// Number `i` of 256 in planes of `width` bits, each 128 numbers four groups of 32 in 32 bytes.
fn two_bits(bytes: &[u8], i: usize) -> u8 {
    bytes[32 * (i / 128) + i % 32] >> (2 * (i / 32 % 4)) & 3
}

/// Sixteen bytes with a scale and a minimum of 4 bits each, 64 bytes of numbers, the scales of
/// these scales and minima.
pub(super) fn q2_k(block: &[u8; 84], out: &mut [f32; 256]) {
    let (scale, scale_of_minima) = (half_at(block, 80), half_at(block, 82));
    for (i, out) in out.iter_mut().enumerate() {
        let pair = block[i / 16];
        let (factor, least) =
            (scale * f32::from(pair & 15), scale_of_minima * f32::from(pair >> 4));
        *out = factor * f32::from(two_bits(&block[16..80], i)) - least;
    }
}

/// 32 bytes of third bits, 64 of low bits, twelve with sixteen scales of 6 bits, one for all.
pub(super) fn q3_k(block: &[u8; 110], out: &mut [f32; 256]) {
    let (high, low, packed) = (&block[..32], &block[32..96], &block[96..108]);
    let scale = half_at(block, 108);
    for (i, out) in out.iter_mut().enumerate() {
        let group = i / 16;
        let four = packed[group % 8] >> (4 * (group / 8)) & 15;
        let two = packed[8 + group % 4] >> (2 * (group / 4)) & 3;
        let factor = scale * (f32::from(four | two << 4) - 32.0);
        // A third bit that is not set takes four off.
        let third = high[i % 32] >> (i / 32) & 1;
        *out = factor * (f32::from(two_bits(low, i)) - if third == 1 { 0.0 } else { 4.0 });
    }
}

/// Scale and minimum of one of eight groups out of twelve bytes with 6 bits each.
fn scale_and_minimum(packed: &[u8], group: usize) -> (f32, f32) {
    let (factor, least) = if group < 4 {
        (packed[group] & 63, packed[group + 4] & 63)
    } else {
        // The upper two bits lie in the spare bits of the first eight bytes.
        let low = packed[group + 4];
        ((low & 15) | (packed[group - 4] >> 6 << 4), (low >> 4) | (packed[group] >> 6 << 4))
    };
    (f32::from(factor), f32::from(least))
}

/// Scale, scale of the minima, twelve bytes with eight pairs of 6 bits, then 4 x 32 bytes: of each
/// 32 the low halves are one group of 32 numbers, the high halves the next.
pub(super) fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    groups_of_32(&block[..16], &block[16..], out, |_, _| 0);
}

/// As Q4_K, with 32 bytes of fifth bits before the numbers: bit `g` of byte `i` is that of number
/// `i` of group `g`.
pub(super) fn q5_k(block: &[u8; 176], out: &mut [f32; 256]) {
    let high = &block[16..48];
    groups_of_32(&block[..16], &block[48..], out, |group, i| (high[i] >> group & 1) << 4);
}

fn groups_of_32(
    header: &[u8],
    numbers: &[u8],
    out: &mut [f32; 256],
    high: impl Fn(usize, usize) -> u8,
) {
    let (scale, scale_of_minima) = (half_at(header, 0), half_at(header, 2));
    for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (factor, least) = scale_and_minimum(&header[4..], group);
        let (factor, least) = (scale * factor, scale_of_minima * least);
        let bytes = &numbers[32 * (group / 2)..][..32];
        for (i, (out, &byte)) in out.iter_mut().zip(bytes).enumerate() {
            let q = if group % 2 == 0 { byte & 15 } else { byte >> 4 };
            *out = factor * f32::from(q | high(group, i)) - least;
        }
    }
}

/// 128 bytes of low 4 bits, 64 of high 2 bits, 16 signed scales, one scale for all. Each half of
/// 128 numbers is four groups of 32 that share 64 low bytes and 32 high ones.
pub(super) fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let scale = half_at(block, 208);
    for (half, out) in out.as_chunks_mut::<128>().0.iter_mut().enumerate() {
        let low = &block[64 * half..][..64];
        let high = &block[128 + 32 * half..][..32];
        let scales = &block[192 + 8 * half..][..8];
        for (i, out) in out.iter_mut().enumerate() {
            let (group, at) = (i / 32, i % 32);
            let byte = low[at + 32 * (group % 2)];
            let four = if group < 2 { byte & 15 } else { byte >> 4 };
            let two = high[at] >> (2 * group) & 3;
            let q = f32::from(four | two << 4) - 32.0;
            *out = scale * f32::from(scales[i / 16].cast_signed()) * q;
        }
    }
}

/// Scale, two bytes of high and four of low bits of eight scales, 128 bytes of numbers.
pub(super) fn iq4_xs(block: &[u8; 136], out: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    let high = u16::from_le_bytes([block[2], block[3]]);
    for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let low = block[4 + group / 2] >> (4 * (group % 2)) & 15;
        let two = (high >> (2 * group) & 3) as u8;
        let factor = scale * (f32::from(low | two << 4) - 32.0);
        let bytes = &block[8 + 16 * group..][..16];
        halves(bytes, out, |_, q| factor * f32::from(NON_LINEAR[usize::from(q)]));
    }
}

/// Digit `n` of the five of base 3 in a byte, which holds them as a fraction of 256.
fn ternary(byte: u8, n: u32) -> f32 {
    let shifted = u16::from(byte.wrapping_mul(3u8.pow(n)));
    f32::from(((shifted * 3) >> 8) as u8) - 1.0
}

/// 32 bytes of five digits, 16 of five, four of four: -1, 0 or 1 each; then the scale.
pub(super) fn tq1_0(block: &[u8; 54], out: &mut [f32; 256]) {
    let scale = half_at(block, 52);
    for (i, out) in out.iter_mut().enumerate() {
        let (byte, digit) = match i {
            0..160 => (block[i % 32], i / 32),
            160..240 => (block[32 + (i - 160) % 16], (i - 160) / 16),
            _ => (block[48 + (i - 240) % 4], (i - 240) / 4),
        };
        *out = scale * ternary(byte, digit as u32);
    }
}

/// 64 bytes of -1, 0 or 1 in two bits, then the scale.
pub(super) fn tq2_0(block: &[u8; 66], out: &mut [f32; 256]) {
    let scale = half_at(block, 64);
    for (i, out) in out.iter_mut().enumerate() {
        *out = scale * (f32::from(two_bits(&block[..64], i)) - 1.0);
    }
}
