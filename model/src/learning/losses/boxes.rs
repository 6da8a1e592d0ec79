//! Losses and costs of boxes given as centre x, centre y, width, height.

use burn::tensor::Tensor;

/// Keeps divisions by the area of a degenerate box defined. Far below the area of the smallest
/// box a picture can show.
const LEAST_AREA: f64 = 1e-9;

/// `Σ |prediction - target| / n`.
///
/// # Shapes
/// both `[n, d]` -> `[1]`
pub fn l1(prediction: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    let n = prediction.dims()[0] as f64;
    (prediction - target).abs().sum() / n
}

/// How two boxes lie to each other.
#[derive(Debug, Clone)]
pub struct BoxOverlap {
    /// Intersection over union, `[n]`.
    pub iou: Tensor<1>,
    /// Generalised IoU, `[n]`: IoU minus the share of the common hull that neither covers.
    pub giou: Tensor<1>,
}

/// IoU and generalised IoU of row i with row i; boxes without area have IoU 0.
///
/// # Shapes
/// both `[n, 4]`
pub fn giou(a: Tensor<2>, b: Tensor<2>) -> BoxOverlap {
    let corners = |x: Tensor<2>| {
        let (centre, half) = (x.clone().narrow(1, 0, 2), x.narrow(1, 2, 2) * 0.5);
        (centre.clone() - half.clone(), centre + half)
    };
    let area = |size: Tensor<2>| -> Tensor<1> {
        let width = size.clone().narrow(1, 0, 1);
        (width * size.narrow(1, 1, 1)).squeeze_dim(1)
    };
    let areas = area(a.clone().narrow(1, 2, 2)) + area(b.clone().narrow(1, 2, 2));
    let ((a_low, a_high), (b_low, b_high)) = (corners(a), corners(b));
    let inside = a_high.clone().min_pair(b_high.clone()) - a_low.clone().max_pair(b_low.clone());
    let intersection = area(inside.clamp_min(0.0));
    let hull = area(a_high.max_pair(b_high) - a_low.min_pair(b_low));
    let union = areas - intersection.clone();
    let iou = intersection / union.clone().clamp_min(LEAST_AREA);
    let giou = iou.clone() - (hull.clone() - union) / hull.clamp_min(LEAST_AREA);
    BoxOverlap { iou, giou }
}

/// IoU and generalised IoU of two boxes, as [`giou`].
pub fn host_giou(a: [f32; 4], b: [f32; 4]) -> (f64, f64) {
    let [a, b] = [a, b].map(|x| x.map(f64::from));
    let axis = |at: usize| {
        let (a0, a1) = (a[at] - a[at + 2] / 2.0, a[at] + a[at + 2] / 2.0);
        let (b0, b1) = (b[at] - b[at + 2] / 2.0, b[at] + b[at + 2] / 2.0);
        ((a1.min(b1) - a0.max(b0)).max(0.0), a1.max(b1) - a0.min(b0))
    };
    let ((inside_x, hull_x), (inside_y, hull_y)) = (axis(0), axis(1));
    let (intersection, hull) = (inside_x * inside_y, hull_x * hull_y);
    let union = a[2] * a[3] + b[2] * b[3] - intersection;
    let iou = intersection / union.max(LEAST_AREA);
    (iou, iou - (hull - union) / hull.max(LEAST_AREA))
}

/// The matcher's cost `l1_weight Σ|a - b| - giou_weight GIoU(a, b)`.
pub fn box_cost(a: [f32; 4], b: [f32; 4], l1_weight: f64, giou_weight: f64) -> f64 {
    let distance: f64 = a.iter().zip(b).map(|(&a, b)| f64::from((a - b).abs())).sum();
    l1_weight * distance - giou_weight * host_giou(a, b).1
}
