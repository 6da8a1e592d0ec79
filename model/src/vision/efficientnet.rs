//! EfficientNet-Lite: inverted bottlenecks without squeeze-and-excitation, ReLU6 throughout, by the
//! keys of its PyTorch checkpoints without their leading underscores.
//!
//! Batch norms are part of weights and biases: who reads a checkpoint folds them in. Maps keep
//! their channels last between the layers, so a 1x1 convolution is a linear map of plain rows and
//! can be stored like every other matrix.

mod config;
mod conv;

pub use config::{EfficientNetConfig, EfficientNetStage};
pub use conv::{DepthwiseConv, StemConv};

use crate::layers::Linear;
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use conv::relu6;

/// The tower, and the head of the classifier that it was trained as.
#[derive(Module, Debug)]
pub struct EfficientNet {
    /// Halves the resolution.
    pub conv_stem: StemConv,
    /// Of all stages, first to last.
    pub blocks: Vec<Block>,
    /// Widens the last map, where there is a head.
    pub conv_head: Option<Linear>,
    /// Pooled features to scores, where there is a head.
    pub fc: Option<Linear>,
    /// Blocks up to the end of each stage.
    #[module(skip)]
    ends: Vec<usize>,
}

/// An inverted bottleneck.
#[derive(Module, Debug)]
pub struct Block {
    /// Widens, with ReLU6; absent where the block doesn't.
    pub expand_conv: Option<Linear>,
    /// Looks around in each channel.
    pub depthwise_conv: DepthwiseConv,
    /// Narrows.
    pub project_conv: Linear,
    #[module(skip)]
    residual: bool,
}

impl EfficientNet {
    /// The maps after some of the stages; stages behind the last one asked for are not computed.
    ///
    /// # Shapes
    /// `pixels` `[batch, 3, height, width]`, any size, `layers` counted from the end (-1 is the
    /// last stage) -> `[batch, channels, rows, columns]` each
    pub fn feature_maps(&self, pixels: Tensor<4>, layers: &[isize]) -> Vec<Tensor<4>> {
        let stages = self.ends.len();
        let chosen = layers.iter().filter_map(|&layer| stages.checked_add_signed(layer));
        let chosen: Vec<usize> = chosen.filter(|&stage| stage < stages).collect();
        let mut maps = vec![];
        let (mut x, mut begin) = (self.conv_stem.forward(pixels), 0);
        for &end in self.ends.iter().take(chosen.iter().max().map_or(0, |last| last + 1)) {
            for block in self.blocks.iter().take(end).skip(begin) {
                x = block.forward(x);
            }
            maps.push(x.clone().permute([0, 3, 1, 2]));
            begin = end;
        }
        chosen.iter().filter_map(|&stage| maps.get(stage).cloned()).collect()
    }

    /// What the classifier pools: the features of each cell; none without a head.
    ///
    /// # Shapes
    /// `map` of the last stage, `[batch, channels, rows, columns]` -> `[batch, rows * columns,
    /// head_channels]`
    pub fn head_features(&self, map: Tensor<4>) -> Option<Tensor<3>> {
        let [batch, channels, rows, columns] = map.dims();
        let cells = map.permute([0, 2, 3, 1]).reshape([batch, rows * columns, channels]);
        self.conv_head.as_ref().map(|conv| relu6(conv.forward(cells)))
    }

    /// Scores of the classes, as logits; none without a head.
    ///
    /// # Shapes
    /// `pooled` `[n, head_channels]`, each the mean of some cells of [`Self::head_features`] ->
    /// `[n, classes]`
    pub fn classify(&self, pooled: Tensor<2>) -> Option<Tensor<2>> {
        self.fc.as_ref().map(|fc| fc.forward(pooled))
    }
}

impl Block {
    /// # Shapes
    /// `[batch, height, width, channels]`, rows and columns divided by the stride and rounded up
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let inside = match &self.expand_conv {
            // The next convolution adds the bias and activates, in its own pass over the numbers.
            Some(expand) => {
                let bias = expand.bias.as_ref().map(Param::val);
                self.depthwise_conv.forward(expand.without_bias(x.clone()), bias)
            }
            None => self.depthwise_conv.forward(x.clone(), None),
        };
        let y = self.project_conv.forward(inside);
        if self.residual { y + x } else { y }
    }
}
