//! DINOv2 with layer scale, by the keys of a Hugging Face checkpoint.

use super::patch::{PatchEmbed, select_maps};
use crate::layers::{
    Activation, LayerLinears, LayerNorm, Linear, LoraConfig, attend, merge_heads, split_heads,
};
use crate::layers::{ConfigError, require, require_lora, require_vit};
use burn::module::{Module, Param};
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Sizes, by the keys of a published configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dinov2Config {
    /// Width.
    pub hidden_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Heads of the attention.
    pub num_attention_heads: usize,
    /// Width inside the perceptrons over `hidden_size`.
    #[serde(default = "four")]
    pub mlp_ratio: usize,
    /// Side of the square picture that the stored positions belong to, in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Side of the square picture that the tower is given, where it is another one: positions are
    /// interpolated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_size: Option<usize>,
    /// Added to the new grid's side when the positions are interpolated.
    #[serde(default = "tenth")]
    pub interpolate_offset: f64,
    /// Activation of the perceptrons.
    #[serde(default = "gelu")]
    pub hidden_act: Activation,
    /// Added to the variance.
    #[serde(default = "eps")]
    pub layer_norm_eps: f64,
    /// What the layer scales start from.
    #[serde(default = "one")]
    pub layerscale_value: f64,
    /// Gated perceptrons of the giant variant; not supported.
    #[serde(default)]
    pub use_swiglu_ffn: bool,
    /// Low-rank adapters of linear maps; ours, no key of Hugging Face's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraConfig>,
}

/// What can have an adapter.
const LINEARS: LayerLinears<6> = LayerLinears {
    layers: "encoder.layer",
    names: [
        "attention.attention.query",
        "attention.attention.key",
        "attention.attention.value",
        "attention.output.dense",
        "mlp.fc1",
        "mlp.fc2",
    ],
};

fn four() -> usize {
    4
}

/// What the published model was trained with, so that rounding could not lose a row.
fn tenth() -> f64 {
    0.1
}

fn one() -> f64 {
    1.0
}

fn eps() -> f64 {
    1e-6
}

fn gelu() -> Activation {
    Activation::Gelu
}

impl Dinov2Config {
    /// Checks that a module can be built.
    ///
    /// # Errors
    /// Names the field that doesn't fit the others, or that is not supported.
    pub fn check(&self) -> Result<(), ConfigError> {
        require(!self.use_swiglu_ffn, "use_swiglu_ffn", || {
            "gated perceptrons (the giant variant) are not supported; use small, base or large"
                .into()
        })?;
        require_vit(
            (self.hidden_size, self.num_attention_heads),
            (self.image_size, self.patch_size),
        )?;
        require_lora(self.lora.as_ref(), &LINEARS, self.num_hidden_layers)
    }

    /// A randomly initialised transformer. The configuration must pass [`Self::check`].
    pub fn init(&self, device: &Device) -> Dinov2 {
        let (dim, inner) = (self.hidden_size, self.hidden_size * self.mlp_ratio);
        let norm = || LayerNorm::new(dim, self.layer_norm_eps, device);
        let scale = || LayerScale {
            lambda1: Param::from_tensor(Tensor::full([dim], self.layerscale_value, device)),
        };
        let block = |i| {
            let linear = |name, d_in, d_out| {
                Linear::new(d_in, d_out, true, device)
                    .with_lora(self.lora.as_ref(), &LINEARS.path(i, name))
            };
            let [query, key, value, dense, fc1, fc2] = LINEARS.names;
            Block {
                norm1: norm(),
                attention: Attention {
                    attention: Projections {
                        query: linear(query, dim, dim),
                        key: linear(key, dim, dim),
                        value: linear(value, dim, dim),
                    },
                    output: Output { dense: linear(dense, dim, dim) },
                    heads: self.num_attention_heads,
                },
                layer_scale1: scale(),
                norm2: norm(),
                mlp: Perceptron {
                    fc1: linear(fc1, dim, inner),
                    fc2: linear(fc2, inner, dim),
                    activation: self.hidden_act,
                },
                layer_scale2: scale(),
            }
        };
        let small = |shape: [usize; 3]| {
            Param::from_tensor(Tensor::random(shape, Distribution::Normal(0.0, 0.02), device))
        };
        let grid = self.image_size / self.patch_size;
        Dinov2 {
            embeddings: Embeddings {
                cls_token: small([1, 1, dim]),
                position_embeddings: small([1, grid * grid + 1, dim]),
                patch_embeddings: PatchEmbeddings {
                    projection: PatchEmbed::new(3, dim, self.patch_size, true, device),
                },
                offset: self.interpolate_offset,
            },
            encoder: Encoder { layer: (0..self.num_hidden_layers).map(block).collect() },
            layernorm: norm(),
        }
    }
}

