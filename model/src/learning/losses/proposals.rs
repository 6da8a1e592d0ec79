//! The loss of several masks for one target: the best of them is taught.

use super::masks::hard_iou;
use super::targets::{DenseTarget, LossConfig, tensor, validity};
use super::text::confidence;
use super::unit_loss::UnitLoss;
use crate::decoding::Proposals;
use crate::layers::resize_bilinear;
use burn::tensor::{Tensor, activation};

/// Share of the loss that goes to all proposals alike, so that one that is never the best learns
/// too.
const SHARED: f64 = 0.1;

/// `weights · (cross-entropy, dice)` of the best of each reference's proposals, and a small share
/// of the mean over all of them. The confidences learn the IoU of each proposal.
///
/// A click may mean a part or the whole: one mask that must fit all answers fits none. The best is
/// the proposal whose loss is least, as in SAM; where only the first is asked for, that is taught. The cross-entropy is the plain one over the valid
/// cells of the square: the prompt already says where to look, so the classes are not as unequal
/// as the focal loss assumes.
///
/// References have one target each, in order: a prompt leaves nothing to match.
pub(super) fn proposal_loss(
    proposals: &Proposals,
    masks: &[&DenseTarget],
    size: [usize; 2],
    config: &LossConfig,
) -> UnitLoss {
    let device = proposals.logits.device();
    let [_, count, ..] = proposals.logits.dims();
    let (n, cells) = (masks.len(), size[0] * size[1]);
    let logits = resize_bilinear(proposals.logits.clone().narrow(0, 0, n), size);
    let logits = logits.reshape([n * count, cells]);
    let (valid, weight) = validity(masks, cells, &device);
    let labels = masks.iter().flat_map(|mask| mask.values.iter().copied()).collect();
    let labels = tensor(labels, [n, cells], &device) * valid.clone();
    let each = |x: Tensor<2>| {
        x.reshape([n, 1, cells]).expand([n, count, cells]).reshape([n * count, cells])
    };
    let (valid, weight, labels) = (each(valid), each(weight * n as f64), each(labels));
    let margin = logits.clone() * (labels.clone() * 2.0 - 1.0);
    let cross = -(activation::log_sigmoid(margin) * weight).sum_dim(1);
    let inside = activation::sigmoid(logits.clone()) * valid.clone();
    let overlap = (inside.clone() * labels.clone()).sum_dim(1) * 2.0 + 1.0;
    let dice = -overlap / ((inside + labels.clone()).sum_dim(1) + 1.0) + 1.0;
    let (cross, dice) = (cross.reshape([n, count]), dice.reshape([n, count]));
    let (a, b) = (config.mask_loss_coefficient, config.dice_loss_coefficient);
    let loss = (cross.clone() * a + dice.clone() * b).detach();
    let best = loss.clone().lower_equal(loss.min_dim(1).expand([n, count])).float();
    let single = proposals.single.clone().narrow(0, 0, n).reshape([n, 1]).expand([n, count]);
    let first = (0..n * count).map(|i| f32::from(u8::from(i % count == 0))).collect();
    let first = tensor(first, [n, count], &device);
    let best = best * (-single.clone() + 1.0) + first * single;
    let share = best * (1.0 - SHARED) + SHARED / count as f64;
    let mean = |x: Tensor<2>| (x * share.clone()).sum() / n as f64;
    let quality = hard_iou(logits, labels, valid);
    let judged = proposals.confidence.clone().narrow(0, 0, n).reshape([n * count]);
    let chosen = proposals.chosen().narrow(0, 0, n);
    let ious = quality.clone().reshape([n, count]);
    let terms = [
        ("cross", a, mean(cross)),
        ("dice", b, mean(dice)),
        ("confidence", config.confidence_loss_coefficient, confidence(judged, quality)),
        // Not learned, but what the log should tell: the answer's IoU and the best proposal's.
        ("iou", 0.0, ious.clone().gather(1, chosen).mean()),
        ("best_iou", 0.0, ious.max_dim(1).mean()),
    ];
    UnitLoss::sum(terms, (0..n).collect(), &device)
}
