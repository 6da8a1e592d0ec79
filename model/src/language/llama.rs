//! The Llama family (Llama 2 and 3, Vicuna, Mistral, SmolLM2): RMSNorm before each block, rotary
//! positions, grouped-query attention, gated perceptron. Parameter paths are the keys of Hugging
//! Face checkpoints.

use super::config::{HEAD, LINEARS, LlamaConfig};
use super::kv_cache::{CacheFull, KvCache, LayerCache};
use super::rope::{Positions, Rope, Rotation};
use crate::layers::{Activation, Embedding, Linear, RmsNorm, attend, merge_heads, split_heads};
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use thiserror::Error;

/// Finite, because a row of `-inf` alone would make its softmax NaN.
pub(super) const MASKED: f32 = -1e9;

/// Why a forward pass cannot run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LlamaError {
    /// The cache is full.
    #[error(transparent)]
    CacheFull(#[from] CacheFull),
    /// There is not one position per token.
    #[error("positions don't match the {batch} x {length} tokens; give one per token")]
    Positions {
        /// Rows of tokens.
        batch: usize,
        /// Tokens per row.
        length: usize,
    },
    /// The cache belongs to another model or to another number of rows.
    #[error("the cache is for one row of a {cached}-layer model, not {batch} of {layers} layers")]
    Cache {
        /// Rows of tokens.
        batch: usize,
        /// Layers of this model.
        layers: usize,
        /// Layers the cache was made for.
        cached: usize,
    },
    /// The attention bias has another shape.
    #[error("attention bias is {found:?}, expected {expected:?}")]
    Bias {
        /// The shape given.
        found: [usize; 4],
        /// The shape needed.
        expected: [usize; 4],
    },
}

/// A decoder with its output projection.
#[derive(Module, Debug)]
pub struct Llama {
    /// Embeddings, layers and final norm.
    pub model: LlamaModel,
    /// Output projection; absent when it is the embedding table.
    pub lm_head: Option<Linear>,
    #[module(skip)]
    pub(super) rope: Rope,
    #[module(skip)]
    pub(super) sliding_window: Option<usize>,
}

/// The part below the output projection.
#[derive(Module, Debug)]
pub struct LlamaModel {
    /// One row per token id.
    pub embed_tokens: Embedding,
    /// First to last.
    pub layers: Vec<LlamaLayer>,
    /// Over the last hidden state.
    pub norm: RmsNorm,
}

/// Attention and perceptron, each behind a norm and beside a skip connection.
#[derive(Module, Debug)]
pub struct LlamaLayer {
    /// Grouped-query attention.
    pub self_attn: LlamaAttention,
    /// Gated perceptron.
    pub mlp: LlamaMlp,
    /// Before attention.
    pub input_layernorm: RmsNorm,
    /// Before the perceptron.
    pub post_attention_layernorm: RmsNorm,
}

/// Grouped-query attention.
#[derive(Module, Debug)]
pub struct LlamaAttention {
    /// `hidden -> heads * head_dim`.
    pub q_proj: Linear,
    /// `hidden -> kv_heads * head_dim`.
    pub k_proj: Linear,
    /// `hidden -> kv_heads * head_dim`.
    pub v_proj: Linear,
    /// `heads * head_dim -> hidden`.
    pub o_proj: Linear,
    #[module(skip)]
    pub(super) heads: usize,
    #[module(skip)]
    kv_heads: usize,
}

/// `down(act(gate(x)) * up(x))`.
#[derive(Module, Debug)]
pub struct LlamaMlp {
    /// `hidden -> intermediate`.
    pub gate_proj: Linear,
    /// `hidden -> intermediate`.
    pub up_proj: Linear,
    /// `intermediate -> hidden`.
    pub down_proj: Linear,
    #[module(skip)]
    activation: Activation,
}

impl Llama {
    /// A randomly initialised model. A configuration read from outside must have passed
    /// [`LlamaConfig::check`].
    pub fn new(config: &LlamaConfig, device: &Device) -> Self {
        let (hidden, std) = (config.hidden_size, config.initializer_range);
        let layers = (0..config.num_hidden_layers).map(|i| LlamaLayer::new(config, i, device));
        let model = LlamaModel {
            embed_tokens: Embedding::new(config.vocab_size, hidden, std, device),
            layers: layers.collect(),
            norm: RmsNorm::new(hidden, config.rms_norm_eps, device),
        };
        let head = || {
            let head = Linear::normal(hidden, config.vocab_size, std, device);
            head.with_lora(config.lora.as_ref(), HEAD)
        };
        Self {
            model,
            lm_head: (!config.tie_word_embeddings).then(head),
            rope: Rope::new(config),
            sliding_window: config.sliding_window,
        }
    }

