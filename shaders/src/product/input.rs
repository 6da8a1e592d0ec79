//! The input of a product, in the order in which a block's weights leave their words.

use crate::packed::{BLOCK, Format};

/// Blocks with a common step: few enough that a large number takes precision from few others, as
/// many as it takes for steps to cost little time.
pub(super) const SPAN: usize = 8;

/// Rows of whole blocks, rounded to 16 bits: each number is a whole multiple of its span's step.
pub(super) struct Input {
    /// Rows.
    pub rows: usize,
    /// `[rows, blocks]`, in the order of [`place`].
    pub blocks: Vec<[i16; BLOCK]>,
    /// `[rows, spans]`: the step of each. NaN where a number of the span is not finite.
    pub steps: Vec<f32>,
    /// `[rows, blocks]`, the sum of each as it was rounded, so that what rounding is off counts with
    /// the size of the weights, not of their distance from the minimum; empty for q8, which has no
    /// minima.
    pub sums: Vec<f32>,
}

impl Input {
    /// # Shapes
    /// `x` `[rows, width]`; an incomplete last row is left out
    pub fn new(format: Format, x: &[f32], width: usize) -> Self {
        let rows = x.len() / width;
        let steps: Vec<f32> =
            x.chunks_exact(width).flat_map(|row| row.chunks(SPAN * BLOCK).map(step)).collect();
        let (per_row, spans) = (width.div_ceil(BLOCK), width.div_ceil(SPAN * BLOCK));
        let mut blocks = Vec::with_capacity(rows * per_row);
        let mut sums = Vec::new();
        ordered(format, x, width, |block| {
            let (row, at) = (blocks.len() / per_row, blocks.len() % per_row);
            let step = steps[row * spans + at / SPAN];
            // Below, the inverse would be infinite; so small a span adds nothing to any sum.
            let inverse = if step < f32::MIN_POSITIVE { 0.0 } else { 1.0 / step };
            let rounded = block.map(|x| round(x * inverse));
            if format == Format::Q4 {
                sums.push(step * rounded.iter().map(|&x| i32::from(x)).sum::<i32>() as f32);
            }
            blocks.push(rounded);
        });
        Self { rows, blocks, steps, sums }
    }
}

/// Rows of whole blocks as they are.
#[cfg(not(target_arch = "wasm32"))]
pub(super) struct Numbers {
    /// Rows.
    pub rows: usize,
    /// `[rows, blocks, 32]`, in the order of [`place`].
    pub numbers: Vec<f32>,
    /// `[rows, blocks]`, the sum of each; empty for q8, which has no minima.
    pub sums: Vec<f32>,
}

#[cfg(not(target_arch = "wasm32"))]
impl Numbers {
    /// # Shapes
    /// `x` `[rows, width]`; an incomplete last row is left out
    pub fn new(format: Format, x: &[f32], width: usize) -> Self {
        let rows = x.len() / width;
        let mut numbers = Vec::with_capacity(rows * width.div_ceil(BLOCK) * BLOCK);
        let mut sums = Vec::new();
        ordered(format, x, width, |block| {
            numbers.extend_from_slice(block);
            if format == Format::Q4 {
                sums.push(block.iter().sum());
            }
        });
        Self { rows, numbers, sums }
    }
}

fn ordered(format: Format, x: &[f32], width: usize, mut put: impl FnMut(&[f32; BLOCK])) {
    let place = match format {
        Format::Q8 => place::<8>,
        Format::Q4 => place::<4>,
    };
    for row in x.chunks_exact(width) {
        for part in row.chunks(BLOCK) {
            // Zeros fill up the last block of a row.
            let mut block = [0.0; BLOCK];
            block[..part.len()].copy_from_slice(part);
            put(&std::array::from_fn(|i| block[place(i)]));
        }
    }
}

/// The element of a block that stands at place `i`: byte after byte of its `WORDS` words, for q4
/// the low halves of all bytes before the high ones.
fn place<const WORDS: usize>(i: usize) -> usize {
    let (bytes, fields) = (4 * WORDS, BLOCK / WORDS / 4);
    let (byte, half) = (i % bytes, i / bytes);
    // Field `j` of word `w` holds element `j * WORDS + w`.
    (byte % 4 * fields + half) * WORDS + byte / 4
}

/// Most steps that a number is rounded to.
const MOST: f32 = 32767.0;

/// The step of a span: its largest magnitude has the most; NaN where a number is not finite.
fn step(span: &[f32]) -> f32 {
    // Eight lanes at a time. `max` passes NaN over, so it is looked for: 0 times it is NaN.
    let (mut top, mut none) = ([0.0f32; 8], [0.0f32; 8]);
    let (whole, rest) = span.as_chunks::<8>();
    for x in whole {
        for l in 0..8 {
            top[l] = top[l].max(x[l].abs());
            none[l] += x[l] * 0.0;
        }
    }
    let top = top.iter().chain(rest).fold(0.0, |top: f32, x| top.max(x.abs()));
    top / MOST + none.into_iter().chain(rest.iter().map(|x| x * 0.0)).sum::<f32>()
}

/// To the nearest whole number, or the even one of two. Where the instruction for it is missing,
/// adding a number beyond which f32 has no fractions, and taking it away, is quicker than a call.
fn round(x: f32) -> i16 {
    const WHOLE: f32 = 12_582_912.0;
    (x + WHOLE - WHOLE) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_half_a_step_and_keep_their_places() {
        let x: Vec<f32> = (0..70).map(|i| ((i * 37) % 71) as f32 - 35.0).collect();
        for format in [Format::Q8, Format::Q4] {
            let input = Input::new(format, &x, 70);
            assert_eq!((input.rows, input.blocks.len(), input.steps.len()), (1, 3, 1));
            for (b, part) in x.chunks(BLOCK).enumerate() {
                let mut seen: Vec<f32> =
                    input.blocks[b].iter().map(|&x| f32::from(x) * input.steps[b / SPAN]).collect();
                let mut given = [part, &[0.0; BLOCK][part.len()..]].concat();
                seen.sort_by(f32::total_cmp);
                given.sort_by(f32::total_cmp);
                for (seen, given) in seen.iter().zip(&given) {
                    assert!(
                        (seen - given).abs() <= 0.5001 * input.steps[b / SPAN],
                        "{seen} {given}"
                    );
                }
                let found = input.sums.get(b).copied();
                assert_eq!(found.is_some(), format == Format::Q4);
                let sum: f32 = part.iter().sum();
                assert!(found.is_none_or(|found| (found - sum).abs() < 0.02), "{found:?} {sum}");
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_so_and_what_is_tiny_becomes_zero() {
        let step = |x: f32| Input::new(Format::Q8, &[1.0, x, -2.0], 3).steps[0];
        assert!([f32::NAN, f32::INFINITY, f32::NEG_INFINITY].iter().all(|&x| step(x).is_nan()));
        assert_eq!(step(0.5), 2.0 / MOST);
        let tiny = Input::new(Format::Q8, &[1e-39; 32], 32);
        assert_eq!((tiny.blocks[0], tiny.steps[0] < 1e-38), ([0; 32], true));
    }
}
