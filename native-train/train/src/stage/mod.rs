//! What is trained with the loop: first to see and to point, then the whole.

mod full;
mod sight;

pub use full::FullTask;
pub use sight::SightTask;

use crate::parallel::draw;
use crate::teach::dense::{DenseHeads, Legend};
use burn::module::Module;
use burn::tensor::Device;
use refvlm_model::config::{ModelConfig, ModelConfigError};
use refvlm_model::layers::drawing;
use refvlm_model::refvlm::RefVlm;

/// The model and the throw-away heads of its towers.
#[derive(Module, Debug)]
pub struct Student {
    /// What is kept.
    pub model: RefVlm,
    /// What keeps the towers seeing.
    pub heads: DenseHeads,
}

impl Student {
    /// A student whose weights are drawn when they are first used, or loaded before.
    ///
    /// # Errors
    /// When the parts of the model do not fit each other.
    pub fn new(config: &ModelConfig, device: &Device) -> Result<Self, ModelConfigError> {
        let heads = DenseHeads::new(&config.pyramid_channels(), &Legend::new(), device);
        Ok(Self { model: RefVlm::new(config, device)?, heads })
    }

    /// A student with new weights that follow from `seed`, and the device's stream of random numbers
    /// with them: whatever else draws weights meanwhile must hold [`drawing`].
    ///
    /// # Errors
    /// As [`Student::new`].
    pub fn fresh(
        config: &ModelConfig,
        seed: u64,
        device: &Device,
    ) -> Result<Self, ModelConfigError> {
        let _alone = drawing();
        device.seed(seed);
        let student = Self::new(config, device)?;
        draw(&student);
        Ok(student)
    }
}
