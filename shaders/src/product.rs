//! `y = x Wᵀ` on the CPU, straight from the packed form.
//!
//! Loops over eight lanes without branches, which compilers turn into SSE, AVX2 or NEON; for wasm's
//! `simd128` the innermost loops are written out. On x86-64 the same source is compiled a second
//! time for AVX2 with fused multiply-add and picked at run time. Activations stay f32: rounding them to 8 bits would save
//! little beside the unpacking and cost accuracy in the reference states.

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;

use crate::packed::{BLOCK, Format, Packed};
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
use portable::{tile, unpack_q4, unpack_q8};
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use wasm::{tile, unpack_q4, unpack_q8};

/// Rows of `x` that share one unpacking of a block; more would spill registers.
const TILE: usize = 4;

impl Packed {
    /// The product with every row of the matrix.
    ///
    /// Meant for few rows of `x`, where reading the weights is what takes time; for many rows
    /// unpack once and use a dense product.
    ///
    /// # Shapes
    /// `x` `[rows, in]` -> `[rows, out]`, both row-major; an incomplete last row is left out
    pub fn matmul(&self, x: &[f32]) -> Vec<f32> {
        let [out, width] = self.shape();
        let mut y = vec![0.0; x.len() / width * out];
        let padded;
        let x = if width.is_multiple_of(BLOCK) {
            x
        } else {
            padded = in_whole_blocks(x, width);
            &padded
        };
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the CPU has the features the function is compiled for.
            unsafe { all_rows_avx2(self, x, &mut y) };
            return y;
        }
        all_rows::<{ cfg!(target_arch = "aarch64") }>(self, x, &mut y);
        y
    }
}

/// Rows filled up with zeros, so that the last block of each is whole.
fn in_whole_blocks(x: &[f32], width: usize) -> Vec<f32> {
    let whole = width.next_multiple_of(BLOCK);
    let mut padded = vec![0.0; x.len() / width * whole];
    for (to, from) in padded.chunks_exact_mut(whole).zip(x.chunks_exact(width)) {
        to[..width].copy_from_slice(from);
    }
    padded
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn all_rows_avx2(packed: &Packed, x: &[f32], y: &mut [f32]) {
    all_rows::<true>(packed, x, y);
}

/// `x` has rows of whole blocks.
#[inline(always)]
fn all_rows<const FMA: bool>(packed: &Packed, x: &[f32], y: &mut [f32]) {
    let ([out, _], width) = (packed.shape(), packed.row_blocks() * BLOCK);
    let tiled = x.len() / (TILE * width) * TILE;
    let (x_tiles, x_rest) = x.split_at(tiled * width);
    let (y_tiles, y_rest) = y.split_at_mut(tiled * out);
    let tiles = x_tiles.chunks_exact(TILE * width).zip(y_tiles.chunks_exact_mut(TILE * out));
    for (x, y) in tiles {
        by_format::<TILE, FMA>(packed, x, y);
    }
    for (x, y) in x_rest.chunks_exact(width).zip(y_rest.chunks_exact_mut(out)) {
        by_format::<1, FMA>(packed, x, y);
    }
}

#[inline(always)]
fn by_format<const ROWS: usize, const FMA: bool>(packed: &Packed, x: &[f32], y: &mut [f32]) {
    match packed.format() {
        Format::Q8 => tile::<8, ROWS, FMA, false>(packed, x, y, unpack_q8),
        Format::Q4 => tile::<4, ROWS, FMA, true>(packed, x, y, unpack_q4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portable_loop_agrees_with_the_one_picked() {
        let numbers = |n: usize, k: usize| -> Vec<f32> {
            (0..n).map(|i| ((i * k) % 1009) as f32 / 1009.0 - 0.5).collect()
        };
        let (weights, x) = (numbers(37 * 96, 7919), numbers(6 * 96, 613));
        for format in [Format::Q8, Format::Q4] {
            let packed = Packed::pack(format, &weights, [37, 96]).unwrap();
            let mut portable = vec![0.0; 6 * 37];
            all_rows::<false>(&packed, &x, &mut portable);
            for (a, b) in packed.matmul(&x).iter().zip(&portable) {
                assert!((a - b).abs() < 1e-5, "{format:?}: {a} and {b}");
            }
        }
    }
}
