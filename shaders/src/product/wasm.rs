//! The innermost loops with wasm's 128-bit vectors. For four rows of `x` the portable ones are as
//! fast; for a single one, which is what decoding takes, the compiler may lose half of the speed.

use crate::packed::{BLOCK, Packed};
use core::arch::wasm32::{
    f32x4, f32x4_add, f32x4_convert_i32x4, f32x4_extract_lane, f32x4_mul, f32x4_splat, i32x4_shl,
    i32x4_shr, i32x4_splat, u32x4, u32x4_shr, v128, v128_and,
};

/// Vectors in a block.
const VECTORS: usize = BLOCK / 4;

/// `x` `[ROWS, in]` in whole blocks, `y` `[ROWS, out]`, blocks of `WORDS` words, with `MINIMA` or
/// without; there is no fused instruction that rounds alike everywhere, so `FMA` changes nothing.
#[inline(always)]
pub(super) fn tile<const WORDS: usize, const ROWS: usize, const FMA: bool, const MINIMA: bool>(
    packed: &Packed,
    x: &[f32],
    y: &mut [f32],
    unpack: impl Fn(&[u32; WORDS]) -> [v128; VECTORS],
) {
    let ([out, _], blocks) = (packed.shape(), packed.row_blocks());
    let (inputs, _) = x.as_chunks::<BLOCK>();
    let rows =
        packed.words().chunks_exact(blocks * WORDS).zip(packed.scales().chunks_exact(blocks));
    for (o, (words, scales)) in rows.enumerate() {
        let mut sums = [f32x4_splat(0.0); ROWS];
        let minima = if MINIMA { &packed.minima()[o * blocks..][..blocks] } else { &[] };
        for (b, (words, &scale)) in words.as_chunks::<WORDS>().0.iter().zip(scales).enumerate() {
            let mut weights = unpack(words);
            let scale = f32x4_splat(scale);
            if MINIMA {
                let minimum = f32x4_splat(minima[b]);
                weights = weights.map(|weight| f32x4_add(f32x4_mul(weight, scale), minimum));
            }
            for (r, sum) in sums.iter_mut().enumerate() {
                let (input, _) = inputs[r * blocks + b].as_chunks::<4>();
                let product = |i: usize| f32x4_mul(weights[i], vector(&input[i]));
                // Two chains of additions, so that one need not wait for the other.
                let (mut even, mut odd) = (product(0), product(1));
                for i in (2..VECTORS).step_by(2) {
                    even = f32x4_add(even, product(i));
                    odd = f32x4_add(odd, product(i + 1));
                }
                let part = f32x4_add(even, odd);
                // Without minima the scale can wait until here: one product instead of 32.
                *sum = f32x4_add(*sum, if MINIMA { part } else { f32x4_mul(part, scale) });
            }
        }
        for (r, sum) in sums.iter().enumerate() {
            y[r * out + o] = (f32x4_extract_lane::<0>(*sum) + f32x4_extract_lane::<2>(*sum))
                + (f32x4_extract_lane::<1>(*sum) + f32x4_extract_lane::<3>(*sum));
        }
    }
}

#[inline(always)]
fn vector(&[a, b, c, d]: &[f32; 4]) -> v128 {
    f32x4(a, b, c, d)
}

#[inline(always)]
pub(super) fn unpack_q8(&[a, b, c, d, e, f, g, h]: &[u32; 8]) -> [v128; VECTORS] {
    let (low, high) = (u32x4(a, b, c, d), u32x4(e, f, g, h));
    let byte = |words, j: u32| f32x4_convert_i32x4(i32x4_shr(i32x4_shl(words, 24 - 8 * j), 24));
    [
        byte(low, 0),
        byte(high, 0),
        byte(low, 1),
        byte(high, 1),
        byte(low, 2),
        byte(high, 2),
        byte(low, 3),
        byte(high, 3),
    ]
}

#[inline(always)]
pub(super) fn unpack_q4(&[a, b, c, d]: &[u32; 4]) -> [v128; VECTORS] {
    let words = u32x4(a, b, c, d);
    let mask = i32x4_splat(15);
    let nibble = |j: u32| f32x4_convert_i32x4(v128_and(u32x4_shr(words, 4 * j), mask));
    [nibble(0), nibble(1), nibble(2), nibble(3), nibble(4), nibble(5), nibble(6), nibble(7)]
}
