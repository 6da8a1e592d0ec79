//! The training loop: prefetched batches, clipped steps, progress with losses and time left,
//! held-out scores, checkpoints that resume at the exact step, and Ctrl-C that saves.

use super::average::follow;
use super::checkpoint::{Checkpoint, CheckpointError, State};
use super::config::LoopConfig;
use super::optim::clip_global_norm;
use super::parallel::{Learned, learn, materialise};
use super::progress::{LogError, Window, say};
use super::task::{Part, Task};
use burn::module::Module;
use burn::tensor::Device;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Instant;
use thiserror::Error;

/// Why a run ended early.
#[derive(Debug, Error)]
pub enum RunError {
    /// A checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A step's data or loss cannot be computed.
    #[error("step {step}: {problem}")]
    Step {
        /// The step's number.
        step: usize,
        /// What is wrong, in words.
        problem: String,
    },
    /// The optimiser's settings are wrong.
    #[error("train.optim: {0}")]
    Optim(String),
    /// Too many steps in a row had no finite gradient.
    #[error("step {step}: {skipped} steps in a row gave no finite gradient; lower train.optim.lr")]
    Diverged {
        /// Last step.
        step: usize,
        /// Steps skipped in a row.
        skipped: usize,
    },
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Steps in a row without a finite gradient after which a run gives up.
const MOST_SKIPPED: usize = 20;

/// Trains `module` in `dir`, from the last checkpoint there if there is one. Returns the module,
/// with the average of its weights where one is kept, and whether it reached its last step; it does
/// not when `stop` was raised.
///
/// # Errors
/// When data, loss, optimiser or files fail. Checkpoints written before stay good.
pub fn run<T: Task>(
    task: &T,
    mut module: T::Module,
    config: &LoopConfig,
    dir: &Path,
    device: &Device,
    stop: &AtomicBool,
) -> Result<(T::Module, bool), RunError> {
    let mut optim = config.optim.init().map_err(RunError::Optim)?;
    let mut state = State::default();
    let checkpoint = Checkpoint::latest(dir)?;
    if let Some(checkpoint) = &checkpoint {
        (module, optim, state) = checkpoint.load(module, optim)?;
        say(dir, &format!("resumed at step {}", state.step))?;
    }
    materialise(&module);
    let mut average = config.average.map(|_| module.valid());
    if let Some(checkpoint) = &checkpoint {
        average = average.map(|average| checkpoint.weights(average)).transpose()?;
    }
    let first = state.step;
    let started = Instant::now();
    let mut window = Window::default();
    let mut skipped = 0;
    let module = std::thread::scope(|scope| {
        let (send, receive) = sync_channel(config.prefetch.max(1));
        let parts = config.threads.max(1);
        let items = move |step| {
            (0..parts).map(|index| task.item(step, Part { index, of: parts })).collect()
        };
        scope.spawn(move || {
            for step in first..config.steps {
                let made: Result<Vec<_>, String> = items(step);
                if send.send(made).is_err() {
                    break;
                }
            }
        });
        for step in first..config.steps {
            let at = |problem| RunError::Step { step, problem };
            let Ok(items) = receive.recv() else { break };
            let learned = learn(task, &module, items.map_err(at)?, device).map_err(at)?;
            let Learned { mut gradients, total, logged } = learned;
            let limit = config.optim.clip_norm;
            let [total, norm] = clip_global_norm(&module, &mut gradients, limit, total);
            if norm.is_finite() && total.is_finite() {
                let lr = config.optim.lr_at(step, config.steps);
                module = optim.step(lr, module, gradients);
                average = average.zip(config.average).map(|(average, decay)| {
                    state.averaged += 1;
                    follow(average, &module, decay, state.averaged)
                });
                skipped = 0;
            } else {
                skipped += 1;
                if skipped >= MOST_SKIPPED {
                    return Err(RunError::Diverged { step, skipped });
                }
            }
            state.step = step + 1;
            for logged in &logged {
                state.pictures += logged.seen[0];
                state.tokens += logged.seen[1];
            }
            window.add(total, norm, logged);
            let last = state.step == config.steps;
            if state.step % config.log_every.max(1) == 0 || last {
                let left = config.steps - state.step;
                let pace = started.elapsed().as_secs_f64() / (state.step - first) as f64;
                let means = std::mem::take(&mut window);
                say(dir, &means.line(state.step, config.steps, pace * left as f64))?;
            }
            let stopping = stop.load(Ordering::Relaxed);
            if state.step % config.checkpoint_every.max(1) == 0 || last || stopping {
                state.seconds += started.elapsed().as_secs_f64() - state.seconds_of_run;
                state.seconds_of_run = started.elapsed().as_secs_f64();
                Checkpoint::save(dir, &module, average.as_ref(), &optim, &state)?;
            }
            if state.step % config.score_every.max(1) == 0 || last {
                let scored = average.as_ref().unwrap_or(&module);
                let scores = task.score(scored, &device.clone().inner()).map_err(at)?;
                say(dir, &format!("step {} held-out: {scores}", state.step))?;
            }
            if stopping {
                say(dir, &format!("stopped at step {}; the same command resumes", state.step))?;
                break;
            }
        }
        drop(receive);
        Ok::<_, RunError>(match average {
            Some(average) => module.load_record(average.into_record()),
            None => module,
        })
    })?;
    Ok((module, state.step >= config.steps))
}
