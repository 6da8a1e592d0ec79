//! A position code for small grids.

use burn::tensor::{Device, Tensor, TensorData};
use std::f64::consts::TAU;

/// Waves across the square of the slowest and of the fastest channel.
const WAVES: [f64; 2] = [0.5, 8.0];

/// Sines and cosines of the cells' centres: the y half of the channels, then the x half; in each,
/// sine and cosine alternate over wave numbers from half a wave to eight waves across the square.
///
/// The position code of DETR has no more than one wave, so telling neighbouring cells apart takes
/// large weights. It depends on the place in the square alone, not on the grid: maps of any
/// resolution agree.
///
/// # Shapes
/// returns `[height * width, channels]`, raster order; `channels` a multiple of 4
pub fn octave_position([height, width]: [usize; 2], channels: usize, device: &Device) -> Tensor<2> {
    let half = channels / 2;
    let steps = (half / 2).saturating_sub(1).max(1) as f64;
    let axis = |count: usize| -> Vec<f32> {
        let value = |at: usize, channel: usize| {
            let share = (channel / 2) as f64 / steps;
            let waves = WAVES[0] * (WAVES[1] / WAVES[0]).powf(share);
            let angle = TAU * waves * (at as f64 + 0.5) / count as f64;
            if channel.is_multiple_of(2) { angle.sin() as f32 } else { angle.cos() as f32 }
        };
        (0..count).flat_map(|at| (0..half).map(move |channel| value(at, channel))).collect()
    };
    let (rows, columns) = (axis(height), axis(width));
    let mut code = Vec::with_capacity(height * width * channels);
    for row in rows.chunks_exact(half) {
        for column in columns.chunks_exact(half) {
            code.extend_from_slice(row);
            code.extend_from_slice(column);
        }
    }
    Tensor::from_data(TensorData::new(code, [height * width, channels]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_of_any_size_agree_and_neighbours_differ() {
        let device = Device::flex();
        let rows = |side: usize| -> Vec<f32> {
            octave_position([side, side], 64, &device).into_data().iter::<f32>().collect()
        };
        // The centre of a cell of a 3x3 grid is that of the middle cell of its 9x9 refinement.
        let (coarse, fine) = (rows(3), rows(9));
        for (i, row) in coarse.chunks_exact(64).enumerate() {
            let (y, x) = (i / 3 * 3 + 1, i % 3 * 3 + 1);
            let same = &fine[(y * 9 + x) * 64..][..64];
            assert!(row.iter().zip(same).all(|(a, b)| (a - b).abs() < 1e-5));
        }
        let similarity = |a: usize, b: usize| {
            let row = |i: usize| &fine[i * 64..][..64];
            row(a).iter().zip(row(b)).map(|(a, b)| a * b).sum::<f32>() / 32.0
        };
        assert!((similarity(40, 40) - 1.0).abs() < 1e-5);
        assert!((0..81).filter(|&cell| cell != 40).all(|cell| similarity(40, cell) < 0.9));
    }
}
