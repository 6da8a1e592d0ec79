//! Which checkpoint has the best held-out score.

use super::error::{CheckpointError, content, file, folder};
use crate::score::{Better, Score};
use refvlm_files::files::write_atomic;
use serde::{Deserialize, Serialize};
use std::path::Path;

const BEST: &str = "best.json";

/// The best score of a stage so far, as it stands beside its checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The score's name.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// The step of its checkpoint.
    pub step: usize,
}

impl Best {
    /// What is known of a stage; none where its checkpoint is gone.
    pub fn read(dir: &Path) -> Option<Self> {
        let bytes = std::fs::read(dir.join(BEST)).ok()?;
        let best: Self = serde_json::from_slice(&bytes).ok()?;
        folder(dir, best.step).is_dir().then_some(best)
    }

    /// Whether a score is better than this one; one of another name always is.
    fn is_worse_than(&self, score: &Score) -> bool {
        let better = match score.better {
            Better::Lower => score.value < self.value,
            Better::Higher => score.value > self.value,
        };
        self.name != score.name || better
    }

    /// Keeps a score where it is the best so far; whether it is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn keep(dir: &Path, score: &Score, step: usize) -> Result<bool, CheckpointError> {
        let beats = Self::read(dir).is_none_or(|best| best.is_worse_than(score));
        if !beats || !score.value.is_finite() || !folder(dir, step).is_dir() {
            return Ok(false);
        }
        let best = Self { name: score.name.clone(), value: score.value, step };
        let path = dir.join(BEST);
        let text = serde_json::to_vec_pretty(&best).map_err(content(&path))?;
        write_atomic(&path, &text).map_err(file(&path))?;
        Ok(true)
    }
}
