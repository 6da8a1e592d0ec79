//! The visual prompt encoder: what a map says inside a region, as a few tokens.

use crate::layers::ConfigError;
use crate::layers::{Embedding, Linear, octave_position};
use crate::vision::PatchEmbed;
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Distribution, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Sizes and variants, by the keys of the published configuration where it has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VptConfig {
    /// Channels of the map.
    pub visual_hidden_size: usize,
    /// Tokens that describe the region's content; a square number.
    #[serde(default = "nine")]
    pub num_patches: usize,
    /// Side of the cells' block that the strategy `embedding` turns into one token.
    #[serde(default = "eight")]
    pub patch_size: usize,
    /// Side of the map in cells; without it, `patch_size` times the root of `num_patches`.
    #[serde(default)]
    pub grid: Option<usize>,
    /// How cells become tokens.
    #[serde(default)]
    pub strategy: Strategy,
    /// Which cells a pooled token is made of.
    #[serde(default)]
    pub layout: Layout,
    /// One more token, for the region itself.
    #[serde(default)]
    pub use_mask_token: bool,
    /// What that token is made of.
    #[serde(default)]
    pub mask_token: MaskToken,
    /// The older form: one token for the content, one for the region, both as wide as the
    /// language model, no positions.
    #[serde(default)]
    pub legacy: bool,
    /// Width of the language model; only the older form needs it.
    #[serde(default)]
    pub llm_hidden_size: Option<usize>,
}

fn nine() -> usize {
    9
}

fn eight() -> usize {
    8
}

/// How cells become tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Sums of the map weighted by the region.
    #[default]
    Pooling,
    /// A convolution of the map weighted by the region.
    Embedding,
}

/// Which cells a pooled token is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Runs of consecutive cells in raster order, as in the published code.
    #[default]
    Raster,
    /// Tiles of the grid, so that a token has a place.
    Spatial,
}

/// What the region's own token is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskToken {
    /// The mean of the normalised weights, as in the published code. That mean is the same for
    /// every region, so this token says only that there is one.
    #[default]
    Constant,
    /// The normalised weights of all cells: size, place and form of the region.
    Shape,
}

impl VptConfig {
    /// Cells along one side of the map.
    pub fn grid(&self) -> usize {
        self.grid.unwrap_or(self.patch_size * self.num_patches.isqrt())
    }

    /// Tokens per region.
    pub fn tokens(&self) -> usize {
        if self.legacy { 2 } else { self.num_patches + usize::from(self.use_mask_token) }
    }

    /// Width of a token: of the map, or of the language model for the older form.
    pub fn out_size(&self) -> usize {
        match self.llm_hidden_size {
            Some(width) if self.legacy => width,
            _ => self.visual_hidden_size,
        }
    }

    /// Checks that a module can be built.
    ///
    /// # Errors
    /// Names the field that doesn't fit the others.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |field, problem: String| Err(ConfigError { field, problem });
        if self.visual_hidden_size == 0 {
            return wrong("visual_hidden_size", "must be the channels of the map".into());
        }
        let (patches, grid) = (self.num_patches, self.grid());
        if patches == 0 || patches.isqrt().pow(2) != patches {
            return wrong("num_patches", format!("{patches} is not a square number above 0"));
        }
        if grid < patches.isqrt() {
            return wrong(
                "grid",
                format!("{grid} x {grid} cells are fewer than {patches} patches"),
            );
        }
        if self.strategy == Strategy::Embedding && grid != self.patch_size * patches.isqrt() {
            let problem = format!("{patches} patches of {} do not fill {grid}", self.patch_size);
            return wrong("grid", problem);
        }
        if self.legacy && (self.strategy == Strategy::Embedding || self.llm_hidden_size.is_none()) {
            return wrong("legacy", "needs llm_hidden_size and the strategy pooling".into());
        }
        Ok(())
    }

    /// A randomly initialised encoder. The configuration must pass [`Self::check`].
    pub fn init(&self, device: &Device) -> VptEncoder {
        let (dim, out) = (self.visual_hidden_size, self.out_size());
        let mask_in = match self.mask_token {
            MaskToken::Constant if !self.legacy => 1,
            _ => self.grid().pow(2),
        };
        let has_mask_token = self.use_mask_token || self.legacy;
        let convolution = self.strategy == Strategy::Embedding;
        VptEncoder {
            model: VptModel {
                position_embedding: (!self.legacy)
                    .then(|| Embedding::new(self.tokens(), dim, 0.02, device)),
                mask_embedding: has_mask_token.then(|| {
                    let linear = Linear::new(mask_in, out, true, device);
                    match self.mask_token {
                        MaskToken::Shape if !self.legacy => shape_embedding(linear, device),
                        _ => linear,
                    }
                }),
                patch_embedding: convolution
                    .then(|| PatchEmbed::new(dim, dim, self.patch_size, false, device)),
                vpt_feats_proj: self.legacy.then(|| Linear::new(dim, out, true, device)),
            },
            patches: if self.legacy { 1 } else { self.num_patches },
            layout: self.layout,
            mask_token: if self.legacy { MaskToken::Shape } else { self.mask_token },
        }
    }
}

