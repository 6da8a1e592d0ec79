//! SAM as the mask unit of a REF-VLM: a projected reference state is the one sparse prompt.

use super::{MaskOutput, QueryLayout};
use crate::layers::{Activation, Linear};
use crate::layers::{ConfigError, require};
use crate::sam::{MaskChoice, Sam, SamConfig, SamOutput};
use burn::module::Module;
use burn::tensor::{Device, IndexingUpdateOp, Tensor};
use serde::{Deserialize, Serialize};

/// Sizes and choices of the unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamUnitConfig {
    /// The SAM.
    pub sam: SamConfig,
    /// Width of the reference states (the reference spells it so).
    pub quries_input_dim: usize,
    /// The most references one picture can have; the published unit has 100.
    #[serde(default = "hundred")]
    pub num_queries: usize,
    /// Whether the mask decoder stays as it is in training, as the encoders always do.
    #[serde(default)]
    pub freeze_mask_decoder: bool,
    /// Whether the expected IoU becomes the confidence; the published unit drops it.
    #[serde(default)]
    pub confidence: bool,
}

fn hundred() -> usize {
    100
}

/// See the module documentation.
#[derive(Module, Debug)]
pub struct SamUnit {
    /// Image encoder and prompt encoder are frozen.
    pub sam: Sam,
    /// Reference states to prompts.
    pub in_proj_queries: Projection,
    #[module(skip)]
    num_queries: usize,
    #[module(skip)]
    confidence: bool,
}

/// Two maps with a ReLU between them: keys `0` and `2`.
#[derive(Module, Debug)]
pub struct Projection {
    /// At the width of the reference states.
    pub _0: Linear,
    /// To the width of SAM's prompts.
    pub _2: Linear,
}

impl SamUnitConfig {
    /// Checks that a module can be built.
    ///
    /// # Errors
    /// Names the field that doesn't fit the others.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.sam.check()?;
        for (field, value) in
            [("quries_input_dim", self.quries_input_dim), ("num_queries", self.num_queries)]
        {
            require(value > 0, field, || "0; give at least 1".into())?;
        }
        Ok(())
    }
}

impl SamUnit {
    /// A randomly initialised unit.
    ///
    /// # Errors
    /// Names the field that doesn't fit the others.
    pub fn new(config: &SamUnitConfig, device: &Device) -> Result<Self, ConfigError> {
        config.check()?;
        let Sam { image_encoder, prompt_encoder, mask_decoder } = Sam::new(&config.sam, device)?;
        let (width, dim) = (config.quries_input_dim, config.sam.image_encoder.channels());
        Ok(Self {
            sam: Sam {
                image_encoder: image_encoder.no_grad(),
                prompt_encoder: prompt_encoder.no_grad(),
                mask_decoder: match config.freeze_mask_decoder {
                    true => mask_decoder.no_grad(),
                    false => mask_decoder,
                },
            },
            in_proj_queries: Projection {
                _0: Linear::new(width, width, true, device),
                _2: Linear::new(width, dim, true, device),
            },
            num_queries: config.num_queries,
            confidence: config.confidence,
        })
    }

    /// Each reference by itself: one prompt, one mask.
    ///
    /// # Shapes
    /// - `image` `[batch, dim, grid, grid]`: SAM's embedding of the padded squares
    /// - `refs` `[batch, refs, quries_input_dim]`
    /// - `queries` of the output is `refs`, at most `num_queries`; maps are `[4 * grid, 4 * grid]`
    ///   over the padded square, 0 for padding; its states are the prompts
    pub fn forward(&self, image: Tensor<4>, refs: Tensor<3>, layout: &QueryLayout) -> MaskOutput {
        let [batch, refs_in, _] = refs.dims();
        let width = refs_in.min(self.num_queries);
        let layout = layout.limited(|_| width);
        let Projection { _0: first, _2: second } = &self.in_proj_queries;
        let hidden = Activation::Relu.forward(first.forward(refs.narrow(1, 0, width)));
        let states = second.forward(hidden);
        let (device, side) = (states.device(), self.sam.prompt_encoder.mask_side());
        // Where there are no references, the result still depends on the states, so that every
        // device reduces the same parameters.
        let nothing = states.clone().sum() * 0.0;
        let mut logits = Tensor::zeros([batch * width, side, side], &device)
            + nothing.clone().reshape([1, 1, 1]);
        let mut iou = Tensor::zeros([batch * width], &device) + nothing;
        if layout.count() > 0 {
            let rows = layout.rows(width, &device);
            let out = self.masks(image, layout.select(states.clone()), &layout);
            let add = IndexingUpdateOp::Add;
            logits = logits.select_assign(0, rows.clone(), out.logits.squeeze_dim(1), add);
            iou = iou.select_assign(0, rows, out.iou.squeeze_dim(1), add);
        }
        // The head gives the IoU itself; confidences are logits.
        let iou = iou.clamp(1e-4, 1.0 - 1e-4);
        let logit = (iou.clone() / (-iou + 1.0)).log().reshape([batch, width]);
        MaskOutput {
            logits: logits.reshape([batch, width, side, side]),
            confidence: self.confidence.then_some(logit),
            states,
            proposals: None,
        }
    }

    /// # Shapes
    /// `states` `[count, dim]`, the real references
    fn masks(&self, image: Tensor<4>, states: Tensor<2>, layout: &QueryLayout) -> SamOutput {
        let pictures: Vec<i64> = layout.pictures().into_iter().map(|i| i as i64).collect();
        let pictures = Tensor::from_data(pictures.as_slice(), &states.device());
        let prompts = &self.sam.prompt_encoder;
        self.sam.mask_decoder.forward(
            image.select(0, pictures),
            prompts.positions(),
            Some(states.unsqueeze_dim(1)),
            prompts.no_mask(),
            MaskChoice::Single,
        )
    }
}
