//! Block-quantised matrices.
//!
//! A row is cut into blocks of 32 along the input. A weight is `q * scale` with one scale per
//! block, rounded to f16, and `q` a signed integer: 8 bits in -127..=127 (`q8`, 8.5 bits per
//! weight) or 4 bits in -8..=7 (`q4`, 4.5 bits per weight).
//!
//! **Layout.** A block is `W` words of 32 bits, 8 for q8 and 4 for q4. Field `j` of word `w`,
//! counted from the low bits, holds element `j * W + w` of the block. So the same field of
//! neighbouring words are neighbouring elements: a kernel loads the words as a vector, shifts all
//! of them alike, and multiplies with a plain run of the input, on a GPU (`vec4<u32>` against
//! `vec4<f32>`) as with SIMD. Nibbles are stored with 8 added, bytes as two's complement.
//!
//! **Scales.** q8 takes the largest magnitude over 127 (relative error of normal weights 0.54 %).
//! q4 searches a symmetric scale: least squares over trial scales of both signs, as only one side
//! has the level 8. Measured on normal weights: largest magnitude over 7 gives 9.6 %, the search
//! 8.1 %, both at 4.5 bits per weight; a scale and a minimum 7.8 % at 5 bits. The search was
//! chosen because it needs no third tensor and keeps products free of a sum over the input.

use half::f16;
use thiserror::Error;

/// Weights that share a scale.
pub const BLOCK: usize = 32;

/// How weights are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// 8 bits and an f16 scale per 32 weights.
    Q8,
    /// 4 bits and an f16 scale per 32 weights.
    Q4,
}

impl Format {
    /// Words of 32 bits per block.
    pub const fn words_per_block(self) -> usize {
        BLOCK / self.per_word()
    }

    /// Weights in a word of 32 bits.
    pub const fn per_word(self) -> usize {
        match self {
            Format::Q8 => 4,
            Format::Q4 => 8,
        }
    }
}

/// Why weights can't be packed or a packed matrix can't be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PackError {
    /// Rows are no whole number of blocks.
    #[error("rows of {0} weights are no whole number of blocks of 32; keep this matrix unpacked")]
    Width(usize),
    /// Weights, words or scales don't fit the shape.
    #[error("{what}: {found} given, {expected} expected for the shape")]
    Length {
        /// Weights, words or scales.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many the shape needs.
        expected: usize,
    },
    /// A weight or scale is not finite, or too large for a scale in f16.
    #[error("row {row}: a weight is not finite or too large to pack; check the training run")]
    NotFinite {
        /// Row of the matrix.
        row: usize,
    },
}

/// A matrix `[out, in]` in packed form.
#[derive(Debug, Clone, PartialEq)]
pub struct Packed {
    format: Format,
    shape: [usize; 2],
    words: Vec<u32>,
    // Widened from f16 once: most CPUs, and wasm, widen slowly.
    scales: Vec<f32>,
}

impl Packed {
    /// Quantises a row-major matrix.
    ///
    /// # Errors
    /// When `in` is no multiple of 32, lengths don't agree, or a weight can't be represented.
    pub fn pack(format: Format, weights: &[f32], shape: [usize; 2]) -> Result<Self, PackError> {
        let [out, width] = shape;
        let blocks = blocks(shape)?;
        let expected = out * width;
        if weights.len() != expected {
            return Err(PackError::Length { what: "weights", found: weights.len(), expected });
        }
        let mut words = Vec::with_capacity(blocks * format.words_per_block());
        let mut scales = Vec::with_capacity(blocks);
        for (i, block) in weights.as_chunks::<BLOCK>().0.iter().enumerate() {
            let (scale, levels) = match format {
                Format::Q8 => quantise_q8(block),
                Format::Q4 => quantise_q4(block),
            };
            if !scale.is_finite() || block.iter().any(|w| !w.is_finite()) {
                return Err(PackError::NotFinite { row: i * BLOCK / width });
            }
            scales.push(scale);
            push_words(format, &levels, &mut words);
        }
        Ok(Self { format, shape, words, scales })
    }

    /// A matrix from its stored parts: `words` `[out, in / (4 or 8)]`, `scales` `[out, in / 32]`.
    ///
    /// # Errors
    /// When lengths don't agree with the shape or a scale is not finite.
    pub fn from_parts(
        format: Format,
        shape: [usize; 2],
        words: Vec<u32>,
        scales: &[f16],
    ) -> Result<Self, PackError> {
        let blocks = blocks(shape)?;
        let per_block = format.words_per_block();
        let lengths = [("words", words.len(), per_block), ("scales", scales.len(), 1)];
        for (what, found, per_block) in lengths {
            // Compared by division: a hostile shape may overflow a product.
            if found / per_block != blocks || found % per_block != 0 {
                let expected = blocks.saturating_mul(per_block);
                return Err(PackError::Length { what, found, expected });
            }
        }
        if let Some(i) = scales.iter().position(|s| !s.is_finite()) {
            return Err(PackError::NotFinite { row: i * BLOCK / shape[1] });
        }
        let scales = scales.iter().map(|s| s.to_f32()).collect();
        Ok(Self { format, shape, words, scales })
    }