    /// # Shapes
    /// ids `[batch, length]` -> `[batch, length, hidden]`
    pub fn embed(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        self.model.embed_tokens.forward(ids)
    }

    /// The last hidden states, after the final norm: what `<REF>` states are gathered from and
    /// what [`Self::logits`] takes.
    ///
    /// Without `bias`, tokens see those before them in the row and those in the cache. With it,
    /// the bias alone says what is seen: 0 where attending is allowed, a large finite negative
    /// number elsewhere. Tokens read are added to the cache.
    ///
    /// # Shapes
    /// - `embeds` `[batch, length, hidden]`; with a cache, `batch` is 1
    /// - `positions` one per token
    /// - `bias` `[batch, 1, length, cached + length]`
    /// - returns `[batch, length, hidden]`
    ///
    /// # Errors
    /// When the shapes don't match or the cache is full; the cache is then as before.
    pub fn forward(
        &self,
        embeds: Tensor<3>,
        positions: &Positions,
        bias: Option<Tensor<4>>,
        mut cache: Option<&mut KvCache>,
    ) -> Result<Tensor<3>, LlamaError> {
        let [batch, length, _] = embeds.dims();
        if !positions.fit(batch, length) {
            return Err(LlamaError::Positions { batch, length });
        }
        let layers = self.model.layers.len();
        let mut past = 0;
        if let Some(cache) = cache.as_deref() {
            let cached = cache.layers.len();
            if batch != 1 || cached != layers {
                return Err(LlamaError::Cache { batch, layers, cached });
            }
            cache.check_room(length)?;
            past = cache.len();
        }
        let (device, dtype) = (embeds.device(), embeds.dtype());
        let bias = match bias {
            Some(bias) => {
                let (found, expected) = (bias.dims(), [batch, 1, length, past + length]);
                if found != expected {
                    return Err(LlamaError::Bias { found, expected });
                }
                Some(bias.cast(dtype))
            }
            None => self.causal_bias(length, past, &device).map(|bias| bias.cast(dtype)),
        };
        let rotation = self.rope.rotation(positions, &device, dtype);
        // Queries that share a key head are attended as further rows of one query matrix, so that
        // keys and values are never repeated; the bias is repeated instead, once for all layers.
        let groups = self.model.layers.first().map_or(1, |layer| layer.self_attn.groups());
        let bias = bias.map(|bias| if groups > 1 { bias.repeat_dim(2, groups) } else { bias });

        let mut x = embeds;
        for (i, layer) in self.model.layers.iter().enumerate() {
            let slot = cache.as_deref_mut().and_then(|cache| cache.layers.get_mut(i));
            x = layer.forward(x, &rotation, bias.clone(), slot.map(|slot| (past, slot)));
        }
        if let Some(cache) = cache {
            cache.advance(length);
        }
        Ok(self.model.norm.forward(x))
    }

    /// Scores of the next token. The table is large: pass only the states that are needed.
    ///
    /// # Shapes
    /// `[batch, length, hidden] -> [batch, length, vocabulary]`
    pub fn logits(&self, hidden: Tensor<3>) -> Tensor<3> {
        match &self.lm_head {
            Some(head) => head.forward(hidden),
            None => self.model.embed_tokens.project(hidden),
        }
    }

    /// `[1, 1, length, past + length]`; none when a single token sees everything.
    fn causal_bias(&self, length: usize, past: usize, device: &Device) -> Option<Tensor<4>> {
        let window = self.sliding_window.unwrap_or(usize::MAX);
        let keys = past + length;
        if length == 1 && keys <= window {
            return None;
        }
        let row = |query: usize| {
            (0..keys).map(move |key| {
                let seen = key <= query && query - key < window;
                if seen { 0.0 } else { MASKED }
            })
        };
        let values: Vec<f32> = (past..keys).flat_map(row).collect();
        Some(Tensor::from_data(TensorData::new(values, [1, 1, length, keys]), device))
    }
}

