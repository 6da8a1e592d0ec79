//! Many rows: panels of unpacked weights, multiplied densely.

use super::Kernel;
use super::input::Input;
use crate::packed::{BLOCK, Packed};
use gemm::Parallelism;

/// Numbers of a panel: few enough to stay in the cache while they are multiplied.
const PANEL: usize = 1 << 16;

/// # Shapes
/// `y` `[rows, out]`
pub(super) fn product(kernel: Kernel, packed: &Packed, input: &Input, y: &mut [f32], parts: usize) {
    let ([out, _], blocks) = (packed.shape(), packed.row_blocks());
    let width = blocks * BLOCK;
    let panel = (PANEL / width).max(16);
    let columns = out.div_ceil(parts.max(1)).next_multiple_of(16);
    let result = Columns { y: y.as_mut_ptr(), rows: input.rows, out };
    let firsts: Vec<usize> = (0..out).step_by(columns).collect();
    super::side_by_side(firsts.into_iter(), |first| {
        let end = (first + columns).min(out);
        let mut weights = vec![0.0; panel * width];
        for first in (first..end).step_by(panel) {
            let at = first..(first + panel).min(end);
            let weights = &mut weights[..at.len() * width];
            kernel.unpack(packed, first, weights);
            result.put(input.blocks.as_flattened(), weights, at.clone(), false);
            if !packed.minima().is_empty() {
                let minima = &packed.minima()[at.start * blocks..at.end * blocks];
                result.put(&input.sums, minima, at, true);
            }
        }
    });
}

/// The result, of which each thread writes other columns.
struct Columns {
    y: *mut f32,
    rows: usize,
    out: usize,
}

// SAFETY: no two threads write the same columns; see `product`.
unsafe impl Sync for Columns {}

impl Columns {
    /// Puts `x weightsᵀ` into some columns, or adds it. Nobody else may use these columns.
    fn put(&self, x: &[f32], weights: &[f32], at: std::ops::Range<usize>, add: bool) {
        let width = x.len() / self.rows;
        assert!(at.end <= self.out && weights.len() == at.len() * width);
        let (stride, kept) = (width as isize, f32::from(add));
        // SAFETY: sizes and strides are those of the slices, and the columns exist.
        unsafe {
            gemm::gemm(
                self.rows,
                at.len(),
                width,
                self.y.add(at.start),
                1,
                self.out as isize,
                add,
                x.as_ptr(),
                1,
                stride,
                weights.as_ptr(),
                stride,
                1,
                kept,
                1.0,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }
}
