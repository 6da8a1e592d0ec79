//! The loss of a step, by parts.

use super::score::Score;
use burn::tensor::Tensor;
use refvlm_model::learning::example::Example;
use refvlm_model::learning::finding::FindingBatch;
use refvlm_model::learning::losses::{MiddleLoss, UnitLoss};
use refvlm_model::refvlm::{RefVlm, Sight};
use refvlm_record::Unit;

/// The loss of one step and its parts by name.
pub struct Losses {
    /// What is differentiated, `[1]`.
    pub total: Tensor<1>,
    /// Parts for the log, without gradient, `[1]` each.
    pub parts: Vec<(String, Tensor<1>)>,
    /// Pictures and tokens of the step.
    pub seen: [usize; 2],
}

impl Losses {
    /// Nothing learned yet. `seen` are pictures and tokens; `zero` is a `[1]`.
    pub fn new(zero: Tensor<1>, seen: [usize; 2]) -> Self {
        Self { total: zero, parts: Vec::new(), seen }
    }

    /// Adds a part with its weight; the log gets it without.
    pub fn add(&mut self, name: impl Into<String>, loss: Tensor<1>, weight: f64) {
        self.parts.push((name.into(), loss.clone().detach()));
        self.total = self.total.clone() + loss * weight;
    }

    /// Adds a part where there is one.
    pub fn add_some(&mut self, name: &str, loss: Option<Tensor<1>>, weight: f64) {
        if let Some(loss) = loss {
            self.add(name, loss, weight);
        }
    }

    /// Adds both terms of what the finder finds of all that is sought in the examples; nothing
    /// without a finder, or where it has no weight.
    pub fn add_found(&mut self, model: &RefVlm, sight: &Sight, sought: &[Example], weight: f64) {
        let batch = FindingBatch::new(sought).filter(|_| weight > 0.0);
        let loss = batch.and_then(|batch| model.finding_loss(sight, &batch));
        if let Some(MiddleLoss { middles, boxes }) = loss {
            self.add("finder.middles", middles, weight);
            self.add("finder.boxes", boxes, weight);
        }
    }

    /// Adds the loss of a unit; its terms are logged behind `prefix`.
    pub fn add_unit(&mut self, prefix: &str, unit: Unit, loss: UnitLoss, weight: f64) {
        for (name, value) in loss.terms {
            self.parts.push((format!("{prefix}{unit}.{name}"), value));
        }
        self.total = self.total.clone() + loss.total * weight;
    }

    /// The loss and its parts as scores.
    pub fn scores(self) -> Vec<Score> {
        let score = |(name, value): (String, Tensor<1>)| {
            Score::of_loss(name, f64::from(value.into_scalar::<f32>()))
        };
        [("loss".to_string(), self.total)].into_iter().chain(self.parts).map(score).collect()
    }
}
