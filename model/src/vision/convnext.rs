//! The ConvNeXt trunk of CLIP, by the keys of an open_clip checkpoint (`visual.trunk.*`).
//!
//! Maps keep their channels last between the layers, where normalisation and perceptron are plain
//! rows; only the depthwise convolution sees them channels first.

use super::patch::PatchEmbed;
use crate::layers::{Activation, LayerNorm, Linear, uniform};
use crate::layers::{ConfigError, require};
use burn::module::{Module, Param};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

const EPS: f64 = 1e-6;
/// Sizes of the trunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConvNextConfig {
    /// Blocks per stage.
    pub depths: Vec<usize>,
    /// Channels per stage.
    pub dims: Vec<usize>,
    /// Side of the square input in pixels.
    pub image_size: usize,
    /// What the scales of the blocks start from.
    #[serde(default = "small")]
    pub ls_init_value: f64,
    /// Side of the depthwise kernels, odd.
    #[serde(default = "seven")]
    pub kernel_size: usize,
    /// Activation of the perceptrons.
    #[serde(default = "gelu")]
    pub hidden_act: Activation,
}

fn small() -> f64 {
    1e-6
}

fn seven() -> usize {
    7
}

fn gelu() -> Activation {
    Activation::Gelu
}

impl ConvNextConfig {
    /// Checks that a module can be built.
    ///
    /// # Errors
    /// Names the field that doesn't fit the others.
    pub fn check(&self) -> Result<(), ConfigError> {
        let stages = self.dims.len();
        require(stages > 0 && self.depths.len() == stages, "depths", || {
            format!("{} stages, but dims has {stages}; give one number each", self.depths.len())
        })?;
        require(self.kernel_size % 2 == 1, "kernel_size", || {
            format!("{} is even; a kernel needs a centre", self.kernel_size)
        })?;
        require(!self.dims.contains(&0), "dims", || "a stage needs at least one channel".into())?;
        require((4 << (stages - 1)) <= self.image_size, "image_size", || {
            format!("{} px leave nothing for stage {stages}", self.image_size)
        })
    }

    /// A randomly initialised trunk. The configuration must pass [`Self::check`].
    pub fn init(&self, device: &Device) -> ConvNext {
        let norm = |dim| LayerNorm::new(dim, EPS, device);
        let kernel = self.kernel_size;
        let block = |dim: usize| Block {
            gamma: Param::from_tensor(Tensor::full([dim], self.ls_init_value, device)),
            conv_dw: Depthwise {
                weight: uniform([dim, 1, kernel, kernel], kernel * kernel, device),
                bias: uniform([dim], kernel * kernel, device),
            },
            norm: norm(dim),
            mlp: Perceptron {
                fc1: Linear::new(dim, 4 * dim, true, device),
                fc2: Linear::new(4 * dim, dim, true, device),
            },
            activation: self.hidden_act,
        };
        let first = self.dims.first().copied().unwrap_or_default();
        let mut before = None;
        let mut stages = Vec::new();
        for (&dim, &depth) in self.dims.iter().zip(&self.depths) {
            let downsample =
                before.map(|before| (norm(before), PatchEmbed::new(before, dim, 2, true, device)));
            stages.push(Stage { downsample, blocks: (0..depth).map(|_| block(dim)).collect() });
            before = Some(dim);
        }
        let stem = (PatchEmbed::new(3, first, 4, true, device), norm(first));
        ConvNext { visual: Visual { trunk: Trunk { stem, stages } } }
    }
}

/// The ConvNeXt tower of CLIP.
#[derive(Module, Debug)]
pub struct ConvNext {
    /// Checkpoints keep the tower under this key.
    pub visual: Visual,
}

/// The tower without its head.
#[derive(Module, Debug)]
pub struct Visual {
    /// Stem and stages.
    pub trunk: Trunk,
}

/// Stem and stages.
#[derive(Module, Debug)]
pub struct Trunk {
    /// Patches of 4 px, normalised.
    pub stem: (PatchEmbed, LayerNorm),
    /// First to last, each at half the resolution of the one before.
    pub stages: Vec<Stage>,
}

/// Blocks of one resolution.
#[derive(Module, Debug)]
pub struct Stage {
    /// Halves the resolution; the first stage has none.
    pub downsample: Option<(LayerNorm, PatchEmbed)>,
    /// First to last.
    pub blocks: Vec<Block>,
}

/// Depthwise convolution and perceptron in one residual branch.
#[derive(Module, Debug)]
pub struct Block {
    /// Scale of the branch, `[dim]`.
    pub gamma: Param<Tensor<1>>,
    /// 7 x 7 in the published trunk.
    pub conv_dw: Depthwise,
    /// Over channels.
    pub norm: LayerNorm,
    /// Four times as wide inside.
    pub mlp: Perceptron,
    #[module(skip)]
    activation: Activation,
}

/// A convolution of each channel with a kernel of its own, size kept.
#[derive(Module, Debug)]
pub struct Depthwise {
    /// `[dim, 1, kernel, kernel]`.
    pub weight: Param<Tensor<4>>,
    /// `[dim]`.
    pub bias: Param<Tensor<1>>,
}

/// Two maps with an activation between them, which the block applies.
#[derive(Module, Debug)]
pub struct Perceptron {
    /// Widens.
    pub fc1: Linear,
    /// Narrows.
    pub fc2: Linear,
}

impl ConvNext {
    /// The map after each stage.
    ///
    /// # Shapes
    /// - `pixels` `[batch, 3, height, width]`, normalised
    /// - returns per stage `[batch, dims[i], height / 2^(i+2), width / 2^(i+2)]`
    pub fn forward(&self, pixels: Tensor<4>) -> Vec<Tensor<4>> {
        let mut x = self.stem(pixels);
        let mut maps = Vec::new();
        for stage in &self.visual.trunk.stages {
            if let Some((norm, conv)) = &stage.downsample {
                x = conv.forward_channels_last(norm.forward(x));
            }
            for block in &stage.blocks {
                x = block.forward(x);
            }
            maps.push(x.clone().permute([0, 3, 1, 2]));
        }
        maps
    }

    /// The normalised patches that enter the first stage.
    ///
    /// # Shapes
    /// `[batch, 3, height, width] -> [batch, height / 4, width / 4, dims[0]]`
    pub fn stem(&self, pixels: Tensor<4>) -> Tensor<4> {
        let (conv, norm) = &self.visual.trunk.stem;
        norm.forward(conv.forward(pixels))
    }
}

impl Block {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let branch = self.norm.forward(self.conv_dw.forward(x.clone()));
        let branch = self.activation.forward(self.mlp.fc1.forward(branch));
        x + self.mlp.fc2.forward(branch) * self.gamma.val().unsqueeze()
    }
}

impl Depthwise {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let groups = x.dims()[3];
        let around = self.weight.dims()[3] / 2;
        let options = ConvOptions::new([1, 1], [around, around], [1, 1], groups);
        let (weight, bias) = (self.weight.val(), Some(self.bias.val()));
        let x = burn::tensor::module::conv2d(x.permute([0, 3, 1, 2]), weight, bias, options);
        x.permute([0, 2, 3, 1])
    }
}
