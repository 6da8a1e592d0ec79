//! Losses of depth maps as natural logarithms, over valid cells.
//!
//! Each map has weights that are `1 / valid cells` on valid cells and 0 elsewhere, so a weighted
//! sum is a mean.

use burn::tensor::Tensor;

/// Variance-focused scale-invariant loss of each map: `mean(d²) - λ mean(d)²` with
/// `d = prediction - target`; at λ = 1 a factor common to the whole map costs nothing.
///
/// # Shapes
/// all `[n, m]` -> `[n]`
pub fn silog(
    prediction: Tensor<2>,
    target: Tensor<2>,
    weight: Tensor<2>,
    lambda: f64,
) -> Tensor<1> {
    let d = prediction - target;
    let weighted = d.clone() * weight;
    let square = (d * weighted.clone()).sum_dim(1);
    (square - weighted.sum_dim(1).square() * lambda).squeeze_dim(1)
}

/// Mean of `|prediction - target|` of each map.
///
/// # Shapes
/// all `[n, m]` -> `[n]`
pub fn log_l1(prediction: Tensor<2>, target: Tensor<2>, weight: Tensor<2>) -> Tensor<1> {
    ((prediction - target).abs() * weight).sum_dim(1).squeeze_dim(1)
}

/// Share of cells whose depth is right within a factor of 1.25, without gradient.
///
/// # Shapes
/// all `[n, m]` -> `[n]`
pub fn within_factor(prediction: Tensor<2>, target: Tensor<2>, weight: Tensor<2>) -> Tensor<1> {
    let near = (prediction.detach() - target).abs().lower_elem(1.25f64.ln()).float();
    (near * weight).sum_dim(1).squeeze_dim(1)
}
