//! How long a token takes on a device, before a model is loaded there.

use super::{Clock, EngineError, host};
use crate::language::{KvCache, Llama, LlamaConfig, Positions};
use crate::layers::attach_packed;
use burn::tensor::{Device, Int, Tensor};
use refvlm_shaders::{BLOCK, Format, Packed};
use std::collections::HashMap;

/// Layers that are timed; all layers are alike, so two numbers of them tell the rest.
const LAYERS: [usize; 2] = [1, 3];

/// Steps before timing: kernels are compiled in the first, and buffers found in the second.
const WARM_UP: usize = 2;

/// Steps of which the quickest counts.
const STEPS: usize = 5;

/// Seconds per token of a language model of these sizes, weights packed as given: a few layers
/// with weights that mean nothing are timed, the number of layers is extrapolated.
///
/// # Errors
/// When the sizes are wrong or the device fails.
pub async fn seconds_per_token(
    config: &LlamaConfig,
    format: Option<Format>,
    device: &Device,
    clock: Clock,
) -> Result<f64, EngineError> {
    let [few, more] = LAYERS;
    let first = time(config, few, format, device, clock).await?;
    let second = time(config, more, format, device, clock).await?;
    let per_layer = ((second - first) / (more - few) as f64).max(0.0);
    Ok(first + per_layer * config.num_hidden_layers.saturating_sub(few) as f64)
}

async fn time(
    config: &LlamaConfig,
    layers: usize,
    format: Option<Format>,
    device: &Device,
    clock: Clock,
) -> Result<f64, EngineError> {
    // A small vocabulary: its table is read once per token, the layers are what takes time.
    let config = LlamaConfig { num_hidden_layers: layers, vocab_size: BLOCK, ..config.clone() };
    let model = Llama::new(&config, device);
    let model = match format {
        Some(format) => pack(model, format),
        None => model,
    };
    let mut cache = KvCache::new(&config, 64.min(config.max_position_embeddings), device);
    let mut quickest = f64::INFINITY;
    for step in 0..WARM_UP + STEPS {
        cache.truncate(cache.capacity() / 2);
        let start = clock();
        let embeds = model.embed(Tensor::<2, Int>::zeros([1, 1], device));
        let positions = Positions::sequence(1, cache.len(), 1);
        let hidden = model.forward(embeds, &positions, None, Some(&mut cache))?;
        host(model.logits(hidden)).await?;
        if step >= WARM_UP {
            quickest = quickest.min(clock() - start);
        }
    }
    Ok(quickest)
}

fn pack(model: Llama, format: Format) -> Llama {
    let mut packed = HashMap::new();
    for layer in &model.model.layers {
        let (attention, mlp) = (&layer.self_attn, &layer.mlp);
        let linears = [
            &attention.q_proj,
            &attention.k_proj,
            &attention.v_proj,
            &attention.o_proj,
            &mlp.gate_proj,
            &mlp.up_proj,
            &mlp.down_proj,
        ];
        for linear in linears {
            let shape: [usize; 2] = linear.weight.lazy_shape().dims();
            // What is narrower than a block stays dense, as in a package.
            if shape[1] < BLOCK {
                continue;
            }
            let weights = vec![0.01; shape[0] * shape[1]];
            if let Ok(matrix) = Packed::pack(format, &weights, shape) {
                packed.insert(linear.weight.id, matrix);
            }
        }
    }
    attach_packed(model, packed)
}
