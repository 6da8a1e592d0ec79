//! Vision maps as the memory of a transformer decoder.

use super::config::Positions;
use crate::layers::{octave_position, resize_bilinear, uniform};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use std::f64::consts::TAU;

/// The two-dimensional sine position code of DETR: the y half of the channels, then the x half;
/// in each, sine and cosine alternate over frequencies of base 10000, and the rows and columns of
/// the grid are spread over one turn.
///
/// # Shapes
/// returns `[height * width, channels]`, raster order; `channels` a multiple of 4
pub fn sine_position([height, width]: [usize; 2], channels: usize, device: &Device) -> Tensor<2> {
    let half = channels / 2;
    let axis = |count: usize| {
        let mut code = Vec::with_capacity(count * half);
        for at in 1..=count {
            let angle = at as f64 / (count as f64 + 1e-6) * TAU;
            code.extend((0..half).map(|i| {
                let x = angle / 10000f64.powf((i / 2 * 2) as f64 / half as f64);
                if i % 2 == 0 { x.sin() as f32 } else { x.cos() as f32 }
            }));
        }
        TensorData::new(code, [count, half])
    };
    let y = Tensor::<2>::from_data(axis(height), device).unsqueeze_dim::<3>(1);
    let x = Tensor::<2>::from_data(axis(width), device).unsqueeze_dim::<3>(0);
    let size = [height, width, half];
    Tensor::cat(vec![y.expand(size), x.expand(size)], 2).reshape([height * width, channels])
}

/// What the queries of a transformer decoder attend to.
#[derive(Debug, Clone)]
pub struct Memory {
    /// Attended values, `[batch, tokens, d_model]`.
    pub values: Tensor<3>,
    /// The same with positions, `[batch, tokens, d_model]`.
    pub keys: Tensor<3>,
    /// Added to the scores of the tokens, broadcast to `[batch, heads, queries, tokens]`; none
    /// where all tokens count.
    pub bias: Option<Tensor<4>>,
}

impl Memory {
    /// The cells of a map with their positions.
    ///
    /// # Shapes
    /// `[batch, d_model, height, width]`
    pub fn new(map: Tensor<4>, positions: Positions) -> Self {
        let [_, d_model, height, width] = map.dims();
        let (size, device) = ([height, width], map.device());
        let values = map.flatten::<3>(2, 3).swap_dims(1, 2);
        let (keys, values) = match positions {
            Positions::Keys => {
                let code = sine_position(size, d_model, &device);
                (values.clone() + code.unsqueeze(), values)
            }
            Positions::Octaves => {
                let keys = values + octave_position(size, d_model, &device).unsqueeze();
                (keys.clone(), keys)
            }
        };
        Self { keys, values, bias: None }
    }
}

/// One linear map over the channels of all levels, resized to the first level and concatenated
/// (the reference's `resize_concat`).
///
/// Resizing and mixing channels commute, so each level is mixed at its own resolution and only
/// the few mixed channels are resized: the same numbers for a sixth of the work at the published
/// sizes.
#[derive(Module, Debug)]
pub struct LevelProjection {
    /// `[d_model, channels of all levels]`.
    pub weight: Param<Tensor<2>>,
    /// `[d_model]`.
    pub bias: Param<Tensor<1>>,
}

impl LevelProjection {
    /// A randomly initialised projection.
    pub fn new(channels: usize, d_model: usize, device: &Device) -> Self {
        Self {
            weight: uniform([d_model, channels], channels, device),
            bias: uniform([d_model], channels, device),
        }
    }

    /// # Shapes
    /// maps `[batch, channels_i, h_i, w_i]`, finest first -> `[batch, d_model, h_0, w_0]`
    pub fn forward(&self, maps: &[Tensor<4>]) -> Tensor<4> {
        let weight = self.weight.val();
        let d_model = weight.dims()[0];
        let mut sum = self.bias.val().reshape([1, d_model, 1, 1]);
        let mut start = 0;
        let mut size = None;
        for map in maps {
            let [batch, channels, h, w] = map.dims();
            let level = weight.clone().narrow(1, start, channels).unsqueeze::<3>();
            let mixed =
                level.matmul(map.clone().flatten::<3>(2, 3)).reshape([batch, d_model, h, w]);
            sum = sum + resize_bilinear(mixed, *size.get_or_insert([h, w]));
            start += channels;
        }
        sum
    }
}
