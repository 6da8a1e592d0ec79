//! TinyViT, the image encoder of MobileSAM, in the layout of its checkpoint: convolutional blocks,
//! then window attention with a learned score per distance, and SAM's neck.
//!
//! It is frozen: batch norms use the stored statistics. `norm_head.*` and `head.*` of a
//! checkpoint, a classifier that MobileSAM does not use, have no place here, nor has
//! `num_batches_tracked`.

use super::config::TinyVitConfig;
use super::conv_norm::ConvNorm;
use super::image_encoder::{Neck, apply_neck, new_neck};
use super::window;
use crate::layers::{Activation, LayerNorm, Linear, attend, merge_heads, split_heads};
use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// See the module documentation.
#[derive(Module, Debug)]
pub struct TinyVit {
    /// The patches of 4 px.
    pub patch_embed: Patches,
    /// The stages, first to last.
    pub layers: Vec<Stage>,
    /// To the channels of the embedding.
    pub neck: Neck,
}

/// Two convolutions that halve; the key of the activation between them is left out.
#[derive(Module, Debug)]
pub struct Patches {
    /// See [`Halves`].
    pub seq: Halves,
}

/// Keys `0` and `2`.
#[derive(Module, Debug)]
pub struct Halves {
    /// `3 -> dim / 2`, 3x3, stride 2.
    pub _0: ConvNorm,
    /// `dim / 2 -> dim`, 3x3, stride 2.
    pub _2: ConvNorm,
}

/// Blocks of one width.
#[derive(Module, Debug)]
pub struct Stage {
    /// First to last.
    pub blocks: Vec<Block>,
    /// To the width of the next stage.
    pub downsample: Option<Merge>,
}

/// The first stage has convolutional blocks, the others attention.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // A module cannot be boxed.
pub enum Block {
    /// Inverted bottleneck.
    Conv(MbConv),
    /// Window attention.
    Attention(WindowBlock),
}

/// 1x1 wide, 3x3 depthwise, 1x1 narrow, around which the input is added.
#[derive(Module, Debug)]
pub struct MbConv {
    /// Widens.
    pub conv1: ConvNorm,
    /// Depthwise.
    pub conv2: ConvNorm,
    /// Narrows.
    pub conv3: ConvNorm,
}

/// 1x1, 3x3 depthwise that halves (except before the last stage), 1x1.
#[derive(Module, Debug)]
pub struct Merge {
    /// To the new width.
    pub conv1: ConvNorm,
    /// Depthwise.
    pub conv2: ConvNorm,
    /// At the new width.
    pub conv3: ConvNorm,
}

/// Attention in windows, a depthwise convolution, a perceptron.
#[derive(Module, Debug)]
pub struct WindowBlock {
    /// Within windows.
    pub attn: BiasedAttention,
    /// Depthwise, across windows; nothing is added around it.
    pub local_conv: ConvNorm,
    /// The perceptron.
    pub mlp: Perceptron,
    #[module(skip)]
    window: usize,
}

/// Norm, then attention with a score per distance of rows and columns.
#[derive(Module, Debug)]
pub struct BiasedAttention {
    /// Before everything.
    pub norm: LayerNorm,
    /// Head after head: its queries, keys and values.
    pub qkv: Linear,
    /// Output.
    pub proj: Linear,
    /// `[heads, window * window]`: column `window * |rows| + |columns|` for a distance.
    pub attention_biases: Param<Tensor<2>>,
    #[module(skip)]
    window: usize,
}

/// Norm, then two maps with an activation between them.
#[derive(Module, Debug)]
pub struct Perceptron {
    /// Before everything.
    pub norm: LayerNorm,
    /// Widens.
    pub fc1: Linear,
    /// Narrows.
    pub fc2: Linear,
}

fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Activation::Gelu.forward(x)
}

impl TinyVit {
    /// A randomly initialised encoder. The configuration must pass [`TinyVitConfig::check`].
    pub fn new(config: &TinyVitConfig, device: &Device) -> Self {
        let dims = &config.embed_dims;
        let last = dims.len() - 1;
        let stage = |(i, &dim): (usize, &usize)| {
            let block = |_| match i {
                0 => Block::Conv(MbConv::new(dim, config, device)),
                _ => Block::Attention(WindowBlock::new(i, config, device)),
            };
            let merge = |&next: &usize| Merge {
                conv1: ConvNorm::new([dim, next], 1, device),
                conv2: {
                    let stride = if i + 1 == last { 1 } else { 2 };
                    ConvNorm::depthwise(next, 3, device).with_stride(stride)
                },
                conv3: ConvNorm::new([next, next], 1, device),
            };
            Stage {
                blocks: (0..config.depths[i]).map(block).collect(),
                downsample: dims.get(i + 1).map(merge),
            }
        };
        let halve = |channels| ConvNorm::new(channels, 3, device).with_stride(2);
        Self {
            patch_embed: Patches {
                seq: Halves { _0: halve([3, dims[0] / 2]), _2: halve([dims[0] / 2, dims[0]]) },
            },
            layers: dims.iter().enumerate().map(stage).collect(),
            neck: new_neck(dims[last], config.out_chans, device),
        }
    }

