//! From a decoder's output and host targets to the loss of a unit.

use super::boxes::{box_cost, giou, l1};
use super::depth::{log_l1, silog, within_factor};
use super::keypoints::{keypoint_l1, oks, visibility_focal};
use super::masks::{MaskCosts, dice, focal, hard_iou};
use super::matcher::match_groups;
use super::proposals::proposal_loss;
use super::targets::{
    DenseTargets, LossConfig, PoseTarget, TargetError, nearest, tensor, validity,
};
use super::unit_loss::UnitLoss;
use crate::decoding::{BoxOutput, DepthOutput, MaskOutput, PoseOutput, QueryLayout};
use crate::layers::resize_bilinear;
use burn::tensor::Tensor;

/// The references that have a query and a target: both lists are cut to the shorter, from the
/// end, as a sequence that was cut loses its last references.
fn supervised<'a, T>(
    layout: &QueryLayout,
    queries: usize,
    rows: &'a [Vec<T>],
) -> (QueryLayout, Vec<&'a T>) {
    let layout = layout.limited(|row| queries.min(rows.get(row).map_or(0, Vec::len)));
    let of_row = |(row, targets): (usize, &'a Vec<T>)| targets.iter().take(layout.row_count(row));
    let targets = rows.iter().enumerate().flat_map(of_row).collect();
    (layout, targets)
}

/// A tensor's numbers on the host, outside of the graph.
fn host<const D: usize>(x: &Tensor<D>) -> Vec<f32> {
    x.clone().detach().into_data().iter::<f32>().collect()
}

/// Assigns targets by `cost`, which is made from the predictions only where a triplet leaves a
/// choice: reading them back stalls a GPU.
fn assign<C: Fn(usize, usize) -> f64>(
    layout: &QueryLayout,
    config: &LossConfig,
    cost: impl FnOnce() -> C,
) -> Vec<usize> {
    let sizes = layout.group_sizes();
    if config.use_group_matcher && sizes.iter().any(|&size| size > 1) {
        match_groups(&sizes, cost())
    } else {
        (0..layout.count()).collect()
    }
}

/// Assigns boxes by `L1 weight * L1 - GIoU weight * GIoU`.
fn assign_boxes(
    boxes: &Tensor<2>,
    targets: &[[f32; 4]],
    layout: &QueryLayout,
    config: &LossConfig,
) -> Vec<usize> {
    assign(layout, config, || {
        let predictions = host(boxes);
        move |prediction: usize, target: usize| {
            let (predictions, _) = predictions.as_chunks::<4>();
            match (predictions.get(prediction), targets.get(target)) {
                (Some(&prediction), Some(&target)) => box_cost(
                    prediction,
                    target,
                    config.bbox_loss_coefficient,
                    config.giou_loss_coefficient,
                ),
                _ => f64::NAN,
            }
        }
    })
}

fn permuted<T: Clone>(targets: &[T], assignment: &[usize]) -> Vec<T> {
    assignment.iter().filter_map(|&target| targets.get(target).cloned()).collect()
}

/// `weights · (L1, 1 - GIoU)`, each the mean over boxes, of targets given as centre x, centre y,
/// width, height in the unit square; the confidence learns the IoU.
///
/// # Shapes
/// `targets` of each picture in the order of its references
pub fn box_loss(
    output: &BoxOutput,
    layout: &QueryLayout,
    targets: &[Vec<[f32; 4]>],
    config: &LossConfig,
) -> UnitLoss {
    let (layout, targets) = supervised(layout, output.boxes.dims()[1], targets);
    if targets.is_empty() {
        return UnitLoss::nothing(output.boxes.clone().sum(), &output.confidence);
    }
    let targets: Vec<[f32; 4]> = targets.into_iter().copied().collect();
    let device = output.boxes.device();
    let boxes = layout.select::<3, 2>(output.boxes.clone());
    let assignment = assign_boxes(&boxes, &targets, &layout, config);
    let n = targets.len();
    let targets = permuted(&targets, &assignment).into_iter().flatten().collect();
    let targets = tensor(targets, [n, 4], &device);
    let overlap = giou(boxes.clone(), targets.clone());
    let terms = [
        ("l1", config.bbox_loss_coefficient, l1(boxes, targets)),
        ("giou", config.giou_loss_coefficient, -overlap.giou.mean() + 1.0),
    ];
    UnitLoss::sum(terms, assignment, &device).with_confidence(
        &output.confidence,
        &layout,
        || overlap.iou,
        config,
    )
}

/// Selected maps at the label size, one row each.
fn dense<'a>(
    maps: &Tensor<4>,
    layout: &QueryLayout,
    targets: &DenseTargets<'a>,
) -> (Tensor<3>, Tensor<2>) {
    let maps = layout.select::<4, 3>(maps.clone());
    let resized = resize_bilinear(maps.clone().unsqueeze_dim(0), targets.size);
    (maps, resized.squeeze_dim::<3>(0).flatten(1, 2))
}