    /// How the weights are packed.
    pub fn format(&self) -> Format {
        self.format
    }

    /// `[out, in]`.
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// The packed weights, `[out, in / (4 or 8)]`.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// The scales, `[out, in / 32]`; all are exact in f16.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// The matrix in f32, row-major.
    pub fn unpack(&self) -> Vec<f32> {
        let mut weights = vec![0.0; self.scales.len() * BLOCK];
        self.unpack_blocks(0, &mut weights);
        weights
    }

    /// One row in f32; none beyond the last.
    pub fn unpack_row(&self, row: usize) -> Option<Vec<f32>> {
        let [out, width] = self.shape;
        if row >= out {
            return None;
        }
        let mut weights = vec![0.0; width];
        self.unpack_blocks(row * (width / BLOCK), &mut weights);
        Some(weights)
    }

    fn unpack_blocks(&self, first: usize, weights: &mut [f32]) {
        let per_block = self.format.words_per_block();
        let words = self.words.chunks_exact(per_block).skip(first);
        let scales = self.scales.iter().skip(first);
        let bits = 32 / self.format.per_word();
        for ((block, words), scale) in weights.chunks_exact_mut(BLOCK).zip(words).zip(scales) {
            for (j, run) in block.chunks_exact_mut(per_block).enumerate() {
                for (weight, &word) in run.iter_mut().zip(words) {
                    *weight = level(self.format, word >> (j * bits)) as f32 * scale;
                }
            }
        }
    }
}

fn blocks([out, width]: [usize; 2]) -> Result<usize, PackError> {
    if width == 0 || width % BLOCK != 0 {
        return Err(PackError::Width(width));
    }
    let expected = usize::MAX;
    let too_large = PackError::Length { what: "rows", found: out, expected };
    out.checked_mul(width).map(|weights| weights / BLOCK).ok_or(too_large)
}

/// The integer in the lowest field of a word.
fn level(format: Format, word: u32) -> i32 {
    match format {
        Format::Q8 => i32::from(word as u8 as i8),
        Format::Q4 => (word & 15) as i32 - 8,
    }
}

fn push_words(format: Format, levels: &[i8; BLOCK], words: &mut Vec<u32>) {
    let per_block = format.words_per_block();
    let bits = 32 / format.per_word();
    for w in 0..per_block {
        let mut word = 0;
        for (j, &level) in levels.iter().skip(w).step_by(per_block).enumerate() {
            let field = match format {
                Format::Q8 => u32::from(level as u8),
                Format::Q4 => (i32::from(level) + 8) as u32,
            };
            word |= field << (j * bits);
        }
        words.push(word);
    }
}

fn largest(block: &[f32; BLOCK]) -> f32 {
    block.iter().fold(0.0, |m, w| m.max(w.abs()))
}

fn round_to_f16(x: f32) -> f32 {
    f16::from_f32(x).to_f32()
}

/// Nearest levels at a scale; all zero at scale 0.
fn levels(block: &[f32; BLOCK], scale: f32, low: f32, high: f32) -> [i8; BLOCK] {
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    block.map(|w| (w * inverse).round().clamp(low, high) as i8)
}

fn quantise_q8(block: &[f32; BLOCK]) -> (f32, [i8; BLOCK]) {
    let scale = round_to_f16(largest(block) / 127.0);
    (scale, levels(block, scale, -127.0, 127.0))
}

fn quantise_q4(block: &[f32; BLOCK]) -> (f32, [i8; BLOCK]) {
    let top = largest(block);
    let mut best = (f32::INFINITY, 0.0, [0; BLOCK]);
    // Levels for the largest weight: beyond 8 it is clipped in favour of the others.
    for step in 0..12 {
        for sign in [1.0, -1.0] {
            let trial = sign * top / (6.0 + 0.25 * step as f32);
            let first = levels(block, trial, -8.0, 7.0);
            let (mut wq, mut qq) = (0.0f32, 0.0f32);
            for (&w, &q) in block.iter().zip(&first) {
                wq += w * f32::from(q);
                qq += f32::from(q) * f32::from(q);
            }
            let scale = round_to_f16(if qq > 0.0 { wq / qq } else { trial });
            let found = levels(block, scale, -8.0, 7.0);
            let error: f32 =
                block.iter().zip(&found).map(|(w, &q)| (w - f32::from(q) * scale).powi(2)).sum();
            if error < best.0 {
                best = (error, scale, found);
            }
        }
    }
    // No trial is better than infinitely bad only if a weight or a scale overflows.
    if best.0.is_finite() { (best.1, best.2) } else { (f32::INFINITY, best.2) }
}
