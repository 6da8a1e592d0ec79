//! Where the examples of a step come from.

pub mod mix;
pub mod photos;
pub mod records;
pub mod scenes;

use crate::task::Part;
use refvlm_model::learning::example::Example;
use refvlm_scenes::Scene;

/// The data of one part of a step, one entry per picture everywhere.
#[derive(Debug, Clone, Default)]
pub struct Drawn {
    /// The step they are for; none for held-out pictures.
    pub step: Option<usize>,
    /// Pictures with what is asked about them; empty where a stage reads no words.
    pub examples: Vec<Example>,
    /// The same pictures with what is pointed at in them.
    pub pointing: Vec<Example>,
    /// All there is to know of the pictures, where they were drawn; photos have none.
    pub truth: Option<Vec<Scene>>,
}

impl Drawn {
    /// Puts the pictures of another draw behind these. What is known of only some pictures is
    /// dropped.
    pub fn join(mut self, other: Self) -> Self {
        self.examples.extend(other.examples);
        self.pointing.extend(other.pointing);
        self.truth = None;
        self
    }
}

/// Gives a stage its examples.
pub trait Source: Sync {
    /// The data of one part of a step; the same numbers always give the same data.
    ///
    /// # Errors
    /// What is wrong with the data, with its place.
    fn draw(&self, step: usize, part: Part) -> Result<Drawn, String>;

    /// A few pictures that are never learned from, always the same, for the loss that the log
    /// follows.
    ///
    /// # Errors
    /// As [`Source::draw`].
    fn held_out(&self) -> Result<Drawn, String>;
}
