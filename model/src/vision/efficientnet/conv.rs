//! The convolutions that are no matrix products, with TensorFlow's padding.

use crate::layers::{on_host, uniform};
use burn::module::{Module, Param};
use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{Device, Tensor, TensorData};
use refvlm_shaders::{Depthwise, same_padding};

/// `max(0, min(x, 6))`
pub fn relu6<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.clamp(0.0, 6.0)
}

/// The first convolution, from colours to channels, and ReLU6.
#[derive(Module, Debug)]
pub struct StemConv {
    /// `[out, 3, kernel, kernel]`.
    pub weight: Param<Tensor<4>>,
    /// `[out]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    stride: usize,
}

impl StemConv {
    /// A randomly initialised convolution.
    pub fn new(d_out: usize, kernel: usize, stride: usize, device: &Device) -> Self {
        let fan_in = 3 * kernel * kernel;
        Self {
            weight: uniform([d_out, 3, kernel, kernel], fan_in, device),
            bias: uniform([d_out], fan_in, device),
            stride,
        }
    }

    /// # Shapes
    /// `[batch, 3, height, width]` -> `[batch, ceil(height / stride), ceil(width / stride), out]`
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<4> {
        relu6(convolve(pixels, &self.weight, &self.bias, self.stride, 1).permute([0, 2, 3, 1]))
    }
}

/// A convolution of each channel with a kernel of its own, and ReLU6.
#[derive(Module, Debug)]
pub struct DepthwiseConv {
    /// `[channels, 1, kernel, kernel]`.
    pub weight: Param<Tensor<4>>,
    /// `[channels]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    stride: usize,
}

impl DepthwiseConv {
    /// A randomly initialised convolution.
    pub fn new(channels: usize, kernel: usize, stride: usize, device: &Device) -> Self {
        let fan_in = kernel * kernel;
        Self {
            weight: uniform([channels, 1, kernel, kernel], fan_in, device),
            bias: uniform([channels], fan_in, device),
            stride,
        }
    }

    /// Of ReLU6 of the input and the bias `before`, or of the input as it is. On the CPU, where no
    /// gradient is recorded, the input is read once for all of it.
    ///
    /// # Shapes
    /// - `x` `[batch, height, width, channels]`, `before` `[channels]`
    /// - returns `[batch, ceil(height / stride), ceil(width / stride), channels]`
    pub fn forward(&self, x: Tensor<4>, before: Option<Tensor<1>>) -> Tensor<4> {
        if on_host(&x.device()) {
            return self.host_forward(x, before);
        }
        let dtype = x.dtype();
        let x = match before {
            Some(before) => relu6(x + before.cast(dtype).unsqueeze()),
            None => x,
        };
        let (groups, x) = (x.dims()[3], x.permute([0, 3, 1, 2]));
        let y = convolve(x, &self.weight, &self.bias, self.stride, groups);
        relu6(y.permute([0, 2, 3, 1]))
    }

    fn host_forward(&self, x: Tensor<4>, before: Option<Tensor<1>>) -> Tensor<4> {
        let (device, dtype) = (x.device(), x.dtype());
        let [batch, height, width, channels] = x.dims();
        let [_, _, kernel, _] = self.weight.dims();
        let (weight, bias) = (numbers(self.weight.val()), numbers(self.bias.val()));
        let conv = Depthwise::new(slice(&weight), slice(&bias), kernel, self.stride);
        let before = before.map(numbers);
        let x = numbers(x);
        let mut y = vec![];
        for map in slice(&x).chunks_exact((height * width * channels).max(1)) {
            let map = conv.relu6(map, [height, width], before.as_ref().map(slice));
            // The one map of a batch is taken as it is.
            if y.is_empty() { y = map } else { y.extend(map) }
        }
        let [rows, columns] = [height, width].map(|length| length.div_ceil(self.stride));
        let y = TensorData::new(y, [batch, rows, columns, channels]);
        Tensor::from_data(y, (&device, dtype))
    }
}

fn numbers<const D: usize>(x: Tensor<D>) -> TensorData {
    x.into_data().convert::<f32>()
}

/// Elements are f32 here, so they are never refused.
fn slice(data: &TensorData) -> &[f32] {
    data.as_slice().unwrap_or_default()
}

/// burn's convolution, channels first, of a map padded as TensorFlow does.
fn convolve(
    x: Tensor<4>,
    weight: &Param<Tensor<4>>,
    bias: &Param<Tensor<1>>,
    stride: usize,
    groups: usize,
) -> Tensor<4> {
    let dtype = x.dtype();
    let [_, _, height, width] = x.dims();
    let [_, _, kernel, _] = weight.dims();
    let (_, [top, bottom]) = same_padding(height, kernel, stride);
    let (_, [left, right]) = same_padding(width, kernel, stride);
    let x = x.pad((left, right, top, bottom), PadMode::Constant(0.0));
    let options = ConvOptions::new([stride; 2], [0; 2], [1; 2], groups);
    let (weight, bias) = (weight.val().cast(dtype), bias.val().cast(dtype));
    burn::tensor::module::conv2d(x, weight, Some(bias), options)
}
