//! The training loop: prefetched batches, clipped steps, progress with losses and time left,
//! held-out scores, checkpoints that resume at the exact step, and Ctrl-C that saves.

use super::checkpoint::{Checkpoint, CheckpointError, State};
use super::config::LoopConfig;
use super::optim::{clip_global_norm, mean_gradients};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use refvlm_model::losses::UnitLoss;
use refvlm_record::Unit;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Instant;
use thiserror::Error;

/// The loss of one step and its parts by name.
pub struct Losses {
    /// What is differentiated, `[1]`.
    pub total: Tensor<1>,
    /// Parts for the log, without gradient, `[1]` each.
    pub parts: Vec<(String, Tensor<1>)>,
    /// Pictures and tokens of the step.
    pub seen: [usize; 2],
}

impl Losses {
    /// Nothing learned yet. `seen` are pictures and tokens; `zero` is a `[1]`.
    pub fn new(zero: Tensor<1>, seen: [usize; 2]) -> Self {
        Self { total: zero, parts: Vec::new(), seen }
    }

    /// Adds a part with its weight; the log gets it without.
    pub fn add(&mut self, name: impl Into<String>, loss: Tensor<1>, weight: f64) {
        self.parts.push((name.into(), loss.clone().detach()));
        self.total = self.total.clone() + loss * weight;
    }

    /// Adds a part where there is one.
    pub fn add_some(&mut self, name: &str, loss: Option<Tensor<1>>, weight: f64) {
        if let Some(loss) = loss {
            self.add(name, loss, weight);
        }
    }

    /// Adds the loss of a unit; its terms are logged behind `prefix`.
    pub fn add_unit(&mut self, prefix: &str, unit: Unit, loss: UnitLoss, weight: f64) {
        for (name, value) in loss.terms {
            self.parts.push((format!("{prefix}{unit}.{name}"), value));
        }
        self.total = self.total.clone() + loss.total * weight;
    }

    /// The parts as a line of a log.
    pub fn line(self) -> String {
        let parts = self.parts.into_iter();
        let parts = parts.map(|(name, value)| format!("{name} {:.3}", value.into_scalar::<f32>()));
        parts.collect::<Vec<_>>().join(" ")
    }
}

/// One of the equal parts of a step's batch, each computed by a thread of its own.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Which, from 0.
    pub index: usize,
    /// Of how many.
    pub of: usize,
}

impl Part {
    /// The seeds of this part of a step that takes `count` seeds from `first` on.
    pub fn seeds(self, first: u64, step: usize, count: usize) -> std::ops::Range<u64> {
        let start = first + (step * count) as u64;
        let at = |index: usize| start + (count * index / self.of) as u64;
        at(self.index)..at(self.index + 1)
    }
}

/// Something that can be trained.
pub trait Task: Sync {
    /// What is trained.
    type Module: Module + 'static;
    /// Host data of one step.
    type Item: Send;

    /// Makes the data of one part of a step; the same numbers always give the same data.
    ///
    /// # Errors
    /// What is wrong with the data, with its place.
    fn item(&self, step: usize, part: Part) -> Result<Self::Item, String>;

    /// The loss of a step.
    ///
    /// # Errors
    /// When data and model do not fit.
    fn loss(
        &self,
        module: &Self::Module,
        item: Self::Item,
        device: &Device,
    ) -> Result<Losses, String>;

    /// Scores on held-out data, as a line for the log. `device` carries no gradients.
    ///
    /// # Errors
    /// When scoring fails.
    fn score(&self, module: &Self::Module, device: &Device) -> Result<String, String>;
}

/// Why a run ended early.
#[derive(Debug, Error)]
pub enum RunError {
    /// A checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Data or loss of a step.
    #[error("step {step}: {problem}")]
    Step {
        /// Which.
        step: usize,
        /// What is wrong.
        problem: String,
    },
    /// The optimiser's settings.
    #[error("train.optim: {0}")]
    Optim(String),
    /// Losses or gradients were no numbers for many steps.
    #[error("step {step}: {skipped} steps in a row gave no finite gradient; lower train.optim.lr")]
    Diverged {
        /// Last step.
        step: usize,
        /// Steps skipped in a row.
        skipped: usize,
    },
    /// The log.
    #[error("{path}: {source}")]
    Log {
        /// File.
        path: String,
        /// Cause.
        source: std::io::Error,
    },
}

/// Steps in a row without a finite gradient after which a run gives up.
const MOST_SKIPPED: usize = 20;

/// Trains `module` in `dir`, from the last checkpoint there if there is one. Returns the module
/// and whether it reached its last step; it does not when `stop` was raised.
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
    if let Some(checkpoint) = Checkpoint::latest(dir)? {
        (module, optim, state) = checkpoint.load(module, optim)?;
        say(dir, &format!("resumed at step {}", state.step))?;
    }
    materialise(&module);
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
            let (mut gradients, total, losses) = learned;
            let norm = clip_global_norm(&module, &mut gradients, config.optim.clip_norm);
            if norm.is_finite() && total.is_finite() {
                let lr = config.optim.lr_at(step, config.steps);
                module = optim.step(lr, module, gradients);
                skipped = 0;
            } else {
                skipped += 1;
                if skipped >= MOST_SKIPPED {
                    return Err(RunError::Diverged { step, skipped });
                }
            }
            window.add(total, norm, &losses);
            state.step = step + 1;
            for losses in &losses {
                state.pictures += losses.seen[0];
                state.tokens += losses.seen[1];
            }
            let last = state.step == config.steps;
            if state.step % config.log_every.max(1) == 0 || last {
                let left = config.steps - state.step;
                let pace = started.elapsed().as_secs_f64() / (state.step - first) as f64;
                say(dir, &window.line(state.step, config.steps, pace * left as f64))?;
                window = Window::default();
            }
            let stopping = stop.load(Ordering::Relaxed);
            if state.step % config.checkpoint_every.max(1) == 0 || last || stopping {
                state.seconds += started.elapsed().as_secs_f64() - state.seconds_of_run;
                state.seconds_of_run = started.elapsed().as_secs_f64();
                Checkpoint::save(dir, &module, &optim, &state)?;
            }
            if state.step % config.score_every.max(1) == 0 || last {
                let scores = task.score(&module, &device.clone().inner()).map_err(at)?;
                say(dir, &format!("step {} held-out: {scores}", state.step))?;
            }
            if stopping {
                say(dir, &format!("stopped at step {}; the same command resumes", state.step))?;
                break;
            }
        }
        drop(receive);
        Ok::<_, RunError>(module)
    })?;
    Ok((module, state.step >= config.steps))
}

