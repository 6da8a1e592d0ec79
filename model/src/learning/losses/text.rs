//! Losses of the text and of confidences.

use burn::tensor::{Int, Tensor, activation};

/// The label of a token that is not supervised.
pub const IGNORE: i64 = -100;

/// `mean(-ln softmax(logits)[label])` over supervised tokens; 0 when there is none.
///
/// # Shapes
/// logits `[tokens, vocabulary]`, labels `[tokens]` with [`IGNORE`] where not supervised -> `[1]`
pub fn cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    let ignored = labels.clone().equal_elem(IGNORE);
    let supervised = (-ignored.clone().float() + 1.0).sum().clamp_min(1.0);
    let labels = labels.mask_fill(ignored.clone(), 0).unsqueeze_dim::<2>(1);
    let picked = activation::log_softmax(logits, 1).gather(1, labels).squeeze_dim::<1>(1);
    -picked.mask_fill(ignored, 0.0).sum() / supervised
}

/// Mean binary cross-entropy of confidences against the measured quality, which has no gradient:
/// `mean(-q ln σ(x) - (1 - q) ln σ(-x))`.
///
/// # Shapes
/// logits and quality (0..1) `[n]` -> `[1]`
pub fn confidence(logits: Tensor<1>, quality: Tensor<1>) -> Tensor<1> {
    let quality = quality.detach();
    // ln σ(-x) = ln σ(x) - x
    (-activation::log_sigmoid(logits.clone()) + logits * (-quality + 1.0)).mean()
}
