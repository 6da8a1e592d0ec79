//! What will happen when a run goes on with other lengths, said before it does.

use crate::checkpoint::{Checkpoint, CheckpointError, State};
use crate::config::LoopConfig;
use std::path::Path;

/// What is to be known before the stages of a run go on, one line each: `stages` are their folders'
/// names in `run` and their settings, in their order.
///
/// # Errors
/// When a checkpoint cannot be read.
pub fn ahead(run: &Path, stages: &[(&str, &LoopConfig)]) -> Result<Vec<String>, CheckpointError> {
    let mut states = Vec::new();
    for (name, _) in stages {
        let newest = Checkpoint::latest(&run.join(name))?;
        states.push(newest.map(|checkpoint| checkpoint.state()).transpose()?);
    }
    let mut lines = Vec::new();
    for (at, ((name, config), state)) in stages.iter().zip(&states).enumerate() {
        let Some(state) = state else { continue };
        lines.extend(of_stage(name, config, state));
        let goes_on = state.step < config.steps;
        if let Some((next, _)) = stages
            .get(at + 1)
            .filter(|_| goes_on && states.get(at + 1).is_some_and(Option::is_some))
        {
            lines.push(format!(
                "{next} has a checkpoint already and goes on from it: what {name} learns from here on \
                 does not reach it; move {} away to begin it from {name}'s new end",
                run.join(next).display()
            ));
        }
    }
    Ok(lines)
}

fn of_stage(name: &str, config: &LoopConfig, state: &State) -> Option<String> {
    let (step, now) = (state.step, config.steps);
    let before = if state.steps == 0 { now } else { state.steps };
    if step > now {
        return Some(format!(
            "{name} is at step {step} already, and the configuration ends at {now}: it learns nothing \
             more"
        ));
    }
    if before == now {
        return None;
    }
    let was = match step >= before {
        true => format!("{name} was finished at step {step}"),
        false => format!("{name} was to end at step {before} and is at {step}"),
    };
    let last = step.saturating_sub(1);
    let rate = |steps| config.optim.lr_at(last, steps);
    let next = config.optim.lr_at(step, now);
    let falls = (now as f64 * (1.0 - config.optim.decay_share)).round() as usize;
    let falls = match falls > step {
        true => format!(", stays so until step {falls} and then falls"),
        false => " and falls".into(),
    };
    Some(format!(
        "{was}; it goes on to {now} with the optimiser as it was: the learning rate, {:.1e} at step \
         {step}, is {next:.1e} from there{falls} to {:.1e} at the end",
        rate(before),
        config.optim.lr_at(now.saturating_sub(1), now),
    ))
}