    /// Of normalised pixels.
    ///
    /// # Shapes
    /// `[batch, 3, img_size, img_size] -> [batch, out_chans, grid, grid]`
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<4> {
        let Halves { _0: first, _2: second } = &self.patch_embed.seq;
        let mut x = second.forward(gelu(first.forward(pixels)));
        for stage in &self.layers {
            for block in &stage.blocks {
                x = match block {
                    Block::Conv(block) => block.forward(x),
                    Block::Attention(block) => block.forward(x),
                };
            }
            if let Some(merge) = &stage.downsample {
                x = merge.forward(x);
            }
        }
        apply_neck(&self.neck, x.permute([0, 2, 3, 1]))
    }
}

impl MbConv {
    fn new(dim: usize, config: &TinyVitConfig, device: &Device) -> Self {
        let inner = (dim as f64 * config.mbconv_expand_ratio) as usize;
        Self {
            conv1: ConvNorm::new([dim, inner], 1, device),
            conv2: ConvNorm::depthwise(inner, 3, device),
            conv3: ConvNorm::new([inner, dim], 1, device),
        }
    }

    /// # Shapes
    /// `[batch, dim, h, w]`, unchanged
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let inner = gelu(self.conv2.forward(gelu(self.conv1.forward(x.clone()))));
        gelu(x + self.conv3.forward(inner))
    }
}

impl Merge {
    /// # Shapes
    /// `[batch, dim, h, w] -> [batch, next, h / 2, w / 2]`, or of the same size
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.conv3.forward(gelu(self.conv2.forward(gelu(self.conv1.forward(x)))))
    }
}

impl WindowBlock {
    fn new(stage: usize, config: &TinyVitConfig, device: &Device) -> Self {
        let (dim, window) = (config.embed_dims[stage], config.window_sizes[stage]);
        let heads = config.num_heads[stage];
        let norm = || LayerNorm::new(dim, 1e-5, device);
        let linear = |d_in, d_out| Linear::new(d_in, d_out, true, device);
        let inner = (dim as f64 * config.mlp_ratio) as usize;
        Self {
            attn: BiasedAttention {
                norm: norm(),
                qkv: linear(dim, 3 * dim),
                proj: linear(dim, dim),
                attention_biases: Param::from_tensor(Tensor::zeros(
                    [heads, window * window],
                    device,
                )),
                window,
            },
            local_conv: ConvNorm::depthwise(dim, config.local_conv_size, device),
            mlp: Perceptron { norm: norm(), fc1: linear(dim, inner), fc2: linear(inner, dim) },
            window,
        }
    }

    /// # Shapes
    /// `[batch, dim, h, w]`, unchanged
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, dim, h, w] = x.dims();
        let windows = window::cut(x.clone().permute([0, 2, 3, 1]), self.window);
        let [count, side, _, _] = windows.dims();
        // Cells of the padding take part, and the norm inside gives them its shift.
        let mixed = self.attn.forward(windows.reshape([count, side * side, dim]));
        let mixed = window::join(mixed.reshape([count, side, side, dim]), [h, w]);
        let x = self.local_conv.forward(x + mixed.permute([0, 3, 1, 2]));
        let rows = x.clone().permute([0, 2, 3, 1]);
        x + self.mlp.forward(rows).permute([0, 3, 1, 2])
    }
}

impl BiasedAttention {
    /// # Shapes
    /// `[windows, window * window, dim]`, unchanged
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [windows, cells, dim] = x.dims();
        let [heads, distances] = self.attention_biases.dims();
        let width = dim / heads;
        let qkv = self.qkv.forward(self.norm.forward(x));
        let qkv = split_heads(qkv.reshape([windows, cells, 3 * dim]), heads);
        let part = |i: usize| qkv.clone().narrow(3, i * width, width);
        let side = self.window;
        let ids: Vec<i64> = (0..cells * cells)
            .map(|i| (i / cells, i % cells))
            .map(|(a, b)| (a / side).abs_diff(b / side) * side + (a % side).abs_diff(b % side))
            .map(|distance| distance.min(distances - 1) as i64)
            .collect();
        let ids = TensorData::new(ids, [cells * cells]);
        let ids = Tensor::<1, Int>::from_data(ids, &qkv.device());
        let bias = self.attention_biases.val().select(1, ids).reshape([1, heads, cells, cells]);
        self.proj.forward(merge_heads(attend(part(0), part(1), part(2), Some(bias))))
    }
}

impl Perceptron {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.fc2.forward(gelu(self.fc1.forward(self.norm.forward(x))))
    }
}
