//! Sizes of SAM, by the argument names of the published code.

use crate::layers::{ConfigError, require};
use serde::{Deserialize, Serialize};

/// The largest side of an input in px; SAM was trained at 1024.
const MAX_SIZE: usize = 4096;

/// The vision transformer; the default is that of ViT-H.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SamVitConfig {
    /// Side of the square input in px.
    pub img_size: usize,
    /// Side of a patch in px.
    pub patch_size: usize,
    /// Width.
    pub embed_dim: usize,
    /// Blocks.
    pub depth: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Width inside the perceptrons over `embed_dim`.
    pub mlp_ratio: f64,
    /// Channels of the embedding.
    pub out_chans: usize,
    /// Side of the windows in patches.
    pub window_size: usize,
    /// Blocks in which all patches see each other.
    pub global_attn_indexes: Vec<usize>,
}

impl Default for SamVitConfig {
    fn default() -> Self {
        Self {
            img_size: 1024,
            patch_size: 16,
            embed_dim: 1280,
            depth: 32,
            num_heads: 16,
            mlp_ratio: 4.0,
            out_chans: 256,
            window_size: 14,
            global_attn_indexes: vec![7, 15, 23, 31],
        }
    }
}

impl SamVitConfig {
    /// Checks that a module can be built.
    ///
    /// # Errors
    /// Names the field that doesn't fit the others.
    pub fn check(&self) -> Result<(), ConfigError> {
        crate::layers::require_vit(
            (self.embed_dim, self.num_heads),
            (self.img_size, self.patch_size),
        )?;
        require(self.img_size.is_multiple_of(self.patch_size), "img_size", || {
            format!("{} px is not a multiple of patch_size {}", self.img_size, self.patch_size)
        })?;
        require_size(self.img_size)?;
        require_embedding(self.out_chans)?;
        require(self.window_size > 0, "window_size", || "0; give at least 1".into())?;
        require(self.mlp_ratio.is_finite() && self.mlp_ratio > 0.0, "mlp_ratio", || {
            format!("{} must be above 0", self.mlp_ratio)
        })
    }

    /// Patches along a side.
    pub fn grid(&self) -> usize {
        self.img_size / self.patch_size.max(1)
    }

    /// Side of the windows of a block; none where all patches see each other.
    pub(super) fn window(&self, block: usize) -> Option<usize> {
        (!self.global_attn_indexes.contains(&block)).then_some(self.window_size)
    }
}

/// TinyViT; the default is that of MobileSAM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TinyVitConfig {
    /// Side of the square input in px.
    pub img_size: usize,
    /// Width of each stage.
    pub embed_dims: Vec<usize>,
    /// Blocks of each stage.
    pub depths: Vec<usize>,
    /// Attention heads of each stage; the first has none.
    pub num_heads: Vec<usize>,
    /// Side of the windows of each stage; the first has none.
    pub window_sizes: Vec<usize>,
    /// Width inside the perceptrons over that of the stage.
    pub mlp_ratio: f64,
    /// Width inside the convolutional blocks over that of the stage.
    pub mbconv_expand_ratio: f64,
    /// Side of the depthwise kernels between attention and perceptron, odd.
    pub local_conv_size: usize,
    /// Channels of the embedding.
    pub out_chans: usize,
}

impl Default for TinyVitConfig {
    fn default() -> Self {
        Self {
            img_size: 1024,
            embed_dims: vec![64, 128, 160, 320],
            depths: vec![2, 2, 6, 2],
            num_heads: vec![2, 4, 5, 10],
            window_sizes: vec![7, 7, 14, 7],
            mlp_ratio: 4.0,
            mbconv_expand_ratio: 4.0,
            local_conv_size: 3,
            out_chans: 256,
        }
    }
}

impl TinyVitConfig {
    /// Checks that a module can be built.
    ///
    /// # Errors
    /// Names the field that doesn't fit the others.
    pub fn check(&self) -> Result<(), ConfigError> {
        let stages = self.embed_dims.len();
        require((2..=6).contains(&stages), "embed_dims", || {
            format!("{stages} stages; give 2 to 6")
        })?;
        for (field, list) in [
            ("depths", &self.depths),
            ("num_heads", &self.num_heads),
            ("window_sizes", &self.window_sizes),
        ] {
            require(list.len() == stages, field, || {
                format!("{} entries for {stages} stages; give one each", list.len())
            })?;
        }
        let windows = &self.window_sizes[1..];
        require(!windows.contains(&0), "window_sizes", || "0; give at least 1".into())?;
        for (&dim, &heads) in self.embed_dims.iter().zip(&self.num_heads).skip(1) {
            require(heads > 0 && dim > 0 && dim.is_multiple_of(heads), "num_heads", || {
                format!("{heads} heads do not divide a width of {dim}")
            })?;
        }
        require(
            self.embed_dims[0] > 0 && self.embed_dims[0].is_multiple_of(2),
            "embed_dims",
            || format!("the first, {}, must be even", self.embed_dims[0]),
        )?;
        let cells = 4 << (stages - 2);
        require(self.img_size > 0 && self.img_size.is_multiple_of(cells), "img_size", || {
            format!("{} px is not a multiple of {cells}", self.img_size)
        })?;
        require_size(self.img_size)?;
        require(self.local_conv_size % 2 == 1, "local_conv_size", || {
            format!("{} is even; a kernel needs a centre", self.local_conv_size)
        })?;
        for (field, ratio) in
            [("mlp_ratio", self.mlp_ratio), ("mbconv_expand_ratio", self.mbconv_expand_ratio)]
        {
            require(ratio.is_finite() && ratio > 0.0, field, || {
                format!("{ratio} must be above 0")
            })?;
        }
        require_embedding(self.out_chans)
    }

