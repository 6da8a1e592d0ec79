//! Many rows: panels of unpacked weights, multiplied densely.

use super::Kernel;
use super::input::Numbers;
use crate::multiply::{Columns, Right};
use crate::packed::{BLOCK, Packed};
use crate::threads::side_by_side;

/// Numbers of a panel: few enough to stay in the cache while they are multiplied.
const PANEL: usize = 1 << 16;

/// # Shapes
/// `y` `[rows, out]`
pub(super) fn product(
    kernel: Kernel,
    packed: &Packed,
    input: &Numbers,
    y: &mut [f32],
    parts: usize,
) {
    let ([out, _], blocks) = (packed.shape(), packed.row_blocks());
    let width = blocks * BLOCK;
    let panel = (PANEL / width).max(16);
    let columns = out.div_ceil(parts.max(1)).next_multiple_of(16);
    let result = Columns::new(y, input.rows, out);
    let firsts: Vec<usize> = (0..out).step_by(columns).collect();
    side_by_side(firsts.into_iter(), |first| {
        let end = (first + columns).min(out);
        let mut weights = vec![0.0; panel * width];
        for first in (first..end).step_by(panel) {
            let at = first..(first + panel).min(end);
            let weights = &mut weights[..at.len() * width];
            kernel.unpack(packed, first, weights);
            let weights = Right::transposed(weights, width);
            // SAFETY: each part has columns of its own.
            unsafe { result.put(&input.numbers, weights, at.clone(), 1.0, false) };
            if !packed.minima().is_empty() {
                let minima = &packed.minima()[at.start * blocks..at.end * blocks];
                let minima = Right::transposed(minima, blocks);
                // SAFETY: as above.
                unsafe { result.put(&input.sums, minima, at, 1.0, true) };
            }
        }
    });
}
