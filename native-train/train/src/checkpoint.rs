//! Checkpoints: weights, optimiser and position in one folder per step.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
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

const MODEL: &str = "model.bpk";
const AVERAGE: &str = "average.bpk";
const OPTIM: &str = "optim.bpk";
const STATE: &str = "state.json";

impl Checkpoint {
    /// The newest complete checkpoint of a run.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn latest(dir: &Path) -> Result<Option<Self>, CheckpointError> {
        Ok(steps(dir)?.pop().map(|(_, path)| Self { path }))
    }

    /// Writes a checkpoint and removes all older ones but one. It gets its name only when it is
    /// complete, so that a run that is killed here loses nothing.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save<M: Module>(
        dir: &Path,
        module: &M,
        average: Option<&M>,
        optim: &ModuleOptimizer,
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
            let bytes = module.clone().into_record().into_bytes().map_err(content(&path))?;
            write(&path, &bytes)?;
        }
        let optim = optim.into_bytes().map_err(content(&temporary.join(OPTIM)))?;
        write(&temporary.join(OPTIM), &optim)?;
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

    /// Puts the checkpoint into a module and an optimiser of the same configuration.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub fn load<M: Module>(
        &self,
        module: M,
        optim: ModuleOptimizer,
    ) -> Result<(M, ModuleOptimizer, State), CheckpointError> {
        let module = self.record(MODEL, module)?;
        let path = self.path.join(OPTIM);
        let optim = optim.from_bytes(read(&path)?).map_err(content(&path))?;
        let path = self.path.join(STATE);
        let state = serde_json::from_slice(&read(&path)?).map_err(content(&path))?;
        Ok((module, optim, state))
    }

    /// A module with the checkpoint's weights, averaged where an average was kept, and nothing
    /// else.
    ///
    /// # Errors
    /// When the file is missing or damaged, or of a module with other parts.
    pub fn weights<M: Module>(&self, module: M) -> Result<M, CheckpointError> {
        let averaged = self.path.join(AVERAGE).exists();
        self.record(if averaged { AVERAGE } else { MODEL }, module)
    }

    fn record<M: Module>(&self, name: &str, module: M) -> Result<M, CheckpointError> {
        let path = self.path.join(name);
        let record = ModuleRecord::from_bytes(read(&path)?).map_err(content(&path))?;
        module.try_load_record(record).map_err(content(&path))
    }

    /// Where the run stood.
    ///
    /// # Errors
    /// When the file is missing or damaged.
    pub fn state(&self) -> Result<State, CheckpointError> {
        let path = self.path.join(STATE);
        serde_json::from_slice(&read(&path)?).map_err(content(&path))
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

fn read(path: &Path) -> Result<Bytes, CheckpointError> {
    Ok(Bytes::from_bytes_vec(fs::read(path).map_err(file(path))?))
}

fn file(path: &Path) -> impl Fn(std::io::Error) -> CheckpointError {
    let path = path.display().to_string();
    move |source| CheckpointError::File { path: path.clone(), source }
}

fn content<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> CheckpointError {
    let path = path.display().to_string();
    move |problem| CheckpointError::Content { path: path.clone(), problem: problem.to_string() }
}