/// `weights · (focal, dice)`: the focal loss is the mean over valid cells of each mask, dice is
/// over valid cells; both the mean over masks. The confidence learns the IoU.
///
/// Predictions are resized bilinearly to the label size; the matcher compares at the predictions'
/// size.
///
/// # Errors
/// When a target does not have the label size.
pub fn mask_loss(
    output: &MaskOutput,
    layout: &QueryLayout,
    targets: &DenseTargets,
    config: &LossConfig,
) -> Result<UnitLoss, TargetError> {
    targets.check()?;
    let [_, queries, h, w] = output.logits.dims();
    let (layout, masks) = supervised(layout, queries, targets.rows);
    if masks.is_empty() {
        return Ok(UnitLoss::nothing(output.logits.clone().sum(), &output.confidence));
    }
    if let Some(proposals) = &output.proposals {
        return Ok(proposal_loss(proposals, &masks, targets.size, config));
    }
    let device = output.logits.device();
    let (maps, logits) = dense(&output.logits, &layout, targets);
    let assignment = assign(&layout, config, || {
        let small = |mask: &[f32]| nearest(mask, targets.size, [h, w]);
        let labels: Vec<Vec<f32>> = masks.iter().map(|mask| small(&mask.values)).collect();
        let costs: Vec<MaskCosts> = host(&maps)
            .chunks_exact(h * w)
            .zip(&masks)
            .map(|(logits, mask)| {
                let valid = small(&mask.valid);
                let ignore = !config.match_valid_cells;
                MaskCosts::new(logits, |i| ignore || valid.get(i).is_none_or(|&v| v > 0.0))
            })
            .collect();
        move |prediction: usize, target: usize| match (costs.get(prediction), labels.get(target)) {
            (Some(costs), Some(label)) => {
                let (focal, dice) = costs.against(label);
                config.mask_loss_coefficient * focal + config.dice_loss_coefficient * dice
            }
            _ => f64::NAN,
        }
    });
    let masks = permuted(&masks, &assignment);
    let (n, cells) = (masks.len(), targets.size[0] * targets.size[1]);
    let (valid, weight) = validity(&masks, cells, &device);
    let labels = masks.iter().flat_map(|mask| mask.values.iter().copied()).collect();
    let inside = tensor(labels, [n, cells], &device) * valid.clone();
    let quality = || hard_iou(logits.clone(), inside.clone(), valid.clone());
    let terms = [
        ("focal", config.mask_loss_coefficient, focal(logits.clone(), inside.clone(), weight)),
        (
            "dice",
            config.dice_loss_coefficient,
            dice(logits.clone(), inside.clone(), valid.clone()).mean(),
        ),
    ];
    Ok(UnitLoss::sum(terms, assignment, &device).with_confidence(
        &output.confidence,
        &layout,
        quality,
        config,
    ))
}

/// `weights · (silog, L1 of logs)`, each the mean over maps. Targets are natural logarithms of
/// depth in the order of the references; the confidence learns the share of cells within a factor
/// of 1.25.
///
/// # Errors
/// When a target does not have the label size.
pub fn depth_loss(
    output: &DepthOutput,
    layout: &QueryLayout,
    targets: &DenseTargets,
    config: &LossConfig,
) -> Result<UnitLoss, TargetError> {
    targets.check()?;
    let (layout, maps) = supervised(layout, output.log_depth.dims()[1], targets.rows);
    if maps.is_empty() {
        return Ok(UnitLoss::nothing(output.log_depth.clone().sum(), &output.confidence));
    }
    let device = output.log_depth.device();
    let (_, prediction) = dense(&output.log_depth, &layout, targets);
    let (n, cells) = (maps.len(), targets.size[0] * targets.size[1]);
    let (_, weight) = validity(&maps, cells, &device);
    let weight = weight * n as f64;
    // An unknown depth may be stored as the logarithm of 0, and 0 times infinity is NaN.
    let known = |&value: &f32| if value.is_finite() { value } else { 0.0 };
    let labels = maps.iter().flat_map(|map| map.values.iter().map(known)).collect();
    let labels = tensor(labels, [n, cells], &device);
    let scale_free =
        silog(prediction.clone(), labels.clone(), weight.clone(), config.silog_lambda).mean();
    let absolute = log_l1(prediction.clone(), labels.clone(), weight.clone()).mean();
    let terms = [
        ("silog", config.silog_loss_coefficient, scale_free),
        ("log_l1", config.depth_l1_loss_coefficient, absolute),
    ];
    Ok(UnitLoss::sum(terms, (0..n).collect(), &device).with_confidence(
        &output.confidence,
        &layout,
        || within_factor(prediction, labels, weight),
        config,
    ))
}

