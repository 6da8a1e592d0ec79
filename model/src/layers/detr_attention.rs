//! Attention with the parameter names of DETR's Hugging Face checkpoints, which SAM shares.

use super::{Linear, attend, merge_heads, split_heads};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Multi-head attention with separate projections.
#[derive(Module, Debug)]
pub struct DetrAttention {
    /// Query projection.
    pub q_proj: Linear,
    /// Key projection.
    pub k_proj: Linear,
    /// Value projection.
    pub v_proj: Linear,
    /// Output projection.
    pub out_proj: Linear,
    #[module(skip)]
    heads: usize,
}

impl DetrAttention {
    /// Attention that works at `width` inside.
    pub(crate) fn new(d_model: usize, width: usize, heads: usize, device: &Device) -> Self {
        let inwards = || Linear::new(d_model, width, true, device);
        Self {
            q_proj: inwards(),
            k_proj: inwards(),
            v_proj: inwards(),
            out_proj: Linear::new(width, d_model, true, device),
            heads,
        }
    }

    /// # Shapes
    /// `q` `[batch, queries, d_model]`, `k` and `v` `[batch, keys, d_model]`, `bias` broadcasts to
    /// `[batch, heads, queries, keys]` -> `[batch, queries, d_model]`
    pub fn forward(
        &self,
        q: Tensor<3>,
        k: Tensor<3>,
        v: Tensor<3>,
        bias: Option<Tensor<4>>,
    ) -> Tensor<3> {
        let q = split_heads(self.q_proj.forward(q), self.heads);
        let k = split_heads(self.k_proj.forward(k), self.heads);
        let v = split_heads(self.v_proj.forward(v), self.heads);
        self.out_proj.forward(merge_heads(attend(q, k, v, bias)))
    }
}
