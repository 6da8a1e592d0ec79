//! What a cell is to a prompt: where it lies, seen from the prompt and measured by its size, and how
//! alike it is to what the prompt covers. Both reach over the whole picture at once, where
//! convolutions would have to carry them from cell to cell.

use super::config::STROKE_KINDS;
use burn::tensor::{Device, Tensor, TensorData};

/// Channels of [`Extent::places`].
pub(super) const PLACES: usize = 6;
/// Width of the fixed bell around the prompt's centre, as a share of the square.
const NEAR: f64 = 0.15;
/// Least half side of a prompt, as a share of the square.
const LEAST: f64 = 0.02;
/// Cells of a prompt that lies everywhere alike, mixed into each prompt: what stands in for a
/// prompt where there is none.
const FAINT: f64 = 1e-3;
/// Kinds of strokes that point at something; the last one cuts away.
const POINTING: usize = STROKE_KINDS - 1;

/// Where each reference's prompt lies, in units of the square; no gradient flows through it.
#[derive(Debug, Clone)]
pub(in crate::decoding) struct Extent {
    /// Its centre, `[references, 1]` for x and y.
    centre: [Tensor<2>; 2],
    /// Half the sides of the rectangle of the same spread, `[references, 1]` for x and y.
    half: [Tensor<2>; 2],
}

impl Extent {
    /// # Shapes
    /// `map` `[references, STROKE_KINDS, side, side]`
    pub(super) fn of(map: Tensor<4>) -> Self {
        let [count, _, h, w] = map.dims();
        let mass = map.detach().narrow(1, 0, POINTING).sum_dim(1).reshape([count, h, w]);
        let mass = mass + FAINT / (h * w) as f64;
        let along = |sums: Tensor<2>, length: usize| {
            let at = centres(length, &sums.device());
            let total = sums.clone().sum_dim(1);
            let mean = |of: Tensor<2>| (sums.clone() * of).sum_dim(1) / total.clone();
            let centre = mean(at.clone());
            let spread = mean((at - centre.clone()).square());
            // A row of length l has a variance of l^2 / 12.
            (centre, (spread * 3.0).sqrt().clamp_min(LEAST))
        };
        let (x, half_x) = along(mass.clone().sum_dim(1).reshape([count, w]), w);
        let (y, half_y) = along(mass.sum_dim(2).reshape([count, h]), h);
        Self { centre: [x, y], half: [half_x, half_y] }
    }

    /// For each cell its way from the prompt's centre in units of the square (x, y) and, bent so
    /// that it stays within 1, in half sides of the prompt (x, y); then a bell of the prompt's size
    /// and one of a fixed size around that centre.
    ///
    /// # Shapes
    /// returns `[references, PLACES, h, w]`
    pub(super) fn places(&self, [h, w]: [usize; 2]) -> Tensor<4> {
        let count = self.centre[0].dims()[0];
        let device = self.centre[0].device();
        let way = |axis: usize, length: usize| centres(length, &device) - self.centre[axis].clone();
        let scaled = |axis: usize, length: usize| way(axis, length) / self.half[axis].clone();
        let wide = |x: Tensor<2>| x.reshape([count, 1, 1, w]).expand([count, 1, h, w]);
        let high = |y: Tensor<2>| y.reshape([count, 1, h, 1]).expand([count, 1, h, w]);
        let bell = |x: Tensor<2>, y: Tensor<2>| {
            let along = |v: Tensor<2>| (-v.square() / 2.0).exp();
            wide(along(x)) * high(along(y))
        };
        Tensor::cat(
            vec![
                wide(way(0, w)),
                high(way(1, h)),
                wide(scaled(0, w).tanh()),
                high(scaled(1, h).tanh()),
                bell(scaled(0, w), scaled(1, h)),
                bell(way(0, w) / NEAR, way(1, h) / NEAR),
            ],
            1,
        )
    }
}

