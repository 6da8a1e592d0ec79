//! Sizes of a Llama, with the field names of Hugging Face's `config.json`.

use crate::layers::{Activation, LayerLinears, LoraConfig, LoraError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Sizes and constants of a Llama family decoder. Fields of a `config.json` that are not named
/// here are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LlamaConfig {
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Width of a hidden state.
    pub hidden_size: usize,
    /// Width inside the gated perceptron.
    pub intermediate_size: usize,
    /// Decoder layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; as many as query heads when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_key_value_heads: Option<usize>,
    /// Width of a head; `hidden_size / num_attention_heads` when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_dim: Option<usize>,
    /// The longest sequence trained on.
    #[serde(default = "default_max_positions")]
    pub max_position_embeddings: usize,
    /// Base of the rotary wavelengths.
    #[serde(default = "default_rope_theta")]
    pub rope_theta: f64,
    /// Stretching of the rotary wavelengths for longer contexts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rope_scaling: Option<RopeScaling>,
    /// Added to the mean square before the root.
    #[serde(default = "default_rms_norm_eps")]
    pub rms_norm_eps: f64,
    /// Whether the output projection is the embedding table.
    #[serde(default)]
    pub tie_word_embeddings: bool,
    /// Non-linearity of the gate.
    #[serde(default = "default_activation")]
    pub hidden_act: Activation,
    /// Keys further back than this are not attended to (Mistral).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sliding_window: Option<usize>,
    /// Standard deviation of new weights.
    #[serde(default = "default_initializer_range")]
    pub initializer_range: f64,
    /// Low-rank adapters of linear maps; ours, no key of Hugging Face's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraConfig>,
}

/// What can have an adapter.
pub(super) const LINEARS: LayerLinears<7> = LayerLinears {
    layers: "model.layers",
    names: [
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.o_proj",
        "mlp.gate_proj",
        "mlp.up_proj",
        "mlp.down_proj",
    ],
};
/// The output projection, where it is not the token table.
pub(super) const HEAD: &str = "lm_head";

fn default_max_positions() -> usize {
    2048
}

fn default_rope_theta() -> f64 {
    10_000.0
}

fn default_rms_norm_eps() -> f64 {
    1e-6
}

fn default_activation() -> Activation {
    Activation::Silu
}

fn default_initializer_range() -> f64 {
    0.02
}

/// How rotary wavelengths are stretched.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawScaling", into = "RawScaling")]
pub enum RopeScaling {
    /// Every position is divided by the factor.
    Linear {
        /// How much longer the context becomes.
        factor: f64,
    },
    /// Long wavelengths are stretched by the factor, short ones kept, those between blended
    /// (Llama 3.1).
    Llama3 {
        /// How much longer the context becomes.
        factor: f64,
        /// Wavelengths above `original / low_freq_factor` are stretched.
        low_freq_factor: f64,
        /// Wavelengths below `original / high_freq_factor` are kept.
        high_freq_factor: f64,
        /// Context before stretching.
        original_max_position_embeddings: f64,
    },
}

#[derive(Serialize, Deserialize, Default)]
struct RawScaling {
    // Files carry the kind under either key, some under both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rope_type: Option<String>,
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    factor: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    low_freq_factor: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    high_freq_factor: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    original_max_position_embeddings: Option<f64>,
}

impl TryFrom<RawScaling> for RopeScaling {
    type Error = ConfigError;

    fn try_from(raw: RawScaling) -> Result<Self, ConfigError> {
        let kind = raw.rope_type.or(raw.kind).unwrap_or_default();
        let need = |value: Option<f64>, field| value.ok_or(ConfigError::MissingScaling(field));
        match kind.as_str() {
            "linear" => Ok(RopeScaling::Linear { factor: raw.factor }),
            "llama3" => Ok(RopeScaling::Llama3 {
                factor: raw.factor,
                low_freq_factor: need(raw.low_freq_factor, "low_freq_factor")?,
                high_freq_factor: need(raw.high_freq_factor, "high_freq_factor")?,
                original_max_position_embeddings: need(
                    raw.original_max_position_embeddings,
                    "original_max_position_embeddings",
                )?,
            }),
            _ => Err(ConfigError::UnknownScaling(kind)),
        }
    }
}

impl From<RopeScaling> for RawScaling {
    fn from(scaling: RopeScaling) -> Self {
        match scaling {
            RopeScaling::Linear { factor } => {
                RawScaling { rope_type: Some("linear".into()), factor, ..Default::default() }
            }
            RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            } => RawScaling {
                rope_type: Some("llama3".into()),
                kind: None,
                factor,
                low_freq_factor: Some(low_freq_factor),
                high_freq_factor: Some(high_freq_factor),
                original_max_position_embeddings: Some(original_max_position_embeddings),
            },
        }
    }
}

