//! `y = x Wᵀ` on the CPU, straight from the packed form.
//!
//! **Few rows.** The input is rounded to 16 bits, 256 numbers at a time: to 65,535 steps of their
//! largest magnitude, a hundredth of what q8 rounds weights by. The product over a block is then one
//! of whole numbers, of which a vector holds twice as many as of f32, and which weights of 4 or 8
//! bits become by one instruction. Scales follow block by block, then steps, minima at the end:
//! `sum(step * sum(scale * sum(q x))) + sum(minimum * sum(x))`. The instructions are chosen when the
//! program runs ([`Kernel::found`]); all follow the same loop over [`Lanes`].
//!
//! **Many rows.** Weights are unpacked once, a panel of them at a time, and multiplied densely, in
//! f32.
//!
//! Rounding to 8 bits would be quicker still where processors have instructions for it, but cost
//! accuracy in the reference states.

#[cfg(not(target_arch = "wasm32"))]
mod dense;
mod input;
mod lanes;
mod tile;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::packed::Packed;
use crate::threads::{parts, side_by_side};
use input::Input;
#[cfg(not(target_arch = "wasm32"))]
use input::Numbers;
use lanes::Plain;
#[cfg(target_arch = "x86_64")]
use x86::{Avx2, Avx512};

/// Rows of `x` from which unpacking a panel first is quicker.
#[cfg(not(target_arch = "wasm32"))]
const MANY: usize = 48;

/// The instructions that products with few rows use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// What the compiler makes of loops over eight lanes: SSE2, NEON, or none.
    Plain,
    /// WebAssembly's 128-bit vectors.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
    /// 256-bit vectors with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// 512-bit vectors.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Kernel {
    /// The widest that this processor has.
    pub fn found() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(avx512) = Avx512::found() {
                return Kernel::Avx512(avx512);
            }
            if let Some(avx2) = Avx2::found() {
                return Kernel::Avx2(avx2);
            }
        }
        Self::BUILT
    }

    /// What the program was built for.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    const BUILT: Self = Kernel::Simd128;
    /// What the program was built for.
    #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
    const BUILT: Self = Kernel::Plain;

    /// All that this processor has.
    #[cfg(test)]
    fn all() -> Vec<Self> {
        let mut all = vec![Kernel::Plain];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(Avx2::found().map(Kernel::Avx2));
            all.extend(Avx512::found().map(Kernel::Avx512));
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        all.push(Kernel::Simd128);
        all
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Plain if cfg!(target_arch = "aarch64") => "NEON",
            Kernel::Plain => "plain",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kernel::Simd128 => "simd128",
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2(_) => "AVX2 + FMA",
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512(_) => "AVX-512",
        }
    }

    /// The product with the rows of the matrix from the `first` on, as many as `y` has columns.
    ///
    /// # Shapes
    /// `y` `[rows, columns]`
    fn few_rows(self, packed: &Packed, input: &Input, first: usize, y: &mut [f32]) {
        match self {
            Kernel::Plain => tile::all_rows(Plain, packed, input, first, y),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kernel::Simd128 => tile::all_rows(wasm::Simd128, packed, input, first, y),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2(avx2) => avx2.all_rows(packed, input, first, y),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512(avx512) => avx512.all_rows(packed, input, first, y),
        }
    }

    /// Rows of the matrix from the `first` on, as [`Input`] takes them, without minima.
    #[cfg(not(target_arch = "wasm32"))]
    fn unpack(self, packed: &Packed, first: usize, weights: &mut [f32]) {
        match self {
            Kernel::Plain => tile::unpack(Plain, packed, first, weights),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2(avx2) => avx2.unpack(packed, first, weights),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512(avx512) => avx512.unpack(packed, first, weights),
        }
    }
}

impl Packed {
    /// The product with every row of the matrix, on one thread, or on all where it is large enough
    /// and the feature `threads` is on.
    ///
    /// # Shapes
    /// `x` `[rows, in]` -> `[rows, out]`, both row-major; an incomplete last row is left out
    pub fn matmul(&self, x: &[f32]) -> Vec<f32> {
        Self::products(&[self], x).into_iter().next().unwrap_or_default()
    }

