//! Which checkpoint of a stage is meant.

use super::{Checkpoint, CheckpointError, steps};
use std::path::Path;
use std::str::FromStr;

/// Which of a stage's checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wanted {
    /// The newest whole one.
    #[default]
    Latest,
    /// That with the best score, by `loop.keep_best`.
    Best,
    /// That of a step.
    Step(usize),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "latest" => Ok(Self::Latest),
            "best" => Ok(Self::Best),
            step => step.parse().map(Self::Step).map_err(|_| {
                format!("unknown checkpoint `{step}`: use latest, best or the number of a step")
            }),
        }
    }
}

impl Checkpoint {
    /// The checkpoint of a stage that is meant; none where the stage has no checkpoint yet.
    ///
    /// # Errors
    /// When the folder cannot be read, there is no such checkpoint among those that there are, or it
    /// is not whole.
    pub fn find(dir: &Path, wanted: Wanted) -> Result<Option<Self>, CheckpointError> {
        let known: Vec<usize> = steps(dir)?.into_iter().map(|(step, _)| step).collect();
        let step = match wanted {
            _ if known.is_empty() => return Ok(None),
            Wanted::Latest => return Self::latest(dir),
            Wanted::Best => return Self::best(dir).map(Some),
            Wanted::Step(step) => step,
        };
        if !known.contains(&step) {
            let (path, known) = (dir.display().to_string(), known.iter().map(usize::to_string));
            let known = known.collect::<Vec<_>>().join(", ");
            return Err(CheckpointError::NoStep { path, step, known });
        }
        Self::of(dir, step).map(Some)
    }
}