/// The centres of cells in units of the square, `[1, length]`.
fn centres(length: usize, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = (0..length).map(|i| (i as f32 + 0.5) / length as f32).collect();
    Tensor::from_data(TensorData::new(values, [1, length]), device)
}

/// The cosine between each cell's channels and the mean of those that the prompt covers, group of
/// channels by group.
///
/// # Shapes
/// - `features` `[references, channels, h, w]`, `prompt` `[references, STROKE_KINDS, h, w]`
/// - returns `[references, groups, h, w]`
pub(super) fn likeness(features: Tensor<4>, prompt: Tensor<4>, groups: usize) -> Tensor<4> {
    let [count, channels, h, w] = features.dims();
    let mass = prompt.narrow(1, 0, POINTING).sum_dim(1).reshape([count, h * w, 1]);
    let features = features.reshape([count, channels, h * w]);
    let total = mass.clone().sum_dim(1) + FAINT;
    let covered = features.clone().matmul(mass) / total;
    let grouped = |x: Tensor<3>| {
        let cells = x.dims()[2];
        x.reshape([count * groups, channels / groups, cells])
    };
    let (features, covered) = (grouped(features), grouped(covered));
    let dot = covered.clone().swap_dims(1, 2).matmul(features.clone());
    let norm = |x: Tensor<3>| x.square().sum_dim(1);
    let cosine = dot / (norm(covered) * norm(features) + 1e-6).sqrt();
    cosine.reshape([count, groups, h, w])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().iter::<f32>().collect()
    }

    /// A box over columns 4 to 11 and rows 2 to 5 of 16.
    fn rectangle() -> Tensor<4> {
        let mut values = vec![0.0f32; STROKE_KINDS * 256];
        for row in 2..6 {
            for column in 4..12 {
                values[256 + row * 16 + column] = 1.0;
            }
        }
        Tensor::from_data(TensorData::new(values, [1, STROKE_KINDS, 16, 16]), &Device::flex())
    }

    #[test]
    fn the_extent_of_a_box_is_the_box() {
        let extent = Extent::of(rectangle());
        let found: Vec<f32> =
            extent.centre.iter().chain(&extent.half).flat_map(|t| numbers(t.clone())).collect();
        // The spread is measured between the centres of cells, which makes a side a little shorter.
        for (found, expected) in found.iter().zip([0.5, 0.25, 0.25, 0.125]) {
            assert!((found - expected).abs() < 0.005, "{found} for {expected}");
        }
        let places = numbers(extent.places([16, 16]));
        let at =
            |channel: usize, row: usize, column: usize| places[channel * 256 + row * 16 + column];
        assert!((at(0, 0, 0) - (0.5 / 16.0 - 0.5)).abs() < 1e-3);
        assert!((at(1, 3, 0) - (3.5 / 16.0 - 0.25)).abs() < 1e-3);
        assert!(at(2, 4, 15) > 0.9 && at(2, 4, 0) < -0.9);
        assert!(at(4, 3, 7) > 0.9 && at(4, 12, 7) < 0.01);
    }

    #[test]
    fn cells_like_the_covered_ones_are_alike() {
        // Two channels: the left half shows one of them, the right half the other.
        let values: Vec<f32> =
            (0..2 * 256).map(|i| if (i / 256 == 0) == (i % 16 < 8) { 1.0 } else { 0.0 }).collect();
        let features =
            Tensor::<4>::from_data(TensorData::new(values, [1, 2, 16, 16]), &Device::flex());
        let mut prompt = vec![0.0f32; STROKE_KINDS * 256];
        prompt[5 * 16 + 2] = 1.0;
        let prompt =
            Tensor::from_data(TensorData::new(prompt, [1, STROKE_KINDS, 16, 16]), &Device::flex());
        let alike = numbers(likeness(features, prompt, 1));
        assert!((alike[15 * 16] - 1.0).abs() < 1e-2 && alike[15].abs() < 1e-3);
    }
}
