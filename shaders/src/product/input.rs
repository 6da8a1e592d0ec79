//! The input in the order in which a block's weights leave their words.

use crate::packed::{BLOCK, Format};

/// Rows of whole blocks.
pub(super) struct Input {
    /// Rows.
    pub rows: usize,
    /// `[rows, blocks]`: for q8 in the order of the bytes in memory, for q4 in the order of the
    /// elements, divided by the power of 16 that the nibble is multiplied with where it stands.
    pub blocks: Vec<[f32; BLOCK]>,
    /// `[rows, blocks]`, the sum of each; empty for q8, which has no minima.
    pub sums: Vec<f32>,
}

impl Input {
    /// # Shapes
    /// `x` `[rows, width]`; an incomplete last row is left out
    pub fn new(format: Format, x: &[f32], width: usize) -> Self {
        let rows = x.len() / width;
        let mut blocks = Vec::with_capacity(rows * width.div_ceil(BLOCK));
        let mut sums = Vec::new();
        for row in x.chunks_exact(width) {
            for part in row.chunks(BLOCK) {
                // Zeros fill up the last block of a row.
                let mut block = [0.0; BLOCK];
                block[..part.len()].copy_from_slice(part);
                blocks.push(match format {
                    // Byte 4 w + j holds element 8 j + w.
                    Format::Q8 => std::array::from_fn(|i| block[i % 4 * 8 + i / 4]),
                    Format::Q4 => {
                        sums.push(block.iter().sum());
                        std::array::from_fn(|i| block[i] * STEPS[i / 4 % 4])
                    }
                });
            }
        }
        Self { rows, blocks, sums }
    }
}

/// The nibbles of half a word, as they stand there, are multiples of these inverses.
const STEPS: [f32; 4] = [1.0, 1.0 / 16.0, 1.0 / 256.0, 1.0 / 4096.0];
