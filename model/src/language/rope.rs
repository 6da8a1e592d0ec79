//! Rotary position codes in the rotate-half layout of Hugging Face's Llama weights.

use super::config::{LlamaConfig, RopeScaling};
use burn::tensor::{DType, Device, Tensor, TensorData};
use std::f64::consts::TAU;

/// The position of every token, given explicitly because training packs several dialogues about
/// one picture into a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions {
    rows: Vec<Vec<u32>>,
}

impl Positions {
    /// One list of positions per row of the batch.
    pub fn new(rows: Vec<Vec<u32>>) -> Self {
        Self { rows }
    }

    /// `start, start + 1, ...` in every row.
    pub fn sequence(batch: usize, start: usize, length: usize) -> Self {
        let row: Vec<u32> = (start..start + length).map(|p| p as u32).collect();
        Self { rows: vec![row; batch] }
    }

    /// Whether these are positions for a `[batch, length]` of tokens.
    pub fn fit(&self, batch: usize, length: usize) -> bool {
        self.rows.len() == batch && self.rows.iter().all(|row| row.len() == length)
    }
}

/// Angle per position for each pair of a head's channels.
#[derive(Debug, Clone)]
pub(super) struct Rope {
    frequencies: Vec<f64>,
}

impl Rope {
    pub fn new(config: &LlamaConfig) -> Self {
        let dim = config.head_width();
        let frequencies = (0..dim / 2)
            .map(|i| config.rope_theta.powf(-2.0 * i as f64 / dim as f64))
            .map(|f| scale(f, config.rope_scaling))
            .collect();
        Self { frequencies }
    }

    /// Sines and cosines for all tokens, shared by all layers and heads.
    ///
    /// They are computed here in f64 and rounded once: an f32 angle at position 2000 is wrong in
    /// the fourth digit.
    pub fn rotation(&self, positions: &Positions, device: &Device, dtype: DType) -> Rotation {
        let half = self.frequencies.len();
        let batch = positions.rows.len();
        let length = positions.rows.first().map_or(0, Vec::len);
        let mut cos = vec![0.0f32; batch * length * 2 * half];
        let mut sin = cos.clone();
        let tokens = positions.rows.iter().flatten();
        let tables = cos.chunks_exact_mut(2 * half).zip(sin.chunks_exact_mut(2 * half));
        for (&position, (cos, sin)) in tokens.zip(tables) {
            let (cos_low, cos_high) = cos.split_at_mut(half);
            let (sin_low, sin_high) = sin.split_at_mut(half);
            for (i, frequency) in self.frequencies.iter().enumerate() {
                let (s, c) = (f64::from(position) * frequency).sin_cos();
                (cos_low[i], cos_high[i]) = (c as f32, c as f32);
                (sin_low[i], sin_high[i]) = (-s as f32, s as f32);
            }
        }
        let shape = [batch, 1, length, 2 * half];
        let table = |values| Tensor::from_data(TensorData::new(values, shape), (device, dtype));
        Rotation { cos: table(cos), sin: table(sin) }
    }
}

/// Tables `[batch, 1, length, head_dim]`; the first half of `sin` is negated so that rotating
/// needs no negation of activations.
#[derive(Debug, Clone)]
pub(super) struct Rotation {
    cos: Tensor<4>,
    sin: Tensor<4>,
}

impl Rotation {
    /// # Shapes
    /// `[batch, heads, length, head_dim]`, unchanged
    pub fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        let half = x.dims()[3] / 2;
        let low = x.clone().narrow(3, 0, half);
        let high = x.clone().narrow(3, half, half);
        x * self.cos.clone() + Tensor::cat(vec![high, low], 3) * self.sin.clone()
    }
}

fn scale(frequency: f64, scaling: Option<RopeScaling>) -> f64 {
    match scaling {
        None => frequency,
        Some(RopeScaling::Linear { factor }) => frequency / factor,
        Some(RopeScaling::Llama3 {
            factor,
            low_freq_factor: low,
            high_freq_factor: high,
            original_max_position_embeddings: original,
        }) => {
            // Full turns over the original context: many turns are kept, few are stretched.
            let turns = original * frequency / TAU;
            let keep = ((turns - low) / (high - low)).clamp(0.0, 1.0);
            frequency * (keep + (1.0 - keep) / factor)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama3_scaling_keeps_short_and_stretches_long_wavelengths() {
        let scaling = Some(RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 8192.0,
        });
        let at = |wavelength: f64| scale(TAU / wavelength, scaling) * wavelength / TAU;
        assert!((at(2000.0) - 1.0).abs() < 1e-12);
        assert!((at(9000.0) - 0.125).abs() < 1e-12);
        // Halfway between 1 and 4 turns: the mean of both.
        assert!((at(8192.0 / 2.5) - 0.5625).abs() < 1e-12);
    }
}
