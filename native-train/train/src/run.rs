//! The training loop: prefetched batches, clipped steps, progress with losses and time left,
//! held-out scores, checkpoints that resume at the exact step, and Ctrl-C that saves; on one rank or
//! several, which together do what one would do.

use super::average::follow;
use super::beginning::Beginning;
use super::checkpoint::{Checkpoint, content};
use super::config::LoopConfig;
use super::error::RunError;
use super::optim_state::whole;
use super::parallel::{learn, materialise};
use super::parts::Tuning;
use super::progress::{Journal, Window};
use super::sharing::Sharing;
use super::task::Task;
use burn::module::Module;
use burn::tensor::Device;
use refvlm_collective::Collective;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Instant;

/// Steps in a row without a finite gradient after which a run gives up.
const MOST_SKIPPED: usize = 20;

/// Trains `module` in `dir` together with the other ranks, from the last checkpoint there if there is
/// one. Returns the module, with the average of its weights where one is kept, and whether it
/// reached its last step; it does not when `stop` was raised on any rank. Only rank 0 touches `dir`.
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
    beginning.check_base(config.base.as_ref())?;
    // Ids of parameters are those of the checkpoint from here on.
    let (mut module, tuning) = Tuning::begin(beginning.module(module)?, &config.parts)?;
    let optim = config.optim.init(&tuning).map_err(RunError::Optim)?;
    let sharing = Sharing::new(ranks, config.threads.max(1), &module)?;
    let mut optim = beginning.optim(optim, &sharing)?;
    let mut average = config.average.map(|_| beginning.average(&module)).transpose()?;
    let mut state = beginning.state()?;
    state.base = config.base.clone();
    if beginning.resumes() {
        journal.say(&format!("resumed at step {}", state.step))?;
    }
    drop(beginning);
    if !config.parts.is_empty() {
        let of = tuning.count() + tuning.frozen();
        journal.say(&format!("{} of {of} parameters are trained", tuning.count()))?;
    }
    let first = state.step;
    let started = Instant::now();
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
            let Ok(items) = receive.recv() else { break };
            let began = Instant::now();
            let mut learned = learn(task, &module, items.map_err(at)?, device).map_err(at)?;
            tuning.mask(&module, &mut learned.gradients);
            let busy = began.elapsed();
            let asked = stop.load(Ordering::Relaxed);
            let clip_norm = config.optim.clip_norm;
            let (gradients, shared) = sharing.step(&module, learned, clip_norm, asked)?;
            if shared.norm.is_finite() && shared.total.is_finite() {
                let share = config.optim.share_at(step, config.steps);
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
            let stopping = shared.stopping;
            window.add(shared, busy);
            let last = state.step == config.steps;
            if state.step % config.log_every.max(1) == 0 || last {
                let left = config.steps - state.step;
                let pace = started.elapsed().as_secs_f64() / (state.step - first) as f64;
                let means = std::mem::take(&mut window).of_all(ranks)?;
                journal.say(&means.line(state.step, config.steps, pace * left as f64))?;
            }
            if state.step % config.checkpoint_every.max(1) == 0 || last || stopping {
                state.seconds += started.elapsed().as_secs_f64() - state.seconds_of_run;
                state.seconds_of_run = started.elapsed().as_secs_f64();
                let pieces = ranks.gather(optim.into_bytes().map_err(content(dir))?.to_vec(), 0)?;
                if journal.writes() {
                    let optim = whole(pieces).map_err(content(dir))?;
                    Checkpoint::save(dir, &module, average.as_ref(), &optim, &state)?;
                }
            }
            if journal.writes() && (state.step % config.score_every.max(1) == 0 || last) {
                let scored = average.as_ref().unwrap_or(&module);
                let scores = task.score(scored, &device.clone().inner()).map_err(at)?;
                journal.say(&format!("step {} held-out: {scores}", state.step))?;
            }
            if stopping {
                journal
                    .say(&format!("stopped at step {}; the same command resumes", state.step))?;
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