    /// Cells along a side of the embedding: the patches of 4 px, halved between stages except
    /// before the last.
    pub fn grid(&self) -> usize {
        self.img_size / (4 << self.embed_dims.len().saturating_sub(2))
    }
}

fn require_size(size: usize) -> Result<(), ConfigError> {
    require(size <= MAX_SIZE, "img_size", || format!("{size} px; at most {MAX_SIZE}"))
}

fn require_embedding(channels: usize) -> Result<(), ConfigError> {
    require(channels > 0 && channels.is_multiple_of(8), "out_chans", || {
        format!("{channels} must be a multiple of 8, as the mask decoder narrows it so far")
    })
}

/// Which image encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SamEncoderConfig {
    /// SAM's own.
    Vit(SamVitConfig),
    /// MobileSAM's.
    TinyVit(TinyVitConfig),
}

impl SamEncoderConfig {
    /// Side of the square input in px.
    pub fn image_size(&self) -> usize {
        match self {
            Self::Vit(config) => config.img_size,
            Self::TinyVit(config) => config.img_size,
        }
    }

    /// Cells along a side of the embedding.
    pub fn grid(&self) -> usize {
        match self {
            Self::Vit(config) => config.grid(),
            Self::TinyVit(config) => config.grid(),
        }
    }

    /// Channels of the embedding.
    pub fn channels(&self) -> usize {
        match self {
            Self::Vit(config) => config.out_chans,
            Self::TinyVit(config) => config.out_chans,
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::Vit(config) => config.check(),
            Self::TinyVit(config) => config.check(),
        }
    }
}

/// Prompt encoder and mask decoder, whose width is that of the image embedding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SamHeadConfig {
    /// Channels inside the path of mask prompts.
    pub mask_in_chans: usize,
    /// Layers of the two-way transformer.
    pub depth: usize,
    /// Its attention heads.
    pub heads: usize,
    /// Width inside its perceptrons.
    pub mlp_dim: usize,
    /// Maps in the head that expects the IoU.
    pub iou_head_depth: usize,
    /// Width inside it.
    #[serde(alias = "iou_hidden")]
    pub iou_head_hidden_dim: usize,
    /// Masks of [`super::MaskChoice::Multi`].
    pub num_multimask_outputs: usize,
}

impl Default for SamHeadConfig {
    fn default() -> Self {
        Self {
            mask_in_chans: 16,
            depth: 2,
            heads: 8,
            mlp_dim: 2048,
            iou_head_depth: 3,
            iou_head_hidden_dim: 256,
            num_multimask_outputs: 3,
        }
    }
}

/// A whole SAM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SamConfig {
    /// Picture to embedding.
    pub image_encoder: SamEncoderConfig,
    /// Prompts and embedding to masks.
    #[serde(default)]
    pub head: SamHeadConfig,
}

impl SamConfig {
    /// SAM with ViT-B, as `sam_vit_b` names it.
    pub fn vit_b() -> Self {
        Self::vit(768, 12, 12, vec![2, 5, 8, 11])
    }

    /// SAM with ViT-L, as `sam_vit_l` names it.
    pub fn vit_l() -> Self {
        Self::vit(1024, 24, 16, vec![5, 11, 17, 23])
    }

    /// SAM with ViT-H, as `sam_vit_h` names it.
    pub fn vit_h() -> Self {
        Self::vit(1280, 32, 16, vec![7, 15, 23, 31])
    }

    /// MobileSAM.
    pub fn mobile() -> Self {
        let image_encoder = SamEncoderConfig::TinyVit(TinyVitConfig::default());
        Self { image_encoder, head: SamHeadConfig::default() }
    }

    fn vit(embed_dim: usize, depth: usize, num_heads: usize, global: Vec<usize>) -> Self {
        let vit = SamVitConfig {
            embed_dim,
            depth,
            num_heads,
            global_attn_indexes: global,
            ..SamVitConfig::default()
        };
        Self { image_encoder: SamEncoderConfig::Vit(vit), head: SamHeadConfig::default() }
    }

    /// Checks that a module can be built.
    ///
    /// # Errors
    /// Names the field that doesn't fit the others.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.image_encoder.check()?;
        let (head, dim) = (&self.head, self.image_encoder.channels());
        let divides = head.heads > 0 && (dim / 2).is_multiple_of(head.heads);
        require(divides, "head.heads", || {
            format!("{} heads do not divide half of out_chans {dim}", head.heads)
        })?;
        let wide = head.mask_in_chans;
        require(wide > 0 && wide.is_multiple_of(4), "head.mask_in_chans", || {
            format!("{wide} must be a multiple of 4")
        })?;
        for (field, value) in [
            ("head.mlp_dim", head.mlp_dim),
            ("head.iou_head_depth", head.iou_head_depth),
            ("head.iou_head_hidden_dim", head.iou_head_hidden_dim),
            ("head.num_multimask_outputs", head.num_multimask_outputs),
        ] {
            require(value > 0, field, || "0; give at least 1".into())?;
        }
        Ok(())
    }
}
