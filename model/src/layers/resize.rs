//! Resizing maps by matrix products, so that the backward pass exists on every backend.

use burn::tensor::{Device, Tensor, TensorData};

/// Weights of a bilinear resize along one axis (half-pixel centres, no antialiasing: PyTorch's
/// `align_corners=False`).
///
/// # Shapes
/// returns `[to, from]`, rows sum to 1
pub fn bilinear_matrix(from: usize, to: usize, device: &Device) -> Tensor<2> {
    sampling_matrix(from, to, [0.0, 1.0], device)
}

/// The same, of the stretch from `begin` to `end` alone, as shares of the axis; beyond its ends it goes
/// on as it ends.
///
/// # Shapes
/// returns `[to, from]`, rows sum to 1
pub(crate) fn sampling_matrix(
    from: usize,
    to: usize,
    [begin, end]: [f64; 2],
    device: &Device,
) -> Tensor<2> {
    let mut weights = vec![0.0f32; from * to];
    let scale = (end - begin) * from as f64 / to as f64;
    for (i, row) in weights.chunks_exact_mut(from).enumerate() {
        let at = (begin * from as f64 + (i as f64 + 0.5) * scale - 0.5).max(0.0);
        let low = (at as usize).min(from - 1);
        let high = (low + 1).min(from - 1);
        let fraction = (at - low as f64) as f32;
        row[low] += 1.0 - fraction;
        row[high] += fraction;
    }
    Tensor::from_data(TensorData::new(weights, [to, from]), device)
}

/// # Shapes
/// `[batch, channels, h, w] -> [batch, channels, height, width]`
pub fn resize_bilinear(x: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    let device = x.device();
    let x = if w == width {
        x
    } else {
        x.matmul(bilinear_matrix(w, width, &device).transpose().unsqueeze())
    };
    if h == height { x } else { bilinear_matrix(h, height, &device).unsqueeze::<4>().matmul(x) }
}

/// Nearest neighbour with PyTorch's `floor(i * from / to)`.
///
/// # Shapes
/// `[batch, channels, h, w] -> [batch, channels, height, width]`
pub fn resize_nearest(x: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    let device = x.device();
    let index = |from: usize, to: usize| {
        let ids: Vec<i64> = (0..to).map(|i| (i * from / to) as i64).collect();
        Tensor::from_data(TensorData::new(ids, [to]), &device)
    };
    let x = if w == width { x } else { x.select(3, index(w, width)) };
    if h == height { x } else { x.select(2, index(h, height)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_sampled_as_the_whole_axis_is() {
        let device = Device::flex();
        let map = Tensor::<2>::from_data([[0.0, 1.0, 4.0, 9.0]], &device);
        let at = |stretch| {
            let matrix = sampling_matrix(4, 4, stretch, &device);
            map.clone().matmul(matrix.transpose()).into_data().iter::<f32>().collect::<Vec<_>>()
        };
        assert_eq!(at([0.0, 1.0]), [0.0, 1.0, 4.0, 9.0]);
        // The second half at twice the size: its cells begin a quarter of one of the old further.
        assert_eq!(at([0.5, 1.0]), [3.25, 5.25, 7.75, 9.0]);
        // A quarter beyond either end goes on as the end is.
        assert_eq!(at([-0.25, 0.25]), [0.0, 0.0, 0.0, 0.25]);
    }
}
