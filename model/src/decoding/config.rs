//! The sizes of a decoder, with the field names of the reference's `config.json`.

use crate::layers::Activation;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a query may look at in self-attention, and where its position comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryMask {
    /// The published behaviour: the list is cut or padded to `num_queries`, the position is the
    /// place in the whole list, and all queries see each other, unused ones too.
    Reference,
    /// A reference sees those of its own triplet only and its position is its place inside the
    /// triplet, so what else is decoded in the same call changes nothing.
    #[default]
    Group,
}

/// The position code of a decoder's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Positions {
    /// The published behaviour: DETR's sine code, in the attention's keys alone.
    #[default]
    Keys,
    /// [`crate::layers::octave_position`] in keys, values and per-pixel embeddings, and learned
    /// query positions start small. Large pretrained towers make up for what the published code
    /// lacks; small ones learn to point several times faster with this.
    Octaves,
}

/// Sizes of one decoder; the default is the published box decoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DecoderConfig {
    /// Rows of the learned query positions; with [`QueryMask::Reference`] also the most
    /// references one picture can have.
    pub num_queries: usize,
    /// Width of the reference states (the reference spells it so).
    pub quries_input_dim: usize,
    /// Maps of the pyramid that are used, finest first.
    pub encoder_input_index: Vec<usize>,
    /// Channels of those maps.
    pub encoder_input_dim: Vec<usize>,
    /// Transformer layers.
    pub decoder_layers: usize,
    /// Transformer layers of the keypoint stage; `decoder_layers` when absent.
    pub kpt_decoder_layers: Option<usize>,
    /// Width of the feed-forward part.
    pub decoder_ffn_dim: usize,
    /// Attention heads.
    pub decoder_attention_heads: usize,
    /// Activation of the feed-forward part.
    pub activation_function: Activation,
    /// Width of the transformer.
    pub d_model: usize,
    /// Dropout on the residual branches, in training only.
    pub dropout: f64,
    /// Channels inside the feature pyramid network.
    pub fpn_feature_size: usize,
    /// Channels of the per-pixel embedding.
    pub mask_feature_size: usize,
    /// Groups of the group norms in the feature pyramid network.
    pub norm_groups: usize,
    /// Points of a body.
    pub num_body_points: usize,
    /// How queries see each other.
    pub query_mask: QueryMask,
    /// Which position code is used, and where.
    pub positions: Positions,
    /// Whether a head predicts the quality of each unit.
    pub confidence: bool,
}

impl Default for DecoderConfig {
    fn default() -> Self {
        Self {
            num_queries: 100,
            quries_input_dim: 4096,
            encoder_input_index: vec![0, 1, 2, 4],
            encoder_input_dim: vec![192, 384, 768, 1024],
            decoder_layers: 6,
            kpt_decoder_layers: None,
            decoder_ffn_dim: 2048,
            decoder_attention_heads: 8,
            activation_function: Activation::Relu,
            d_model: 256,
            dropout: 0.0,
            fpn_feature_size: 256,
            mask_feature_size: 256,
            norm_groups: 32,
            num_body_points: 17,
            query_mask: QueryMask::default(),
            positions: Positions::default(),
            confidence: false,
        }
    }
}

