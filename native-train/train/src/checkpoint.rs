//! Checkpoints: weights, optimiser and position in one folder per step.

use burn::module::{Module, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, Tensor};
use refvlm_files::files::sha256;
use refvlm_model::package::MANIFEST_FILE;
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
    /// The package that the weights left out are those of; none where all are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// Seconds of training over all runs.
    pub seconds: f64,
    /// Seconds of the run that goes on.
    #[serde(skip)]
    pub seconds_of_run: f64,
}

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
        // The average knows the ids of what is trained, not that it is.
        let trained = state.base.as_ref().map(|_| trained(module));
        for (name, module) in [(MODEL, Some(module)), (AVERAGE, average)] {
            let Some(module) = module else { continue };
            let path = temporary.join(name);
            write(&path, &record(module, trained.clone(), &path)?)?;
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
        let partial = self.state()?.base.is_some();
        with_record(module, self.bytes(name)?, partial, &self.path.join(name))
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

/// The parameters of a module that are trained.
fn trained<M: Module>(module: &M) -> ParamGroup {
    struct List(Vec<ParamId>);
    impl ModuleVisitor for List {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                self.0.push(param.id);
            }
        }
    }
    let mut list = List(Vec::new());
    module.visit(&mut list);
    ParamGroup::from_ids(list.0)
}

/// The bytes of a module, or of some of its parameters; `path` is where they will stand.
pub(crate) fn record<M: Module>(
    module: &M,
    of: Option<ParamGroup>,
    path: &Path,
) -> Result<Bytes, CheckpointError> {
    let of = of.unwrap_or_else(ParamGroup::all);
    module.clone().into_record_group(of).into_bytes().map_err(content(path))
}

/// A module with the parameters that [`record`] gave, some of them where it is `partial`; `path` is
/// where they stood.
pub(crate) fn with_record<M: Module>(
    module: M,
    bytes: Vec<u8>,
    partial: bool,
    path: &Path,
) -> Result<M, CheckpointError> {
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes)).map_err(content(path))?;
    module.try_load_record(record.allow_partial(partial)).map_err(content(path))
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
