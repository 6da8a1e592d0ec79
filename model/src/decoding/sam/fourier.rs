//! The position code of SAM: sines and cosines of random projections of a place.

use burn::module::{Module, Param};
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use std::f64::consts::TAU;

/// The random projection, drawn once and kept; it is no trained parameter.
#[derive(Module, Debug)]
pub struct FourierPosition {
    /// `[2, dim / 2]`, rows for x and y.
    pub positional_encoding_gaussian_matrix: Param<Tensor<2>>,
}

impl FourierPosition {
    /// A projection drawn from N(0, 1) for codes of `dim` channels.
    pub fn new(dim: usize, device: &Device) -> Self {
        let matrix = Tensor::random([2, dim / 2], Distribution::Normal(0.0, 1.0), device);
        let matrix = Param::from_tensor(matrix).set_require_grad(false);
        Self { positional_encoding_gaussian_matrix: matrix }
    }

    /// The code of places.
    ///
    /// # Shapes
    /// `[..., 2]` (x, y in 0..1) `-> [..., dim]`: sines, then cosines
    pub fn encode<const D: usize>(&self, places: Tensor<D>) -> Tensor<D> {
        let matrix = self.positional_encoding_gaussian_matrix.val();
        let angle = (places * 2.0 - 1.0).matmul(matrix.unsqueeze()) * TAU;
        Tensor::cat(vec![angle.clone().sin(), angle.cos()], D - 1)
    }

    /// The code of the cells of a grid, taken at their centres.
    ///
    /// # Shapes
    /// returns `[height * width, dim]`, raster order
    pub fn grid(&self, [height, width]: [usize; 2]) -> Tensor<2> {
        let centre = |i: usize, count: usize| ((i as f64 + 0.5) / count as f64) as f32;
        let places: Vec<f32> = (0..height * width)
            .flat_map(|i| [centre(i % width, width), centre(i / width, height)])
            .collect();
        let device = self.positional_encoding_gaussian_matrix.val().device();
        self.encode(Tensor::<2>::from_data(TensorData::new(places, [height * width, 2]), &device))
    }
}
