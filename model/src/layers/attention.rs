//! Scaled dot-product attention over explicit heads.

#[cfg(not(target_arch = "wasm32"))]
use super::packed::on_host;
#[cfg(not(target_arch = "wasm32"))]
use burn::tensor::{DType, TensorData};
use burn::tensor::{Tensor, activation};
#[cfg(not(target_arch = "wasm32"))]
use refvlm_shaders::{Heads, attention};

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
    #[cfg(not(target_arch = "wasm32"))]
    if by_own_loops(&q) && [&k, &v].iter().all(|x| x.dtype() == DType::F32) {
        let keys = k.dims()[2];
        let [k, v] = [k, v].map(Tensor::into_data);
        // Elements are f32 here, so no slice is refused.
        let [k, v] = [&k, &v].map(|x| x.as_slice::<f32>().unwrap_or_default());
        return attend_slices(q, [k, v], [keys; 2], bias);
    }
    let mut scores = (q.clone() * scale(&q)).matmul(k.swap_dims(2, 3));
    if let Some(bias) = bias {
        scores = scores + bias;
    }
    activation::softmax(scores, 3).matmul(v)
}

fn scale(q: &Tensor<4>) -> f64 {
    1.0 / (q.dims()[3] as f64).sqrt()
}

/// Whether queries are attended by our own loop, which never holds all scores.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn by_own_loops(q: &Tensor<4>) -> bool {
    on_host(&q.device()) && q.dtype() == DType::F32
}

/// The same for keys and values in the host's memory, `[batch, heads, room, dim]`, of which each
/// head has the first `keys`.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn attend_slices(
    q: Tensor<4>,
    keys_values: [&[f32]; 2],
    [keys, room]: [usize; 2],
    bias: Option<Tensor<4>>,
) -> Tensor<4> {
    let (device, shape, scale) = (q.device(), q.dims(), scale(&q) as f32);
    let [batch, heads, queries, width] = shape;
    let sizes = Heads { count: batch * heads, queries, keys, room, width };
    // Which bias is that of a head: one for all, or one for each.
    let each = bias.as_ref().map_or([1, 1], |bias| [bias.dims()[0], bias.dims()[1]]);
    let bias = bias.map(|bias| {
        let bias = bias.expand([each[0], each[1], queries, keys]);
        bias.into_data().convert::<f32>()
    });
    let bias = bias.as_ref().and_then(|bias| bias.as_slice::<f32>().ok());
    let of_head = |head: usize| {
        let (b, h) = ((head / heads).min(each[0] - 1), (head % heads).min(each[1] - 1));
        bias.map(|bias| &bias[(b * each[1] + h) * queries * keys..][..queries * keys])
    };
    let [k, v] = keys_values;
    let q = q.into_data();
    let y = q.as_slice::<f32>().map(|q| attention(sizes, [q, k, v], scale, of_head));
    Tensor::from_data(TensorData::new(y.unwrap_or_default(), shape), &device)
}
