//! Block-quantised matrices.
//!
//! A row is cut into blocks of 32 along the input. In `q8` a weight is `q * scale` with `q` in
//! -127..=127 (8.5 bits per weight), in `q4` it is `q * scale + minimum` with `q` in 0..=15 (5 bits
//! per weight). Each block has its own scale and minimum, rounded to f16.
//!
//! **Layout.** A block is `W` words of 32 bits, 8 for q8 and 4 for q4. Field `j` of word `w`,
//! counted from the low bits, holds element `j * W + w` of the block. So the same field of
//! neighbouring words are neighbouring elements: a kernel loads the words as a vector, shifts all
//! of them alike, and multiplies with a plain run of the input, on a GPU (`vec4<u32>` against
//! `vec4<f32>`) as with SIMD. Bytes are two's complement. Scales are stored `[out, blocks]` for q8
//! and `[out, blocks, 2]` for q4, the scale before the minimum; `blocks` is those of a row.
//!
//! **Any width.** The last block of a row is filled up: fields beyond the width are 0 and have no
//! part in the choice of the scale. Products fill up their input with zeros, so whatever those
//! fields stand for (in q4 the minimum) adds nothing.
//!
//! **Scales.** q8 takes the largest magnitude over 127 (relative error of normal weights 0.54 %).
//! q4 tries scales, fits scale and minimum to the levels of each by least squares, and keeps the
//! best (7.2 %). The pairs of ggml's Q4_0 and Q4_1 are among what is tried: weights that come from
//! such a file are found again to the bit.

use half::f16;
use thiserror::Error;

/// Weights that share a scale.
pub const BLOCK: usize = 32;

/// How weights are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// 8 bits and an f16 scale per 32 weights.
    Q8,
    /// 4 bits, and a scale and a minimum in f16, per 32 weights.
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

    /// Numbers in f16 per block: a scale, and the minimum if it has one.
    pub const fn scales_per_block(self) -> usize {
        match self {
            Format::Q8 => 1,
            Format::Q4 => 2,
        }
    }
}

/// Why weights can't be packed or a packed matrix can't be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PackError {
    /// Rows hold no weight.
    #[error("the matrix has rows without weights; keep it unpacked")]
    Empty,
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
    // None for q8.
    minima: Vec<f32>,
}

impl Packed {
    /// Quantises a row-major matrix.
    ///
    /// # Errors
    /// When `in` is 0, lengths don't agree, or a weight can't be represented.
    pub fn pack(format: Format, weights: &[f32], shape: [usize; 2]) -> Result<Self, PackError> {
        let [out, width] = shape;
        let blocks = blocks(shape)?;
        let expected = out * width;
        if weights.len() != expected {
            return Err(PackError::Length { what: "weights", found: weights.len(), expected });
        }
        let mut words = Vec::with_capacity(blocks * format.words_per_block());
        let mut scales = Vec::with_capacity(blocks * format.scales_per_block());
        for (row, weights) in weights.chunks_exact(width).enumerate() {
            for weights in weights.chunks(BLOCK) {
                let (found, levels) = match format {
                    Format::Q8 => quantise_q8(weights),
                    Format::Q4 => quantise_q4(weights),
                };
                let found = &found[..format.scales_per_block()];
                if found.iter().chain(weights).any(|value| !value.is_finite()) {
                    return Err(PackError::NotFinite { row });
                }
                scales.extend(found);
                push_words(format, &levels, &mut words);
            }
        }
        Ok(Self::joined(format, shape, words, scales))
    }