/// `weights · (L1, 1 - GIoU, L1 of points, visibility, 1 - OKS)`, each divided by the number of
/// bodies, the last by that of bodies with a labelled point. Bodies are matched by their refined
/// boxes; the confidence learns the similarity.
///
/// # Errors
/// When the number of points differs between decoder, targets and constants.
pub fn pose_loss(
    output: &PoseOutput,
    layout: &QueryLayout,
    targets: &[Vec<PoseTarget>],
    config: &LossConfig,
) -> Result<UnitLoss, TargetError> {
    let [_, queries, points, _] = output.keypoints.dims();
    check_points(points, targets, config)?;
    let (layout, bodies) = supervised(layout, queries, targets);
    if bodies.is_empty() {
        let outputs = output.boxes.clone().sum()
            + output.keypoints.clone().sum()
            + output.visibility.clone().sum();
        return Ok(UnitLoss::nothing(outputs, &output.confidence));
    }
    let device = output.boxes.device();
    let boxes = layout.select::<3, 2>(output.boxes.clone());
    let target_boxes: Vec<[f32; 4]> = bodies.iter().map(|body| body.bbox).collect();
    let assignment = assign_boxes(&boxes, &target_boxes, &layout, config);
    let bodies = permuted(&bodies, &assignment);
    let n = bodies.len();
    let target_boxes = tensor(bodies.iter().flat_map(|body| body.bbox).collect(), [n, 4], &device);
    let all = || bodies.iter().flat_map(|body| &body.keypoints);
    let seen: Vec<f32> = all().map(|&[_, _, v]| if v > 0.0 { 1.0 } else { 0.0 }).collect();
    let bodies_seen = seen.chunks_exact(points).filter(|body| body.contains(&1.0)).count();
    let at = tensor(all().flat_map(|&[x, y, _]| [x, y]).collect(), [n, points, 2], &device);
    let seen = tensor(seen, [n, points], &device);

    let keypoints = layout.select::<4, 3>(output.keypoints.clone());
    let area = bodies.iter().map(|body| body.bbox[2] * body.bbox[3]).collect();
    let area = tensor(area, [n], &device);
    let similarity =
        oks(keypoints.clone(), at.clone(), seen.clone(), area, &config.keypoint_sigmas);
    let oks_loss = (-similarity.clone().sum() + bodies_seen as f64) / bodies_seen.max(1) as f64;
    let overlap = giou(boxes.clone(), target_boxes.clone());
    let visibility =
        visibility_focal(layout.select::<4, 3>(output.visibility.clone()), seen.clone());
    let terms = [
        ("l1", config.bbox_loss_coefficient, l1(boxes, target_boxes)),
        ("giou", config.giou_loss_coefficient, -overlap.giou.mean() + 1.0),
        ("keypoints", config.keypoint_loss_coefficient, keypoint_l1(keypoints, at, seen)),
        ("visibility", config.cls_loss_coefficient, visibility),
        ("oks", config.oks_loss_coefficient, oks_loss),
    ];
    Ok(UnitLoss::sum(terms, assignment, &device).with_confidence(
        &output.confidence,
        &layout,
        || similarity,
        config,
    ))
}

fn check_points(
    want: usize,
    targets: &[Vec<PoseTarget>],
    config: &LossConfig,
) -> Result<(), TargetError> {
    let got = config.keypoint_sigmas.len();
    if got != want {
        return Err(TargetError::Sigmas { got, want });
    }
    for (row, bodies) in targets.iter().enumerate() {
        for (index, body) in bodies.iter().enumerate() {
            let got = body.keypoints.len();
            if got != want {
                return Err(TargetError::Points { row, index, got, want });
            }
        }
    }
    Ok(())
}
