//! Training on several dialogues about one picture.
//!
//! The picture's rows stand before every dialogue. They are read once per picture; each dialogue
//! is a branch that sees them and itself. That is what a key-value cache does when a person asks
//! a second question about the same picture, but differentiable and batched: with eight dialogues
//! of fifty tokens behind sixty-five rows of picture it is about twice as fast as eight whole
//! rows, and the attention matrix is a quarter of one packed row's.
//!
//! Branches of similar length stand side by side in a bucket, padded to the longest of it; all
//! buckets lie in one row of tokens, so that only attention knows of them.

use super::llama::{Llama, LlamaAttention, LlamaError, MASKED};
use super::rope::{Positions, Rotation};
use crate::layers::attend;
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Branches of one padded length that lie one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Tokens of each branch, padding included.
    pub length: usize,
    /// The picture that each branch is about.
    pub pictures: Vec<usize>,
}

impl Bucket {
    /// Tokens of all branches.
    pub fn tokens(&self) -> usize {
        self.length * self.pictures.len()
    }
}

impl Llama {
    /// Last normalised hidden states of branches behind shared beginnings.
    ///
    /// # Shapes
    /// - `trunk` `[pictures, shared, hidden]`: embeddings of the shared beginnings
    /// - `branches` `[1, tokens, hidden]`: those of the branches, bucket after bucket
    /// - returns `[1, tokens, hidden]`
    ///
    /// # Errors
    /// When the buckets do not describe the branches, or name a picture that is not there.
    pub fn forward_branches(
        &self,
        trunk: Tensor<3>,
        branches: Tensor<3>,
        buckets: &[Bucket],
    ) -> Result<Tensor<3>, LlamaError> {
        let ([pictures, shared, _], [batch, length, _]) = (trunk.dims(), branches.dims());
        let known = |bucket: &Bucket| bucket.pictures.iter().all(|&picture| picture < pictures);
        let tokens: usize = buckets.iter().map(Bucket::tokens).sum();
        if batch != 1 || tokens != length || !buckets.iter().all(known) {
            return Err(LlamaError::Positions { batch, length });
        }
        let (device, dtype) = (trunk.device(), trunk.dtype());
        let places = |bucket: &Bucket| {
            let place = move |at: usize| (shared + at % bucket.length) as u32;
            (0..bucket.tokens()).map(place).collect::<Vec<_>>()
        };
        let positions = Positions::new(vec![buckets.iter().flat_map(places).collect()]);
        let branch_rotation = self.rope.rotation(&positions, &device, dtype);
        let trunk_rotation = self.rope.rotation(&Positions::sequence(1, 0, shared), &device, dtype);
        let groups = self.model.layers.first().map_or(1, |layer| layer.self_attn.groups());
        let window = self.sliding_window.unwrap_or(usize::MAX);
        let bias =
            |length, past| causal(length, past, window, &device).cast(dtype).repeat_dim(2, groups);
        let trunk_bias = bias(shared, 0);
        let fork = |bucket: &Bucket| {
            let rows: Vec<i64> = bucket.pictures.iter().map(|&picture| picture as i64).collect();
            Fork {
                length: bucket.length,
                count: rows.len(),
                pictures: Tensor::from_data(TensorData::new(rows.clone(), [rows.len()]), &device),
                bias: bias(bucket.length, shared),
            }
        };
        let forks: Vec<Fork> = buckets.iter().map(fork).collect();

        let (mut x, mut y) = (trunk, branches);
        let last = self.model.layers.len().saturating_sub(1);
        for (i, layer) in self.model.layers.iter().enumerate() {
            let attn = &layer.self_attn;
            let normed = layer.input_layernorm.forward(x.clone());
            let [q, k, v] = attn.project(normed, &trunk_rotation);
            let own = layer.input_layernorm.forward(y.clone());
            let attended = attn.attend_forks(own, &branch_rotation, [k.clone(), v.clone()], &forks);
            let z = y + attended;
            y = z.clone() + layer.mlp.forward(layer.post_attention_layernorm.forward(z));
            // Behind the last layer nothing reads the shared rows.
            if i < last {
                let attended = attn.attend_to([q, k, v], Some(trunk_bias.clone()));
                let z = x + attended;
                x = z.clone() + layer.mlp.forward(layer.post_attention_layernorm.forward(z));
            }
        }
        Ok(self.model.norm.forward(y))
    }
}

