//! Photos and scenes in one step.

use super::{Drawn, Source};
use crate::task::Part;

/// Two sources side by side: each gives its own number of pictures to a step.
pub struct MixSource<'a> {
    /// In the order of their pictures.
    pub sources: Vec<Box<dyn Source + 'a>>,
}

impl Source for MixSource<'_> {
    fn draw(&self, step: usize, part: Part) -> Result<Drawn, String> {
        join(self.sources.iter().map(|source| source.draw(step, part)))
    }

    fn held_out(&self) -> Result<Drawn, String> {
        join(self.sources.iter().map(|source| source.held_out()))
    }
}

fn join(drawn: impl Iterator<Item = Result<Drawn, String>>) -> Result<Drawn, String> {
    drawn.reduce(|a, b| Ok(a?.join(b?))).unwrap_or_else(|| Ok(Drawn::default()))
}