/// The DINOv2 transformer.
#[derive(Module, Debug)]
pub struct Dinov2 {
    /// Patches, class token and positions.
    pub embeddings: Embeddings,
    /// The blocks.
    pub encoder: Encoder,
    /// After the last block.
    pub layernorm: LayerNorm,
}

/// Patches, class token and positions.
#[derive(Module, Debug)]
pub struct Embeddings {
    /// `[1, 1, dim]`.
    pub cls_token: Param<Tensor<3>>,
    /// `[1, 1 + stored patches, dim]`, row 0 for the class token.
    pub position_embeddings: Param<Tensor<3>>,
    /// The patches.
    pub patch_embeddings: PatchEmbeddings,
    #[module(skip)]
    offset: f64,
}

/// Cutting into patches, under the key checkpoints give it.
#[derive(Module, Debug)]
pub struct PatchEmbeddings {
    /// With bias.
    pub projection: PatchEmbed,
}

/// The blocks.
#[derive(Module, Debug)]
pub struct Encoder {
    /// First to last.
    pub layer: Vec<Block>,
}

/// A pre-norm transformer block whose branches are scaled per channel.
#[derive(Module, Debug)]
pub struct Block {
    /// Before the attention.
    pub norm1: LayerNorm,
    /// Attention of all tokens to all tokens.
    pub attention: Attention,
    /// Of the attention's branch.
    pub layer_scale1: LayerScale,
    /// Before the perceptron.
    pub norm2: LayerNorm,
    /// The perceptron.
    pub mlp: Perceptron,
    /// Of the perceptron's branch.
    pub layer_scale2: LayerScale,
}

/// Multi-head self-attention.
#[derive(Module, Debug)]
pub struct Attention {
    /// Queries, keys and values.
    pub attention: Projections,
    /// Output.
    pub output: Output,
    #[module(skip)]
    heads: usize,
}

/// The maps into the heads.
#[derive(Module, Debug)]
pub struct Projections {
    /// Queries.
    pub query: Linear,
    /// Keys.
    pub key: Linear,
    /// Values.
    pub value: Linear,
}

/// The map out of the heads.
#[derive(Module, Debug)]
pub struct Output {
    /// `[dim, dim]`.
    pub dense: Linear,
}

/// A factor per channel.
#[derive(Module, Debug)]
pub struct LayerScale {
    /// `[dim]`.
    pub lambda1: Param<Tensor<1>>,
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

impl Dinov2 {
    /// All hidden states before the final normalisation: the embedding, then each block's output.
    ///
    /// # Shapes
    /// - `pixels` `[batch, 3, height, width]`, normalised, any size of at least one patch
    /// - returns `layers + 1` times `[batch, 1 + patches, dim]`, row 0 the class token, then the
    ///   patches in raster order
    pub fn forward(&self, pixels: Tensor<4>) -> Vec<Tensor<3>> {
        let mut x = self.embeddings.forward(pixels);
        let mut states = vec![x.clone()];
        for block in &self.encoder.layer {
            x = block.forward(x);
            states.push(x.clone());
        }
        states
    }

