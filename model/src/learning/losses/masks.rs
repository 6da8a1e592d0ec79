//! Losses and costs of masks. Labels are 0 or 1.

use burn::tensor::{Tensor, activation};

/// Weight of the positive class in the focal loss; the negative class has the rest.
const ALPHA: f64 = 0.25;

/// `Σ weight · α_t (1 - p_t)² (-ln p_t)`: the sigmoid focal loss (γ = 2, α = 0.25), where `p_t` is
/// the probability given to the label. The weights carry validity and normalisation.
///
/// # Shapes
/// all `[n, m]` -> `[1]`
pub fn focal(logits: Tensor<2>, labels: Tensor<2>, weight: Tensor<2>) -> Tensor<1> {
    // In terms of the margin, positive where the prediction is right, both classes have one
    // formula that neither overflows nor needs a choice per element.
    let margin = logits * (labels.clone() * 2.0 - 1.0);
    let weight = weight * (labels * (1.0 - 2.0 * ALPHA) - (1.0 - ALPHA));
    let wrong = activation::sigmoid(-margin.clone());
    (activation::log_sigmoid(margin) * wrong.square() * weight).sum()
}

/// `1 - (2 Σ p y + 1) / (Σ p + Σ y + 1)` for each row, over valid cells.
///
/// # Shapes
/// all `[n, m]` -> `[n]`; labels are 0 where not valid
pub fn dice(logits: Tensor<2>, labels: Tensor<2>, valid: Tensor<2>) -> Tensor<1> {
    let p = activation::sigmoid(logits) * valid;
    let overlap = (p.clone() * labels.clone()).sum_dim(1) * 2.0 + 1.0;
    let total = (p + labels).sum_dim(1) + 1.0;
    (overlap / total).neg().squeeze_dim::<1>(1) + 1.0
}

/// IoU of the thresholded masks over valid cells, without gradient.
///
/// # Shapes
/// all `[n, m]` -> `[n]`; labels are 0 where not valid
pub fn hard_iou(logits: Tensor<2>, labels: Tensor<2>, valid: Tensor<2>) -> Tensor<1> {
    let inside = logits.detach().greater_elem(0.0).float() * valid;
    let intersection = (inside.clone() * labels.clone()).sum_dim(1);
    let union = (inside + labels).sum_dim(1) - intersection.clone();
    (intersection / union.clamp_min(1.0)).squeeze_dim(1)
}

/// What the costs of one predicted mask against any target need, computed once.
#[derive(Debug, Clone)]
pub struct MaskCosts {
    probability: Vec<f32>,
    /// Focal loss of the label 1 minus that of the label 0.
    focal_difference: Vec<f32>,
    focal_negative: f64,
    probability_sum: f64,
    cells: f64,
}

impl MaskCosts {
    /// `valid(i)` says whether cell `i` counts.
    pub fn new(logits: &[f32], valid: impl Fn(usize) -> bool) -> Self {
        let mut costs = Self {
            probability: Vec::with_capacity(logits.len()),
            focal_difference: Vec::with_capacity(logits.len()),
            focal_negative: 0.0,
            probability_sum: 0.0,
            cells: 0.0,
        };
        for (i, &x) in logits.iter().enumerate() {
            if !valid(i) {
                costs.probability.push(0.0);
                costs.focal_difference.push(0.0);
                continue;
            }
            let x = f64::from(x);
            let p = 1.0 / (1.0 + (-x).exp());
            let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
            let positive = ALPHA * (1.0 - p).powi(2) * softplus(-x);
            let negative = (1.0 - ALPHA) * p.powi(2) * softplus(x);
            costs.probability.push(p as f32);
            costs.focal_difference.push((positive - negative) as f32);
            costs.focal_negative += negative;
            costs.probability_sum += p;
            costs.cells += 1.0;
        }
        costs
    }

    /// Mean focal loss and dice loss against a target of 0 and 1.
    pub fn against(&self, target: &[f32]) -> (f64, f64) {
        let (mut focal, mut overlap, mut area) = (self.focal_negative, 0.0, 0.0);
        for ((&y, &p), &d) in target.iter().zip(&self.probability).zip(&self.focal_difference) {
            if y > 0.5 {
                focal += f64::from(d);
                overlap += f64::from(p);
                area += 1.0;
            }
        }
        let dice = 1.0 - (2.0 * overlap + 1.0) / (self.probability_sum + area + 1.0);
        (focal / self.cells.max(1.0), dice)
    }
}
