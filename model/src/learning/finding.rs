//! Teaching the finder: nouns whose things are all known, and nouns that name nothing there.

use crate::learning::example::{Example, Sought};
use crate::learning::losses::{MiddleLoss, middle_loss};
use crate::refvlm::{RefVlm, Sight};

/// What is looked for in the pictures of a step.
#[derive(Debug, Clone, Default)]
pub struct FindingBatch {
    nouns: Vec<Vec<i64>>,
    pictures: Vec<usize>,
    things: Vec<Vec<[f32; 4]>>,
}

impl FindingBatch {
    /// All that is sought in the examples; none where nothing is.
    pub fn new(examples: &[Example]) -> Option<Self> {
        let mut batch = Self::default();
        for (picture, example) in examples.iter().enumerate() {
            for Sought { noun, things } in &example.sought {
                batch.nouns.push(noun.clone());
                batch.pictures.push(picture);
                batch.things.push(things.clone());
            }
        }
        (!batch.nouns.is_empty()).then_some(batch)
    }
}

impl RefVlm {
    /// The loss of what the finder finds; none without a finder.
    pub fn finding_loss(&self, sight: &Sight, batch: &FindingBatch) -> Option<MiddleLoss> {
        let found = self.find(sight, &batch.nouns, &batch.pictures)?;
        Some(middle_loss(&found, &batch.things))
    }
}