    /// Normalised hidden states without the class token, as maps.
    ///
    /// # Shapes
    /// `pixels` `[batch, 3, height, width]`, `layers` counted from the end (-1 is the output of the
    /// last block) -> `[batch, dim, rows, columns]` each
    pub fn feature_maps(&self, pixels: Tensor<4>, layers: &[isize]) -> Vec<Tensor<4>> {
        let [_, _, height, width] = pixels.dims();
        let [_, _, patch, _] = self.embeddings.patch_embeddings.projection.weight.dims();
        let (blocks, grid) = (self.encoder.layer.len(), [height / patch, width / patch]);
        let states: Vec<_> =
            self.forward(pixels).into_iter().map(|state| self.normalise(state)).collect();
        select_maps(&states, blocks, layers, grid)
    }

    /// The final normalisation, which makes the last hidden state the model's output.
    ///
    /// # Shapes
    /// `[batch, 1 + patches, dim]`, unchanged
    pub fn normalise(&self, state: Tensor<3>) -> Tensor<3> {
        self.layernorm.forward(state)
    }
}

impl Embeddings {
    /// The position table for a grid of patches: the stored one where it fits, else interpolated.
    ///
    /// # Shapes
    /// returns `[1, 1 + rows * columns, dim]`
    pub fn positions(&self, grid: [usize; 2]) -> Tensor<3> {
        let table = self.position_embeddings.val();
        let [_, length, dim] = table.dims();
        let stored = (length - 1).isqrt();
        if grid == [stored, stored] {
            return table;
        }
        let [rows, columns] = grid;
        let device = table.device();
        let class = table.clone().narrow(1, 0, 1);
        let patches = table.narrow(1, 1, length - 1).reshape([stored, stored * dim]);
        let matrix = |to| position_matrix(stored, to, self.offset, &device);
        let patches = matrix(rows).matmul(patches).reshape([rows, stored, dim]);
        let patches = matrix(columns).unsqueeze().matmul(patches);
        Tensor::cat(vec![class, patches.reshape([1, rows * columns, dim])], 1)
    }

    fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let patches = self.patch_embeddings.projection.forward(pixels);
        let [b, rows, columns, dim] = patches.dims();
        let class = self.cls_token.val().expand([b, 1, dim]);
        let tokens = Tensor::cat(vec![class, patches.reshape([b, rows * columns, dim])], 1);
        tokens + self.positions([rows, columns])
    }
}

/// Bicubic weights (a = -0.75, no antialiasing, border repeated) along one axis of the position
/// table, at a scale of `(to + offset) / from`.
///
/// # Shapes
/// returns `[to, from]`
fn position_matrix(from: usize, to: usize, offset: f64, device: &Device) -> Tensor<2> {
    const A: f64 = -0.75;
    let cubic = |distance: f64| {
        let x = distance.abs();
        if x <= 1.0 {
            ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
        } else if x < 2.0 {
            ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
        } else {
            0.0
        }
    };
    let step = from as f64 / (to as f64 + offset);
    let mut weights = vec![0.0f32; from * to];
    for (i, row) in weights.chunks_exact_mut(from).enumerate() {
        let at = (i as f64 + 0.5) * step - 0.5;
        let low = at.floor() as i64;
        for k in low - 1..=low + 2 {
            row[k.clamp(0, from as i64 - 1) as usize] += cubic(at - k as f64) as f32;
        }
    }
    Tensor::from_data(TensorData::new(weights, [to, from]), device)
}

impl Block {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let branch = self.attention.forward(self.norm1.forward(x.clone()));
        let x = x + branch * self.layer_scale1.lambda1.val().unsqueeze();
        let branch = self.mlp.forward(self.norm2.forward(x.clone()));
        x + branch * self.layer_scale2.lambda1.val().unsqueeze()
    }
}

impl Attention {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let heads = |map: &Linear| split_heads(map.forward(x.clone()), self.heads);
        let Projections { query, key, value } = &self.attention;
        let mixed = attend(heads(query), heads(key), heads(value), None);
        self.output.dense.forward(merge_heads(mixed))
    }
}

impl Perceptron {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(self.activation.forward(self.fc1.forward(x)))
    }
}
