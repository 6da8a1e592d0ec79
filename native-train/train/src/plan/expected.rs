//! What a run on this machine will take of its memory, known before its first step.

use crate::config::LoopConfig;
use crate::memory;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// Bytes by part, everything in 32 bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expected {
    /// Weights.
    pub weights: u64,
    /// Gradients: of each part of a step's batch, and their sum.
    pub gradients: u64,
    /// The optimiser's state, as AdamW has it; Muon has half of it.
    pub state: u64,
    /// The average of the weights.
    pub average: u64,
    /// What the backward pass needs of the language model's forward pass.
    pub activations: u64,
}

impl Expected {
    /// For a module that is trained by a loop on one of `ranks` ranks. `activations` are those of a
    /// step there.
    pub fn new<M: Module>(module: &M, config: &LoopConfig, ranks: usize, activations: u64) -> Self {
        struct Count(u64, u64);
        impl ModuleVisitor for Count {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let bytes = 4 * param.lazy_shape().num_elements() as u64;
                self.0 += bytes;
                self.1 += if param.is_require_grad() { bytes } else { 0 };
            }
        }
        let mut count = Count(0, 0);
        module.visit(&mut count);
        let Count(weights, trained) = count;
        let ranks = ranks.max(1) as u64;
        let parts = (config.threads.max(1) as u64).div_ceil(ranks);
        Self {
            weights,
            gradients: trained * if parts > 1 { parts + 1 } else { 1 },
            state: 2 * trained / ranks,
            average: if config.average.is_some() { weights } else { 0 },
            activations,
        }
    }

    /// All of it.
    pub fn sum(&self) -> u64 {
        self.weights + self.gradients + self.state + self.average + self.activations
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            ("weights", self.weights),
            ("gradients", self.gradients),
            ("optimiser", self.state),
            ("average", self.average),
            ("the language model's activations", self.activations),
        ];
        let parts = parts.into_iter().filter(|(_, bytes)| *bytes > 0);
        let parts: Vec<_> =
            parts.map(|(name, bytes)| format!("{name} {}", memory::of(bytes))).collect();
        write!(
            f,
            "memory: about {} expected ({}), and what data, towers and decoders take",
            memory::of(self.sum()),
            parts.join(", ")
        )
    }
}
