//! The plain convolutions of decoders.

use super::linear::random;
use super::uniform;
use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Distribution, Tensor};

/// A convolution of side `kernel` that keeps the size of the map.
pub(crate) fn conv(channels: [usize; 2], kernel: usize, bias: bool, device: &Device) -> Conv2d {
    let side = kernel / 2;
    Conv2dConfig::new(channels, [kernel, kernel])
        .with_padding(PaddingConfig2d::Explicit(side, side, side, side))
        .with_bias(bias)
        .init(device)
}

/// A convolution of side 1, as a product of matrices: burn's takes the way of larger kernels.
#[derive(Module, Debug)]
pub struct Pointwise {
    /// `[out, in]`.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Pointwise {
    pub(crate) fn new([d_in, d_out]: [usize; 2], bias: bool, device: &Device) -> Self {
        Self {
            weight: uniform([d_out, d_in], d_in, device),
            bias: bias.then(|| uniform([d_out], d_in, device)),
        }
    }

    /// Without bias, drawn from N(0, `std`).
    pub(crate) fn normal([d_in, d_out]: [usize; 2], std: f64, device: &Device) -> Self {
        let weight = random([d_out, d_in], Distribution::Normal(0.0, std), device);
        Self { weight, bias: None }
    }

    /// # Shapes
    /// `[batch, in, h, w] -> [batch, out, h, w]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, channels, h, w] = x.dims();
        let weight = self.weight.val();
        let out = weight.dims()[0];
        let y = weight.unsqueeze::<3>().matmul(x.reshape([batch, channels, h * w]));
        let y = match &self.bias {
            Some(bias) => y + bias.val().reshape([1, out, 1]),
            None => y,
        };
        y.reshape([batch, out, h, w])
    }
}
