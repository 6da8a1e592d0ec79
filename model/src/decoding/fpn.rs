//! The feature pyramid network of MaskFormer: coarse maps refine into one embedding per pixel.

use super::config::DecoderConfig;
use crate::layers::{GroupNorm, conv, resize_nearest};
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor, activation};

/// Convolution without bias, then group norm: keys `0.weight`, `1.weight`, `1.bias`.
pub type ConvNorm = (Conv2d, GroupNorm);

fn conv_norm(d_in: usize, config: &DecoderConfig, kernel: usize, device: &Device) -> ConvNorm {
    let d_out = config.fpn_feature_size;
    (conv([d_in, d_out], kernel, false, device), GroupNorm::new(config.norm_groups, d_out, device))
}

fn forward((conv, norm): &ConvNorm, x: Tensor<4>) -> Tensor<4> {
    norm.forward(conv.forward(x))
}

/// Adds one finer level.
#[derive(Module, Debug)]
pub struct FpnLayer {
    /// The level to the channels of the pyramid, 1x1.
    pub proj: ConvNorm,
    /// Smoothing after the sum, 3x3.
    pub block: ConvNorm,
}

/// The pyramid from the coarsest level to the finest.
#[derive(Module, Debug)]
pub struct Fpn {
    /// On the coarsest level, 3x3.
    pub stem: ConvNorm,
    /// One per finer level, coarse to fine.
    pub layers: Vec<FpnLayer>,
}

impl Fpn {
    fn new(config: &DecoderConfig, device: &Device) -> Self {
        let feature = config.fpn_feature_size;
        let layer = |&dim: &usize| FpnLayer {
            proj: conv_norm(dim, config, 1, device),
            block: conv_norm(feature, config, 3, device),
        };
        Self {
            stem: conv_norm(config.coarsest_dim(), config, 3, device),
            layers: config.encoder_input_dim.iter().rev().skip(1).map(layer).collect(),
        }
    }

    /// The running map after each finer level, or that of the stem where there is only one level.
    ///
    /// # Shapes
    /// `maps` `[batch, channels_i, h_i, w_i]`, finest first; returns
    /// `[batch, fpn_feature_size, h_i, w_i]`, coarse to fine
    pub fn forward(&self, maps: &[Tensor<4>]) -> Vec<Tensor<4>> {
        let mut levels = maps.iter().rev();
        let mut running: Vec<Tensor<4>> = Vec::with_capacity(maps.len());
        if let Some(coarsest) = levels.next() {
            running.push(activation::relu(forward(&self.stem, coarsest.clone())));
        }
        for (layer, lateral) in self.layers.iter().zip(levels) {
            let [_, _, h, w] = lateral.dims();
            let lateral = forward(&layer.proj, lateral.clone());
            let sum = match running.last() {
                Some(coarser) => lateral + resize_nearest(coarser.clone(), [h, w]),
                None => lateral,
            };
            running.push(activation::relu(forward(&layer.block, sum)));
        }
        running
    }
}

/// The pyramid and its last projection.
#[derive(Module, Debug)]
pub struct PixelDecoder {
    /// The pyramid.
    pub fpn: Fpn,
    /// Finest map to per-pixel embeddings, 3x3.
    pub mask_projection: Conv2d,
}

impl PixelDecoder {
    /// Of the sizes of `config`.
    pub fn new(config: &DecoderConfig, device: &Device) -> Self {
        let channels = [config.fpn_feature_size, config.mask_feature_size];
        Self { fpn: Fpn::new(config, device), mask_projection: conv(channels, 3, true, device) }
    }

    /// # Shapes
    /// `maps` `[batch, channels_i, h_i, w_i]`, finest first ->
    /// `[batch, mask_feature_size, h_0, w_0]`
    pub fn forward(&self, maps: &[Tensor<4>]) -> Tensor<4> {
        let mut running = self.fpn.forward(maps);
        self.mask_projection.forward(running.swap_remove(running.len() - 1))
    }
}
