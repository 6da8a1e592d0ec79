//! SAM's image encoder: a vision transformer most of whose blocks look at windows only, with
//! relative positions, and a neck. Parameter paths are the published keys.
//!
//! Maps keep their channels last until the neck.

use super::config::SamVitConfig;
use super::transformer::LinPair;
use super::window;
use crate::layers::conv;
use crate::layers::{Activation, LayerNorm, Linear, merge_heads, split_heads, uniform};
use crate::vision::PatchEmbed;
use burn::module::{Module, Param};
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Int, Tensor, TensorData, activation};

const EPS: f64 = 1e-6;

/// Scores held at a time: global attention over 64x64 cells would need 800 MB at once.
const SCORES: usize = 1 << 24;

/// See the module documentation.
#[derive(Module, Debug)]
pub struct SamVit {
    /// The patches.
    pub patch_embed: PatchProjection,
    /// Absolute positions, `[1, grid, grid, dim]`.
    pub pos_embed: Param<Tensor<4>>,
    /// First to last.
    pub blocks: Vec<Block>,
    /// To the channels of the embedding.
    pub neck: Neck,
}

/// The patches, under the key checkpoints give them.
#[derive(Module, Debug)]
pub struct PatchProjection {
    /// With bias.
    pub proj: PatchEmbed,
}

/// 1x1 convolution, norm, 3x3 convolution, norm: keys `0` to `3`; convolutions without bias.
pub type Neck = (Conv2d, LayerNorm, Conv2d, LayerNorm);

pub(super) fn new_neck(d_in: usize, d_out: usize, device: &Device) -> Neck {
    let norm = || LayerNorm::new(d_out, EPS, device);
    (conv([d_in, d_out], 1, false, device), norm(), conv([d_out, d_out], 3, false, device), norm())
}

/// # Shapes
/// `[batch, h, w, d_in] -> [batch, d_out, h, w]`
pub(super) fn apply_neck((narrow, first, smooth, last): &Neck, x: Tensor<4>) -> Tensor<4> {
    let x = first.forward_map(narrow.forward(x.permute([0, 3, 1, 2])));
    last.forward_map(smooth.forward(x))
}

/// A pre-norm transformer block.
#[derive(Module, Debug)]
pub struct Block {
    /// Before the attention.
    pub norm1: LayerNorm,
    /// Attention within a window, or of all cells to all.
    pub attn: RelativeAttention,
    /// Before the perceptron.
    pub norm2: LayerNorm,
    /// The perceptron.
    pub mlp: LinPair,
    /// Side of the windows; none where all cells see each other.
    #[module(skip)]
    window: Option<usize>,
}

/// Attention with a learned score per vertical and per horizontal distance.
#[derive(Module, Debug)]
pub struct RelativeAttention {
    /// Queries, keys and values in one.
    pub qkv: Linear,
    /// Output.
    pub proj: Linear,
    /// `[2 * side - 1, head_dim]`: row `side - 1 + q - k` for a query in row q and a key in row k.
    pub rel_pos_h: Param<Tensor<2>>,
    /// The same for columns.
    pub rel_pos_w: Param<Tensor<2>>,
    #[module(skip)]
    heads: usize,
}

impl SamVit {
    /// A randomly initialised encoder. The configuration must pass [`SamVitConfig::check`].
    pub fn new(config: &SamVitConfig, device: &Device) -> Self {
        let (dim, grid) = (config.embed_dim, config.grid());
        let inner = (dim as f64 * config.mlp_ratio) as usize;
        let block = |index| {
            let window = config.window(index);
            let rows = 2 * window.unwrap_or(grid) - 1;
            let none = || Param::from_tensor(Tensor::zeros([rows, dim / config.num_heads], device));
            Block {
                norm1: LayerNorm::new(dim, EPS, device),
                attn: RelativeAttention {
                    qkv: Linear::new(dim, 3 * dim, true, device),
                    proj: Linear::new(dim, dim, true, device),
                    rel_pos_h: none(),
                    rel_pos_w: none(),
                    heads: config.num_heads,
                },
                norm2: LayerNorm::new(dim, EPS, device),
                mlp: LinPair::new([dim, inner, dim], Activation::Gelu, device),
                window,
            }
        };
        Self {
            patch_embed: PatchProjection {
                proj: PatchEmbed::new(3, dim, config.patch_size, true, device),
            },
            pos_embed: uniform([1, grid, grid, dim], dim, device),
            blocks: (0..config.depth).map(block).collect(),
            neck: new_neck(dim, config.out_chans, device),
        }
    }