/// A bucket as tensors.
struct Fork {
    length: usize,
    count: usize,
    /// `[count]`
    pictures: Tensor<1, Int>,
    /// `[1, 1, groups * length, shared + length]`
    bias: Tensor<4>,
}

impl LlamaAttention {
    /// Attention of branches to their trunk and to themselves.
    ///
    /// # Shapes
    /// `x` `[1, tokens, hidden]`, keys and values of the trunks
    /// `[pictures, kv_heads, shared, head_dim]` -> `[1, tokens, hidden]`
    fn attend_forks(
        &self,
        x: Tensor<3>,
        rotation: &Rotation,
        trunk: [Tensor<4>; 2],
        forks: &[Fork],
    ) -> Tensor<3> {
        let [q, k, v] = self.project(x, rotation);
        let [_, heads, _, dim] = q.dims();
        let kv_heads = k.dims()[1];
        let mut start = 0;
        let mut parts = Vec::with_capacity(forks.len());
        for fork in forks {
            let (n, length) = (fork.count, fork.length);
            // [1, heads, tokens, dim] -> [branches, heads, length, dim]
            let own = |t: &Tensor<4>, heads: usize| {
                let part = t.clone().narrow(2, start, n * length);
                part.reshape([heads, n, length, dim]).swap_dims(0, 1)
            };
            let behind = |trunk: &Tensor<4>, own: Tensor<4>| {
                Tensor::cat(vec![trunk.clone().select(0, fork.pictures.clone()), own], 2)
            };
            let q = own(&q, heads).reshape([n, kv_heads, self.groups() * length, dim]);
            let (k, v) =
                (behind(&trunk[0], own(&k, kv_heads)), behind(&trunk[1], own(&v, kv_heads)));
            let y = attend(q, k, v, Some(fork.bias.clone()));
            let y = y.reshape([n, heads, length, dim]).swap_dims(1, 2);
            parts.push(y.reshape([1, n * length, heads * dim]));
            start += n * length;
        }
        self.o_proj.forward(Tensor::cat(parts, 1))
    }
}

/// `[1, 1, length, past + length]`
fn causal(length: usize, past: usize, window: usize, device: &Device) -> Tensor<4> {
    let keys = past + length;
    let seen = move |query: usize, key: usize| key <= query && query - key < window;
    let row = |query| (0..keys).map(move |key| if seen(query, key) { 0.0 } else { MASKED });
    let values: Vec<f32> = (past..keys).flat_map(row).collect();
    Tensor::from_data(TensorData::new(values, [1, 1, length, keys]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::LlamaConfig;
    use burn::tensor::Distribution;

    #[test]
    fn branches_equal_whole_rows() {
        [None, Some(3)].into_iter().for_each(with_window);
    }

    fn with_window(window: Option<usize>) {
        let mut config: LlamaConfig = serde_json::from_str(
            r#"{"vocab_size": 20, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3,
                "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
                "rope_theta": 10000.0, "rms_norm_eps": 1e-5, "tie_word_embeddings": true}"#,
        )
        .unwrap();
        config.sliding_window = window;
        let device = Device::flex();
        let llama = Llama::new(&config, &device);
        let random =
            |shape: [usize; 3]| Tensor::<3>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        let buckets = [
            Bucket { length: 4, pictures: vec![0, 1, 1] },
            Bucket { length: 2, pictures: vec![1, 0] },
        ];
        let (trunk, branches) = (random([2, 5, 16]), random([1, 16, 16]));
        let out = llama.forward_branches(trunk.clone(), branches.clone(), &buckets).unwrap();
        let mut start = 0;
        for bucket in &buckets {
            for &picture in &bucket.pictures {
                let length = bucket.length;
                let own = branches.clone().narrow(1, start, length);
                let whole = Tensor::cat(vec![trunk.clone().narrow(0, picture, 1), own], 1);
                let positions = Positions::sequence(1, 0, 5 + length);
                let expected = llama.forward(whole, &positions, None, None).unwrap();
                let expected = expected.narrow(1, 5, length);
                let difference = (expected - out.clone().narrow(1, start, length)).abs().max();
                assert!(difference.into_scalar::<f32>() < 1e-5);
                start += length;
            }
        }
        let wrong = |trunk, tokens| {
            llama.forward_branches(random(trunk), random([1, tokens, 16]), &buckets).is_err()
        };
        assert!(wrong([2, 5, 16], 15) && wrong([1, 5, 16], 16));
    }
}
