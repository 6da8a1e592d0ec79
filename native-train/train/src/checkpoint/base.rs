//! The package that a run began with, where checkpoints leave out what is not trained.

use super::CheckpointError;
use super::error::file;
use refvlm_files::files::sha256;
use refvlm_model::package::MANIFEST_FILE;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// The package that a run began with. Checkpoints hold what is trained and leave out the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Its folder.
    pub package: PathBuf,
    /// The hash of its manifest, which has those of all its files.
    pub sha256: String,
}

impl Base {
    /// The package in a folder, as it is now.
    ///
    /// # Errors
    /// When its manifest cannot be read.
    pub fn of(package: &Path) -> Result<Self, CheckpointError> {
        let manifest = package.join(MANIFEST_FILE);
        let hash = fs::File::open(&manifest).and_then(sha256).map_err(file(&manifest))?;
        Ok(Self { package: package.into(), sha256: hash })
    }

    /// The error that another package, or none, was given for what the checkpoint at `path` leaves
    /// out.
    pub fn differs(&self, path: &Path, found: Option<&Self>) -> CheckpointError {
        let found = match found {
            Some(found) => {
                format!("{} is another (sha256 {})", found.package.display(), found.sha256)
            }
            None => "no package was named".into(),
        };
        CheckpointError::Base {
            path: path.display().to_string(),
            package: self.package.display().to_string(),
            expected: self.sha256.clone(),
            found,
        }
    }
}
