//! Checkpoints: weights, optimiser and position in one folder per step.

use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Where a run stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Steps done; also the position in the data, which follows from the step.
    pub step: usize,
    /// Pictures seen.
    pub pictures: usize,
    /// Tokens read.
    pub tokens: usize,
    /// Steps that the average of the weights has followed.
    #[serde(default)]
    pub averaged: usize,
    /// Seconds of training over all runs.
    pub seconds: f64,
    /// Seconds of the run that goes on.
    #[serde(skip)]
    pub seconds_of_run: f64,
}

/// A folder with a complete checkpoint.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
}

/// Why a checkpoint cannot be written or read.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file's path.
        path: String,
        /// The underlying I/O error.
        source: std::io::Error,
    },
    /// A file's content is damaged or belongs to another run.
    #[error("{path}: {problem}; remove the folder to resume from an earlier checkpoint")]
    Content {
        /// The file's path.
        path: String,
        /// What is wrong with the content.
        problem: String,
    },
}

pub(crate) const MODEL: &str = "model.bpk";
pub(crate) const AVERAGE: &str = "average.bpk";
pub(crate) const OPTIM: &str = "optim.bpk";
pub(crate) const STATE: &str = "state.json";

impl Checkpoint {
    /// The newest complete checkpoint of a run.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn latest(dir: &Path) -> Result<Option<Self>, CheckpointError> {
        Ok(steps(dir)?.pop().map(|(_, path)| Self { path }))
    }

    /// Writes a checkpoint and removes all older ones but one. It gets its name only when it is
    /// complete, so that a run that is killed here loses nothing. `optim` is the optimiser's whole
    /// state.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn save<M: Module>(
        dir: &Path,
        module: &M,
        average: Option<&M>,
        optim: &[u8],
        state: &State,
    ) -> Result<(), CheckpointError> {
        let temporary = dir.join("writing");
        if temporary.exists() {
            fs::remove_dir_all(&temporary).map_err(file(&temporary))?;
        }
        fs::create_dir_all(&temporary).map_err(file(&temporary))?;
        for (name, module) in [(MODEL, Some(module)), (AVERAGE, average)] {
            let Some(module) = module else { continue };
            let path = temporary.join(name);
            write(&path, &record(module, &path)?)?;
        }
        write(&temporary.join(OPTIM), optim)?;
        let json = serde_json::to_vec_pretty(state).map_err(content(&temporary.join(STATE)))?;
        write(&temporary.join(STATE), &json)?;
        let path = dir.join(format!("step-{:08}", state.step));
        if path.exists() {
            fs::remove_dir_all(&path).map_err(file(&path))?;
        }
        fs::rename(&temporary, &path).map_err(file(&path))?;
        let mut old = steps(dir)?;
        old.truncate(old.len().saturating_sub(2));
        for (_, path) in old {
            fs::remove_dir_all(&path).map_err(file(&path))?;
        }
        Ok(())
    }

    /// The bytes of one of its files; empty where an optional one is missing.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn bytes(&self, name: &str) -> Result<Vec<u8>, CheckpointError> {
        let path = self.path.join(name);
        if name == AVERAGE && !path.exists() {
            return Ok(Vec::new());
        }
        fs::read(&path).map_err(file(&path))
    }

    /// A module with the checkpoint's weights, averaged where an average was kept, and nothing
    /// else.
    ///
    /// # Errors
    /// When the file is missing or damaged, or of a module with other parts.
    pub fn weights<M: Module>(&self, module: M) -> Result<M, CheckpointError> {
        let averaged = self.path.join(AVERAGE).exists();
        let name = if averaged { AVERAGE } else { MODEL };
        with_record(module, self.bytes(name)?, &self.path.join(name))
    }

    /// Where the run stood.
    ///
    /// # Errors
    /// When the file is missing or damaged.
    pub fn state(&self) -> Result<State, CheckpointError> {
        serde_json::from_slice(&self.bytes(STATE)?).map_err(content(&self.path.join(STATE)))
    }
}

/// Complete checkpoints, oldest first.
fn steps(dir: &Path) -> Result<Vec<(usize, PathBuf)>, CheckpointError> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(file(dir))? {
        let path = entry.map_err(file(dir))?.path();
        let name = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_prefix("step-"));
        if let Some(step) = name.and_then(|n| n.parse().ok()) {
            found.push((step, path));
        }
    }
    found.sort();
    Ok(found)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let put = || {
        let mut file = fs::File::create(path)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()
    };
    put().map_err(file(path))
}

/// The bytes of a module; `path` is where they will stand.
pub(crate) fn record<M: Module>(module: &M, path: &Path) -> Result<Bytes, CheckpointError> {
    module.clone().into_record().into_bytes().map_err(content(path))
}

/// A module with the parameters that [`record`] gave; `path` is where they stood.
pub(crate) fn with_record<M: Module>(
    module: M,
    bytes: Vec<u8>,
    path: &Path,
) -> Result<M, CheckpointError> {
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes)).map_err(content(path))?;
    module.try_load_record(record).map_err(content(path))
}

fn file(path: &Path) -> impl Fn(std::io::Error) -> CheckpointError {
    let path = path.display().to_string();
    move |source| CheckpointError::File { path: path.clone(), source }
}

/// What is wrong with the content of a file.
pub(crate) fn content<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> CheckpointError {
    let path = path.display().to_string();
    move |problem| CheckpointError::Content { path: path.clone(), problem: problem.to_string() }
}
