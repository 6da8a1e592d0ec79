//! The position code of SAM: sines and cosines of random projections of a place.

use burn::module::{Module, Param};
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use std::f64::consts::TAU;

/// The random projection, drawn once and kept; it is not trained.
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
        let turns = (places * 2.0 - 1.0).matmul(matrix.unsqueeze());
        Tensor::cat(vec![sine_of_turns(turns.clone()), sine_of_turns(turns + 0.25)], D - 1)
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

/// `sin(2π x)`. The sine of a graphics card may be off by 2^-11, which a mask would show; this is
/// made of sums and products.
fn sine_of_turns<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let x = x.clone() - x.round();
    // A quarter of a turn to either side is enough: the sine is the same on both sides of its top.
    let near = x.clone().abs();
    let near = near.clone().min_pair(0.5 - near);
    let angle = near * x.sign() * TAU;
    let square = angle.clone().square();
    // The terms of the series up to the 13th power; the next one is 6e-10 at most.
    let mut sum = Tensor::ones_like(&square);
    for n in [12.0, 10.0, 8.0, 6.0, 4.0, 2.0] {
        sum = 1.0 - sum * square.clone() / (n * (n + 1.0));
    }
    angle * sum
}
