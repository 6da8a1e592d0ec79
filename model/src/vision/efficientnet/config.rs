//! Sizes of an EfficientNet-Lite.

use super::{Block, DepthwiseConv, EfficientNet, StemConv};
use crate::layers::{ConfigError, Linear, require};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// Side of the stem's kernel.
const STEM_KERNEL: usize = 3;
/// Stride of the stem.
const STEM_STRIDE: usize = 2;
/// Wider than any that is published.
const MAX_KERNEL: usize = 15;

/// Sizes of the tower, stage by stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EfficientNetConfig {
    /// Side of the square picture that the tower is given, in px.
    pub image_size: usize,
    /// Channels behind the first convolution.
    pub stem_channels: usize,
    /// First to last.
    pub stages: Vec<EfficientNetStage>,
    /// Channels of the head's convolution.
    #[serde(default = "head_channels")]
    pub head_channels: usize,
    /// Classes that the head tells apart; without them there is no head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
}

/// Blocks of one width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EfficientNetStage {
    /// Side of the depthwise kernels.
    pub kernel: usize,
    /// Stride of the first block; the others have 1.
    pub stride: usize,
    /// Channels inside a block over those it is given; 1 for none more.
    pub expansion: usize,
    /// Channels that a block gives.
    pub channels: usize,
    /// Blocks.
    pub repeats: usize,
}

fn head_channels() -> usize {
    1280
}

/// EfficientNet-B0's stages: kernel, stride, expansion, channels, repeats.
const B0: [[usize; 5]; 7] = [
    [3, 1, 1, 16, 1],
    [3, 2, 6, 24, 2],
    [5, 2, 6, 40, 2],
    [3, 2, 6, 80, 3],
    [5, 1, 6, 112, 3],
    [5, 2, 6, 192, 4],
    [3, 1, 6, 320, 1],
];

impl EfficientNetConfig {
    /// EfficientNet-Lite2 with its head for the classes of ImageNet-1k: B0 with 1.1 times the
    /// channels and 1.2 times the blocks. Its input has 256 px instead of the published 260, so
    /// that the cells of every map cover it without a rest.
    pub fn lite2() -> Self {
        let last = B0.len() - 1;
        let stage = |(i, [kernel, stride, expansion, channels, repeats]): (usize, [usize; 5])| {
            // Lite models scale neither stem and head nor how often the first and the last stage
            // are repeated.
            let ends = i == 0 || i == last;
            let repeats = if ends { repeats } else { (repeats * 12).div_ceil(10) };
            EfficientNetStage {
                kernel,
                stride,
                expansion,
                channels: round_to_8(channels * 11, 10),
                repeats,
            }
        };
        Self {
            image_size: 256,
            stem_channels: 32,
            stages: B0.into_iter().enumerate().map(stage).collect(),
            head_channels: head_channels(),
            classes: Some(1000),
        }
    }

    /// Px of the input per cell of the last map.
    pub fn stride(&self) -> usize {
        let strides = self.stages.iter().map(|stage| stage.stride.max(1));
        strides.fold(STEM_STRIDE, usize::saturating_mul)
    }

    /// Channels and side of each stage's map, first to last.
    pub fn maps(&self) -> Vec<(usize, usize)> {
        let mut side = self.image_size.div_ceil(STEM_STRIDE);
        let stages = self.stages.iter().map(|stage| {
            side = side.div_ceil(stage.stride.max(1));
            (stage.channels, side)
        });
        stages.collect()
    }

    /// Checks that a module can be built.
    ///
    /// # Errors
    /// Names the field that doesn't fit the others.
    pub fn check(&self) -> Result<(), ConfigError> {
        require(self.image_size > 0, "image_size", || "must be at least 1 px".into())?;
        require(self.stem_channels > 0, "stem_channels", || "must be at least 1".into())?;
        require(!self.stages.is_empty(), "stages", || "empty; name at least one".into())?;
        for (i, stage) in self.stages.iter().enumerate() {
            let EfficientNetStage { kernel, stride, expansion, channels, repeats } = *stage;
            let positive = [kernel, stride, expansion, channels, repeats].iter().all(|&n| n > 0);
            require(positive, "stages", || format!("stage {i} has a zero; 1 is the least"))?;
            require(kernel <= MAX_KERNEL && stride <= kernel, "stages", || {
                format!(
                    "stage {i} has a kernel of {kernel} and a stride of {stride}; kernels are 1 to \
                     {MAX_KERNEL}, strides no larger than the kernel"
                )
            })?;
        }
        require(self.head_channels > 0, "head_channels", || "must be at least 1".into())?;
        require(self.classes != Some(0), "classes", || "leave it out for no head".into())
    }

    /// A randomly initialised tower. The configuration must pass [`Self::check`].
    pub fn init(&self, device: &Device) -> EfficientNet {
        let mut width = self.stem_channels;
        let (mut blocks, mut ends) = (vec![], vec![]);
        for stage in &self.stages {
            for repeat in 0..stage.repeats {
                let stride = if repeat == 0 { stage.stride } else { 1 };
                let inner = width * stage.expansion;
                blocks.push(Block {
                    expand_conv: (stage.expansion > 1)
                        .then(|| Linear::new(width, inner, true, device)),
                    depthwise_conv: DepthwiseConv::new(inner, stage.kernel, stride, device),
                    project_conv: Linear::new(inner, stage.channels, true, device),
                    residual: stride == 1 && width == stage.channels,
                });
                width = stage.channels;
            }
            ends.push(blocks.len());
        }
        let head = |classes| {
            let conv = Linear::new(width, self.head_channels, true, device);
            (conv, Linear::new(self.head_channels, classes, true, device))
        };
        let (conv_head, fc) = self.classes.map(head).unzip();
        let conv_stem = StemConv::new(self.stem_channels, STEM_KERNEL, STEM_STRIDE, device);
        EfficientNet { conv_stem, blocks, conv_head, fc, ends }
    }
}

/// The multiple of 8 nearest to `numerator / denominator`, never less than nine tenths of it.
fn round_to_8(numerator: usize, denominator: usize) -> usize {
    let eights = 8 * denominator;
    let rounded = ((numerator + eights / 2) / eights * 8).max(8);
    let too_small = 10 * rounded * denominator < 9 * numerator;
    if too_small { rounded + 8 } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lite2_has_its_published_sizes() {
        let config = EfficientNetConfig::lite2();
        config.check().unwrap();
        let maps = [(16, 128), (24, 64), (48, 32), (88, 16), (120, 16), (208, 8), (352, 8)];
        assert_eq!(config.maps(), maps);
        let repeats: Vec<usize> = config.stages.iter().map(|stage| stage.repeats).collect();
        assert_eq!(repeats, [1, 3, 3, 4, 4, 5, 1]);
        assert_eq!(config.stride(), 32);
    }

    #[test]
    fn what_cannot_be_built_is_named() {
        let wrong = |change: fn(&mut EfficientNetConfig)| {
            let mut config = EfficientNetConfig::lite2();
            change(&mut config);
            config.check().unwrap_err().field
        };
        assert_eq!(wrong(|c| c.stages.clear()), "stages");
        assert_eq!(wrong(|c| c.stages[2].repeats = 0), "stages");
        assert_eq!(wrong(|c| c.stages[2].stride = 6), "stages");
        assert_eq!(wrong(|c| c.classes = Some(0)), "classes");
        assert_eq!(wrong(|c| c.image_size = 0), "image_size");
    }
}