    /// A matrix from its stored parts: `words` `[out, blocks * (8 or 4)]` and `scales`
    /// `[out, blocks]`, or `[out, blocks, 2]` where there are minima. `in` is the width without what
    /// fills up the last block.
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
        let lengths = [
            ("words", words.len(), per_block),
            ("scales", scales.len(), format.scales_per_block()),
        ];
        for (what, found, per_block) in lengths {
            // Compared by division: a hostile shape may overflow a product.
            if found / per_block != blocks || found % per_block != 0 {
                let expected = blocks.saturating_mul(per_block);
                return Err(PackError::Length { what, found, expected });
            }
        }
        if let Some(i) = scales.iter().position(|s| !s.is_finite()) {
            let row = i / format.scales_per_block() / shape[1].div_ceil(BLOCK);
            return Err(PackError::NotFinite { row });
        }
        let scales = scales.iter().map(|s| s.to_f32()).collect();
        Ok(Self::joined(format, shape, words, scales))
    }

    fn joined(format: Format, shape: [usize; 2], words: Vec<u32>, scales: Vec<f32>) -> Self {
        let (scales, minima) = match format {
            Format::Q8 => (scales, Vec::new()),
            Format::Q4 => {
                scales.as_chunks().0.iter().map(|&[scale, minimum]| (scale, minimum)).unzip()
            }
        };
        Self { format, shape, words, scales, minima }
    }

    /// How the weights are packed.
    pub fn format(&self) -> Format {
        self.format
    }

    /// `[out, in]`.
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Blocks of a row, the last one filled up.
    pub fn row_blocks(&self) -> usize {
        self.shape[1].div_ceil(BLOCK)
    }

    /// The same matrix with rows of another width; none where that takes another number of blocks.
    /// Stored parts tell blocks only, so who knows the width says it.
    pub fn with_width(self, width: usize) -> Option<Self> {
        let shape = [self.shape[0], width];
        (width.div_ceil(BLOCK) == self.row_blocks()).then_some(Self { shape, ..self })
    }

    /// The packed weights, `[out, blocks * (8 or 4)]`.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// The scales, `[out, blocks]`; all are exact in f16.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// The minima of q4, `[out, blocks]`, exact in f16; empty for q8.
    pub fn minima(&self) -> &[f32] {
        &self.minima
    }

    /// Scales and minima as [`from_parts`](Self::from_parts) takes them.
    pub fn stored_scales(&self) -> Vec<f16> {
        let half = |&value: &f32| f16::from_f32(value);
        match self.format {
            Format::Q8 => self.scales.iter().map(half).collect(),
            Format::Q4 => {
                let pairs = self.scales.iter().zip(&self.minima);
                pairs.flat_map(|(scale, minimum)| [half(scale), half(minimum)]).collect()
            }
        }
    }

    /// The matrix in f32, row-major.
    pub fn unpack(&self) -> Vec<f32> {
        let [out, width] = self.shape;
        let mut weights = vec![0.0; out * width];
        for (row, weights) in weights.chunks_exact_mut(width).enumerate() {
            self.unpack_into(row, weights);
        }
        weights
    }

    /// One row in f32; none beyond the last.
    pub fn unpack_row(&self, row: usize) -> Option<Vec<f32>> {
        let [out, width] = self.shape;
        if row >= out {
            return None;
        }
        let mut weights = vec![0.0; width];
        self.unpack_into(row, &mut weights);
        Some(weights)
    }

    fn unpack_into(&self, row: usize, weights: &mut [f32]) {
        let first = row * self.row_blocks();
        let per_block = self.format.words_per_block();
        let bits = 32 / self.format.per_word();
        let words = self.words.chunks_exact(per_block).skip(first);
        for (b, (block, words)) in weights.chunks_mut(BLOCK).zip(words).enumerate() {
            let scale = self.scales[first + b];
            for (j, run) in block.chunks_mut(per_block).enumerate() {
                for (weight, &word) in run.iter_mut().zip(words) {
                    let field = word >> (j * bits);
                    *weight = match self.format {
                        Format::Q8 => f32::from(field as u8 as i8) * scale,
                        // The product is exact, so that fused or not it is the same sum.
                        Format::Q4 => (field & 15) as f32 * scale + self.minima[first + b],
                    };
                }
            }
        }
    }
}

fn blocks([out, width]: [usize; 2]) -> Result<usize, PackError> {
    if width == 0 {
        return Err(PackError::Empty);
    }
    let expected = usize::MAX;
    let too_large = PackError::Length { what: "rows", found: out, expected };
    // There are no more blocks than weights, so their number overflows no sooner.
    out.checked_mul(width).map(|_| out * width.div_ceil(BLOCK)).ok_or(too_large)
}

