//! What the loop asks of a processor's vectors.

use crate::packed::BLOCK;

/// Vectors of f32, and of whole numbers of 16 bits. A value of such a type says that the processor
/// has them.
pub(super) trait Lanes: Copy {
    /// A vector of f32.
    type F: Copy;
    /// The weights of a block, in 16 bits, in the order of [`super::input`].
    type Block: Copy;

    /// Numbers in a vector of f32.
    const COUNT: usize;

    fn zero(self) -> Self::F;
    fn splat(self, x: f32) -> Self::F;
    /// The first numbers of a slice that has enough of them.
    fn load(self, x: &[f32]) -> Self::F;
    /// `a * b + sum`.
    fn add_product(self, sum: Self::F, a: Self::F, b: Self::F) -> Self::F;
    fn sum(self, x: Self::F) -> f32;
    fn q8(self, words: &[u32; 8]) -> Self::Block;
    fn q4(self, words: &[u32; 4]) -> Self::Block;
    /// The inner product over a block, still in lanes. Each lane is exact as a whole number: its at
    /// most eight products stay below 2^25.
    fn dot(self, weights: &Self::Block, x: &[i16; BLOCK]) -> Self::F;
    /// Has memory brought near that will be read soon, where there is an instruction for it.
    #[inline(always)]
    fn prefetch<T>(self, _: &[T]) {}
    /// The weights times their scale.
    #[cfg(not(target_arch = "wasm32"))]
    fn store(self, weights: &Self::Block, scale: f32, to: &mut [f32; BLOCK]);
}

/// Eight lanes, left to the compiler.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain;

impl Lanes for Plain {
    type F = [f32; 8];
    type Block = [i16; BLOCK];

    const COUNT: usize = 8;

    #[inline(always)]
    fn zero(self) -> Self::F {
        [0.0; 8]
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; 8]
    }

    #[inline(always)]
    fn load(self, x: &[f32]) -> Self::F {
        let mut lanes = [0.0; 8];
        lanes.copy_from_slice(&x[..8]);
        lanes
    }

    #[inline(always)]
    fn add_product(self, sum: Self::F, a: Self::F, b: Self::F) -> Self::F {
        // Where the instruction is missing `mul_add` would be a slow library call.
        let fused = cfg!(target_arch = "aarch64");
        std::array::from_fn(
            |i| if fused { a[i].mul_add(b[i], sum[i]) } else { sum[i] + a[i] * b[i] },
        )
    }

    #[inline(always)]
    fn sum(self, x: Self::F) -> f32 {
        x.iter().sum()
    }

    #[inline(always)]
    fn q8(self, words: &[u32; 8]) -> Self::Block {
        let bytes: [[u8; 4]; 8] = words.map(u32::to_le_bytes);
        std::array::from_fn(|i| i16::from(bytes[i / 4][i % 4] as i8))
    }

    #[inline(always)]
    fn q4(self, words: &[u32; 4]) -> Self::Block {
        let bytes: [[u8; 4]; 4] = words.map(u32::to_le_bytes);
        std::array::from_fn(|i| i16::from(bytes[i % 16 / 4][i % 4] >> (i / 16 * 4) & 15))
    }

    #[inline(always)]
    fn dot(self, weights: &Self::Block, x: &[i16; BLOCK]) -> Self::F {
        let mut sums = [0i32; 8];
        for (w, x) in weights.as_chunks::<8>().0.iter().zip(x.as_chunks::<8>().0) {
            for l in 0..8 {
                sums[l] += i32::from(w[l]) * i32::from(x[l]);
            }
        }
        sums.map(|sum| sum as f32)
    }

    #[cfg(not(target_arch = "wasm32"))]
    #[inline(always)]
    fn store(self, weights: &Self::Block, scale: f32, to: &mut [f32; BLOCK]) {
        *to = weights.map(|w| f32::from(w) * scale);
    }
}
