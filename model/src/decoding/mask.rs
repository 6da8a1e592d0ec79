//! One mask per reference, in the way of MaskFormer: queries times per-pixel embeddings.

use super::boxes::confidence;
use super::config::{DecoderConfig, DecoderConfigError, Positions, QueryMask};
use super::detr::DetrDecoder;
use super::fpn::PixelDecoder;
use super::queries::QueryLayout;
use super::visual::Memory;
use crate::layers::{Activation, Embedding, Linear, conv, octave_position};
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Int, Tensor};

/// What [`MaskDecoder`] says about each query.
#[derive(Debug, Clone)]
pub struct MaskOutput {
    /// `[batch, queries, h_0, w_0]` over the padded square: inside where positive.
    pub logits: Tensor<4>,
    /// Logit of the expected IoU, `[batch, queries]`.
    pub confidence: Option<Tensor<2>>,
    /// Query states after the transformer, `[batch, queries, d_model]`.
    pub states: Tensor<3>,
    /// All proposals, where a reference has several.
    pub proposals: Option<Proposals>,
}

/// Several masks for each reference.
#[derive(Debug, Clone)]
pub struct Proposals {
    /// `[references, proposals, h_0, w_0]`, in the order of [`QueryLayout::select`].
    pub logits: Tensor<4>,
    /// Logit of the expected IoU, `[references, proposals]`.
    pub confidence: Tensor<2>,
    /// 1 where only the first proposal is asked for, 0 where the best of all is, `[references]`.
    pub single: Tensor<1>,
}

impl Proposals {
    /// The number of the proposal that is each reference's answer: the first, or the most
    /// confident.
    ///
    /// # Shapes
    /// returns `[references, 1]`
    pub fn chosen(&self) -> Tensor<2, Int> {
        let confident = self.confidence.clone().detach().argmax(1);
        confident * (-self.single.clone() + 1.0).int().unsqueeze_dim(1)
    }
}

/// A DETR decoder over the coarsest map whose queries are the reference states, and a pixel
/// decoder over all maps.
#[derive(Module, Debug)]
pub struct MaskDecoder {
    /// Per-pixel embeddings.
    pub pixel_decoder: PixelDecoder,
    /// Coarsest map to the width of the transformer, 1x1.
    pub in_proj_visual_feats: Conv2d,
    /// Reference states to the width of the transformer.
    pub in_proj_queries: Linear,
    /// Learned query positions.
    pub query_position_embeddings: Embedding,
    /// The transformer.
    pub query_decoder: DetrDecoder,
    /// States to per-pixel weights: keys `0.0`, `1.0`, `2.0`.
    pub mask_embedder: Vec<Vec<Linear>>,
    /// Position code to per-pixel embeddings; absent where pixels carry no position.
    pub pixel_position: Option<Linear>,
    /// States to the logit of the expected IoU.
    pub confidence: Option<Linear>,
    #[module(skip)]
    num_queries: usize,
    #[module(skip)]
    query_mask: QueryMask,
    #[module(skip)]
    positions: Positions,
}

impl MaskDecoder {
    /// # Errors
    /// When the sizes do not fit together.
    pub fn new(config: &DecoderConfig, device: &Device) -> Result<Self, DecoderConfigError> {
        config.validate()?;
        let d = config.d_model;
        let widths = [d, d, d, config.mask_feature_size];
        let embedder = |w: &[usize]| vec![Linear::new(w[0], w[1], true, device)];
        Ok(Self {
            pixel_decoder: PixelDecoder::new(config, device),
            in_proj_visual_feats: conv([config.coarsest_dim(), d], 1, true, device),
            in_proj_queries: Linear::new(config.quries_input_dim, d, true, device),
            query_position_embeddings: Embedding::new(
                config.num_queries,
                d,
                config.position_std(),
                device,
            ),
            query_decoder: DetrDecoder::new(config, config.decoder_layers, device),
            mask_embedder: widths.windows(2).map(embedder).collect(),
            pixel_position: (config.positions == Positions::Octaves)
                .then(|| Linear::new(d, config.mask_feature_size, false, device)),
            confidence: config.confidence.then(|| Linear::new(d, 1, true, device)),
            num_queries: config.num_queries,
            query_mask: config.query_mask,
            positions: config.positions,
        })
    }

    /// # Shapes
    /// - `maps` as selected by the config, finest first, `[batch, channels_i, h_i, w_i]`; at
    ///   least one
    /// - `refs` `[batch, refs, quries_input_dim]` with at least one row, zeros after the real ones
    /// - `queries` of the output is `refs` with [`QueryMask::Group`], else `num_queries`
    pub fn forward(&self, maps: &[Tensor<4>], refs: Tensor<3>, layout: &QueryLayout) -> MaskOutput {
        let pixels = self.pixel_decoder.forward(maps);
        let states = self.states(&maps[maps.len() - 1], refs, layout);
        let embedding = self.embed(states.clone());
        let [batch, channels, h, w] = pixels.dims();
        let queries = embedding.dims()[1];
        let mut pixels = pixels.reshape([batch, channels, h * w]);
        if let Some(position) = &self.pixel_position {
            let code = octave_position([h, w], position.weight.dims()[1], &pixels.device());
            pixels = pixels + position.forward(code).transpose().unsqueeze();
        }
        let logits = embedding.matmul(pixels).reshape([batch, queries, h, w]);
        let confidence = confidence(self.confidence.as_ref(), &states);
        MaskOutput { logits, confidence, states, proposals: None }
    }

    fn states(&self, coarsest: &Tensor<4>, refs: Tensor<3>, layout: &QueryLayout) -> Tensor<3> {
        let memory =
            Memory::new(self.in_proj_visual_feats.forward(coarsest.clone()), self.positions);
        let states = self.query_mask.fit(self.in_proj_queries.forward(refs), self.num_queries);
        let queries = self.query_mask.queries(states, &self.query_position_embeddings, layout, 1);
        self.query_decoder.forward(queries, &memory)
    }

    /// Weights of the per-pixel embedding.
    ///
    /// # Shapes
    /// `[batch, queries, d_model] -> [batch, queries, mask_feature_size]`
    pub fn embed(&self, mut states: Tensor<3>) -> Tensor<3> {
        for (i, layer) in self.mask_embedder.iter().flatten().enumerate() {
            if i > 0 {
                states = Activation::Relu.forward(states);
            }
            states = layer.forward(states);
        }
        states
    }
}
