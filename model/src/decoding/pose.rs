//! A box and the points of a body per reference, in two stages.

use super::boxes::{BoxDecoder, BoxOutput, confidence};
use super::config::{DecoderConfig, DecoderConfigError, Positions, QueryMask};
use super::detr::DetrDecoder;
use super::queries::QueryLayout;
use super::visual::{LevelProjection, Memory};
use crate::layers::{Activation, Embedding, Linear, Mlp};
use burn::module::Module;
use burn::tensor::{Device, Tensor, activation};

/// What [`PoseDecoder`] says about each query. Coordinates are in the unit square.
#[derive(Debug, Clone)]
pub struct PoseOutput {
    /// The first stage.
    pub stage1: BoxOutput,
    /// Refined boxes: centre x, centre y, width, height, `[batch, queries, 4]`.
    pub boxes: Tensor<3>,
    /// Points x, y, `[batch, queries, points, 2]`.
    pub keypoints: Tensor<4>,
    /// Logits of unlabelled and labelled, `[batch, queries, points, 2]`.
    pub visibility: Tensor<4>,
    /// Logit of the expected object keypoint similarity, `[batch, queries]`.
    pub confidence: Option<Tensor<2>>,
    /// States after the second transformer, `[batch, queries * (1 + points), d_model]`.
    pub states: Tensor<3>,
}

/// A box decoder whose states, one copy for the box and one per point, are the queries of a
/// second decoder.
#[derive(Module, Debug)]
pub struct PoseDecoder {
    /// The first stage.
    pub box_decoder: BoxDecoder,
    /// The second stage.
    pub kpt_decoder: KeypointDecoder,
}

impl PoseDecoder {
    /// # Errors
    /// When the sizes do not fit together.
    pub fn new(config: &DecoderConfig, device: &Device) -> Result<Self, DecoderConfigError> {
        let first = DecoderConfig { confidence: false, ..config.clone() };
        Ok(Self {
            box_decoder: BoxDecoder::new(&first, device)?,
            kpt_decoder: KeypointDecoder::new(config, device)?,
        })
    }

    /// # Shapes
    /// As [`BoxDecoder::forward`].
    pub fn forward(&self, maps: &[Tensor<4>], refs: Tensor<3>, layout: &QueryLayout) -> PoseOutput {
        let stage1 = self.box_decoder.forward(maps, refs, layout);
        self.kpt_decoder.forward(maps, stage1, layout)
    }
}

/// The second stage.
#[derive(Module, Debug)]
pub struct KeypointDecoder {
    /// Channels of all levels to the width of the transformer.
    pub in_proj_visual_feats: LevelProjection,
    /// States of the first stage to queries.
    pub in_proj_queries: Linear,
    /// Added to the copies of a query: row 0 the box, then the points.
    pub kpt_embedding: Embedding,
    /// Learned positions of all copies.
    pub query_position_embeddings: Embedding,
    /// The transformer.
    pub decoder: DetrDecoder,
    /// Box copy to the refined box.
    pub box_predictor: Mlp,
    /// Point copies to coordinates.
    pub kpt_predictor: Mlp,
    /// Point copies to visibility logits.
    pub kpt_classifier: Linear,
    /// Box copy to the logit of the expected similarity.
    pub confidence: Option<Linear>,
    #[module(skip)]
    query_mask: QueryMask,
    #[module(skip)]
    positions: Positions,
}

impl KeypointDecoder {
    fn new(config: &DecoderConfig, device: &Device) -> Result<Self, DecoderConfigError> {
        config.validate()?;
        let d = config.d_model;
        let slots = 1 + config.num_body_points;
        Ok(Self {
            in_proj_visual_feats: LevelProjection::new(
                config.encoder_input_dim.iter().sum(),
                d,
                device,
            ),
            in_proj_queries: Linear::new(d, d, true, device),
            kpt_embedding: Embedding::new(slots, d, 1.0, device),
            query_position_embeddings: Embedding::new(
                config.num_queries * slots,
                d,
                config.position_std(),
                device,
            ),
            decoder: DetrDecoder::new(config, config.keypoint_layers(), device),
            box_predictor: Mlp::new(&[d, d, d, 4], Activation::Relu, device),
            kpt_predictor: Mlp::new(&[d, d, d, 2], Activation::Relu, device),
            kpt_classifier: Linear::new(d, 2, true, device),
            confidence: config.confidence.then(|| Linear::new(d, 1, true, device)),
            query_mask: config.query_mask,
            positions: config.positions,
        })
    }

    /// # Shapes
    /// `maps` as in [`BoxDecoder::forward`], `stage1.states` `[batch, queries, d_model]`
    pub fn forward(
        &self,
        maps: &[Tensor<4>],
        stage1: BoxOutput,
        layout: &QueryLayout,
    ) -> PoseOutput {
        let memory = Memory::new(self.in_proj_visual_feats.forward(maps), self.positions);
        let slots = self.kpt_embedding.weight.dims()[0];
        let states = self.in_proj_queries.forward(stage1.states.clone()).unsqueeze_dim::<4>(2);
        let states = states + self.kpt_embedding.weight.val().unsqueeze();
        let [batch, queries, _, d] = states.dims();
        let states = states.reshape([batch, queries * slots, d]);
        let copies =
            self.query_mask.queries(states, &self.query_position_embeddings, layout, slots);
        let states = self.decoder.forward(copies, &memory);

        let copies = states.clone().reshape([batch, queries, slots, d]);
        let whole = copies.clone().narrow(2, 0, 1).squeeze_dim::<3>(2);
        let points = copies.narrow(2, 1, slots - 1);
        PoseOutput {
            stage1,
            boxes: activation::sigmoid(self.box_predictor.forward(whole.clone())),
            keypoints: activation::sigmoid(self.kpt_predictor.forward(points.clone())),
            visibility: self.kpt_classifier.forward(points),
            confidence: confidence(self.confidence.as_ref(), &whole),
            states,
        }
    }
}
