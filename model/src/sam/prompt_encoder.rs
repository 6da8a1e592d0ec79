//! SAM's prompt encoder: points, boxes and a mask as embeddings.

use super::config::SamHeadConfig;
use super::fourier::FourierPosition;
use crate::layers::{Activation, Embedding, LayerNorm};
use crate::vision::PatchEmbed;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};

/// What a point means; the numbers are those of SAM's labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointLabel {
    /// No point at all: stands where others of a batch have one, and behind points without a box.
    Padding = -1,
    /// Not part of the thing.
    Background = 0,
    /// Part of the thing.
    Foreground = 1,
    /// The corner of a box with the smaller coordinates.
    TopLeft = 2,
    /// The opposite corner.
    BottomRight = 3,
}

/// See the module documentation.
#[derive(Module, Debug)]
pub struct PromptEncoder {
    /// The position code, shared by points and image.
    pub pe_layer: FourierPosition,
    /// Background, foreground, first and second corner of a box; one row each.
    pub point_embeddings: Vec<Embedding>,
    /// Of [`PointLabel::Padding`], one row.
    pub not_a_point_embed: Embedding,
    /// A mask to the channels of the image embedding.
    pub mask_downscaling: MaskDownscaling,
    /// Stands for a mask where there is none, one row.
    pub no_mask_embed: Embedding,
    #[module(skip)]
    image_size: usize,
    #[module(skip)]
    grid: usize,
}

/// Two convolutions that halve, each normalised, and a map to the embedding's channels; the
/// indices are those beside the activations.
#[derive(Module, Debug)]
pub struct MaskDownscaling {
    /// `1 -> mask_in_chans / 4`, 2x2.
    pub _0: PatchEmbed,
    /// Over channels.
    pub _1: LayerNorm,
    /// `mask_in_chans / 4 -> mask_in_chans`, 2x2.
    pub _3: PatchEmbed,
    /// Over channels.
    pub _4: LayerNorm,
    /// `mask_in_chans -> dim`, 1x1.
    pub _6: PatchEmbed,
}

impl PromptEncoder {
    /// For an image embedding of `dim` channels and `grid` x `grid` cells over a square of
    /// `image_size` px.
    pub fn new(
        dim: usize,
        [image_size, grid]: [usize; 2],
        config: &SamHeadConfig,
        device: &Device,
    ) -> Self {
        let row = || Embedding::new(1, dim, 1.0, device);
        let wide = config.mask_in_chans;
        Self {
            pe_layer: FourierPosition::new(dim, device),
            point_embeddings: (0..4).map(|_| row()).collect(),
            not_a_point_embed: row(),
            mask_downscaling: MaskDownscaling {
                _0: PatchEmbed::new(1, wide / 4, 2, true, device),
                _1: LayerNorm::new(wide / 4, 1e-6, device),
                _3: PatchEmbed::new(wide / 4, wide, 2, true, device),
                _4: LayerNorm::new(wide, 1e-6, device),
                _6: PatchEmbed::new(wide, dim, 1, true, device),
            },
            no_mask_embed: row(),
            image_size,
            grid,
        }
    }

    /// Side of the encoder's input in px.
    pub fn image_size(&self) -> usize {
        self.image_size
    }

    /// Side of the masks that go in and come out.
    pub fn mask_side(&self) -> usize {
        4 * self.grid
    }

    /// The position code of the image embedding.
    ///
    /// # Shapes
    /// returns `[1, grid * grid, dim]`, raster order
    pub fn positions(&self) -> Tensor<3> {
        self.pe_layer.grid([self.grid, self.grid]).unsqueeze()
    }

    /// Sparse embeddings of prompts that have the same number of points each: the points, then
    /// either the corners of the box or, without one, a padding point.
    ///
    /// # Shapes
    /// - `points` `[batch, n, 2]` x, y in px of the encoder's input, with the [`PointLabel`]s
    ///   `[batch, n]`
    /// - `boxes` `[batch, 4]`: x, y of the first, then of the second corner, in the same px
    /// - returns `[batch, n + 1 or 2, dim]`, or `[batch, 2, dim]` of boxes alone; none of nothing
    pub fn sparse(
        &self,
        points: Option<(Tensor<3>, Tensor<2, Int>)>,
        boxes: Option<Tensor<2>>,
    ) -> Option<Tensor<3>> {
        let label = |batch: usize, labels: &[PointLabel], device: &Device| {
            let values: Vec<i64> = labels.iter().map(|&label| label as i64).collect();
            let labels = TensorData::new(values, [1, labels.len()]);
            Tensor::<2, Int>::from_data(labels, device).repeat_dim(0, batch)
        };
        let mut parts = Vec::new();
        let alone = boxes.is_none();
        if let Some((points, labels)) = points {
            let [batch, _, _] = points.dims();
            let device = points.device();
            parts.push(self.points(points, labels));
            if alone {
                let nowhere = Tensor::zeros([batch, 1, 2], &device);
                parts.push(self.points(nowhere, label(batch, &[PointLabel::Padding], &device)));
            }
        }
        if let Some(boxes) = boxes {
            let [batch, _] = boxes.dims();
            let corners = [PointLabel::TopLeft, PointLabel::BottomRight];
            let labels = label(batch, &corners, &boxes.device());
            parts.push(self.points(boxes.reshape([batch, 2, 2]), labels));
        }
        (!parts.is_empty()).then(|| Tensor::cat(parts, 1))
    }

    /// # Shapes
    /// `[batch, n, 2]`, labels `[batch, n]` -> `[batch, n, dim]`
    fn points(&self, points: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<3> {
        let [batch, n, _] = points.dims();
        let code = self.pe_layer.encode((points + 0.5) / self.image_size as f64);
        // Padding has no place.
        let placed = labels.clone().greater_equal_elem(0).float().unsqueeze_dim::<3>(2);
        let kinds = std::iter::once(&self.not_a_point_embed).chain(&self.point_embeddings);
        let kinds = Tensor::cat(kinds.map(|kind| kind.weight.val()).collect(), 0);
        let kind = kinds.select(0, (labels + 1).reshape([batch * n]));
        code.clone() * placed + kind.reshape(code.dims())
    }

    /// What stands for a mask where there is none, the same for every cell.
    ///
    /// # Shapes
    /// returns `[1, 1, dim]`
    pub fn no_mask(&self) -> Tensor<3> {
        self.no_mask_embed.weight.val().unsqueeze()
    }

    /// The dense embedding of masks.
    ///
    /// # Shapes
    /// `[batch, 1, 4 * grid, 4 * grid]` logits `-> [batch, grid * grid, dim]`
    pub fn mask(&self, masks: Tensor<4>) -> Tensor<3> {
        let net = &self.mask_downscaling;
        let x = Activation::Gelu.forward(net._1.forward(net._0.forward(masks)));
        let x = Activation::Gelu.forward(net._4.forward(net._3.forward_channels_last(x)));
        let x = net._6.forward_channels_last(x);
        let [batch, h, w, dim] = x.dims();
        x.reshape([batch, h * w, dim])
    }
}
