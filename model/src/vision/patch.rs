//! Convolutions whose stride is their kernel: cutting into patches, and spreading a cell over a
//! patch, is one matrix product.

use crate::layers::uniform;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

/// A `patch` x `patch` convolution of stride `patch`; rows and columns that fill no whole patch
/// are left out, as a convolution does.
#[derive(Module, Debug)]
pub struct PatchEmbed {
    /// `[out, in, patch, patch]`.
    pub weight: Param<Tensor<4>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl PatchEmbed {
    /// A randomly initialised convolution.
    pub fn new(d_in: usize, d_out: usize, patch: usize, bias: bool, device: &Device) -> Self {
        let fan_in = d_in * patch * patch;
        Self {
            weight: uniform([d_out, d_in, patch, patch], fan_in, device),
            bias: bias.then(|| uniform([d_out], fan_in, device)),
        }
    }

    /// Of a picture or map.
    ///
    /// # Shapes
    /// `[batch, in, height, width] -> [batch, height / patch, width / patch, out]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, _, patch, _] = self.weight.dims();
        let [b, c, h, w] = x.dims();
        let (rows, columns) = (h / patch, w / patch);
        let x = crop(crop(x, 2, rows * patch), 3, columns * patch)
            .reshape([b, c, rows, patch, columns, patch])
            .permute([0, 2, 4, 1, 3, 5]);
        self.apply(x, [b, rows, columns, c * patch * patch])
    }

    /// Of a map whose channels stand last.
    ///
    /// # Shapes
    /// `[batch, height, width, in] -> [batch, height / patch, width / patch, out]`
    pub fn forward_channels_last(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, _, patch, _] = self.weight.dims();
        let [b, h, w, c] = x.dims();
        let (rows, columns) = (h / patch, w / patch);
        let x = crop(crop(x, 1, rows * patch), 2, columns * patch)
            .reshape([b, rows, patch, columns, patch, c])
            .permute([0, 1, 3, 5, 2, 4]);
        self.apply(x, [b, rows, columns, c * patch * patch])
    }

    fn apply(&self, patches: Tensor<6>, shape: [usize; 4]) -> Tensor<4> {
        let [d_out, ..] = self.weight.dims();
        let weight = self.weight.val().reshape([d_out, shape[3]]).transpose();
        let bias = self.bias.as_ref().map(Param::val);
        burn::tensor::module::linear(patches.reshape(shape), weight, bias)
    }
}

/// The transposed convolution of side and stride `patch`: each cell becomes a patch.
#[derive(Module, Debug)]
pub struct PatchSpread {
    /// `[in, out, patch, patch]`.
    pub weight: Param<Tensor<4>>,
    /// `[out]`.
    pub bias: Param<Tensor<1>>,
}

impl PatchSpread {
    /// A randomly initialised transposed convolution.
    pub fn new(d_in: usize, d_out: usize, patch: usize, device: &Device) -> Self {
        let fan_in = d_out * patch * patch;
        Self {
            weight: uniform([d_in, d_out, patch, patch], fan_in, device),
            bias: uniform([d_out], fan_in, device),
        }
    }

    /// Of a map whose channels stand last.
    ///
    /// # Shapes
    /// `[batch, height, width, in] -> [batch, height * patch, width * patch, out]`
    pub fn forward_channels_last(&self, x: Tensor<4>) -> Tensor<4> {
        let [d_in, d_out, patch, _] = self.weight.dims();
        let [b, h, w, _] = x.dims();
        // Columns ordered by place in the patch, then channel.
        let weight = self.weight.val().permute([0, 2, 3, 1]).reshape([d_in, patch * patch * d_out]);
        let cells = x.reshape([b * h * w, d_in]).matmul(weight);
        let patches = cells.reshape([b, h, w, patch, patch, d_out]).permute([0, 1, 3, 2, 4, 5]);
        patches.reshape([b, h * patch, w * patch, d_out]) + self.bias.val().unsqueeze()
    }
}

fn crop(x: Tensor<4>, axis: usize, length: usize) -> Tensor<4> {
    if x.dims()[axis] == length { x } else { x.narrow(axis, 0, length) }
}

/// Drops the leading rows that are no patches (the class token) and views the rest as a map.
///
/// # Shapes
/// `[batch, extra + rows * columns, dim] -> [batch, dim, rows, columns]`
pub fn tokens_to_map(tokens: Tensor<3>, [rows, columns]: [usize; 2]) -> Tensor<4> {
    let [b, length, dim] = tokens.dims();
    let patches = tokens.narrow(1, length - rows * columns, rows * columns);
    patches.swap_dims(1, 2).reshape([b, dim, rows, columns])
}

/// The hidden states that `layers` name, as maps.
pub(super) fn select_maps(
    states: &[Tensor<3>],
    blocks: usize,
    layers: &[isize],
    grid: [usize; 2],
) -> Vec<Tensor<4>> {
    let state = |&layer: &isize| states.get(blocks.saturating_add_signed(layer + 1));
    layers.iter().filter_map(state).map(|x| tokens_to_map(x.clone(), grid)).collect()
}
