//! A convolution with a frozen batch norm.

use crate::layers::uniform;
use burn::module::{Module, Param};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

/// Keys `c.weight` and `bn.*`; the convolution has no bias and keeps the map's size but for its
/// stride.
#[derive(Module, Debug)]
pub struct ConvNorm {
    /// The convolution.
    pub c: Kernel,
    /// Over channels.
    pub bn: BatchNorm,
    #[module(skip)]
    stride: usize,
}

/// The weight of a convolution.
#[derive(Module, Debug)]
pub struct Kernel {
    /// `[out, in / groups, side, side]`.
    pub weight: Param<Tensor<4>>,
}

/// Scale and shift by statistics that were gathered in training.
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// Scale, `[channels]`.
    pub weight: Param<Tensor<1>>,
    /// Shift, `[channels]`.
    pub bias: Param<Tensor<1>>,
    /// `[channels]`.
    pub running_mean: Param<Tensor<1>>,
    /// `[channels]`.
    pub running_var: Param<Tensor<1>>,
}

const EPS: f64 = 1e-5;

impl ConvNorm {
    /// From all channels to all channels.
    pub fn new([d_in, d_out]: [usize; 2], side: usize, device: &Device) -> Self {
        Self::with_shape([d_out, d_in, side, side], device)
    }

    /// Each channel by itself.
    pub fn depthwise(channels: usize, side: usize, device: &Device) -> Self {
        Self::with_shape([channels, 1, side, side], device)
    }

    fn with_shape(shape: [usize; 4], device: &Device) -> Self {
        let [channels, d_in, side, _] = shape;
        let fixed = |value: f64| {
            Param::from_tensor(Tensor::full([channels], value, device)).set_require_grad(false)
        };
        Self {
            c: Kernel { weight: uniform(shape, d_in * side * side, device) },
            bn: BatchNorm {
                weight: Param::from_tensor(Tensor::ones([channels], device)),
                bias: Param::from_tensor(Tensor::zeros([channels], device)),
                running_mean: fixed(0.0),
                running_var: fixed(1.0),
            },
            stride: 1,
        }
    }

    /// The same with another stride.
    pub fn with_stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// The norm is folded into the kernel, which is small where the map is large.
    ///
    /// # Shapes
    /// `[batch, in, h, w] -> [batch, out, h / stride, w / stride]`, rounded up
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = self.c.weight.val();
        let [d_out, d_in, side, _] = weight.dims();
        let BatchNorm { weight: scale, bias, running_mean, running_var } = &self.bn;
        let scale = scale.val() / (running_var.val() + EPS).sqrt();
        let shift = bias.val() - running_mean.val() * scale.clone();
        let groups = x.dims()[1] / d_in;
        let (stride, around) = (self.stride, side / 2);
        let options = ConvOptions::new([stride; 2], [around; 2], [1, 1], groups);
        let weight = weight * scale.reshape([d_out, 1, 1, 1]);
        burn::tensor::module::conv2d(x, weight, Some(shift), options)
    }
}