    /// The same for several matrices: where their widths and formats agree, the input is made ready
    /// once, and threads share all of the work.
    ///
    /// # Shapes
    /// `x` `[rows, in]` -> `[rows, out]` of each
    pub fn products(matrices: &[&Self], x: &[f32]) -> Vec<Vec<f32>> {
        let alike = |a: &&&Self, b: &Self| a.shape()[1] == b.shape()[1] && a.format() == b.format();
        let Some(first) = matrices.first() else { return Vec::new() };
        if !matrices.iter().all(|matrix| alike(&matrix, first)) {
            return matrices.iter().map(|matrix| matrix.matmul(x)).collect();
        }
        let ([_, width], kernel) = (first.shape(), Kernel::found());
        let rows = x.len() / width;
        let sizes = matrices.iter().map(|matrix| rows * matrix.shape()[0]);
        let mut found: Vec<Vec<f32>> = sizes.map(|size| vec![0.0; size]).collect();
        let parts = parts(width * found.iter().map(Vec::len).sum::<usize>());
        if rows == 0 {
            return found;
        }
        #[cfg(not(target_arch = "wasm32"))]
        if rows >= MANY {
            let input = Numbers::new(first.format(), x, width);
            for (matrix, y) in matrices.iter().zip(&mut found) {
                dense::product(kernel, matrix, &input, y, parts);
            }
            return found;
        }
        let input = Input::new(first.format(), x, width);
        // Each thread has some columns of each matrix. They lie apart in the result where it has
        // several rows, so they are computed beside it.
        let mut shares: Vec<Vec<Share>> = (0..parts).map(|_| Vec::new()).collect();
        for (of, matrix) in matrices.iter().enumerate() {
            let out = matrix.shape()[0];
            let columns = out.div_ceil(parts);
            for (share, first) in shares.iter_mut().zip((0..out).step_by(columns.max(1))) {
                let columns = columns.min(out - first);
                share.push(Share { of, first, columns, y: vec![0.0; rows * columns] });
            }
        }
        side_by_side(shares.iter_mut(), |share| {
            for Share { of, first, y, .. } in share {
                kernel.few_rows(matrices[*of], &input, *first, y);
            }
        });
        for Share { of, first, columns, y } in shares.into_iter().flatten() {
            let out = matrices[of].shape()[0];
            for (to, y) in found[of].chunks_exact_mut(out).zip(y.chunks_exact(columns)) {
                to[first..][..columns].copy_from_slice(y);
            }
        }
        found
    }
}

/// Some columns of one of several products.
struct Share {
    /// Number of the matrix.
    of: usize,
    first: usize,
    columns: usize,
    /// `[rows, columns]`
    y: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed::Format;

    #[test]
    fn every_kernel_agrees_with_the_plain_loop() {
        let numbers = |n: usize, k: usize| -> Vec<f32> {
            (0..n).map(|i| ((i * k) % 1009) as f32 / 1009.0 - 0.5).collect()
        };
        for format in [Format::Q8, Format::Q4] {
            for [out, width] in [[1, 32], [37, 96], [6, 33], [5, 1000], [66, 88]] {
                let weights = numbers(out * width, 7919);
                let packed = Packed::pack(format, &weights, [out, width]).unwrap();
                let dense = packed.unpack();
                for rows in [1, 2, 3, 4, 5, 7, 9] {
                    let x = numbers(rows * width, 613);
                    let input = Input::new(format, &x, width);
                    for kernel in Kernel::all() {
                        // Not from the beginning, nor to the end.
                        let first = out / 3;
                        let columns = (out - first).min(31);
                        let mut y = vec![0.0; rows * columns];
                        kernel.few_rows(&packed, &input, first, &mut y);
                        for (i, &found) in y.iter().enumerate() {
                            let x = &x[i / columns * width..][..width];
                            let w = &dense[(first + i % columns) * width..][..width];
                            let sum: f32 = x.iter().zip(w).map(|(x, w)| x * w).sum();
                            let off = (found - sum).abs();
                            let name = kernel.name();
                            // Six times what rounding to steps of at most 0.5 / 32767 is off on
                            // average, and the rounding of the sums.
                            let size = w.iter().map(|w| w * w).sum::<f32>().sqrt();
                            let most = 6.0 * 0.5 / 32767.0 / 12f32.sqrt() * size + 2e-5;
                            assert!(off < most, "{name} {format:?} {rows}x{out}x{width}: {off}");
                        }
                    }
                }
            }
        }
    }
}