/// Draws the parameters that nothing has used yet. Else each fork of a step would draw its own, and
/// the tape keep them all: a run became slower with each step.
fn materialise<M: Module>(module: &M) {
    struct Draw;
    impl ModuleVisitor for Draw {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            param.val();
        }
    }
    module.visit(&mut Draw);
}

/// What the log takes of one part of a step.
struct Logged {
    parts: Vec<(String, f64)>,
    seen: [usize; 2],
}

/// Gradients, total loss and parts for the log of one step: each part of the batch on a thread of
/// its own, their gradients averaged.
///
/// One thread cannot fill the cores: most operations of a small model are too short to be worth
/// splitting, so the batch is split instead.
fn learn<T: Task>(
    task: &T,
    module: &T::Module,
    items: Vec<T::Item>,
    device: &Device,
) -> Result<(GradientsParams, f64, Vec<Logged>), String> {
    let n = items.len().max(1) as f64;
    let learned: Vec<_> = std::thread::scope(|scope| {
        let spawn = |item| {
            // A fork has the same weights and ids but a graph of its own.
            let module = module.clone().fork(device);
            scope.spawn(move || {
                let losses = task.loss(&module, item, device)?;
                let value = |x: &Tensor<1>| f64::from(x.clone().detach().into_scalar::<f32>());
                let total = value(&losses.total);
                let parts = losses.parts.iter().map(|(name, x)| (name.clone(), value(x)));
                let logged = Logged { parts: parts.collect(), seen: losses.seen };
                let gradients = GradientsParams::from_grads(losses.total.backward(), &module);
                Ok::<_, String>((gradients, total, logged))
            })
        };
        let threads: Vec<_> = items.into_iter().map(spawn).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into())))
            .collect::<Result<_, String>>()
    })?;
    let mut total = 0.0;
    let (mut gradients, mut logged) = (Vec::new(), Vec::new());
    for (grads, loss, log) in learned {
        total += loss / n;
        gradients.push(grads);
        logged.push(log);
    }
    Ok((mean_gradients(module, gradients), total, logged))
}

/// Means since the last line of the log.
#[derive(Default)]
struct Window {
    steps: usize,
    total: f64,
    norm: f64,
    parts: Vec<(String, f64, usize)>,
    seen: [usize; 2],
    started: Option<Instant>,
}

impl Window {
    fn add(&mut self, total: f64, norm: f64, losses: &[Logged]) {
        self.started.get_or_insert_with(Instant::now);
        self.steps += 1;
        self.total += total;
        self.norm += norm;
        for losses in losses {
            for i in 0..2 {
                self.seen[i] += losses.seen[i];
            }
        }
        for (name, value) in losses.iter().flat_map(|losses| &losses.parts) {
            match self.parts.iter_mut().find(|part| part.0 == *name) {
                Some(part) => {
                    part.1 += value;
                    part.2 += 1;
                }
                None => self.parts.push((name.clone(), *value, 1)),
            }
        }
    }

    fn line(&self, step: usize, steps: usize, left_s: f64) -> String {
        let mean = |sum: f64| sum / self.steps.max(1) as f64;
        let elapsed = self.started.map_or(1.0, |s| s.elapsed().as_secs_f64().max(1e-9));
        // The clock starts after the first step of the window, so one step is not in it.
        let share = (self.steps.saturating_sub(1)).max(1) as f64 / self.steps.max(1) as f64;
        let rate = |seen: usize| seen as f64 * share / elapsed;
        let parts: Vec<String> = self
            .parts
            .iter()
            .map(|(name, sum, n)| format!("{name} {:.3}", sum / (*n).max(1) as f64))
            .collect();
        format!(
            "step {step}/{steps} loss {:.4} norm {:.2} | {} | {:.1} pictures/s {:.0} tokens/s, {} left",
            mean(self.total),
            mean(self.norm),
            parts.join(" "),
            rate(self.seen[0]),
            rate(self.seen[1]),
            duration(left_s),
        )
    }
}

/// `1h02m`, `3m20s`, `45s`.
pub fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0) as u64;
    match s {
        3600.. => format!("{}h{:02}m", s / 3600, s % 3600 / 60),
        60.. => format!("{}m{:02}s", s / 60, s % 60),
        _ => format!("{s}s"),
    }
}

/// Prints a line and appends it to the log of the run.
fn say(dir: &Path, line: &str) -> Result<(), RunError> {
    eprintln!("{line}");
    let path = dir.join("train.log");
    let io = |source| RunError::Log { path: path.display().to_string(), source };
    std::fs::create_dir_all(dir).map_err(io)?;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).map_err(io)?;
    writeln!(file, "{line}").map_err(io)
}
