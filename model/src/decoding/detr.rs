//! The transformer decoder of DETR (post-norm), with the parameter names of its Hugging Face
//! checkpoints.

use super::config::DecoderConfig;
use super::queries::Queries;
use super::visual::Memory;
use crate::layers::{Activation, DetrAttention, LayerNorm, Linear, dropout};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Self-attention, cross-attention and feed-forward, each added and normalised.
#[derive(Module, Debug)]
pub struct DetrLayer {
    /// Attention between queries.
    pub self_attn: DetrAttention,
    /// Norm after it.
    pub self_attn_layer_norm: LayerNorm,
    /// Attention to the memory.
    pub encoder_attn: DetrAttention,
    /// Norm after it.
    pub encoder_attn_layer_norm: LayerNorm,
    /// Feed-forward, first map.
    pub fc1: Linear,
    /// Feed-forward, second map.
    pub fc2: Linear,
    /// Norm after the feed-forward.
    pub final_layer_norm: LayerNorm,
    #[module(skip)]
    dropout: f64,
    #[module(skip)]
    activation: Activation,
}

impl DetrLayer {
    fn new(config: &DecoderConfig, device: &Device) -> Self {
        let d = config.d_model;
        let attention = || DetrAttention::new(d, d, config.decoder_attention_heads, device);
        let norm = || LayerNorm::new(d, 1e-5, device);
        Self {
            self_attn: attention(),
            self_attn_layer_norm: norm(),
            encoder_attn: attention(),
            encoder_attn_layer_norm: norm(),
            fc1: Linear::new(d, config.decoder_ffn_dim, true, device),
            fc2: Linear::new(config.decoder_ffn_dim, d, true, device),
            final_layer_norm: norm(),
            dropout: config.dropout,
            activation: config.activation_function,
        }
    }

    /// # Shapes
    /// `queries` `[batch, queries, d_model]`; returns their new states
    pub fn forward(&self, queries: &Queries, memory: &Memory) -> Tensor<3> {
        let x = queries.states.clone();
        let at = x.clone() + queries.positions.clone();
        let update = self.self_attn.forward(at.clone(), at, x.clone(), queries.bias.clone());
        let x = self.self_attn_layer_norm.forward(x + self.drop(update));

        let at = x.clone() + queries.positions.clone();
        let (keys, values) = (memory.keys.clone(), memory.values.clone());
        let update = self.encoder_attn.forward(at, keys, values, memory.bias.clone());
        let x = self.encoder_attn_layer_norm.forward(x + self.drop(update));

        let update = self.fc2.forward(self.activation.forward(self.fc1.forward(x.clone())));
        self.final_layer_norm.forward(x + self.drop(update))
    }

    fn drop(&self, x: Tensor<3>) -> Tensor<3> {
        dropout(x, self.dropout)
    }
}

/// A stack of layers and a last norm.
#[derive(Module, Debug)]
pub struct DetrDecoder {
    /// The layers, first to last.
    pub layers: Vec<DetrLayer>,
    /// Norm after the last layer.
    pub layernorm: LayerNorm,
}

impl DetrDecoder {
    /// `layers` layers of the sizes of `config`.
    pub fn new(config: &DecoderConfig, layers: usize, device: &Device) -> Self {
        Self {
            layers: (0..layers).map(|_| DetrLayer::new(config, device)).collect(),
            layernorm: LayerNorm::new(config.d_model, 1e-5, device),
        }
    }

    /// # Shapes
    /// returns the states `[batch, queries, d_model]`
    pub fn forward(&self, mut queries: Queries, memory: &Memory) -> Tensor<3> {
        for layer in &self.layers {
            queries.states = layer.forward(&queries, memory);
        }
        self.layernorm.forward(queries.states)
    }
}
