//! The loop over blocks, for some rows of the input and some of the matrix at once.

use super::input::{Input, SPAN};
use super::lanes::Lanes;
#[cfg(not(target_arch = "wasm32"))]
use crate::packed::BLOCK;
use crate::packed::{Format, Packed};

/// The product with the rows of the matrix from the `first` on, as many as `y` has columns.
///
/// # Shapes
/// `y` `[rows, columns]`
#[inline(always)]
pub(super) fn all_rows<L: Lanes>(
    lanes: L,
    packed: &Packed,
    input: &Input,
    first: usize,
    y: &mut [f32],
) {
    match packed.format() {
        Format::Q8 => by_format::<L, 8>(lanes, packed, input, first, y, L::q8),
        Format::Q4 => by_format::<L, 4>(lanes, packed, input, first, y, L::q4),
    }
}

/// Rows of the matrix from the `first` on times their scales, without minima, in the order of
/// [`super::input`].
///
/// # Shapes
/// `weights` `[rows, blocks, 32]`
#[cfg(not(target_arch = "wasm32"))]
#[inline(always)]
pub(super) fn unpack<L: Lanes>(lanes: L, packed: &Packed, first: usize, weights: &mut [f32]) {
    let first = first * packed.row_blocks();
    match packed.format() {
        Format::Q8 => unpack_blocks::<L, 8>(lanes, packed, first, weights, L::q8),
        Format::Q4 => unpack_blocks::<L, 4>(lanes, packed, first, weights, L::q4),
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[inline(always)]
fn unpack_blocks<L: Lanes, const WORDS: usize>(
    lanes: L,
    packed: &Packed,
    first: usize,
    weights: &mut [f32],
    unpack: impl Fn(L, &[u32; WORDS]) -> L::Block,
) {
    let words = packed.words().as_chunks::<WORDS>().0.iter().skip(first);
    let blocks = words.zip(packed.scales().iter().skip(first));
    for (weights, (words, &scale)) in weights.as_chunks_mut::<BLOCK>().0.iter_mut().zip(blocks) {
        lanes.store(&unpack(lanes, words), scale, weights);
    }
}

#[inline(always)]
fn by_format<L: Lanes, const WORDS: usize>(
    lanes: L,
    packed: &Packed,
    input: &Input,
    first: usize,
    y: &mut [f32],
    unpack: impl Fn(L, &[u32; WORDS]) -> L::Block,
) {
    let Some(columns) = y.len().checked_div(input.rows) else { return };
    let matrix = Matrix::<WORDS>::new(packed);
    let mut row = 0;
    // Four rows share the unpacking of a block, and four outputs hide the time of additions.
    while row < input.rows {
        let y = &mut y[row * columns..];
        let mut column = 0;
        let rows = match input.rows - row {
            4.. => 4,
            2 | 3 => 2,
            _ => 1,
        };
        while column < columns {
            let at = [row, first + column];
            let put = |r: usize, o: usize, value| y[r * columns + column + o] = value;
            match (rows, columns - column) {
                (4, _) => column += tile::<L, WORDS, 4, 1>(lanes, &matrix, input, at, &unpack, put),
                (2, 2..) => {
                    column += tile::<L, WORDS, 2, 2>(lanes, &matrix, input, at, &unpack, put);
                }
                (2, _) => column += tile::<L, WORDS, 2, 1>(lanes, &matrix, input, at, &unpack, put),
                (_, 4..) => {
                    column += tile::<L, WORDS, 1, 4>(lanes, &matrix, input, at, &unpack, put);
                }
                _ => column += tile::<L, WORDS, 1, 1>(lanes, &matrix, input, at, &unpack, put),
            }
        }
        row += rows;
    }
}

/// A packed matrix by blocks.
struct Matrix<'a, const WORDS: usize> {
    /// Blocks of a row.
    blocks: usize,
    words: &'a [[u32; WORDS]],
    scales: &'a [f32],
    minima: &'a [f32],
}

impl<'a, const WORDS: usize> Matrix<'a, WORDS> {
    fn new(packed: &'a Packed) -> Self {
        Self {
            blocks: packed.row_blocks(),
            words: packed.words().as_chunks().0,
            scales: packed.scales(),
            minima: packed.minima(),
        }
    }
}

/// `ROWS` of the input with `OUTS` of the matrix; returns `OUTS`.
#[inline(always)]
fn tile<L: Lanes, const WORDS: usize, const ROWS: usize, const OUTS: usize>(
    lanes: L,
    matrix: &Matrix<'_, WORDS>,
    input: &Input,
    [row, out]: [usize; 2],
    unpack: &impl Fn(L, &[u32; WORDS]) -> L::Block,
    mut put: impl FnMut(usize, usize, f32),
) -> usize {
    let blocks = matrix.blocks;
    let words: [_; OUTS] = std::array::from_fn(|o| &matrix.words[(out + o) * blocks..][..blocks]);
    let scales: [_; OUTS] = std::array::from_fn(|o| &matrix.scales[(out + o) * blocks..][..blocks]);
    let inputs: [_; ROWS] = std::array::from_fn(|r| &input.blocks[(row + r) * blocks..][..blocks]);
    // What comes next lies behind; the processor's own guesses are lost between so many places.
    let next = (out + OUTS) * blocks..(out + 2 * OUTS) * blocks;
    lanes.prefetch(matrix.words.get(next.clone()).unwrap_or_default());
    lanes.prefetch(matrix.scales.get(next.clone()).unwrap_or_default());
    lanes.prefetch(matrix.minima.get(next).unwrap_or_default());
    let spans = blocks.div_ceil(SPAN);
    let steps: [_; ROWS] = std::array::from_fn(|r| &input.steps[(row + r) * spans..][..spans]);
    let mut sums = [[lanes.zero(); OUTS]; ROWS];
    for (span, first) in (0..blocks).step_by(SPAN).enumerate() {
        let mut parts = [[lanes.zero(); OUTS]; ROWS];
        for b in first..blocks.min(first + SPAN) {
            for o in 0..OUTS {
                let (weights, scale) = (unpack(lanes, &words[o][b]), lanes.splat(scales[o][b]));
                for r in 0..ROWS {
                    let part = lanes.dot(&weights, &inputs[r][b]);
                    parts[r][o] = lanes.add_product(parts[r][o], part, scale);
                }
            }
        }
        for r in 0..ROWS {
            let step = lanes.splat(steps[r][span]);
            for o in 0..OUTS {
                sums[r][o] = lanes.add_product(sums[r][o], parts[r][o], step);
            }
        }
    }
    for (r, sums) in sums.into_iter().enumerate() {
        for (o, lane_sums) in sums.into_iter().enumerate() {
            let mut sum = lanes.sum(lane_sums);
            if !matrix.minima.is_empty() {
                let minima = &matrix.minima[(out + o) * blocks..][..blocks];
                sum += inner(lanes, minima, &input.sums[(row + r) * blocks..][..blocks]);
            }
            put(r, o, sum);
        }
    }
    OUTS
}

/// The inner product of two slices of one length.
#[inline(always)]
fn inner<L: Lanes>(lanes: L, a: &[f32], b: &[f32]) -> f32 {
    let (whole_a, whole_b) = (a.chunks_exact(L::COUNT), b.chunks_exact(L::COUNT));
    let (rest_a, rest_b) = (whole_a.remainder(), whole_b.remainder());
    let mut sums = lanes.zero();
    for (a, b) in whole_a.zip(whole_b) {
        sums = lanes.add_product(sums, lanes.load(a), lanes.load(b));
    }
    rest_a.iter().zip(rest_b).fold(lanes.sum(sums), |sum, (a, b)| sum + a * b)
}
