//! The optimiser: Muon for the matrices inside the networks, AdamW for everything else; one
//! learning-rate schedule; gradients clipped by their global norm.

use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::{AdamWConfig, AdjustLrFn, GradientsParams, ModuleOptimizer, MuonConfig};
use burn::tensor::Tensor;
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

/// The mean of the gradients that equal parts of a batch gave.
pub fn mean_gradients<M: Module>(module: &M, mut parts: Vec<GradientsParams>) -> GradientsParams {
    struct Mean<'a> {
        parts: &'a mut [GradientsParams],
        mean: GradientsParams,
    }
    impl ModuleVisitor for Mean<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let n = self.parts.len() as f64;
            let found = self.parts.iter_mut().filter_map(|part| part.remove::<D>(param.id));
            if let Some(sum) = found.reduce(|a, b| a + b) {
                self.mean.register(param.id, sum / n);
            }
        }
    }
    if parts.len() == 1 {
        return parts.swap_remove(0);
    }
    let mut mean = Mean { parts: &mut parts, mean: GradientsParams::new() };
    module.visit(&mut mean);
    mean.mean
}

/// Scales all gradients so that their global norm is at most `limit`. Returns the loss, a `[1]`
/// without autodiff, and the norm before, both read in one go: it is the only read of a step.
/// A norm that is not finite is returned as it is and leaves the gradients alone: the caller skips
/// the step.
pub fn clip_global_norm<M: Module>(
    module: &M,
    grads: &mut GradientsParams,
    limit: f64,
    loss: Tensor<1>,
) -> [f64; 2] {
    struct Squares<'a> {
        grads: &'a GradientsParams,
        total: Option<Tensor<1>>,
    }
    impl ModuleVisitor for Squares<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = self.grads.get::<D>(param.id) {
                let sum = grad.square().sum();
                self.total = Some(match self.total.take() {
                    Some(total) => total + sum,
                    None => sum,
                });
            }
        }
    }
    struct Scale<'a> {
        grads: &'a mut GradientsParams,
        factor: f64,
    }
    impl ModuleVisitor for Scale<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = self.grads.remove::<D>(param.id) {
                self.grads.register(param.id, grad * self.factor);
            }
        }
    }
    let mut squares = Squares { grads, total: None };
    module.visit(&mut squares);
    let squares = squares.total.unwrap_or_else(|| Tensor::zeros([1], &loss.device()));
    let read = Tensor::cat(vec![loss, squares], 0).into_data();
    let mut read = read.iter::<f32>().map(f64::from);
    let (loss, norm) = (read.next().unwrap_or(f64::NAN), read.next().unwrap_or(f64::NAN).sqrt());
    if norm.is_finite() && norm > limit {
        module.visit(&mut Scale { grads, factor: limit / norm });
    }
    [loss, norm]
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

    fn loss(value: f32) -> Tensor<1> {
        Tensor::from_floats([value], &Device::flex())
    }

    #[test]
    fn gradients_are_clipped_by_their_norm_over_all_parameters() {
        let module = module();
        // The norm of (2, 2, 1) is 3.
        let mut grads = gradients(&module, [2.0, 2.0]);
        assert_eq!(clip_global_norm(&module, &mut grads, 4.0, loss(0.5)), [0.5, 3.0]);
        assert_eq!(values(&module, &grads), [2.0, 2.0, 1.0]);
        assert_eq!(clip_global_norm(&module, &mut grads, 1.5, loss(0.5)), [0.5, 3.0]);
        assert_eq!(values(&module, &grads), [1.0, 1.0, 0.5]);

        let mut grads = gradients(&module, [f32::NAN, 2.0]);
        let [_, norm] = clip_global_norm(&module, &mut grads, 1.0, loss(0.5));
        assert!(norm.is_nan());
        assert_eq!(values(&module, &grads)[1..], [2.0, 1.0]);
        let [loss, norm] = clip_global_norm(&module, &mut GradientsParams::new(), 1.0, loss(2.0));
        assert_eq!([loss, norm], [2.0, 0.0]);
    }

    #[test]
    fn gradients_of_parts_are_averaged_and_a_missing_one_counts_as_zero() {
        let module = module();
        let parts = vec![gradients(&module, [1.0, 2.0]), gradients(&module, [5.0, -4.0])];
        assert_eq!(values(&module, &mean_gradients(&module, parts)), [3.0, -1.0, 1.0]);
        let mut partial = gradients(&module, [5.0, -4.0]);
        partial.remove::<2>(module.weight.id).unwrap();
        let parts = vec![gradients(&module, [1.0, 2.0]), partial];
        assert_eq!(values(&module, &mean_gradients(&module, parts)), [0.5, 1.0, 1.0]);
    }
}
