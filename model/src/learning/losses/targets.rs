//! Targets as the host knows them, and the weights of their losses.

use burn::tensor::{Device, Tensor, TensorData};
use refvlm_record::coco::SIGMAS;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Weights of the loss terms, with the reference's names and values where it has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LossConfig {
    /// Whether targets of a triplet are assigned by least cost; else by order.
    pub use_group_matcher: bool,
    /// Whether the mask matcher looks at the picture only. The reference also compares the
    /// padded band, so its assignment may depend on what is predicted there.
    pub match_valid_cells: bool,
    /// L1 of boxes.
    pub bbox_loss_coefficient: f64,
    /// 1 - GIoU of boxes.
    pub giou_loss_coefficient: f64,
    /// Focal loss of masks.
    pub mask_loss_coefficient: f64,
    /// Dice loss of masks.
    pub dice_loss_coefficient: f64,
    /// L1 of body points.
    pub keypoint_loss_coefficient: f64,
    /// Focal loss of the visibility of body points.
    pub cls_loss_coefficient: f64,
    /// 1 - object keypoint similarity.
    pub oks_loss_coefficient: f64,
    /// Constants of the similarity, one per body point.
    pub keypoint_sigmas: Vec<f32>,
    /// Cross-entropy of the maps of joints.
    pub joint_map_loss_coefficient: f64,
    /// Scale-invariant loss of depth.
    pub silog_loss_coefficient: f64,
    /// How much of a common factor the scale-invariant loss forgives, 0..1.
    pub silog_lambda: f64,
    /// L1 of the logarithm of depth.
    pub depth_l1_loss_coefficient: f64,
    /// Cross-entropy of confidences.
    pub confidence_loss_coefficient: f64,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            use_group_matcher: true,
            match_valid_cells: true,
            bbox_loss_coefficient: 5.0,
            giou_loss_coefficient: 2.0,
            mask_loss_coefficient: 20.0,
            dice_loss_coefficient: 1.0,
            keypoint_loss_coefficient: 2.0,
            cls_loss_coefficient: 1.0,
            oks_loss_coefficient: 2.0,
            keypoint_sigmas: SIGMAS.to_vec(),
            joint_map_loss_coefficient: 1.0,
            silog_loss_coefficient: 1.0,
            silog_lambda: 0.5,
            depth_l1_loss_coefficient: 1.0,
            confidence_loss_coefficient: 1.0,
        }
    }
}

/// A body, in the unit square.
#[derive(Debug, Clone, PartialEq)]
pub struct PoseTarget {
    /// Centre x, centre y, width, height.
    pub bbox: [f32; 4],
    /// x, y, v of each point; x and y count where v > 0.
    pub keypoints: Vec<[f32; 3]>,
}

/// A mask (0 or 1) or a map of log depth over the padded square.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseTarget {
    /// Raster of the size of [`DenseTargets`].
    pub values: Vec<f32>,
    /// 1 where the value is known, 0 elsewhere (the padded band, a depth sensor's holes); empty
    /// where all are known.
    pub valid: Vec<f32>,
}

/// The dense targets of a batch, all of one size: that at which the loss is computed.
#[derive(Debug, Clone, Copy)]
pub struct DenseTargets<'a> {
    /// Height and width. The decoder's own resolution is the cheapest.
    pub size: [usize; 2],
    /// Of each picture, in the order of its references.
    pub rows: &'a [Vec<DenseTarget>],
}

/// Why targets cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetError {
    /// The number of cells does not match the label size.
    #[error(
        "target {index} of picture {row}: {what} has {got} cells instead of {want}; rasterise it \
         at the label size"
    )]
    Cells {
        /// Picture in the batch.
        row: usize,
        /// Target of the picture.
        index: usize,
        /// Which map it is.
        what: &'static str,
        /// Cells it has.
        got: usize,
        /// Cells it must have.
        want: usize,
    },
    /// A body has another number of points than the decoder.
    #[error("target {index} of picture {row}: {got} points instead of the decoder's {want}")]
    Points {
        /// Picture in the batch.
        row: usize,
        /// Target of the picture.
        index: usize,
        /// Points it has.
        got: usize,
        /// Points it must have.
        want: usize,
    },
    /// The similarity needs one constant per point.
    #[error("loss config: `keypoint_sigmas` has {got} entries; the decoder has {want} points")]
    Sigmas {
        /// Entries it has.
        got: usize,
        /// Entries it must have.
        want: usize,
    },
}

impl DenseTargets<'_> {
    pub(super) fn check(&self) -> Result<(), TargetError> {
        let want = self.size[0] * self.size[1];
        for (row, targets) in self.rows.iter().enumerate() {
            for (index, target) in targets.iter().enumerate() {
                let (values, valid) = (target.values.len(), target.valid.len());
                if values != want {
                    return Err(TargetError::Cells { row, index, what: "map", got: values, want });
                }
                if valid != want && valid != 0 {
                    let what = "validity";
                    return Err(TargetError::Cells { row, index, what, got: valid, want });
                }
            }
        }
        Ok(())
    }
}

/// A raster at another size, by the nearest cell `floor(i * from / to)`; an empty one stays empty.
pub fn nearest(values: &[f32], from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    if from == to || values.is_empty() {
        return values.to_vec();
    }
    let rows = values.chunks_exact(from[1].max(1));
    let rows: Vec<&[f32]> = rows.collect();
    let pick = |y: usize| rows.get(y * from[0] / to[0]).copied().unwrap_or_default();
    let across = |row: &[f32]| -> Vec<f32> {
        (0..to[1]).map(|x| row.get(x * from[1] / to[1]).copied().unwrap_or(0.0)).collect()
    };
    (0..to[0]).flat_map(|y| across(pick(y))).collect()
}

pub(super) fn tensor<const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Validity of maps as weights: `(valid, weight)` with 1 on valid cells, and with each map's
/// valid cells summing to 1 / n. Nothing is known of a map without valid cells: its weights are 0.
pub(super) fn validity(
    targets: &[&DenseTarget],
    cells: usize,
    device: &Device,
) -> (Tensor<2>, Tensor<2>) {
    let n = targets.len();
    let mut valid = Vec::with_capacity(n * cells);
    let mut weight = Vec::with_capacity(n * cells);
    for target in targets {
        let start = valid.len();
        valid.extend(target.valid.iter().map(|&v| if v > 0.0 { 1.0f32 } else { 0.0 }));
        valid.resize(start + cells, 1.0);
        let known = valid[start..].iter().sum::<f32>().max(1.0);
        weight.extend(valid[start..].iter().map(|v| v / (known * n as f32)));
    }
    (tensor(valid, [n, cells], device), tensor(weight, [n, cells], device))
}
