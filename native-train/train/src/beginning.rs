//! What a run begins with, the same on all ranks: rank 0 reads the newest checkpoint of the run's
//! folder, or takes its own new weights, and gives it to the others. So no other rank needs the
//! folder, and ids of parameters, by which owners and the optimiser's state are found, agree.

use super::checkpoint::{
    AVERAGE, Base, Checkpoint, CheckpointError, MODEL, OPTIM, STATE, State, content, record,
    with_record,
};
use super::error::RunError;
use super::optim_state::piece;
use super::sharing::Sharing;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use refvlm_collective::Collective;
use std::mem::take;
use std::path::{Path, PathBuf};

/// Files of a checkpoint as bytes; each is given out once.
pub(crate) struct Beginning {
    /// Where they lie, or would.
    path: PathBuf,
    model: Vec<u8>,
    /// Empty where no average was kept.
    average: Vec<u8>,
    /// Empty where nothing was learned yet, as the state.
    optim: Vec<u8>,
    state: Vec<u8>,
    /// What is to be told of damaged checkpoints.
    faults: Vec<String>,
}

impl Beginning {
    /// What rank 0 finds in `dir`, else what it has.
    ///
    /// # Errors
    /// When the checkpoint cannot be read, or a rank is lost.
    pub(crate) fn find<M: Module>(
        ranks: &dyn Collective,
        dir: &Path,
        module: &M,
    ) -> Result<Self, RunError> {
        let mut files = [const { Vec::new() }; 4];
        let mut faults = Vec::new();
        if ranks.rank() == 0 {
            files = match Checkpoint::latest(dir)? {
                Some(checkpoint) => {
                    let aside = checkpoint.set_aside()?;
                    let told = checkpoint.damaged().iter().zip(&aside);
                    faults.extend(told.map(|(damaged, to)| {
                        let to = to.display();
                        format!("damaged checkpoint: {damaged}; the one before is taken, and it lies in {to}")
                    }));
                    let read = |name| checkpoint.bytes(name);
                    [read(MODEL)?, read(AVERAGE)?, read(OPTIM)?, read(STATE)?]
                }
                None => [record(module, None, dir)?.to_vec(), Vec::new(), Vec::new(), Vec::new()],
            };
        }
        let [model, average, optim, state] = files;
        let share = |bytes| ranks.broadcast(bytes, 0);
        Ok(Self {
            path: dir.into(),
            model: share(model)?,
            average: share(average)?,
            optim: share(optim)?,
            state: share(state)?,
            faults,
        })
    }

    /// What is to be told of damaged checkpoints, on rank 0.
    pub(crate) fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Whether something was learned before.
    pub(crate) fn resumes(&self) -> bool {
        !self.state.is_empty()
    }

    /// Checks that what the checkpoint leaves out is there.
    ///
    /// # Errors
    /// When the run began with another package.
    pub(crate) fn check_base(&self, base: Option<&Base>) -> Result<(), CheckpointError> {
        match self.state()?.base {
            Some(expected) if base.is_none_or(|base| base.sha256 != expected.sha256) => {
                Err(expected.differs(&self.path, base))
            }
            _ => Ok(()),
        }
    }

    /// The module with the weights.
    ///
    /// # Errors
    /// When they are damaged or of a module with other parts.
    pub(crate) fn module<M: Module>(&mut self, module: M) -> Result<M, CheckpointError> {
        let partial = self.state()?.base.is_some();
        with_record(module, take(&mut self.model), partial, &self.path.join(MODEL))
    }

    /// The average of the weights; the weights where none was kept.
    ///
    /// # Errors
    /// As [`Beginning::module`].
    pub(crate) fn average<M: Module>(&mut self, module: &M) -> Result<M, CheckpointError> {
        match self.average.is_empty() {
            true => Ok(module.valid()),
            false => {
                let partial = self.state()?.base.is_some();
                let path = self.path.join(AVERAGE);
                with_record(module.valid(), take(&mut self.average), partial, &path)
            }
        }
    }

    /// The optimiser with the state of what this rank owns.
    ///
    /// # Errors
    /// When the state is damaged.
    pub(crate) fn optim(
        &mut self,
        optim: ModuleOptimizer,
        sharing: &Sharing,
    ) -> Result<ModuleOptimizer, CheckpointError> {
        if !self.resumes() {
            return Ok(optim);
        }
        let path = self.path.join(OPTIM);
        let own = piece(take(&mut self.optim), |id| sharing.owns(id.into()));
        optim.from_bytes(own.map_err(content(&path))?).map_err(content(&path))
    }

    /// Where the run stood.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn state(&self) -> Result<State, CheckpointError> {
        match self.resumes() {
            true => serde_json::from_slice(&self.state).map_err(content(&self.path.join(STATE))),
            false => Ok(State::default()),
        }
    }
}
