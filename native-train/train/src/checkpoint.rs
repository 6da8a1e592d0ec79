//! Checkpoints: weights, optimiser and position in one folder per step, with the hash of each file.
//!
//! A folder gets its name when it is complete, so whatever ends a run leaves whole checkpoints. What
//! is damaged later is found by its hashes, named, and the checkpoint before it is taken.

mod base;
mod best;
mod error;
mod state;
mod wanted;
mod whole;

pub use base::Base;
pub use best::Best;
pub(crate) use error::content;
pub use error::{CheckpointError, Damaged};
pub use state::State;
pub use wanted::Wanted;
pub(crate) use whole::{AVERAGE, MODEL, OPTIM, STATE};

use crate::parts::flags;
use burn::module::{Module, ParamGroup};
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use error::{file, folder};
use refvlm_files::files::sha256;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use whole::FILES;

/// A folder with a whole checkpoint.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    damaged: Vec<Damaged>,
}

impl Checkpoint {
    /// The newest whole checkpoint of a stage; what is newer and not whole is in
    /// [`Checkpoint::damaged`].
    ///
    /// # Errors
    /// When the folder cannot be read, or it has checkpoints and none is whole.
    pub fn latest(dir: &Path) -> Result<Option<Self>, CheckpointError> {
        let mut damaged = Vec::new();
        for (step, path) in steps(dir)?.into_iter().rev() {
            match whole::problem(&path, step) {
                None => return Ok(Some(Self { path, damaged })),
                Some(problem) => damaged.push(Damaged { path, problem }),
            }
        }
        match damaged.into_iter().next() {
            None => Ok(None),
            Some(damaged) => Err(CheckpointError::NoneWhole { damaged }),
        }
    }

    /// The checkpoint with the best score, where `loop.keep_best` names one.
    ///
    /// # Errors
    /// When there is none, or it is not whole.
    pub fn best(dir: &Path) -> Result<Self, CheckpointError> {
        let best = Best::read(dir);
        let best =
            best.ok_or_else(|| CheckpointError::NoBest { path: dir.display().to_string() })?;
        Self::of(dir, best.step)
    }

    /// The checkpoint of a step that has one.
    fn of(dir: &Path, step: usize) -> Result<Self, CheckpointError> {
        let path = folder(dir, step);
        match whole::problem(&path, step) {
            None => Ok(Self { path, damaged: Vec::new() }),
            Some(problem) => Err(CheckpointError::NoneWhole { damaged: Damaged { path, problem } }),
        }
    }

    /// Newer checkpoints that are not whole, newest first.
    pub fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }

    /// Takes damaged newer checkpoints out of the way: no later one is to be removed for them.
    /// Returns where they lie now.
    ///
    /// # Errors
    /// When one cannot be renamed.
    pub(crate) fn set_aside(&self) -> Result<Vec<PathBuf>, CheckpointError> {
        let aside = |damaged: &Damaged| {
            let path = &damaged.path;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let to = path.with_file_name(format!("damaged-{name}"));
            if to.exists() {
                fs::remove_dir_all(&to).map_err(file(&to))?;
            }
            fs::rename(path, &to).map_err(file(path))?;
            Ok(to)
        };
        self.damaged.iter().map(aside).collect()
    }

    /// Writes a checkpoint and removes all older ones but the newest `keep` and the best. It gets
    /// its name only when it is complete, so that a run that is killed here loses nothing. `optim` is
    /// the optimiser's whole state.
    ///
    /// # Errors
    /// When a file cannot be written; what was written of it is removed then.
    pub(crate) fn save<M: Module>(
        dir: &Path,
        module: &M,
        average: Option<&M>,
        optim: &[u8],
        (state, keep): (&State, usize),
    ) -> Result<(), CheckpointError> {
        let temporary = dir.join("writing");
        let written = Self::write(&temporary, module, average, optim, state);
        if let Err(error) = written {
            // The first error is the one to report.
            let _ = fs::remove_dir_all(&temporary);
            return Err(error);
        }
        let path = folder(dir, state.step);
        if path.exists() {
            fs::remove_dir_all(&path).map_err(file(&path))?;
        }
        fs::rename(&temporary, &path).map_err(file(&path))?;
        settle(dir);
        Self::prune(dir, keep)
    }

    fn write<M: Module>(
        temporary: &Path,
        module: &M,
        average: Option<&M>,
        optim: &[u8],
        state: &State,
    ) -> Result<(), CheckpointError> {
        if temporary.exists() {
            fs::remove_dir_all(temporary).map_err(file(temporary))?;
        }
        fs::create_dir_all(temporary).map_err(file(temporary))?;
        let mut hashes = BTreeMap::new();
        let mut put = |name: &str, bytes: &[u8]| {
            let path = temporary.join(name);
            hashes.insert(name.to_string(), sha256(bytes).map_err(file(&path))?);
            write(&path, bytes)
        };
        // The average knows the ids of what is trained, not that it is.
        let trained = state.base.as_ref().map(|_| {
            let flags = flags(module).into_iter();
            ParamGroup::from_ids(flags.filter_map(|(id, trained)| trained.then_some(id)).collect())
        });
        for (name, module) in [(MODEL, Some(module)), (AVERAGE, average)] {
            let Some(module) = module else { continue };
            put(name, &record(module, trained.clone(), &temporary.join(name))?)?;
        }
        put(OPTIM, optim)?;
        let text = serde_json::to_vec_pretty(state).map_err(content(&temporary.join(STATE)))?;
        put(STATE, &text)?;
        let path = temporary.join(FILES);
        write(&path, &serde_json::to_vec_pretty(&hashes).map_err(content(&path))?)?;
        settle(temporary);
        Ok(())
    }

    /// Removes all checkpoints but the newest `keep`, at least one, and the best.
    pub(crate) fn prune(dir: &Path, keep: usize) -> Result<(), CheckpointError> {
        let best = Best::read(dir).map(|best| best.step);
        let mut old = steps(dir)?;
        old.truncate(old.len().saturating_sub(keep.max(1)));
        for (_, path) in old.into_iter().filter(|(step, _)| Some(*step) != best) {
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

/// Folders with the name of a checkpoint, oldest first.
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

/// Waits until the names in a folder are on the disk, where the system can: some cannot open folders.
fn settle(dir: &Path) {
    let _ = fs::File::open(dir).and_then(|dir| dir.sync_all());
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