/// Lets a map of all cells' weights start as a random map of the mean position code of the region:
/// neighbouring regions start alike, so that a place need not be learned cell by cell.
fn shape_embedding(mut linear: Linear, device: &Device) -> Linear {
    const CHANNELS: usize = 64;
    let [out, cells] = linear.weight.dims();
    let side = cells.isqrt();
    let spread = Distribution::Normal(0.0, (2.0 / CHANNELS as f64).sqrt());
    let code = octave_position([side, side], CHANNELS, device);
    let weight = Tensor::<2>::random([out, CHANNELS], spread, device).matmul(code.transpose());
    linear.weight = Param::from_tensor(weight);
    linear
}

/// The visual prompt encoder.
#[derive(Module, Debug)]
pub struct VptEncoder {
    /// Checkpoints keep the parameters under this key.
    pub model: VptModel,
    #[module(skip)]
    patches: usize,
    #[module(skip)]
    layout: Layout,
    #[module(skip)]
    mask_token: MaskToken,
}

/// The parameters, each present only in the variants that use it.
#[derive(Module, Debug)]
pub struct VptModel {
    /// `[tokens, channels]`.
    pub position_embedding: Option<Embedding>,
    /// Of the region's own token.
    pub mask_embedding: Option<Linear>,
    /// Of the strategy `embedding`.
    pub patch_embedding: Option<PatchEmbed>,
    /// Of the older form.
    pub vpt_feats_proj: Option<Linear>,
}

impl VptEncoder {
    /// The tokens of regions that belong to any pictures of a batch.
    ///
    /// # Shapes
    /// - `map` `[batch, channels, rows, columns]`, the map of the configured channels over the
    ///   padded squares
    /// - `regions` `[regions, rows, columns]`, weights of 0 or more, not normalised; at least one
    ///   region
    /// - `sample` for each region the index of its picture in the batch
    /// - returns `[regions, tokens, out_size]`
    pub fn forward(&self, map: Tensor<4>, regions: Tensor<3>, sample: &[usize]) -> Tensor<3> {
        let [count, rows, columns] = regions.dims();
        let weights = normalise(regions);
        let content = self.content(map, weights.clone(), sample);
        let content = match &self.model.vpt_feats_proj {
            Some(proj) => proj.forward(content),
            None => content,
        };
        let flat = weights.reshape([count, 1, rows * columns]);
        let own = self.model.mask_embedding.as_ref().map(|embed| match self.mask_token {
            MaskToken::Constant => embed.forward(flat.mean_dim(2)),
            MaskToken::Shape => embed.forward(flat),
        });
        let tokens = match own {
            Some(own) => Tensor::cat(vec![content, own], 1),
            None => content,
        };
        match &self.model.position_embedding {
            Some(positions) => tokens + positions.weight.val().unsqueeze(),
            None => tokens,
        }
    }

    /// The tokens of the regions' content, before positions. Pooled ones add up to the mean of
    /// the map over the region.
    ///
    /// # Shapes
    /// - `map` `[batch, channels, rows, columns]`
    /// - `weights` `[regions, rows, columns]`, adding up to 1 in each region
    /// - returns `[regions, num_patches, channels]`
    pub fn content(&self, map: Tensor<4>, weights: Tensor<3>, sample: &[usize]) -> Tensor<3> {
        let [count, rows, columns] = weights.dims();
        let [_, channels, ..] = map.dims();
        let device = map.device();
        let index: Vec<i64> = sample.iter().map(|&s| s as i64).collect();
        let index = Tensor::<1, Int>::from_data(TensorData::new(index, [count]), &device);
        let map = map.select(0, index);
        if let Some(conv) = &self.model.patch_embedding {
            let tokens = conv.forward(map * weights.unsqueeze_dim(1));
            return tokens.reshape([count as i32, -1, channels as i32]);
        }
        let cells = rows * columns;
        let patches = self.membership([rows, columns], &device);
        let weights = weights.reshape([count, 1, cells]) * patches.unsqueeze();
        weights.matmul(map.reshape([count, channels, cells]).swap_dims(1, 2))
    }

    /// 1 where a cell belongs to a patch.
    ///
    /// # Shapes
    /// returns `[patches, rows * columns]`
    fn membership(&self, [rows, columns]: [usize; 2], device: &Device) -> Tensor<2> {
        let (cells, patches) = (rows * columns, self.patches);
        let side = patches.isqrt();
        let patch_of = |cell: usize| match self.layout {
            Layout::Raster => cell * patches / cells,
            Layout::Spatial => {
                (cell / columns * side / rows) * side + cell % columns * side / columns
            }
        };
        let mut member = vec![0.0f32; patches * cells];
        for cell in 0..cells {
            member[patch_of(cell) * cells + cell] = 1.0;
        }
        Tensor::from_data(TensorData::new(member, [patches, cells]), (device, DType::F32))
    }
}

/// Weights that add up to 1 in each region; an empty region stays empty.
///
/// # Shapes
/// `[regions, rows, columns]`, unchanged
pub fn normalise(regions: Tensor<3>) -> Tensor<3> {
    let sum = regions.clone().sum_dim(2).sum_dim(1);
    regions / (sum + 1e-8)
}
