//! The training loop: prefetched batches, clipped steps, progress with losses and time left,
//! held-out scores, checkpoints that resume at the exact step, and Ctrl-C that saves; on one rank or
//! several, which together do what one would do.

use super::average::follow;
use super::beginning::Beginning;
use super::checkpoint::content;
use super::config::LoopConfig;
use super::error::RunError;
use super::journal::Journal;
use super::keeping::Keeping;
use super::memory;
use super::optim_state::whole;
use super::parallel::{learn, materialise};
use super::parts::Tuning;
use super::plan::Expected;
use super::progress::{Window, duration};
use super::sharing::Sharing;
use super::task::{Standing, Task};
use burn::module::Module;
use burn::tensor::Device;
use refvlm_collective::Collective;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Instant;

/// Steps in a row without a finite gradient after which a run gives up.
const MOST_SKIPPED: usize = 20;

/// Trains `module` in `dir` together with the other ranks, from the last whole checkpoint there if
/// there is one. Returns the module, with the average of its weights where one is kept, and whether
/// it reached its last step; it does not when `stop` was raised on any rank. Only rank 0 touches
/// `dir`.
///
/// # Errors
/// When data, loss, optimiser or files fail, or a rank is lost. Checkpoints written before stay
/// good.
pub fn run<T: Task>(
    task: &T,
    module: T::Module,
    config: &LoopConfig,
    dir: &Path,
    (device, ranks): (&Device, &dyn Collective),
    stop: &AtomicBool,
) -> Result<(T::Module, bool), RunError> {
    let journal = Journal::new(dir, ranks);
    materialise(&module);
    let mut beginning = Beginning::find(ranks, dir, &module)?;
    beginning.faults().iter().for_each(|fault| journal.say(fault));
    beginning.check_base(config.base.as_ref())?;
    // Ids of parameters are those of the checkpoint from here on.
    let (mut module, tuning) = Tuning::begin(beginning.module(module)?, &config.parts)?;
    let optim = config.optim.init(&tuning).map_err(RunError::Optim)?;
    let sharing = Sharing::new(ranks, config.threads.max(1), &module)?;
    let mut optim = beginning.optim(optim, &sharing)?;
    let mut average = config.average.map(|_| beginning.average(&module)).transpose()?;
    let mut state = beginning.state()?;
    state.base = config.base.clone();
    let resumes = beginning.resumes();
    drop(beginning);
    if !config.parts.is_empty() {
        let of = tuning.count() + tuning.frozen();
        journal.say(&format!("{} of {of} parameters are trained", tuning.count()));
    }
    let first = state.step;
    state.steps = config.steps;
    journal.begin(first);
    match first < config.steps {
        true if resumes => journal.say(&format!("resumed at step {first}")),
        false => journal.say(&format!("finished at step {first} before")),
        _ => {}
    }
    let keeping = Keeping::new(dir, config, &journal, resumes.then_some(first));
    let started = Instant::now();
    let score = |scored: &T::Module, step: usize, seconds: f64| {
        if journal.dir().is_none() {
            return Ok(());
        }
        let scores = task.score(scored, &device.clone().inner());
        let scores = scores.map_err(|problem| RunError::Step { step, problem })?;
        let judged = task.judge().map(|judge| judge.judge(scored, &device.clone().inner()));
        let judged = judged.unwrap_or_else(|| Ok(Vec::new())).unwrap_or_else(|problem| {
            journal.say(&format!("answers could not be scored: {problem}"));
            Vec::new()
        });
        journal.scores(step, seconds, [("held-out", &scores), ("answers", &judged)]);
        keeping.judge(&[scores, judged].concat(), step).map_err(RunError::from)
    };
    if resumes && keeping.is_scored(first) && !journal.has_scores(first) {
        // It was killed between the checkpoint and the scores.
        score(average.as_ref().unwrap_or(&module), first, state.seconds)?;
    }
    let show = |step: usize, left_s: f64, stopping: bool| {
        let ends = stopping || step == config.steps;
        let standing = Standing { step, steps: config.steps, left_s, ends };
        if let (Some(judge), Some(dir)) = (task.judge(), journal.dir()) {
            journal.tell(judge.show(dir, standing));
        }
    };
    let mut window = Window::default();
    let mut skipped = 0;
    let module = std::thread::scope(|scope| {
        let (send, receive) = sync_channel(config.prefetch.max(1));
        let parts: Vec<_> = sharing.parts().collect();
        let items = move |step| parts.iter().map(|&part| task.item(step, part)).collect();
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
            let before = Instant::now();
            let Ok(items) = receive.recv() else { break };
            let items = items.map_err(at)?;
            if step == first {
                let activations = items.iter().map(|item| task.activations(item)).sum();
                let expected = Expected::new(&module, config, ranks.size(), activations);
                journal.say(&expected.to_string());
            }
            let began = Instant::now();
            let mut learned = learn(task, &module, items, device).map_err(at)?;
            tuning.mask(&module, &mut learned.gradients);
            let busy = began.elapsed();
            let asked = stop.load(Ordering::Relaxed);
            let clip_norm = config.optim.clip_norm;
            let (gradients, shared) = sharing.step(&module, learned, clip_norm, asked)?;
            let share = config.optim.share_at(step, config.steps);
            if shared.norm.is_finite() && shared.total.is_finite() {
                let rates = tuning.rates(config.optim.lr, share).map_err(RunError::Optim)?;
                module = sharing.spread(optim.step(rates, module, gradients))?;
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
            state.pictures += shared.seen[0];
            state.tokens += shared.seen[1];
            let (stopping, total) = (shared.stopping, shared.total);
            window.add(shared, busy, before.elapsed());
            if let Some(bytes) = memory::peak().filter(|_| step == first) {
                journal.say(&format!("memory: {} at most in the first step", memory::of(bytes)));
            }
            let last = state.step == config.steps;
            let spent = started.elapsed().as_secs_f64();
            let seconds = state.seconds + spent - state.seconds_of_run;
            let left_s = spent / (state.step - first) as f64 * (config.steps - state.step) as f64;
            if state.step % config.log_every.max(1) == 0 || last {
                let means = std::mem::take(&mut window).of_all(ranks)?;
                journal.say(&means.line(state.step, config.steps, left_s));
                journal.losses(state.step, seconds, &means.values(config.optim.lr * share));
            } else {
                let left = duration(left_s);
                journal.show(|| {
                    format!("step {}/{} loss {total:.4}, {left} left", state.step, config.steps)
                });
            }
            if keeping.is_due(state.step) || stopping {
                (state.seconds, state.seconds_of_run) = (seconds, spent);
                let pieces = ranks.gather(optim.into_bytes().map_err(content(dir))?.to_vec(), 0)?;
                if journal.dir().is_some() {
                    let optim = whole(pieces).map_err(content(dir))?;
                    keeping.save(&module, average.as_ref(), &optim, &state, last || stopping)?;
                }
            }
            if keeping.is_scored(state.step) {
                score(average.as_ref().unwrap_or(&module), state.step, seconds)?;
            }
            show(state.step, left_s, stopping);
            if stopping {
                journal.say(&format!("stopped at step {}; the same command resumes", state.step));
                break;
            }
        }
        drop(receive);
        Ok::<_, RunError>(match average {
            Some(average) => module.load_record(average.into_record()),
            None => module,
        })
    })?;
    Ok((tuning.end(module), state.step >= config.steps))
}
