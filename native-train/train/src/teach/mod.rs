//! Teachers: losses beside those of text and units.
//!
//! [`dense`] and [`naming`] know more of a picture than its record says, so they are asked only
//! where the truth of the pictures is known; [`alignment`] and [`classes`] need no truth.

pub mod alignment;
pub mod classes;
pub mod dense;
pub mod naming;

use burn::tensor::Tensor;
use classes::ClassNames;
pub use classes::class_tokens;
use dense::{DenseHeads, Legend};
use naming::Names;
use refvlm_model::config::ModelConfig;
use refvlm_model::learning::pointing::PointingBatch;
use refvlm_model::refvlm::{RefVlm, Sight};
use refvlm_model::triplet::{TokenError, Tokenizer};
use refvlm_scenes::Scene;

/// What teachers know beforehand.
#[derive(Debug, Clone)]
pub struct Teachers {
    legend: Legend,
    names: Names,
    classes: Option<ClassNames>,
}

impl Teachers {
    /// Teachers of the drawn world, for a model of this configuration.
    ///
    /// # Errors
    /// When a name cannot be encoded.
    pub fn new(tokenizer: &Tokenizer, config: &ModelConfig) -> Result<Self, TokenError> {
        Ok(Self {
            legend: Legend::new(),
            names: Names::new(tokenizer, config.llm.vocab_size)?,
            classes: config.class_rows.then(|| ClassNames::new(tokenizer)).transpose()?,
        })
    }

    /// The losses of naming what the rows of picture and prompts show; see [`Names::losses`].
    ///
    /// # Shapes
    /// `states` `[prompts, hidden]` as [`RefVlm::pointing`] gives them; returns `[1]` each
    pub fn name(
        &self,
        model: &RefVlm,
        truth: &[Scene],
        sight: &Sight,
        pointing: &PointingBatch,
        states: Tensor<2>,
    ) -> [(&'static str, Option<Tensor<1>>); 2] {
        self.names.losses(model, truth, sight, pointing, states)
    }

    /// The loss of the classes' rows; see [`ClassNames::loss`].
    ///
    /// # Shapes
    /// returns `[1]`
    pub fn classes(&self, model: &RefVlm) -> Option<Tensor<1>> {
        self.classes.as_ref()?.loss(model)
    }

    /// The losses of the towers' throw-away heads; see [`DenseHeads::loss`].
    ///
    /// # Shapes
    /// `maps[i]` is `[batch, width_i, grid_i, grid_i]`; returns `[1]` each
    pub fn look(
        &self,
        heads: &DenseHeads,
        truth: &[Scene],
        maps: &[Tensor<4>],
    ) -> [(&'static str, Tensor<1>); 3] {
        let device = maps.first().map(Tensor::device).unwrap_or_default();
        let grids: Vec<usize> = maps.iter().map(|map| map.dims()[2]).collect();
        let targets = DenseHeads::target_tensors(&self.legend, truth, &grids, &device);
        heads.loss(&self.legend, maps, &targets)
    }
}
