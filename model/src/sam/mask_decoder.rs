//! SAM's mask decoder: prompts and an image embedding become masks and an expected IoU each.

use super::config::SamHeadConfig;
use super::transformer::{TwoWaySizes, TwoWayTransformer};
use crate::layers::{Activation, Embedding, LayerNorm, Mlp};
use crate::vision::PatchSpread;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Which of the masks are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MaskChoice {
    /// The first, for prompts that leave no doubt.
    #[default]
    Single,
    /// The others, which are guesses at different extents: part, thing, whole.
    Multi,
}

/// What [`SamMaskDecoder`] says about each prompt.
#[derive(Debug, Clone)]
pub struct SamOutput {
    /// `[prompts, masks, 4 * grid, 4 * grid]` over the encoder's square: inside where positive.
    pub logits: Tensor<4>,
    /// The IoU that each mask is expected to have, `[prompts, masks]`.
    pub iou: Tensor<2>,
}

/// See the module documentation.
#[derive(Module, Debug)]
pub struct SamMaskDecoder {
    /// Between tokens and image.
    pub transformer: TwoWayTransformer,
    /// The token that the expected IoU is read from, one row.
    pub iou_token: Embedding,
    /// A token for each mask.
    pub mask_tokens: Embedding,
    /// The image to per-pixel embeddings at four times the resolution.
    pub output_upscaling: Upscaling,
    /// For each mask token to weights of the per-pixel embedding.
    pub output_hypernetworks_mlps: Vec<Mlp>,
    /// IoU token to the expected IoU of each mask.
    pub iou_prediction_head: Mlp,
}

/// Two transposed convolutions that double, a norm between; the indices are those beside the
/// activations.
#[derive(Module, Debug)]
pub struct Upscaling {
    /// `dim -> dim / 4`, 2x2.
    pub _0: PatchSpread,
    /// Over channels.
    pub _1: LayerNorm,
    /// `dim / 4 -> dim / 8`, 2x2.
    pub _3: PatchSpread,
}

impl SamMaskDecoder {
    /// For an image embedding of `dim` channels.
    pub fn new(dim: usize, config: &SamHeadConfig, device: &Device) -> Self {
        let masks = config.num_multimask_outputs + 1;
        let sizes =
            TwoWaySizes { dim, depth: config.depth, heads: config.heads, mlp_dim: config.mlp_dim };
        let hyper = || Mlp::new(&[dim, dim, dim, dim / 8], Activation::Relu, device);
        let mut head = vec![config.iou_head_hidden_dim; config.iou_head_depth + 1];
        (head[0], head[config.iou_head_depth]) = (dim, masks);
        Self {
            transformer: TwoWayTransformer::new(sizes, device),
            iou_token: Embedding::new(1, dim, 1.0, device),
            mask_tokens: Embedding::new(masks, dim, 1.0, device),
            output_upscaling: Upscaling {
                _0: PatchSpread::new(dim, dim / 4, 2, device),
                _1: LayerNorm::new(dim / 4, 1e-6, device),
                _3: PatchSpread::new(dim / 4, dim / 8, 2, device),
            },
            output_hypernetworks_mlps: (0..masks).map(|_| hyper()).collect(),
            iou_prediction_head: Mlp::new(&head, Activation::Relu, device),
        }
    }

    /// # Shapes
    /// - `image` `[prompts or 1, dim, h, w]`: the image embedding of each prompt, or one for all
    /// - `positions` `[1, h * w, dim]`, of [`super::PromptEncoder::positions`]
    /// - `sparse` `[prompts, tokens, dim]`; none where the prompt is a mask alone
    /// - `dense` `[prompts or 1, h * w or 1, dim]`
    pub fn forward(
        &self,
        image: Tensor<4>,
        positions: Tensor<3>,
        sparse: Option<Tensor<3>>,
        dense: Tensor<3>,
        choice: MaskChoice,
    ) -> SamOutput {
        let [_, dim, h, w] = image.dims();
        let prompts = sparse.as_ref().map_or(dense.dims()[0], |sparse| sparse.dims()[0]);
        let own = Tensor::cat(vec![self.iou_token.weight.val(), self.mask_tokens.weight.val()], 0);
        let [count, _] = own.dims();
        let own = own.unsqueeze::<3>().expand([prompts, count, dim]);
        let tokens = Tensor::cat([Some(own), sparse].into_iter().flatten().collect(), 1);
        let image = image.flatten::<3>(2, 3).swap_dims(1, 2) + dense;
        let image = image.expand([prompts, h * w, dim]);
        let (tokens, image) = self.transformer.forward(image, positions, tokens);

        let up = &self.output_upscaling;
        let x = up._0.forward_channels_last(image.reshape([prompts, h, w, dim]));
        let x = Activation::Gelu.forward(up._1.forward(x));
        let pixels = Activation::Gelu.forward(up._3.forward_channels_last(x));
        let [_, height, width, channels] = pixels.dims();
        let pixels = pixels.reshape([prompts, height * width, channels]).swap_dims(1, 2);

        let (first, last) = match choice {
            MaskChoice::Single => (0, 1),
            MaskChoice::Multi => (1, count - 1),
        };
        let weights = (first..last).zip(&self.output_hypernetworks_mlps[first..last]);
        let weights = weights.map(|(i, mlp)| mlp.forward(tokens.clone().narrow(1, 1 + i, 1)));
        let logits = Tensor::cat(weights.collect(), 1).matmul(pixels);
        let iou = self.iou_prediction_head.forward(tokens.narrow(1, 0, 1).squeeze_dim::<2>(1));
        SamOutput {
            logits: logits.reshape([prompts, last - first, height, width]),
            iou: iou.narrow(1, first, last - first),
        }
    }
}
