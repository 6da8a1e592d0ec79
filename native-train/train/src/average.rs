//! The moving average of the weights: what a run is scored by and what it hands on. It is about as
//! good as weights whose learning rate has fallen to nothing, at any step of the plateau.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Steps after which the average begins to be of more than the last few.
const RISE: f64 = 10.0;

/// Moves `average` towards the weights of `module`, of which it keeps the share `decay`; after few
/// `steps` it keeps less, so that where a run began is forgotten. Frozen weights are taken as they
/// are. The average carries no gradients.
pub(crate) fn follow<M: Module>(average: M, module: &M, decay: f64, steps: usize) -> M {
    // Keyed by parameter: the one container that holds tensors of all ranks.
    struct Read(GradientsParams);
    impl ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                self.0.register(param.id, param.val().inner());
            }
        }
    }
    struct Mix(GradientsParams, f64);
    impl ModuleMapper for Mix {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let Some(new) = self.0.remove::<D>(param.id) else { return param };
            // Written so that what has not changed stays to the bit.
            param.map(|old| old.clone() + (new - old) * (1.0 - self.1))
        }
    }
    let mut read = Read(GradientsParams::new());
    module.visit(&mut read);
    let steps = steps as f64;
    let keep = decay.min((1.0 + steps) / (RISE + steps));
    average.map(&mut Mix(read.0, keep))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use refvlm_model::layers::Linear;

    fn linear(value: f32) -> Linear {
        let device = Device::flex().autodiff();
        let mut linear = Linear::new(1, 1, false, &device);
        linear.weight = linear.weight.map(|w| (w * 0.0 + value).detach().require_grad());
        linear
    }

    fn value(linear: &Linear) -> f32 {
        linear.weight.val().into_data().iter::<f32>().next().unwrap()
    }

    #[test]
    fn the_average_follows_and_forgets_its_beginning() {
        let mut module = linear(0.0);
        let mut average = module.valid();
        module.weight = module.weight.map(|w| (w + 1.0).detach().require_grad());
        average = follow(average, &module, 0.9, 0);
        assert!((value(&average) - 0.9).abs() < 1e-6, "{}", value(&average));
        average = follow(average, &module, 0.5, 1_000);
        assert!((value(&average) - 0.95).abs() < 1e-6, "{}", value(&average));
        assert!(!average.weight.val().is_require_grad());
    }

    #[test]
    fn frozen_weights_stay() {
        let frozen = linear(3.0).no_grad();
        let average = follow(linear(2.0).valid(), &frozen, 0.5, 1_000);
        assert_eq!(value(&average), 2.0);
    }
}
