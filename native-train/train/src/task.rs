//! What the loop asks of whatever is trained with it.

use super::losses::Losses;
use super::score::Score;
use burn::module::Module;
use burn::tensor::Device;
use std::path::Path;

/// One of the equal parts of a step's batch, each computed by a thread of its own.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Which, from 0.
    pub index: usize,
    /// Of how many.
    pub of: usize,
}

impl Part {
    /// The seeds of this part of a step that takes `count` seeds from `first` on.
    pub fn seeds(self, first: u64, step: usize, count: usize) -> std::ops::Range<u64> {
        let start = first + (step * count) as u64;
        let at = |index: usize| start + (count * index / self.of) as u64;
        at(self.index)..at(self.index + 1)
    }
}

/// Where a stage stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Steps done.
    pub step: usize,
    /// Steps of the stage.
    pub steps: usize,
    /// Seconds that the stage still needs.
    pub left_s: f64,
    /// Whether the loop ends here, at the last step or before.
    pub ends: bool,
}

/// What judges a module while it learns, on rank 0.
pub trait Judge<M>: Sync {
    /// Scores of the module's answers; empty where it is not asked yet. `device` carries no
    /// gradients.
    ///
    /// # Errors
    /// What kept it from asking; the run goes on.
    fn judge(&self, module: &M, device: &Device) -> Result<Vec<Score>, String>;

    /// Shows where a stage stands, whose folder is `dir`.
    ///
    /// # Errors
    /// What kept it from writing; the run goes on.
    fn show(&self, dir: &Path, standing: Standing) -> Result<(), String>;
}

/// Something that can be trained.
pub trait Task: Sync {
    /// What is trained.
    type Module: Module + 'static;
    /// Host data of one step.
    type Item: Send;

    /// Makes the data of one part of a step; the same numbers always give the same data.
    ///
    /// # Errors
    /// What is wrong with the data, with its place.
    fn item(&self, step: usize, part: Part) -> Result<Self::Item, String>;

    /// The loss of a step.
    ///
    /// # Errors
    /// When data and model do not fit.
    fn loss(
        &self,
        module: &Self::Module,
        item: Self::Item,
        device: &Device,
    ) -> Result<Losses, String>;

    /// Scores on held-out data. `device` carries no gradients.
    ///
    /// # Errors
    /// When scoring fails.
    fn score(&self, module: &Self::Module, device: &Device) -> Result<Vec<Score>, String>;

    /// Who judges what is learned beside the held-out loss.
    fn judge(&self) -> Option<&dyn Judge<Self::Module>> {
        None
    }

    /// Bytes that the backward pass of a part needs of its forward pass, as far as they can be told
    /// before.
    fn activations(&self, _item: &Self::Item) -> u64 {
        0
    }
}
