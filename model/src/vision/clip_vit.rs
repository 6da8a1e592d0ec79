//! CLIP's vision transformer, by the keys of a Hugging Face checkpoint (`vision_model.*`).

use super::patch::{PatchEmbed, select_maps};
use crate::layers::{
    Activation, Embedding, LayerLinears, LayerNorm, Linear, LoraConfig, attend, merge_heads,
    split_heads,
};
use crate::layers::{ConfigError, require_lora, require_vit};
use burn::module::{Module, Param};
use burn::tensor::{Device, Distribution, Tensor};
use serde::{Deserialize, Serialize};

/// Sizes, by the keys of a published configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClipVitConfig {
    /// Width.
    pub hidden_size: usize,
    /// Width inside the perceptrons.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Heads of the attention.
    pub num_attention_heads: usize,
    /// Side of the square input in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Activation of the perceptrons.
    #[serde(default = "quick_gelu")]
    pub hidden_act: Activation,
    /// Added to the variance.
    #[serde(default = "eps")]
    pub layer_norm_eps: f64,
    /// Low-rank adapters of linear maps; ours, no key of Hugging Face's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraConfig>,
}

/// What can have an adapter.
const LINEARS: LayerLinears<6> = LayerLinears {
    layers: "vision_model.encoder.layers",
    names: [
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.out_proj",
        "mlp.fc1",
        "mlp.fc2",
    ],
};

fn quick_gelu() -> Activation {
    Activation::QuickGelu
}

fn eps() -> f64 {
    1e-5
}

impl ClipVitConfig {
    /// Checks that a module can be built.
    ///
    /// # Errors
    /// Names the field that doesn't fit the others.
    pub fn check(&self) -> Result<(), ConfigError> {
        require_vit(
            (self.hidden_size, self.num_attention_heads),
            (self.image_size, self.patch_size),
        )?;
        require_lora(self.lora.as_ref(), &LINEARS, self.num_hidden_layers)
    }

    /// Patches along one side of the picture.
    pub fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// A randomly initialised transformer. The configuration must pass [`Self::check`].
    pub fn init(&self, device: &Device) -> ClipVit {
        let dim = self.hidden_size;
        let std = 1.0 / (dim as f64).sqrt();
        let norm = || LayerNorm::new(dim, self.layer_norm_eps, device);
        let block = |i| {
            let linear = |name, d_in, d_out| {
                Linear::new(d_in, d_out, true, device)
                    .with_lora(self.lora.as_ref(), &LINEARS.path(i, name))
            };
            let [q, k, v, out, fc1, fc2] = LINEARS.names;
            Block {
                self_attn: Attention {
                    q_proj: linear(q, dim, dim),
                    k_proj: linear(k, dim, dim),
                    v_proj: linear(v, dim, dim),
                    out_proj: linear(out, dim, dim),
                    heads: self.num_attention_heads,
                },
                layer_norm1: norm(),
                mlp: Perceptron {
                    fc1: linear(fc1, dim, self.intermediate_size),
                    fc2: linear(fc2, self.intermediate_size, dim),
                    activation: self.hidden_act,
                },
                layer_norm2: norm(),
            }
        };
        let class = Tensor::random([dim], Distribution::Normal(0.0, std), device);
        ClipVit {
            vision_model: VisionModel {
                embeddings: Embeddings {
                    class_embedding: Param::from_tensor(class),
                    patch_embedding: PatchEmbed::new(3, dim, self.patch_size, false, device),
                    position_embedding: Embedding::new(self.grid().pow(2) + 1, dim, std, device),
                },
                pre_layrnorm: norm(),
                encoder: Encoder { layers: (0..self.num_hidden_layers).map(block).collect() },
                post_layernorm: norm(),
            },
        }
    }
}

/// The vision tower of CLIP.
#[derive(Module, Debug)]
pub struct ClipVit {
    /// Everything; checkpoints keep it under this key.
    pub vision_model: VisionModel,
}

/// The parts of the tower. `pre_layrnorm` is spelled as checkpoints spell it.
#[derive(Module, Debug)]
pub struct VisionModel {
    /// Patches, class token and positions.
    pub embeddings: Embeddings,
    /// Before the first block.
    pub pre_layrnorm: LayerNorm,
    /// The blocks.
    pub encoder: Encoder,
    /// Of the pooled class token only.
    pub post_layernorm: LayerNorm,
}

/// Patches, class token and positions.
#[derive(Module, Debug)]
pub struct Embeddings {
    /// `[dim]`.
    pub class_embedding: Param<Tensor<1>>,
    /// Without bias.
    pub patch_embedding: PatchEmbed,
    /// Row 0 belongs to the class token.
    pub position_embedding: Embedding,
}

