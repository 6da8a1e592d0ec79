//! The perceptron that carries visual tokens into the language model's embedding space.

use crate::layers::{Activation, Linear};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Sizes of the projector, by the keys of a published configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectorConfig {
    /// Channels of a visual token.
    pub visual_hidden_size: usize,
    /// Width of the language model.
    pub llm_hidden_size: usize,
    /// Activation between the two maps.
    #[serde(default = "gelu")]
    pub hidden_act: Activation,
}

fn gelu() -> Activation {
    Activation::Gelu
}

impl ProjectorConfig {
    /// A randomly initialised projector.
    pub fn init(&self, device: &Device) -> Projector {
        let (d_in, d_out) = (self.visual_hidden_size, self.llm_hidden_size);
        Projector {
            model: Maps {
                _0: Linear::new(d_in, d_out, true, device),
                _2: Linear::new(d_out, d_out, true, device),
            },
            activation: self.hidden_act,
        }
    }
}

/// `Linear -> activation -> Linear`, keys `model.0` and `model.2`.
#[derive(Module, Debug)]
pub struct Projector {
    /// The two maps.
    pub model: Maps,
    #[module(skip)]
    activation: Activation,
}

/// The maps under the indices they have beside the activation in a checkpoint.
#[derive(Module, Debug)]
pub struct Maps {
    /// `[llm, visual]`.
    pub _0: Linear,
    /// `[llm, llm]`.
    pub _2: Linear,
}

impl Projector {
    /// # Shapes
    /// `[..., visual] -> [..., llm]`
    pub fn forward<const D: usize>(&self, tokens: Tensor<D>) -> Tensor<D> {
        let hidden = self.activation.forward(self.model._0.forward(tokens));
        self.model._2.forward(hidden)
    }
}
