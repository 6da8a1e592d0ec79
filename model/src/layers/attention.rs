//! Scaled dot-product attention over explicit heads.

use burn::tensor::{Tensor, activation};

/// `[batch, length, heads * dim] -> [batch, heads, length, dim]`
pub fn split_heads(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [b, l, d] = x.dims();
    x.reshape([b, l, heads, d / heads]).swap_dims(1, 2)
}

/// `[batch, heads, length, dim] -> [batch, length, heads * dim]`
pub fn merge_heads(x: Tensor<4>) -> Tensor<3> {
    let [b, h, l, d] = x.dims();
    x.swap_dims(1, 2).reshape([b, l, h * d])
}

/// `softmax(q kᵀ / sqrt(dim) + bias) v`.
///
/// # Shapes
/// - `q` `[batch, heads, queries, dim]`, `k` and `v` `[batch, heads, keys, dim]`
/// - `bias` broadcasts to `[batch, heads, queries, keys]`: 0 where attending is allowed, a large
///   negative number elsewhere
/// - returns `[batch, heads, queries, dim]`
pub fn attend(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, bias: Option<Tensor<4>>) -> Tensor<4> {
    let scale = 1.0 / (q.dims()[3] as f64).sqrt();
    let mut scores = (q * scale).matmul(k.swap_dims(2, 3));
    if let Some(bias) = bias {
        scores = scores + bias;
    }
    activation::softmax(scores, 3).matmul(v)
}
