//! Gradients beside those of the reference; training is native.

use crate::Fixture;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Gradients, Tensor, TensorData};

impl Fixture {
    /// Asserts every stored gradient of a weight (`grad.w.`) against those of the module's
    /// parameters.
    pub fn assert_weight_gradients<M: Module>(&self, module: &M, gradients: &Gradients) {
        struct Check<'a>(&'a Fixture, &'a Gradients, Vec<String>);
        impl ModuleVisitor for Check<'_> {
            fn enter_module(&mut self, name: &str, container: &str) {
                let part = if container.starts_with("Enum:") { "" } else { name };
                self.2.push(part.trim_start_matches('_').into());
            }
            fn exit_module(&mut self, _: &str, _: &str) {
                self.2.pop();
            }
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let parts: Vec<&str> =
                    self.2.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
                let key = format!("grad.w.{}", parts.join("."));
                if self.0.has(&key) {
                    self.0.assert_close(&key, param.val().grad(self.1).unwrap());
                }
            }
        }
        module.visit(&mut Check(self, gradients, Vec::new()));
    }
}

/// `sum_i x_i * sin(0.7 i + 0.3)`: the scalar that stored gradients belong to where a case has no
/// loss.
pub fn probe_loss<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let shape = x.dims();
    let weights: Vec<f32> =
        (0..x.shape().num_elements()).map(|i| (0.7 * i as f64 + 0.3).sin() as f32).collect();
    let weights =
        Tensor::<D>::from_data(TensorData::new(weights, shape), (&x.device(), DType::F32));
    (x * weights).sum()
}
