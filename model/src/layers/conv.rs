//! The plain convolution of decoders.

use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::Device;

/// A convolution of side `kernel` that keeps the size of the map.
pub(crate) fn conv(channels: [usize; 2], kernel: usize, bias: bool, device: &Device) -> Conv2d {
    let side = kernel / 2;
    Conv2dConfig::new(channels, [kernel, kernel])
        .with_padding(PaddingConfig2d::Explicit(side, side, side, side))
        .with_bias(bias)
        .init(device)
}