/// Why a language model cannot be built from its configuration.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ConfigError {
    /// A size is zero or too large.
    #[error("language config: {field} is {value}, expected 1..={limit}; correct the config")]
    Size {
        /// Name of the field.
        field: &'static str,
        /// The value given.
        value: usize,
        /// The largest accepted.
        limit: usize,
    },
    /// The key/value heads don't divide the query heads.
    #[error(
        "language config: num_key_value_heads is {kv_heads}, which does not divide \
         num_attention_heads = {heads}; correct one of the two"
    )]
    Heads {
        /// Query heads.
        heads: usize,
        /// Key and value heads.
        kv_heads: usize,
    },
    /// The head width is odd or doesn't follow from the hidden size.
    #[error(
        "language config: hidden_size {hidden} over {heads} heads gives no even head width; \
         set head_dim"
    )]
    HeadDim {
        /// Hidden size.
        hidden: usize,
        /// Query heads.
        heads: usize,
    },
    /// A constant is not a positive number.
    #[error("language config: {field} is {value}, expected a positive number")]
    Constant {
        /// Name of the field.
        field: &'static str,
        /// The value given.
        value: f64,
    },
    /// The type of RoPE scaling is not supported.
    #[error("language config: rope_scaling type '{0}' is not supported; use linear or llama3")]
    UnknownScaling(String),
    /// A constant of the RoPE scaling is missing.
    #[error("language config: rope_scaling lacks {0}; add it")]
    MissingScaling(&'static str),
    /// The adapters' settings are wrong.
    #[error("language config: lora: {0}")]
    Lora(#[from] LoraError),
}

impl LlamaConfig {
    /// Key and value heads.
    pub fn kv_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    /// Width of a head.
    pub fn head_width(&self) -> usize {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads.max(1))
    }

    /// Checks a configuration read from outside before a model is built of it.
    ///
    /// # Errors
    /// Names the first field that can't be.
    pub fn check(&self) -> Result<(), ConfigError> {
        let sizes = [
            ("vocab_size", self.vocab_size, 1 << 22),
            ("hidden_size", self.hidden_size, 1 << 16),
            ("intermediate_size", self.intermediate_size, 1 << 18),
            ("num_hidden_layers", self.num_hidden_layers, 1 << 10),
            ("num_attention_heads", self.num_attention_heads, 1 << 10),
            ("num_key_value_heads", self.kv_heads(), 1 << 10),
            ("head_dim", self.head_width(), 1 << 12),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 24),
            ("sliding_window", self.sliding_window.unwrap_or(1), usize::MAX),
        ];
        for (field, value, limit) in sizes {
            if value == 0 || value > limit {
                return Err(ConfigError::Size { field, value, limit });
            }
        }
        let (heads, kv_heads) = (self.num_attention_heads, self.kv_heads());
        if !heads.is_multiple_of(kv_heads) {
            return Err(ConfigError::Heads { heads, kv_heads });
        }
        let derived = self.head_dim.is_none() && !self.hidden_size.is_multiple_of(heads);
        if !self.head_width().is_multiple_of(2) || derived {
            return Err(ConfigError::HeadDim { hidden: self.hidden_size, heads });
        }
        if let Some(lora) = &self.lora {
            let head: &[&str] = if self.tie_word_embeddings { &[] } else { &[HEAD] };
            lora.check(&LINEARS, self.num_hidden_layers, head)?;
        }
        let mut constants =
            vec![("rope_theta", self.rope_theta), ("rms_norm_eps", self.rms_norm_eps)];
        match self.rope_scaling {
            Some(RopeScaling::Linear { factor }) => constants.push(("factor", factor)),
            Some(RopeScaling::Llama3 {
                factor,
                low_freq_factor: low,
                high_freq_factor: high,
                original_max_position_embeddings: original,
            }) => constants.extend([
                ("factor", factor),
                ("low_freq_factor", low),
                ("high_freq_factor - low_freq_factor", high - low),
                ("original_max_position_embeddings", original),
            ]),
            None => {}
        }
        match constants.into_iter().find(|(_, v)| !(v.is_finite() && *v > 0.0)) {
            Some((field, value)) => Err(ConfigError::Constant { field, value }),
            None => Ok(()),
        }
    }
}
