//! What can go wrong while a model is put together from checkpoints.

use crate::presets::PresetError;
use refvlm_checkpoint::CheckpointError;
use refvlm_model::config::ModelConfigError;
use refvlm_model::package::PackageError;
use std::fmt;
use thiserror::Error;

/// Why nothing was imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// A file of weights.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The configuration of the model.
    #[error(transparent)]
    Preset(#[from] PresetError),
    /// Its parts do not belong together.
    #[error("the configuration: {0}")]
    Config(#[from] ModelConfigError),
    /// A value that can't be stored.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A file.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Cause.
        source: std::io::Error,
    },
    /// Weights of something that is no part of the model.
    #[error(
        "{place}: its keys are of no model that is known ({} and others); \
         name the part it is as PART=PATH, such as llm=PATH", keys.join(", ")
    )]
    Layout {
        /// The file or folder.
        place: String,
        /// Some of the keys.
        keys: Vec<String>,
    },
    /// A second adapter of the same weights.
    #[error(
        "{place}: {first} changes the same weights; merge that one alone, \
         `refvlm export --layout huggingface` the package, and import the result with this one"
    )]
    Adapters {
        /// The second.
        place: String,
        /// The first.
        first: String,
    },
    /// Keys that don't match; nothing is written then.
    #[error("{0}")]
    Keys(Ledger),
    /// Settings that shapes can't show and that change what the weights mean.
    #[error(
        "{place}: {field} is {found}, in the model's configuration {expected}; \
         correct the configuration or take other weights"
    )]
    Setting {
        /// Whose setting.
        place: String,
        /// Its name.
        field: &'static str,
        /// There.
        found: String,
        /// Here.
        expected: String,
    },
}

/// A key and its shape.
pub type Key = (String, Vec<usize>);

/// What became of each key that is not simply taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Parameters that no source has.
    pub missing: Vec<Key>,
    /// Tensors that the model has no parameter for, by the sources' names.
    pub unexpected: Vec<Key>,
    /// Parameters whose tensor has another shape: name, shape found, shape of the parameter.
    pub mismatched: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Parameters that two sources have.
    pub twice: Vec<String>,
}

impl Ledger {
    /// Whether every key has found its place.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "the weights and the model do not match:")?;
        for (name, shape) in &self.missing {
            write!(f, "\n  missing     {name} {shape:?}")?;
        }
        for (name, shape) in &self.unexpected {
            write!(f, "\n  unexpected  {name} {shape:?}")?;
        }
        for (name, found, expected) in &self.mismatched {
            write!(f, "\n  mismatched  {name} {found:?}, the model needs {expected:?}")?;
        }
        for name in &self.twice {
            write!(f, "\n  twice       {name}")?;
        }
        let counts =
            [self.missing.len(), self.unexpected.len(), self.mismatched.len(), self.twice.len()];
        let [missing, unexpected, mismatched, twice] = counts;
        write!(
            f,
            "\n{missing} missing, {unexpected} unexpected, {mismatched} mismatched, {twice} twice; \
             --allow PATTERN accepts those whose name matches: what is missing or mismatched is \
             initialised as for training, what is unexpected left out"
        )
    }
}