/// The blocks.
#[derive(Module, Debug)]
pub struct Encoder {
    /// First to last.
    pub layers: Vec<Block>,
}

/// A pre-norm transformer block.
#[derive(Module, Debug)]
pub struct Block {
    /// Attention of all tokens to all tokens.
    pub self_attn: Attention,
    /// Before the attention.
    pub layer_norm1: LayerNorm,
    /// The perceptron.
    pub mlp: Perceptron,
    /// Before the perceptron.
    pub layer_norm2: LayerNorm,
}

/// Multi-head self-attention.
#[derive(Module, Debug)]
pub struct Attention {
    /// Queries.
    pub q_proj: Linear,
    /// Keys.
    pub k_proj: Linear,
    /// Values.
    pub v_proj: Linear,
    /// Output.
    pub out_proj: Linear,
    #[module(skip)]
    heads: usize,
}

/// Two maps with an activation between them.
#[derive(Module, Debug)]
pub struct Perceptron {
    /// Widens.
    pub fc1: Linear,
    /// Narrows.
    pub fc2: Linear,
    #[module(skip)]
    activation: Activation,
}

impl ClipVit {
    /// All hidden states: the embedding after `pre_layrnorm`, then the output of each block.
    ///
    /// # Shapes
    /// - `pixels` `[batch, 3, image_size, image_size]`, normalised
    /// - returns `layers + 1` times `[batch, 1 + patches, dim]`, row 0 the class token, then the
    ///   patches in raster order
    pub fn forward(&self, pixels: Tensor<4>) -> Vec<Tensor<3>> {
        self.forward_layers(pixels, self.vision_model.encoder.layers.len())
    }

    /// The same with the first `layers` blocks only, for callers that need no later state.
    ///
    /// # Shapes
    /// as [`Self::forward`], `layers + 1` states
    pub fn forward_layers(&self, pixels: Tensor<4>, layers: usize) -> Vec<Tensor<3>> {
        let model = &self.vision_model;
        let mut x = model.pre_layrnorm.forward(model.embeddings.forward(pixels));
        let mut states = vec![x.clone()];
        for block in model.encoder.layers.iter().take(layers) {
            x = block.forward(x);
            states.push(x.clone());
        }
        states
    }

    /// Hidden states without the class token, as maps.
    ///
    /// # Shapes
    /// `pixels` `[batch, 3, image_size, image_size]`, `layers` counted from the end (-1 is the
    /// output of the last block, without the final norm) -> `[batch, dim, grid, grid]` each
    pub fn feature_maps(&self, pixels: Tensor<4>, layers: &[isize]) -> Vec<Tensor<4>> {
        let blocks = self.vision_model.encoder.layers.len();
        let last = layers.iter().map(|&l| blocks.saturating_add_signed(l + 1)).max();
        let [_, _, height, width] = pixels.dims();
        let [_, _, patch, _] = self.vision_model.embeddings.patch_embedding.weight.dims();
        let states = self.forward_layers(pixels, last.unwrap_or(0));
        select_maps(&states, blocks, layers, [height / patch, width / patch])
    }

    /// The normalised class token of the last hidden state.
    ///
    /// # Shapes
    /// `[batch, 1 + patches, dim] -> [batch, dim]`
    pub fn pooled(&self, last: Tensor<3>) -> Tensor<2> {
        self.vision_model.post_layernorm.forward(last.narrow(1, 0, 1)).squeeze_dim(1)
    }
}

impl Embeddings {
    fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let patches = self.patch_embedding.forward(pixels);
        let [b, rows, columns, dim] = patches.dims();
        let class = self.class_embedding.val().reshape([1, 1, dim]).expand([b, 1, dim]);
        let tokens = Tensor::cat(vec![class, patches.reshape([b, rows * columns, dim])], 1);
        tokens + self.position_embedding.weight.val().unsqueeze()
    }
}

impl Block {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.clone() + self.self_attn.forward(self.layer_norm1.forward(x));
        x.clone() + self.mlp.forward(self.layer_norm2.forward(x))
    }
}

impl Attention {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let heads = |map: &Linear| split_heads(map.forward(x.clone()), self.heads);
        let mixed = attend(heads(&self.q_proj), heads(&self.k_proj), heads(&self.v_proj), None);
        self.out_proj.forward(merge_heads(mixed))
    }
}

impl Perceptron {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(self.activation.forward(self.fc1.forward(x)))
    }
}
