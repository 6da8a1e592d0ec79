//! One box per reference.

use super::config::{DecoderConfig, DecoderConfigError, Positions, QueryMask};
use super::detr::DetrDecoder;
use super::queries::QueryLayout;
use super::visual::{LevelProjection, Memory};
use crate::layers::{Activation, Embedding, Linear, Mlp};
use burn::module::Module;
use burn::tensor::{Device, Tensor, activation};

/// What [`BoxDecoder`] says about each query.
#[derive(Debug, Clone)]
pub struct BoxOutput {
    /// `[batch, queries, 4]`: centre x, centre y, width, height in the unit square.
    pub boxes: Tensor<3>,
    /// Logit of the expected IoU, `[batch, queries]`.
    pub confidence: Option<Tensor<2>>,
    /// Query states after the transformer, `[batch, queries, d_model]`.
    pub states: Tensor<3>,
}

/// A DETR decoder whose queries are the reference states.
#[derive(Module, Debug)]
pub struct BoxDecoder {
    /// Channels of all levels to the width of the transformer.
    pub in_proj_visual_feats: LevelProjection,
    /// Reference states to the width of the transformer.
    pub in_proj_queries: Linear,
    /// Learned query positions.
    pub query_position_embeddings: Embedding,
    /// The transformer.
    pub decoder: DetrDecoder,
    /// States to boxes.
    pub predictor: Mlp,
    /// States to the logit of the expected IoU.
    pub confidence: Option<Linear>,
    #[module(skip)]
    num_queries: usize,
    #[module(skip)]
    query_mask: QueryMask,
    #[module(skip)]
    positions: Positions,
}

impl BoxDecoder {
    /// # Errors
    /// When the sizes do not fit together.
    pub fn new(config: &DecoderConfig, device: &Device) -> Result<Self, DecoderConfigError> {
        config.validate()?;
        let d = config.d_model;
        Ok(Self {
            in_proj_visual_feats: LevelProjection::new(
                config.encoder_input_dim.iter().sum(),
                d,
                device,
            ),
            in_proj_queries: Linear::new(config.quries_input_dim, d, true, device),
            query_position_embeddings: Embedding::new(
                config.num_queries,
                d,
                config.position_std(),
                device,
            ),
            decoder: DetrDecoder::new(config, config.decoder_layers, device),
            predictor: Mlp::new(&[d, d, d, 4], Activation::Relu, device),
            confidence: config.confidence.then(|| Linear::new(d, 1, true, device)),
            num_queries: config.num_queries,
            query_mask: config.query_mask,
            positions: config.positions,
        })
    }

    /// # Shapes
    /// - `maps` as selected by the config, finest first, `[batch, channels_i, h_i, w_i]`
    /// - `refs` `[batch, refs, quries_input_dim]` with at least one row, zeros after the real ones
    /// - `queries` of the output is `refs` with [`QueryMask::Group`], else `num_queries`
    pub fn forward(&self, maps: &[Tensor<4>], refs: Tensor<3>, layout: &QueryLayout) -> BoxOutput {
        let memory = Memory::new(self.in_proj_visual_feats.forward(maps), self.positions);
        let states = self.query_mask.fit(self.in_proj_queries.forward(refs), self.num_queries);
        let queries = self.query_mask.queries(states, &self.query_position_embeddings, layout, 1);
        let states = self.decoder.forward(queries, &memory);
        BoxOutput {
            boxes: activation::sigmoid(self.predictor.forward(states.clone())),
            confidence: confidence(self.confidence.as_ref(), &states),
            states,
        }
    }
}

/// The confidence head on query states: `[batch, queries, d_model] -> [batch, queries]`.
pub(super) fn confidence(head: Option<&Linear>, states: &Tensor<3>) -> Option<Tensor<2>> {
    head.map(|head| head.forward(states.clone()).squeeze_dim(2))
}
