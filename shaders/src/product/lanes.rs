//! What the loop asks of a processor's vectors.

use crate::packed::BLOCK;

/// Vectors of f32. A value of such a type says that the processor has them.
pub(super) trait Lanes: Copy {
    /// A vector.
    type F: Copy;
    /// The weights of a block.
    type Block: Copy + AsRef<[Self::F]>;

    /// Numbers in a vector.
    const COUNT: usize;

    fn zero(self) -> Self::F;
    fn splat(self, x: f32) -> Self::F;
    /// The first numbers of a slice that has enough of them.
    fn load(self, x: &[f32]) -> Self::F;
    /// Into the first numbers of a slice that has enough of them.
    #[cfg(not(target_arch = "wasm32"))]
    fn store(self, x: Self::F, to: &mut [f32]);
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + sum`.
    fn add_product(self, sum: Self::F, a: Self::F, b: Self::F) -> Self::F;
    fn sum(self, x: Self::F) -> f32;
    /// Bytes in their order.
    fn q8(self, words: &[u32; 8]) -> Self::Block;
    /// Nibble `j` of each word, multiplied by 16 to the power of `j % 4`, in the order of the
    /// elements.
    fn q4(self, words: &[u32; 4]) -> Self::Block;

    /// The sum over a block, still in lanes.
    #[inline(always)]
    fn dot(self, weights: &Self::Block, x: &[f32; BLOCK]) -> Self::F {
        let mut parts = weights.as_ref().iter().zip(x.chunks_exact(Self::COUNT));
        let mut sum = self.zero();
        if let Some((&w, x)) = parts.next() {
            sum = self.mul(w, self.load(x));
        }
        for (&w, x) in parts {
            sum = self.add_product(sum, w, self.load(x));
        }
        sum
    }
}

/// Eight lanes, left to the compiler.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain;

impl Lanes for Plain {
    type F = [f32; 8];
    type Block = [[f32; 8]; 4];

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

    #[cfg(not(target_arch = "wasm32"))]
    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32]) {
        to[..8].copy_from_slice(&x);
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        std::array::from_fn(|i| a[i] * b[i])
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
        std::array::from_fn(|k| {
            std::array::from_fn(|i| f32::from((words[2 * k + i / 4] >> (8 * (i % 4))) as u8 as i8))
        })
    }

    #[inline(always)]
    fn q4(self, words: &[u32; 4]) -> Self::Block {
        std::array::from_fn(|k| {
            std::array::from_fn(|i| {
                let half = words[i % 4] >> (16 * (k / 2));
                (half & (15 << (8 * (k % 2) + 4 * (i / 4)))) as i32 as f32
            })
        })
    }
}
