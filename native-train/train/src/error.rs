//! Why a run ends early.

use super::checkpoint::CheckpointError;
use super::parts::PartError;
use refvlm_collective::RankError;
use thiserror::Error;

/// Why a run ended early.
#[derive(Debug, Error)]
pub enum RunError {
    /// A checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A step's data or loss cannot be computed.
    #[error("step {step}: {problem}")]
    Step {
        /// The step's number.
        step: usize,
        /// What is wrong, in words.
        problem: String,
    },
    /// What is to be trained is not there.
    #[error(transparent)]
    Trained(#[from] PartError),
    /// The optimiser's settings are wrong.
    #[error("train.optim: {0}")]
    Optim(String),
    /// Too many steps in a row had no finite gradient.
    #[error("step {step}: {skipped} steps in a row gave no finite gradient; lower train.optim.lr")]
    Diverged {
        /// Last step.
        step: usize,
        /// Steps skipped in a row.
        skipped: usize,
    },
    /// There is no room for the last checkpoint.
    #[error(
        "no room for the checkpoint of step {step} ({source}): {kept}; free some space and give the \
         same command to go on from there"
    )]
    Full {
        /// What could not be written.
        source: Box<CheckpointError>,
        /// The step that is not kept.
        step: usize,
        /// What is kept, in words.
        kept: String,
    },
    /// Another rank is lost.
    #[error(transparent)]
    Rank(#[from] RankError),
    /// A step's batch has too few parts.
    #[error("{ranks} ranks cannot share {parts} parts of a batch; raise loop.threads to {ranks}")]
    Parts {
        /// Parts of a batch.
        parts: usize,
        /// Ranks of the run.
        ranks: usize,
    },
}
