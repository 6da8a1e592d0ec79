//! The work of an evaluation on all cores: pictures are taken one after the other by whichever
//! session is free, and what was found is put together in their order, so that sums are added alike
//! on any number of cores. Answers may differ in the last digits: how many rows a product has
//! depends on what its session was asked before.

use crate::answers::AnswersError;
use crate::evaluate::{Manner, Outcome, Sample, scene_samples};
use refvlm_files::picture::Picture;
use refvlm_model::engine::{EngineError, Session};
use refvlm_scenes::dialog::Kind;
use refvlm_scenes::{SceneOptions, World};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use thiserror::Error;

/// What ends an evaluation.
#[derive(Debug, Error)]
pub enum EvalError {
    /// A session cannot be opened.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The file of answers cannot be written.
    #[error(transparent)]
    Answers(#[from] AnswersError),
    /// A thread ended without a result.
    #[error("a thread of the evaluation panicked; please report it")]
    Thread,
}

/// Groups that are handed out, and outcomes that wait for those of groups before them.
struct Shared<I> {
    groups: I,
    given: usize,
    waiting: BTreeMap<usize, Outcome>,
    whole: Outcome,
    merged: usize,
}

/// Scores a model on pictures with samples, on all cores. `load` gives the picture of a group of
/// samples; each core asks a session of its own, which `session` opens. A group that cannot be
/// loaded or looked at is a fault of the outcome, and the others go on; `tick` gets each group's
/// number of samples.
///
/// # Errors
/// When a session cannot be opened or the file of answers cannot be written.
pub fn on_groups<G, E: std::fmt::Display>(
    session: impl Fn() -> Result<Session, EngineError> + Sync,
    groups: impl Iterator<Item = G> + Send,
    load: impl Fn(G) -> Result<(Picture, Vec<Sample>), E> + Sync,
    manner: Manner,
    tick: impl Fn(usize) + Sync,
) -> Result<Outcome, EvalError> {
    let shared = Mutex::new(Shared {
        groups,
        given: 0,
        waiting: BTreeMap::new(),
        whole: Outcome::default(),
        merged: 0,
    });
    let next = || {
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let group = shared.groups.next()?;
        shared.given += 1;
        Some((shared.given - 1, group))
    };
    let work = || {
        let mut session = session()?;
        while let Some((index, group)) = next() {
            let mut outcome = Outcome::default();
            let count = match load(group) {
                Ok((picture, samples)) => {
                    outcome.look(&mut session, &picture, &samples, manner)?;
                    samples.len()
                }
                Err(error) => {
                    outcome.faults.push(error.to_string());
                    1
                }
            };
            shared.lock().unwrap_or_else(PoisonError::into_inner).put(index, outcome);
            tick(count);
        }
        Ok(())
    };
    let threads = rayon::current_num_threads().max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ends: Vec<Result<(), EvalError>> =
            workers.into_iter().map(|w| w.join().unwrap_or(Err(EvalError::Thread))).collect();
        ends.into_iter().collect::<Result<(), _>>()
    })?;
    Ok(shared.into_inner().unwrap_or_else(PoisonError::into_inner).whole)
}

/// Scores a model on held-out or other scenes, on all cores, as [`on_groups`] does.
///
/// # Errors
/// When a session cannot be opened or the file of answers cannot be written.
pub fn on_scenes(
    session: impl Fn() -> Result<Session, EngineError> + Sync,
    world: &World,
    seeds: std::ops::Range<u64>,
    options: &SceneOptions,
    kinds: &[Kind],
    manner: Manner,
    tick: impl Fn() + Sync,
) -> Result<Outcome, EvalError> {
    let load = |seed| Ok::<_, Infallible>(scene_samples(world, seed, options, kinds));
    on_groups(session, seeds, load, manner, |_| tick())
}

impl<I> Shared<I> {
    fn put(&mut self, index: usize, outcome: Outcome) {
        self.waiting.insert(index, outcome);
        while let Some(outcome) = self.waiting.remove(&self.merged) {
            self.whole.merge(outcome);
            self.merged += 1;
        }
    }
}
