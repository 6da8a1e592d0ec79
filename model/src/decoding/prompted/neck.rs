//! What the decoder sees of a picture before it is told of any prompt.
//!
//! Towers stay as they were published, and what an ImageNet classifier needs to know of a picture is
//! not where one thing ends and the next begins. The neck learns that: from coarse to fine, once per
//! picture, so that it may cost more than what is computed again for each prompt.

use super::config::{NeckConfig, PromptedConfig};
use super::level::{Attention, Mixer, QUIET, double, mixed, mixing};
use crate::layers::{GroupNorm, Pointwise};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// The neck.
#[derive(Debug, Module)]
pub struct Neck {
    /// Finest first.
    pub levels: Vec<NeckLevel>,
}

/// One level of it.
#[derive(Debug, Module)]
pub struct NeckLevel {
    /// The pyramid's map to the channels of the level, 1x1.
    pub lateral: Pointwise,
    /// The level below to the channels of this one, 1x1; the coarsest has none.
    pub below: Option<Pointwise>,
    /// Norm of their sum.
    pub norm: GroupNorm,
    /// Cells that attend to each other, added to what they are given.
    pub attention: Option<Attention>,
    /// 3x3 mixings, each added to what it is given.
    pub mixers: Vec<Mixer>,
    /// To the channels of the decoder's level, 1x1.
    pub out: Pointwise,
}

impl Neck {
    pub(in crate::decoding) fn new(
        config: &PromptedConfig,
        neck: &NeckConfig,
        device: &Device,
    ) -> Self {
        let level = |i: usize| {
            let channels = neck.channels[i];
            let groups = config.norm_groups;
            let below = neck.channels.get(i + 1);
            let counts = (&neck.attention[..], &neck.mixers[..]);
            let (attention, mixers) = mixing((i, channels, groups), counts, device);
            NeckLevel {
                lateral: Pointwise::new([config.encoder_input_dim[i], channels], true, device),
                below: below.map(|&below| Pointwise::new([below, channels], false, device)),
                norm: GroupNorm::new(groups, channels, device),
                attention,
                mixers,
                out: Pointwise::normal([channels, config.channels[i]], QUIET, device),
            }
        };
        Self { levels: (0..neck.channels.len()).map(level).collect() }
    }

    /// # Shapes
    /// - `maps` as the decoder's, finest first, `[pictures, channels_i, h_i, w_i]`
    /// - returns one for each of the decoder's levels, in its channels
    pub fn forward(&self, maps: &[Tensor<4>]) -> Vec<Tensor<4>> {
        let mut coarser: Option<Tensor<4>> = None;
        let mut seen = Vec::with_capacity(maps.len());
        for (level, map) in self.levels.iter().zip(maps).rev() {
            let [_, _, h, w] = map.dims();
            let mut x = level.lateral.forward(map.clone());
            if let (Some(below), Some(coarser)) = (&level.below, coarser) {
                x = x + double(below.forward(coarser), [h, w]);
            }
            let x = mixed(level.norm.forward(x), level.attention.as_ref(), &level.mixers);
            seen.push(level.out.forward(x.clone()));
            coarser = Some(x);
        }
        seen.reverse();
        seen
    }
}
