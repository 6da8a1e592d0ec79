//! The optimiser: Muon for the matrices inside the networks, AdamW for everything else; one
//! learning-rate schedule, whose peak may differ by parameter; gradients clipped by their global norm.

use super::parts::Tuning;
use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamWConfig, AdjustLrFn, GradientsParams, ModuleOptimizer, MuonConfig};
use burn::tensor::Tensor;
use refvlm_collective::in_pairs;
use regex::Regex;
use serde::{Deserialize, Serialize};

/// Settings of the optimiser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimConfig {
    /// Learning rate at its peak. Muon's updates are scaled to AdamW's size, so both share it.
    pub lr: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: usize,
    /// How the rate falls behind the warm-up.
    #[serde(default)]
    pub schedule: Schedule,
    /// Learning rate at the end, as a share of the peak.
    #[serde(default)]
    pub final_share: f64,
    /// Share of the run, at its end, in which the rate of `wsd` falls.
    #[serde(default = "default_decay_share")]
    pub decay_share: f64,
    /// Decoupled weight decay of AdamW.
    pub weight_decay: f32,
    /// How slowly AdamW forgets the squares of gradients.
    #[serde(default = "default_beta_2")]
    pub beta_2: f32,
    /// Largest global norm of the gradients.
    pub clip_norm: f64,
    /// Muon for inner matrices; AdamW alone when false.
    pub muon: bool,
}

fn default_decay_share() -> f64 {
    0.1
}

fn default_beta_2() -> f32 {
    0.98
}

/// How the learning rate falls behind the warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// A plateau, then a linear fall (warm-up, stable, decay). The plateau can be prolonged when a
    /// run is resumed with more steps.
    #[default]
    Wsd,
    /// Half a cosine.
    Cosine,
    /// A line.
    Linear,
    /// Not at all. With as many steps of warm-up as the run has, the rate rises to the end.
    Constant,
}

/// Matrices that Muon is for: those inside attention and perceptrons, by the names of every family of
/// towers, language models and decoders, and those of the projectors.
const INNER: &str = r"(?x)
    (\b(q_proj|k_proj|v_proj|o_proj|out_proj|gate_proj|up_proj|down_proj|fc1|fc2|lin1|lin2)
    |attention\.(query|key|value)
    |attention\.output\.dense
    |projector\.model\.\d+
    )\.weight$";

impl OptimConfig {
    /// Learning rate at `step` of a run of `steps`.
    pub fn lr_at(&self, step: usize, steps: usize) -> f64 {
        self.lr * self.share_at(step, steps)
    }

    /// Which share of its peak a learning rate has at `step` of a run of `steps`.
    pub fn share_at(&self, step: usize, steps: usize) -> f64 {
        let rise = (step + 1) as f64 / self.warmup_steps.max(1) as f64;
        let left = |of: f64| (steps.saturating_sub(step) as f64 / of.max(1.0)).min(1.0);
        // What is left of the fall, 1 to 0.
        let left = match self.schedule {
            Schedule::Wsd => left(steps as f64 * self.decay_share),
            Schedule::Constant => 1.0,
            Schedule::Linear => left(steps.saturating_sub(self.warmup_steps) as f64),
            Schedule::Cosine => {
                let line = left(steps.saturating_sub(self.warmup_steps) as f64);
                (1.0 - (std::f64::consts::PI * line).cos()) / 2.0
            }
        };
        rise.min(1.0) * (self.final_share + (1.0 - self.final_share) * left)
    }

    /// A fresh optimiser for what is trained of a module.
    ///
    /// # Errors
    /// When the pattern that selects the inner matrices is not accepted.
    pub(crate) fn init(&self, tuning: &Tuning) -> Result<ModuleOptimizer, String> {
        let adamw = |decay: f32| {
            AdamWConfig::new().with_beta_2(self.beta_2).with_epsilon(1e-8).with_weight_decay(decay)
        };
        let mut optim = adamw(self.weight_decay).init();
        for (decay, ids) in tuning.decays() {
            optim = optim.with_group(ParamGroup::from_ids(ids), adamw(decay).build(), None);
        }
        if !self.muon {
            return Ok(optim);
        }
        let inner = Regex::new(INNER).map_err(|e| e.to_string())?;
        for (decay, ids) in tuning.inner(&inner) {
            let muon = MuonConfig::new()
                .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW)
                .with_weight_decay(decay.map(WeightDecayConfig::new));
            optim = optim.with_group(ParamGroup::from_ids(ids), muon.build(), None);
        }
        Ok(optim)
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

    fn config(schedule: Schedule) -> OptimConfig {
        OptimConfig {
            lr: 2.0,
            warmup_steps: 10,
            schedule,
            final_share: 0.1,
            decay_share: 0.25,
            weight_decay: 0.0,
            beta_2: 0.98,
            clip_norm: 1.0,
            muon: true,
        }
    }

    /// Learning rates at some steps of a run of 110, whose warm-up takes 10.
    fn rates(schedule: Schedule, steps: [usize; 4]) -> [f64; 4] {
        steps.map(|step| config(schedule).lr_at(step, 110))
    }

    #[test]
    fn schedules_rise_alike_and_fall_each_in_its_way() {
        for schedule in [Schedule::Wsd, Schedule::Cosine, Schedule::Linear, Schedule::Constant] {
            let rising = config(schedule).lr_at(0, 110);
            assert!((rising - 0.2).abs() < 1e-9, "{schedule:?} starts at {rising}");
        }
        let near = |found: [f64; 4], expected: [f64; 4]| {
            let off = found.iter().zip(expected).any(|(a, b)| (a - b).abs() > 1e-9);
            assert!(!off, "{found:?}, expected {expected:?}");
        };
        let steps = [10, 60, 85, 110];
        near(rates(Schedule::Constant, steps), [2.0; 4]);
        near(rates(Schedule::Linear, steps), [2.0, 1.1, 0.65, 0.2]);
        // A quarter of the way: 0.1 + 0.9 (1 - cos(pi / 4)) / 2 of the peak.
        let quarter = 0.2 + 1.8 * (1.0 - std::f64::consts::FRAC_1_SQRT_2) / 2.0;
        near(rates(Schedule::Cosine, steps), [2.0, 1.1, quarter, 0.2]);
        // The fall of `wsd` takes the last quarter, 27.5 steps.
        near(rates(Schedule::Wsd, steps), [2.0, 2.0, 0.2 + 1.8 * 25.0 / 27.5, 0.2]);
    }

    #[test]
    fn muon_is_for_inner_matrices_of_every_family() {
        let inner = Regex::new(INNER).unwrap();
        for name in [
            "llm.model.layers.0.self_attn.q_proj.weight",
            "visual_encoder.encoder.layer.3.attention.attention.query.weight",
            "visual_encoder.encoder.layer.3.attention.output.dense.weight",
            "visual_decoder.mask.sam.mask_decoder.transformer.layers.0.mlp.lin1.weight",
            "projector.model.0.weight",
            "vpt_projector.model.2.weight",
            "visual_tower.stages.2.blocks.1.mlp.fc2.weight",
        ] {
            assert!(inner.is_match(name), "{name}");
        }
        for name in [
            "llm.lm_head.weight",
            "llm.model.layers.0.self_attn.q_proj.lora_A.weight",
            "projector.model.0.bias",
            "vpt_encoder.model.position_embedding.weight",
            "visual_decoder.boxes.in_proj_queries.weight",
        ] {
            assert!(!inner.is_match(name), "{name}");
        }
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
