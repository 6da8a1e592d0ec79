//! What may be wrong with checkpoints, and where they lie.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A folder that has the name of a checkpoint and is not whole.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{path}: {problem}", path = path.display())]
pub struct Damaged {
    /// The folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

/// Why a checkpoint cannot be written or read.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// A file cannot be read or written.
    #[error("{path}: {source}; check the path and its permissions")]
    File {
        /// The file's path.
        path: String,
        /// The underlying I/O error.
        source: std::io::Error,
    },
    /// The checkpoint leaves out what another package has.
    #[error(
        "{path}: holds only what was trained of {package} (sha256 {expected}); {found}: name that \
         package"
    )]
    Base {
        /// The checkpoint.
        path: String,
        /// Where the package was.
        package: String,
        /// The hash of its manifest.
        expected: String,
        /// What was given instead.
        found: String,
    },
    /// A file's content belongs to another run.
    #[error("{path}: {problem}; remove the folder to resume from an earlier checkpoint")]
    Content {
        /// The file's path.
        path: String,
        /// What is wrong with the content.
        problem: String,
    },
    /// There are checkpoints, all damaged.
    #[error("no checkpoint is whole ({damaged}); remove them to begin anew")]
    NoneWhole {
        /// The newest of them, with what is wrong.
        damaged: Damaged,
    },
    /// A step has no checkpoint, or none any more.
    #[error(
        "{path}: no checkpoint of step {step}; there are: {known}; loop.keep keeps more of them"
    )]
    NoStep {
        /// The folder of the stage.
        path: String,
        /// The step.
        step: usize,
        /// The steps that have one.
        known: String,
    },
    /// No checkpoint was kept for its score.
    #[error("{path}: no checkpoint was kept for its score; set loop.keep_best, or take the newest")]
    NoBest {
        /// The folder of the stage.
        path: String,
    },
}

impl CheckpointError {
    /// Whether nothing is wrong but that there is no room on the disk.
    pub fn is_full(&self) -> bool {
        let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
        matches!(self, Self::File { source, .. } if full.contains(&source.kind()))
    }
}

/// The folder of a step's checkpoint.
pub(super) fn folder(dir: &Path, step: usize) -> PathBuf {
    dir.join(format!("step-{step:08}"))
}

/// A file that cannot be read or written.
pub(super) fn file(path: &Path) -> impl Fn(std::io::Error) -> CheckpointError {
    let path = path.display().to_string();
    move |source| CheckpointError::File { path: path.clone(), source }
}

/// What is wrong with the content of a file.
pub(crate) fn content<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> CheckpointError {
    let path = path.display().to_string();
    move |problem| CheckpointError::Content { path: path.clone(), problem: problem.to_string() }
}
