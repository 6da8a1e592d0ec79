//! A dense depth map per reference.
//!
//! The publication names depth as a unit but its code has no decoder for it; this one is our own.
//! It reuses the pixel decoder and queries of the mask decoder: the query weighs the channels of
//! the per-pixel embedding, which gives the shape of the map, and adds one shift for the whole
//! map, which gives its distance:
//!
//! `log depth(x, y) = <query, pixel(x, y)> / sqrt(channels) + shift(query)`
//!
//! The logarithm needs no positive activation, and a wrong unit of length is only a shift.

use super::config::{DecoderConfig, DecoderConfigError};
use super::mask::MaskDecoder;
use super::queries::QueryLayout;
use crate::layers::Linear;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// What [`DepthDecoder`] says about each query.
#[derive(Debug, Clone)]
pub struct DepthOutput {
    /// Natural logarithm of the depth over the padded square, `[batch, queries, h_0, w_0]`.
    pub log_depth: Tensor<4>,
    /// Logit of the expected share of pixels within a factor of 1.25, `[batch, queries]`.
    pub confidence: Option<Tensor<2>>,
}

/// See the module documentation.
#[derive(Module, Debug)]
pub struct DepthDecoder {
    /// Queries and per-pixel embeddings.
    pub dense: MaskDecoder,
    /// States to the shift of the map.
    pub shift: Linear,
    #[module(skip)]
    scale: f64,
}

impl DepthDecoder {
    /// # Errors
    /// When the sizes do not fit together.
    pub fn new(config: &DecoderConfig, device: &Device) -> Result<Self, DecoderConfigError> {
        Ok(Self {
            dense: MaskDecoder::new(config, device)?,
            shift: Linear::new(config.d_model, 1, true, device),
            scale: (config.mask_feature_size as f64).sqrt().recip(),
        })
    }

    /// # Shapes
    /// As [`MaskDecoder::forward`].
    pub fn forward(
        &self,
        maps: &[Tensor<4>],
        refs: Tensor<3>,
        layout: &QueryLayout,
    ) -> DepthOutput {
        let dense = self.dense.forward(maps, refs, layout);
        let shift = self.shift.forward(dense.states).unsqueeze_dim::<4>(3);
        DepthOutput { log_depth: dense.logits * self.scale + shift, confidence: dense.confidence }
    }
}