/// Why a decoder can't be built from a configuration.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum DecoderConfigError {
    /// A size is zero.
    #[error("decoder config: `{0}` is 0; it must be at least 1")]
    Zero(&'static str),
    /// Two sizes do not fit together.
    #[error(
        "decoder config: `{field}` = {value} must be a multiple of {of}; change one of the two"
    )]
    NotMultiple {
        /// The field.
        field: &'static str,
        /// Its value.
        value: usize,
        /// What must divide it.
        of: usize,
    },
    /// The two lists of levels differ in length.
    #[error(
        "decoder config: `encoder_input_index` has {index} entries and `encoder_input_dim` {dim}; \
         list the channels of each selected map"
    )]
    Levels {
        /// Entries of `encoder_input_index`.
        index: usize,
        /// Entries of `encoder_input_dim`.
        dim: usize,
    },
    /// Dropout is not a probability below 1.
    #[error("decoder config: `dropout` is {0}; it must be at least 0 and below 1")]
    Dropout(f64),
    /// A selected map does not exist or has other channels.
    #[error(
        "decoder config: map {index} should have {want} channels but the vision pyramid offers \
         {got:?}; correct `encoder_input_index` or `encoder_input_dim`"
    )]
    Channels {
        /// The selected map.
        index: usize,
        /// Channels the config names.
        want: usize,
        /// Channels the map has; `None` where the map does not exist.
        got: Option<usize>,
    },
}

impl DecoderConfig {
    /// # Errors
    /// When no decoder of these sizes can exist.
    pub fn validate(&self) -> Result<(), DecoderConfigError> {
        let sizes = [
            ("num_queries", self.num_queries),
            ("quries_input_dim", self.quries_input_dim),
            ("encoder_input_index", self.encoder_input_index.len()),
            ("encoder_input_dim", self.encoder_input_dim.iter().copied().min().unwrap_or(0)),
            ("decoder_layers", self.decoder_layers),
            ("kpt_decoder_layers", self.keypoint_layers()),
            ("decoder_ffn_dim", self.decoder_ffn_dim),
            ("decoder_attention_heads", self.decoder_attention_heads),
            ("d_model", self.d_model),
            ("fpn_feature_size", self.fpn_feature_size),
            ("mask_feature_size", self.mask_feature_size),
            ("norm_groups", self.norm_groups),
            ("num_body_points", self.num_body_points),
        ];
        if let Some((field, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(DecoderConfigError::Zero(field));
        }
        let (index, dim) = (self.encoder_input_index.len(), self.encoder_input_dim.len());
        if index != dim {
            return Err(DecoderConfigError::Levels { index, dim });
        }
        // The position code splits the width into an x and a y half of sine and cosine pairs.
        for (field, value, of) in [
            ("d_model", self.d_model, self.decoder_attention_heads),
            ("d_model", self.d_model, 4),
            ("fpn_feature_size", self.fpn_feature_size, self.norm_groups),
        ] {
            if value % of != 0 {
                return Err(DecoderConfigError::NotMultiple { field, value, of });
            }
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(DecoderConfigError::Dropout(self.dropout));
        }
        Ok(())
    }

    /// Compares the selected maps with the channels of the pyramid's maps.
    ///
    /// # Errors
    /// When a selected map is missing or has other channels.
    pub fn check_channels(&self, pyramid: &[usize]) -> Result<(), DecoderConfigError> {
        check_channels(&self.encoder_input_index, &self.encoder_input_dim, pyramid)
    }

    /// Layers of the keypoint stage.
    pub(crate) fn keypoint_layers(&self) -> usize {
        self.kpt_decoder_layers.unwrap_or(self.decoder_layers)
    }

    /// Standard deviation that learned query positions are drawn with.
    pub(crate) fn position_std(&self) -> f64 {
        match self.positions {
            Positions::Keys => 1.0,
            Positions::Octaves => 0.02,
        }
    }

    /// Channels of the coarsest selected map.
    pub(crate) fn coarsest_dim(&self) -> usize {
        self.encoder_input_dim.last().copied().unwrap_or(0)
    }
}

/// Compares the channels that a decoder expects of its maps with those of the pyramid's maps.
///
/// # Errors
/// When a selected map is missing or has other channels.
pub(crate) fn check_channels(
    index: &[usize],
    channels: &[usize],
    pyramid: &[usize],
) -> Result<(), DecoderConfigError> {
    for (&index, &want) in index.iter().zip(channels) {
        let got = pyramid.get(index).copied();
        if got != Some(want) {
            return Err(DecoderConfigError::Channels { index, want, got });
        }
    }
    Ok(())
}
