//! Losses of body points given as x, y in the unit square and a visibility v (0 unlabelled,
//! 1 hidden, 2 visible).

use super::masks::focal;
use burn::tensor::{Tensor, TensorData};

/// Keeps the similarity defined for a box without area.
const LEAST_AREA: f64 = 1e-9;

/// `Σ |prediction - target| / n` over labelled points.
///
/// # Shapes
/// points `[n, points, 2]`, `labelled` (0 or 1) `[n, points]` -> `[1]`
pub fn keypoint_l1(prediction: Tensor<3>, target: Tensor<3>, labelled: Tensor<2>) -> Tensor<1> {
    let n = prediction.dims()[0] as f64;
    ((prediction - target).abs() * labelled.unsqueeze_dim(2)).sum() / n
}

/// The focal loss of two independent logits per point, unlabelled and labelled: mean over the
/// two, sum over points, divided by n.
///
/// # Shapes
/// logits `[n, points, 2]`, `labelled` (0 or 1) `[n, points]` -> `[1]`
pub fn visibility_focal(logits: Tensor<3>, labelled: Tensor<2>) -> Tensor<1> {
    let [n, points, _] = logits.dims();
    let labels = Tensor::stack::<3>(vec![-labelled.clone() + 1.0, labelled], 2);
    let weight = labels.ones_like() / (2 * n) as f64;
    let rows = [n * points, 2];
    focal(logits.reshape(rows), labels.reshape(rows), weight.reshape(rows))
}

/// Object keypoint similarity, the mean over labelled points of
/// `exp(-d² / (2 area (2σ)²))` with the distance `d`; 0 where no point is labelled.
///
/// Its gradient vanishes for points that are far off, so it sharpens what [`keypoint_l1`] has
/// brought near.
///
/// # Shapes
/// points `[n, points, 2]`, `labelled` `[n, points]`, `area` of the boxes `[n]`, one sigma per
/// point -> `[n]`
pub fn oks(
    prediction: Tensor<3>,
    target: Tensor<3>,
    labelled: Tensor<2>,
    area: Tensor<1>,
    sigmas: &[f32],
) -> Tensor<1> {
    let device = prediction.device();
    let falloff: Vec<f32> = sigmas.iter().map(|s| -1.0 / (8.0 * s * s)).collect();
    let falloff = Tensor::<1>::from_data(TensorData::new(falloff, [sigmas.len()]), &device);
    let distance = (prediction - target).square().sum_dim(2).squeeze_dim::<2>(2);
    let exponent = distance * falloff.unsqueeze() / area.clamp_min(LEAST_AREA).unsqueeze_dim(1);
    let points = labelled.clone().sum_dim(1).clamp_min(1.0);
    ((exponent.exp() * labelled).sum_dim(1) / points).squeeze_dim(1)
}