    /// Of normalised pixels.
    ///
    /// # Shapes
    /// `[batch, 3, img_size, img_size] -> [batch, out_chans, grid, grid]`
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<4> {
        let mut x = self.embed(pixels);
        for block in &self.blocks {
            x = block.forward(x);
        }
        self.project(x)
    }

    /// The patches with their positions, before the first block.
    ///
    /// # Shapes
    /// `[batch, 3, img_size, img_size] -> [batch, grid, grid, dim]`
    pub fn embed(&self, pixels: Tensor<4>) -> Tensor<4> {
        self.patch_embed.proj.forward(pixels) + self.pos_embed.val()
    }

    /// The neck, behind the last block.
    ///
    /// # Shapes
    /// `[batch, grid, grid, dim] -> [batch, out_chans, grid, grid]`
    pub fn project(&self, x: Tensor<4>) -> Tensor<4> {
        apply_neck(&self.neck, x)
    }
}

impl Block {
    /// # Shapes
    /// `[batch, h, w, dim]`, unchanged
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, h, w, _] = x.dims();
        let normal = self.norm1.forward(x.clone());
        let update = match self.window {
            Some(side) => {
                // Cells of the padding are keys like all others: the weights were trained so.
                window::join(self.attn.forward(window::cut(normal, side)), [h, w])
            }
            None => self.attn.forward(normal),
        };
        let x = x + update;
        x.clone() + self.mlp.forward(self.norm2.forward(x))
    }
}

impl RelativeAttention {
    /// # Shapes
    /// `[batch, side, side, dim]`, unchanged
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [b, h, w, dim] = x.dims();
        let (cells, heads) = (h * w, self.heads);
        let qkv = self.qkv.forward(x.reshape([b, cells, dim]));
        // `[b * heads, cells, head_dim]`
        let part = |i: usize| {
            let part = split_heads(qkv.clone().narrow(2, i * dim, dim), heads);
            part.reshape([b * heads, cells, dim / heads])
        };
        let (q, k, v) = (part(0), part(1).swap_dims(1, 2), part(2));
        let [vertical, horizontal] = self.relative(q.clone(), [h, w]);
        let q = q * ((dim / heads) as f64).sqrt().recip();
        let rows = (SCORES / (b * heads * w * cells)).clamp(1, h);
        let mut mixed = Vec::with_capacity(h.div_ceil(rows));
        for top in (0..h).step_by(rows) {
            let rows = rows.min(h - top);
            let (start, count) = (top * w, rows * w);
            let scores = q.clone().narrow(1, start, count).matmul(k.clone());
            let scores = scores.reshape([b * heads, count, h, w])
                + vertical.clone().narrow(1, start, count)
                + horizontal.clone().narrow(1, start, count);
            let scores = activation::softmax(scores.reshape([b * heads, count, cells]), 2);
            mixed.push(scores.matmul(v.clone()));
        }
        let mixed = Tensor::cat(mixed, 1).reshape([b, heads, cells, dim / heads]);
        self.proj.forward(merge_heads(mixed)).reshape([b, h, w, dim])
    }

    /// The scores of distances, from queries that are not scaled.
    ///
    /// # Shapes
    /// `[n, h * w, head_dim] -> [n, h * w, h, 1]` and `[n, h * w, 1, w]`
    fn relative(&self, q: Tensor<3>, [h, w]: [usize; 2]) -> [Tensor<4>; 2] {
        let [n, cells, dim] = q.dims();
        let q = q.reshape([n, h, w, dim]);
        let table = |table: &Param<Tensor<2>>, side: usize| {
            let ids: Vec<i64> =
                (0..side * side).map(|i| (side - 1 + i / side - i % side) as i64).collect();
            let table = table.val();
            let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [side * side]), &q.device());
            table.select(0, ids).reshape([1, side, side, dim]).swap_dims(2, 3)
        };
        let vertical = q.clone().matmul(table(&self.rel_pos_h, h));
        let horizontal =
            q.clone().swap_dims(1, 2).matmul(table(&self.rel_pos_w, w)).swap_dims(1, 2);
        [vertical.reshape([n, cells, h, 1]), horizontal.reshape([n, cells, 1, w])]
    }
}