impl LlamaLayer {
    fn new(config: &LlamaConfig, place: usize, device: &Device) -> Self {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        let (heads, kv_heads) = (config.num_attention_heads, config.kv_heads());
        let (q, kv) = (heads * config.head_width(), kv_heads * config.head_width());
        let linear = |name, from, to| {
            Linear::normal(from, to, config.initializer_range, device)
                .with_lora(config.lora.as_ref(), &LINEARS.path(place, name))
        };
        let [q_name, k_name, v_name, o_name, gate_name, up_name, down_name] = LINEARS.names;
        let norm = || RmsNorm::new(hidden, config.rms_norm_eps, device);
        Self {
            self_attn: LlamaAttention {
                q_proj: linear(q_name, hidden, q),
                k_proj: linear(k_name, hidden, kv),
                v_proj: linear(v_name, hidden, kv),
                o_proj: linear(o_name, q, hidden),
                heads,
                kv_heads,
            },
            mlp: LlamaMlp {
                gate_proj: linear(gate_name, hidden, wide),
                up_proj: linear(up_name, hidden, wide),
                down_proj: linear(down_name, wide, hidden),
                activation: config.hidden_act,
            },
            input_layernorm: norm(),
            post_attention_layernorm: norm(),
        }
    }

    fn forward(
        &self,
        x: Tensor<3>,
        rotation: &Rotation,
        bias: Option<Tensor<4>>,
        cache: Option<(usize, &mut LayerCache)>,
    ) -> Tensor<3> {
        let attended =
            self.self_attn.forward(self.input_layernorm.forward(x.clone()), rotation, bias, cache);
        let x = x + attended;
        x.clone() + self.mlp.forward(self.post_attention_layernorm.forward(x))
    }
}

impl LlamaAttention {
    /// Query heads per key head.
    pub(super) fn groups(&self) -> usize {
        self.heads / self.kv_heads
    }

    fn forward(
        &self,
        x: Tensor<3>,
        rotation: &Rotation,
        bias: Option<Tensor<4>>,
        cache: Option<(usize, &mut LayerCache)>,
    ) -> Tensor<3> {
        let [q, k, v] = self.project(x, rotation);
        let Some((len, cache)) = cache else { return self.attend_to([q, k, v], bias) };
        let shape = q.dims();
        let y = cache.attend(len, self.grouped(q), [k, v], bias).reshape(shape);
        self.o_proj.forward(merge_heads(y))
    }

    /// Queries, keys and values, the first two rotated.
    ///
    /// # Shapes
    /// `[batch, length, hidden]` -> `[batch, heads or kv_heads, length, head_dim]`
    pub(super) fn project(&self, x: Tensor<3>, rotation: &Rotation) -> [Tensor<4>; 3] {
        let [q, k, v] = Linear::forward_all([&self.q_proj, &self.k_proj, &self.v_proj], x);
        let q = rotation.apply(split_heads(q, self.heads));
        [q, rotation.apply(split_heads(k, self.kv_heads)), split_heads(v, self.kv_heads)]
    }

    /// Queries that share a key head as further rows of one matrix.
    ///
    /// # Shapes
    /// `[batch, heads, length, head_dim]` -> `[batch, kv_heads, groups * length, head_dim]`
    fn grouped(&self, q: Tensor<4>) -> Tensor<4> {
        let [batch, _, length, dim] = q.dims();
        q.reshape([batch, self.kv_heads, self.groups() * length, dim])
    }

    /// What [`Self::project`] gave, attended.
    ///
    /// # Shapes
    /// bias `[.., 1, groups * length, keys]`; returns `[batch, length, hidden]`
    pub(super) fn attend_to(
        &self,
        [q, k, v]: [Tensor<4>; 3],
        bias: Option<Tensor<4>>,
    ) -> Tensor<3> {
        let shape = q.dims();
        let y = attend(self.grouped(q), k, v, bias).reshape(shape);
        self.o_proj.forward(merge_heads(y))
    }
}

impl LlamaMlp {
    pub(super) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [gate, up] = Linear::forward_all([&self.gate_proj, &self.up_proj], x);
        self.down_proj.forward(self.activation.forward(gate) * up)
    }
}
