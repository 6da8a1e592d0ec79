//! Dropout.

use burn::tensor::{Distribution, Tensor};

/// Drops this share of the values, on a training device only. Not burn's module: its training flag is
/// a parameter, and a checkpoint has no such key.
pub fn dropout<const D: usize>(x: Tensor<D>, share: f64) -> Tensor<D> {
    if share == 0.0 || !x.device().is_autodiff() {
        return x;
    }
    let kept = x.random_like(Distribution::Bernoulli(1.0 - share));
    x * kept / (1.0 - share)
}
