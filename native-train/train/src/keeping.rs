//! Checkpoints and scores of a stage as it goes: what is kept, and that a full disk does not end the
//! run.

use crate::checkpoint::{Best, Checkpoint, CheckpointError, State};
use crate::config::LoopConfig;
use crate::error::RunError;
use crate::journal::Journal;
use crate::score::Score;
use burn::module::Module;
use std::cell::Cell;
use std::path::Path;

/// What keeps the checkpoints of a stage, on rank 0.
pub(crate) struct Keeping<'a> {
    dir: &'a Path,
    config: &'a LoopConfig,
    journal: &'a Journal,
    /// The step of the newest checkpoint.
    newest: Cell<Option<usize>>,
}

impl<'a> Keeping<'a> {
    /// For the folder of a stage, whose newest checkpoint is of the step `newest`.
    pub(crate) fn new(
        dir: &'a Path,
        config: &'a LoopConfig,
        journal: &'a Journal,
        newest: Option<usize>,
    ) -> Self {
        Self { dir, config, journal, newest: Cell::new(newest) }
    }

    /// Whether a checkpoint is due after a step. With `keep_best` each step that is scored has one.
    pub(crate) fn is_due(&self, step: usize) -> bool {
        let every = |n: usize| step.is_multiple_of(n.max(1));
        let scored = self.config.keep_best.is_some() && self.is_scored(step);
        every(self.config.checkpoint_every) || step == self.config.steps || scored
    }

    /// Whether a step is scored.
    pub(crate) fn is_scored(&self, step: usize) -> bool {
        step > 0
            && (step.is_multiple_of(self.config.score_every.max(1)) || step == self.config.steps)
    }

    /// Writes a checkpoint. Where there is no room, the run goes on with the older ones, unless this
    /// is its `end`.
    ///
    /// # Errors
    /// When the checkpoint cannot be written.
    pub(crate) fn save<M: Module>(
        &self,
        module: &M,
        average: Option<&M>,
        optim: &[u8],
        state: &State,
        end: bool,
    ) -> Result<(), RunError> {
        let keep = self.config.keep;
        match Checkpoint::save(self.dir, module, average, optim, (state, keep)) {
            Ok(()) => self.newest.set(Some(state.step)),
            Err(error) if error.is_full() && end => {
                return Err(RunError::Full {
                    source: error.into(),
                    step: state.step,
                    kept: self.kept(),
                });
            }
            Err(error) if error.is_full() => self.journal.say(&format!(
                "no room for the checkpoint of step {} ({error}); the run goes on, and {}; free \
                 some space",
                state.step,
                self.kept()
            )),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn kept(&self) -> String {
        match self.newest.get() {
            Some(step) => format!("the newest checkpoint is that of step {step}"),
            None => "there is no older checkpoint".into(),
        }
    }

    /// Keeps the checkpoint of a step where its score is the best so far.
    ///
    /// # Errors
    /// When an old checkpoint cannot be removed.
    pub(crate) fn judge(&self, scores: &[Score], step: usize) -> Result<(), CheckpointError> {
        let Some(name) = &self.config.keep_best else { return Ok(()) };
        let Some(score) = scores.iter().find(|score| score.name == *name) else {
            let known: Vec<_> = scores.iter().map(|score| score.name.as_str()).collect();
            self.journal.say(&format!(
                "loop.keep_best: there is no score {name}; these are: {}",
                known.join(", ")
            ));
            return Ok(());
        };
        if self.journal.tell(Best::keep(self.dir, score, step)) == Some(true) {
            self.journal.say(&format!("step {step} is the best so far: {name} {:.4}", score.value));
            Checkpoint::prune(self.dir, self.config.keep)?;
        }
        Ok(())
    }
}
