//! The optimiser: Muon for the matrices inside the networks, AdamW for everything else; one
//! learning-rate schedule; gradients clipped by their global norm.

use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::{AdamWConfig, AdjustLrFn, GradientsParams, ModuleOptimizer, MuonConfig};
use burn::tensor::Tensor;
use refvlm_collective::in_pairs;
use serde::{Deserialize, Serialize};

/// Settings of the optimiser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimConfig {
    /// Learning rate at its peak. Muon's updates are scaled to AdamW's size, so both share it.
    pub lr: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: usize,
    /// Learning rate at the end, as a share of the peak.
    pub final_share: f64,
    /// Share of the run, at its end, in which the rate falls linearly; constant before.
    pub decay_share: f64,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Largest global norm of the gradients.
    pub clip_norm: f64,
    /// Muon for inner matrices; AdamW alone when false.
    pub muon: bool,
}

impl OptimConfig {
    /// Learning rate at `step` of a run of `steps`: warm-up, plateau, linear fall. A plateau can be
    /// prolonged when a run is resumed with more steps; a cosine could not.
    pub fn lr_at(&self, step: usize, steps: usize) -> f64 {
        let rise = (step + 1) as f64 / self.warmup_steps.max(1) as f64;
        let decay_steps = (steps as f64 * self.decay_share).max(1.0);
        let left = steps.saturating_sub(step) as f64 / decay_steps;
        let fall = self.final_share + (1.0 - self.final_share) * left.min(1.0);
        self.lr * rise.min(1.0) * fall
    }

    /// A fresh optimiser.
    ///
    /// # Errors
    /// When the pattern that selects the inner matrices is not accepted.
    pub fn init(&self) -> Result<ModuleOptimizer, String> {
        let adamw = AdamWConfig::new()
            .with_beta_2(0.98)
            .with_epsilon(1e-8)
            .with_weight_decay(self.weight_decay)
            .init();
        if !self.muon {
            return Ok(adamw);
        }
        let inner =
            r"(q_proj|k_proj|v_proj|o_proj|out_proj|gate_proj|up_proj|down_proj|fc1|fc2)\.weight$";
        let group = ParamGroup::from_regex(inner).map_err(|e| format!("{e:?}"))?;
        let muon = MuonConfig::new().with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW).build();
        Ok(adamw.with_group(group, muon, None))
    }
}

/// The sum of the gradients that parts of a batch gave, added in pairs. A part that gave none for
/// a parameter counts as zero.
pub fn sum_gradients<M: Module>(module: &M, mut parts: Vec<GradientsParams>) -> GradientsParams {
    struct Sum<'a> {
        parts: &'a mut [GradientsParams],
        sum: GradientsParams,
    }
    impl ModuleVisitor for Sum<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let found = self.parts.iter_mut().map(|part| part.remove::<D>(param.id)).collect();
            let add = |a: Option<_>, b: Option<_>| match (a, b) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            };
            if let Some(sum) = in_pairs(found, add).flatten() {
                self.sum.register(param.id, sum);
            }
        }
    }
    if parts.len() == 1 {
        return parts.swap_remove(0);
    }
    let mut sum = Sum { parts: &mut parts, sum: GradientsParams::new() };
    module.visit(&mut sum);
    sum.sum
}

/// Multiplies all gradients by a factor.
pub fn scale_gradients<M: Module>(module: &M, gradients: &mut GradientsParams, factor: f64) {
    struct Scale<'a>(&'a mut GradientsParams, f64);
    impl ModuleVisitor for Scale<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.0.remove::<D>(param.id) {
                self.0.register(param.id, gradient * self.1);
            }
        }
    }
    module.visit(&mut Scale(gradients, factor));
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use refvlm_model::layers::Linear;

    #[test]
    fn the_schedule_rises_holds_and_falls() {
        let config = OptimConfig {
            lr: 1.0,
            warmup_steps: 10,
            final_share: 0.1,
            decay_share: 0.25,
            weight_decay: 0.0,
            clip_norm: 1.0,
            muon: true,
        };
        assert!((config.lr_at(0, 100) - 0.1).abs() < 1e-9);
        assert!((config.lr_at(50, 100) - 1.0).abs() < 1e-9);
        assert!((config.lr_at(75, 100) - 1.0).abs() < 1e-9);
        assert!(config.lr_at(90, 100) < 0.5);
        assert!(config.lr_at(99, 100) >= 0.1);
    }

    /// Gradients of `weight . x + bias` at some inputs: each input, and 1.
    fn gradients(module: &Linear, input: [f32; 2]) -> GradientsParams {
        let x = Tensor::<1>::from_floats(input, &module.weight.device()).reshape([1, 2]);
        GradientsParams::from_grads(module.forward(x).sum().backward(), module)
    }

    fn module() -> Linear {
        Linear::new(2, 1, true, &Device::flex().autodiff())
    }

    fn values(module: &Linear, gradients: &GradientsParams) -> Vec<f32> {
        let weight = gradients.get::<2>(module.weight.id).unwrap().into_data();
        let bias = gradients.get::<1>(module.bias.as_ref().unwrap().id).unwrap().into_data();
        weight.iter::<f32>().chain(bias.iter::<f32>()).collect()
    }

    #[test]
    fn gradients_of_parts_are_added_and_a_missing_one_counts_as_zero() {
        let module = module();
        let parts = vec![gradients(&module, [1.0, 2.0]), gradients(&module, [5.0, -4.0])];
        assert_eq!(values(&module, &sum_gradients(&module, parts)), [6.0, -2.0, 2.0]);
        let mut partial = gradients(&module, [5.0, -4.0]);
        partial.remove::<2>(module.weight.id).unwrap();
        let parts = vec![gradients(&module, [1.0, 2.0]), partial];
        let mut sum = sum_gradients(&module, parts);
        assert_eq!(values(&module, &sum), [1.0, 2.0, 2.0]);
        scale_gradients(&module, &mut sum, 0.5);
        assert_eq!(values(&module, &sum), [0.5, 1.0, 1.0]);
    }
}