fn push_words(format: Format, levels: &[i8; BLOCK], words: &mut Vec<u32>) {
    let per_block = format.words_per_block();
    let bits = 32 / format.per_word();
    for w in 0..per_block {
        let fields = levels.iter().skip(w).step_by(per_block).enumerate();
        words.push(fields.fold(0, |word, (j, &level)| word | u32::from(level as u8) << (j * bits)));
    }
}

fn round_to_f16(x: f32) -> f32 {
    f16::from_f32(x).to_f32()
}

/// Nearest levels; all zero at scale 0, and beyond the end of a block that is not whole.
fn levels(block: &[f32], scale: f32, minimum: f32, low: f32, high: f32) -> [i8; BLOCK] {
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    let mut levels = [0; BLOCK];
    for (level, w) in levels.iter_mut().zip(block) {
        *level = ((w - minimum) * inverse).round().clamp(low, high) as i8;
    }
    levels
}

fn quantise_q8(block: &[f32]) -> ([f32; 2], [i8; BLOCK]) {
    let top = block.iter().fold(0.0f32, |m, w| m.max(w.abs()));
    let scale = round_to_f16(top / 127.0);
    ([scale, 0.0], levels(block, scale, 0.0, -127.0, 127.0))
}

fn quantise_q4(block: &[f32]) -> ([f32; 2], [i8; BLOCK]) {
    let low = block.iter().copied().fold(f32::INFINITY, f32::min);
    let high = block.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let largest = if high > -low { high } else { low };
    // Nothing is better than infinitely bad only if a weight or a scale overflows.
    let mut best = Attempt { error: f32::INFINITY, pair: [f32::INFINITY; 2], levels: [0; BLOCK] };
    let steps = |n: f32| (high - low) / n;
    // The whole range in 15 steps, as Q4_1 has it, and the largest weight at the level 0 that
    // stands for -8, as Q4_0 has it.
    let published = [[steps(15.0), low], [-largest / 8.0, largest]];
    // Fewer steps leave levels unused; more cut off both ends in favour of what is between.
    let centred = (0..12).map(|k| {
        let scale = steps(13.0 + 0.5 * k as f32);
        [scale, (low + high) / 2.0 - 7.5 * scale]
    });
    for pair in published.into_iter().chain(centred) {
        let first = Attempt::new(block, pair);
        let fitted = fit(block, &first.levels).map(|pair| Attempt::new(block, pair));
        for attempt in [Some(first), fitted].into_iter().flatten() {
            if attempt.error < best.error {
                best = attempt;
            }
        }
        if best.error == 0.0 {
            break;
        }
    }
    (best.pair, best.levels)
}

/// What a scale and a minimum make of a block of q4.
struct Attempt {
    /// Squared.
    error: f32,
    pair: [f32; 2],
    levels: [i8; BLOCK],
}

impl Attempt {
    fn new(block: &[f32], pair: [f32; 2]) -> Self {
        let pair @ [scale, minimum] = pair.map(round_to_f16);
        let levels = levels(block, scale, minimum, 0.0, 15.0);
        let off = |(w, &q): (&f32, &i8)| (w - (f32::from(q) * scale + minimum)).powi(2);
        let error = block.iter().zip(&levels).map(off).sum();
        Self { error, pair, levels }
    }
}

/// Scale and minimum with the least squared error at given levels; none where all are equal.
fn fit(block: &[f32], levels: &[i8; BLOCK]) -> Option<[f32; 2]> {
    let (mut q1, mut q2, mut w1, mut wq) = (0.0, 0.0, 0.0, 0.0);
    for (&w, &q) in block.iter().zip(levels) {
        let q = f32::from(q);
        q1 += q;
        q2 += q * q;
        w1 += w;
        wq += w * q;
    }
    let count = block.len() as f32;
    let spread = count * q2 - q1 * q1;
    let scale = (count * wq - w1 * q1) / spread;
    (spread > 0.0).then(|| [scale, (w1 - scale * q1) / count])
}
