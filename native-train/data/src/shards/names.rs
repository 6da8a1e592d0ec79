//! How the files of shards are called.

use crate::error::DataError;
use std::fs;
use std::path::{Path, PathBuf};

/// The joined index.
pub(super) const INDEX: &str = "index.json";

/// Where the files of a part are.
pub(super) struct Names {
    out: PathBuf,
    stem: String,
}

impl Names {
    /// Those of a part.
    pub fn new(out: &Path, number: u64, of: u64) -> Self {
        Self { out: out.into(), stem: format!("{number:05}-of-{of:05}") }
    }

    pub fn shard(&self, number: usize) -> PathBuf {
        self.out.join(format!("{}-{number:06}.tar", self.stem))
    }

    pub fn description(&self, number: usize) -> PathBuf {
        self.shard(number).with_extension("json")
    }

    pub fn part(&self) -> PathBuf {
        self.out.join(format!("{}.json", self.stem))
    }

    /// Takes away what a killed run of this part has left half written; the joined index only where
    /// no other part can be at it.
    pub fn clean(&self, of: u64) -> Result<(), DataError> {
        let failed = |source| DataError::Read { path: self.out.clone(), source };
        for entry in fs::read_dir(&self.out).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let own = name.starts_with(&self.stem) || of == 1 && name.starts_with(INDEX);
            if own && name.ends_with(".tmp") {
                fs::remove_file(&path).map_err(|source| DataError::Write { path, source })?;
            }
        }
        Ok(())
    }
}
