//! The innermost loops for every processor, left to the compiler to vectorise.

use crate::packed::{BLOCK, Packed};

const LANES: usize = 8;

/// `x` `[ROWS, in]` in whole blocks, `y` `[ROWS, out]`, blocks of `WORDS` words, with `MINIMA` or
/// without.
#[inline(always)]
pub(super) fn tile<const WORDS: usize, const ROWS: usize, const FMA: bool, const MINIMA: bool>(
    packed: &Packed,
    x: &[f32],
    y: &mut [f32],
    unpack: impl Fn(&[u32; WORDS]) -> [f32; BLOCK],
) {
    let ([out, _], blocks) = (packed.shape(), packed.row_blocks());
    let (inputs, _) = x.as_chunks::<BLOCK>();
    let rows =
        packed.words().chunks_exact(blocks * WORDS).zip(packed.scales().chunks_exact(blocks));
    for (o, (words, scales)) in rows.enumerate() {
        let mut sums = [[0.0f32; LANES]; ROWS];
        let minima = if MINIMA { &packed.minima()[o * blocks..][..blocks] } else { &[] };
        for (b, (words, &scale)) in words.as_chunks::<WORDS>().0.iter().zip(scales).enumerate() {
            let mut weights = unpack(words);
            if MINIMA {
                for weight in &mut weights {
                    *weight = add_product::<FMA>(minima[b], *weight, scale);
                }
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let input = &inputs[r * blocks + b];
                let mut part = [0.0f32; LANES];
                for j in (0..BLOCK).step_by(LANES) {
                    for l in 0..LANES {
                        part[l] = add_product::<FMA>(part[l], weights[j + l], input[j + l]);
                    }
                }
                // Without minima the scale can wait until here: one product instead of 32.
                for l in 0..LANES {
                    sums[l] = if MINIMA {
                        sums[l] + part[l]
                    } else {
                        add_product::<FMA>(sums[l], part[l], scale)
                    };
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            y[r * out + o] = sums.iter().sum();
        }
    }
}

#[inline(always)]
fn add_product<const FMA: bool>(sum: f32, a: f32, b: f32) -> f32 {
    // Without the instruction `mul_add` would be a slow library call.
    if FMA { a.mul_add(b, sum) } else { sum + a * b }
}

#[inline(always)]
pub(super) fn unpack_q8(words: &[u32; 8]) -> [f32; BLOCK] {
    let mut weights = [0.0; BLOCK];
    for j in 0..4 {
        for l in 0..8 {
            weights[j * 8 + l] = ((words[l] << (24 - 8 * j)) as i32 >> 24) as f32;
        }
    }
    weights
}

#[inline(always)]
pub(super) fn unpack_q4(words: &[u32; 4]) -> [f32; BLOCK] {
    // Two neighbouring nibbles of the four words fill eight lanes that shift alike.
    let mut pair = [0; LANES];
    for l in 0..4 {
        pair[l] = words[l];
        pair[l + 4] = words[l] >> 4;
    }
    let mut weights = [0.0; BLOCK];
    for j in 0..4 {
        for l in 0..LANES {
            weights[j * LANES + l] = (pair[l] >> (8 * j) & 15) as i32 as f32;
        }
    }
    weights
}
