//! The maps of all towers, and the choice that others make among them.

use crate::layers::resize_bilinear;
use burn::tensor::Tensor;

/// Maps of one batch of pictures, all over the same padded square.
#[derive(Debug, Clone)]
pub struct Pyramid {
    /// `[batch, channels, height, width]` each; size and channels differ.
    pub maps: Vec<Tensor<4>>,
}

impl Pyramid {
    /// The maps of these indices, in their order. The configuration was checked to name maps that
    /// exist.
    pub fn select(&self, index: &[usize]) -> Vec<Tensor<4>> {
        index.iter().filter_map(|&i| self.maps.get(i).cloned()).collect()
    }

    /// The maps of these indices, at least one, resized to the size of the first, channels side by
    /// side.
    ///
    /// # Shapes
    /// returns `[batch, sum of channels, height, width]`
    pub fn joined(&self, index: &[usize]) -> Tensor<4> {
        let chosen = self.select(index);
        let size = chosen.first().map_or([1, 1], |map| {
            let [_, _, h, w] = map.dims();
            [h, w]
        });
        Tensor::cat(chosen.into_iter().map(|map| resize_bilinear(map, size)).collect(), 1)
    }
}
