//! What the loss of a unit is made of.

use super::targets::LossConfig;
use super::text::confidence;
use crate::decoding::QueryLayout;
use burn::tensor::{Device, Tensor};

/// The loss of one unit over a batch.
#[derive(Debug, Clone)]
pub struct UnitLoss {
    /// The weighted sum of the terms, `[1]`. Without targets it is 0 but still depends on the
    /// output, so that every device reduces the same parameters.
    pub total: Tensor<1>,
    /// Name and unweighted value of each term, without gradient; empty without targets.
    pub terms: Vec<(&'static str, Tensor<1>)>,
    /// Targets that count.
    pub count: usize,
    /// The target of each supervised reference, as an index into the supervised targets, both
    /// picture after picture.
    pub assignment: Vec<usize>,
}

impl UnitLoss {
    /// Adds up (name, weight, value) of a unit's terms.
    pub(super) fn sum<const N: usize>(
        terms: [(&'static str, f64, Tensor<1>); N],
        assignment: Vec<usize>,
        device: &Device,
    ) -> Self {
        let mut loss = Self {
            total: Tensor::zeros([1], device),
            terms: Vec::with_capacity(N + 1),
            count: assignment.len(),
            assignment,
        };
        for (name, weight, value) in terms {
            loss.add(name, weight, value);
        }
        loss
    }

    fn add(&mut self, name: &'static str, weight: f64, value: Tensor<1>) {
        self.terms.push((name, value.clone().detach()));
        self.total = self.total.clone() + value * weight;
    }

    /// The same with the terms of another loss of the same targets.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.total = self.total + other.total;
        self.terms.extend(other.terms);
        self
    }

    /// Trains the confidence head, where there is one, to predict `quality` `[n]`.
    pub(super) fn with_confidence(
        mut self,
        logits: &Option<Tensor<2>>,
        layout: &QueryLayout,
        quality: impl FnOnce() -> Tensor<1>,
        config: &LossConfig,
    ) -> Self {
        if let Some(logits) = logits {
            let logits = layout.select::<2, 1>(logits.clone());
            let value = confidence(logits, quality());
            self.add("confidence", config.confidence_loss_coefficient, value);
        }
        self
    }

    pub(super) fn nothing(outputs: Tensor<1>, confidence: &Option<Tensor<2>>) -> Self {
        let mut total = outputs * 0.0;
        if let Some(confidence) = confidence {
            total = total + confidence.clone().sum() * 0.0;
        }
        Self { total, terms: Vec::new(), count: 0, assignment: Vec::new() }
    }
}
