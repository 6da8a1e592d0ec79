//! What can go wrong while a model is put together from checkpoints.

use crate::presets::PresetError;
use refvlm_checkpoint::CheckpointError;
use refvlm_model::config::ModelConfigError;
use refvlm_model::package::PackageError;
use refvlm_shaders::PackError;
use std::fmt;
use thiserror::Error;

/// Why nothing was imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// A file of weights cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The model's configuration cannot be read.
    #[error(transparent)]
    Preset(#[from] PresetError),
    /// The parts of the configuration don't fit together.
    #[error("the configuration: {0}")]
    Config(#[from] ModelConfigError),
    /// A value cannot be stored.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// Values cannot be packed.
    #[error("{name}: {error}")]
    Pack {
        /// The parameter.
        name: String,
        /// What is wrong with them.
        error: PackError,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}; check the path, its permissions and the free space")]
    File {
        /// The file's path.
        path: String,
        /// The underlying I/O error.
        source: std::io::Error,
    },
    /// The keys belong to no known part of the model.
    #[error(
        "{place}: unknown keys ({} and others); \
             say which part of the model they are with PART=PATH, such as llm=PATH", keys.join(", ")
    )]
    Layout {
        /// The file or folder.
        place: String,
        /// Some of the keys.
        keys: Vec<String>,
    },
    /// Two adapters change the same weights.
    #[error(
        "{place}: {first} changes the same weights; merge {first} alone, export the package with \
             `refvlm export --layout huggingface`, and import the result with this adapter"
    )]
    Adapters {
        /// Path of the second adapter.
        place: String,
        /// Path of the first adapter.
        first: String,
    },
    /// The keys don't match; nothing is written.
    #[error("{0}")]
    Keys(Ledger),
    /// A setting that changes the weights' meaning, but not their shapes, differs.
    #[error(
        "{place}: {field} is {found}, but {expected} in the model's configuration; \
             correct the configuration or take other weights"
    )]
    Setting {
        /// The file or folder with the setting.
        place: String,
        /// Name of the setting.
        field: &'static str,
        /// Its value in the file.
        found: String,
        /// Its value in the model's configuration.
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
