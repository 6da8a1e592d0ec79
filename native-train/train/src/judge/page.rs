//! The page of a run from what its stages have written.

use super::questions::SCORE;
use crate::journal::{LOSSES, Row, SCORES, read};
use crate::memory;
use crate::progress::duration;
use crate::resolved::CONFIG_FILE;
use crate::task::Standing;
use refvlm_eval::report::run::{Chart, Curve, RunPage, Stage};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Names of what the machine did, with the headings of their charts.
const MACHINE: [(&str, &str); 4] = [
    ("lr", "learning rate"),
    ("norm", "norm of the gradients"),
    ("pictures_per_s", "pictures a second"),
    ("tokens_per_s", "tokens a second"),
];
/// The name of the memory, which is told as a number.
const MEMORY: &str = "peak_memory_bytes";

/// Values over steps by name.
type Table = BTreeMap<String, Vec<(f64, f64)>>;

/// The page of the run in the folder `run`, whose stage in `now` stands where it says.
pub(super) fn of(run: &Path, now: &Path, standing: Standing, pictures: String) -> RunPage {
    let mut stages = Vec::new();
    let mut facts = Vec::new();
    for dir in stage_folders(run, now) {
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (losses, scores) = (read(&dir.join(LOSSES)), read(&dir.join(SCORES)));
        let Some(last) = losses.last().cloned() else { continue };
        let state = match dir == now {
            true => format!("step {} of {}", standing.step, standing.steps),
            false => format!("{} steps", last.step),
        };
        let seconds = last.seconds;
        let (losses, scores) = (table(&losses), table(&scores));
        if dir == now {
            facts = facts_of(&losses, &scores, standing, seconds);
        }
        stages.push(stage(name, state, &losses, &scores));
    }
    let done = standing.step as f64 / standing.steps.max(1) as f64;
    RunPage {
        title: run.display().to_string(),
        subtitle: match (standing.ends, done < 1.0) {
            (true, true) => "Stopped; the same command goes on.".into(),
            (_, true) => format!("Training, {} left in this stage.", duration(standing.left_s)),
            (_, false) => "This stage is finished.".into(),
        },
        done: if standing.ends { 1.0 } else { done },
        facts,
        stages,
        pictures,
        settings: std::fs::read_to_string(run.join(CONFIG_FILE)).unwrap_or_default(),
    }
}

/// Folders of stages, the present one first, then the newest.
fn stage_folders(run: &Path, now: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(run).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let path = entry.path();
            let written = path.join(LOSSES).metadata().and_then(|data| data.modified()).ok()?;
            Some((path != now, std::cmp::Reverse(written), path))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, _, path)| path).collect()
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    for row in rows {
        table.entry(row.name.clone()).or_default().push((row.step as f64, row.value));
    }
    table
}

fn facts_of(losses: &Table, scores: &Table, now: Standing, seconds: f64) -> Vec<(String, String)> {
    let last = |table: &Table, name: &str| table.get(name)?.last().map(|point| point.1);
    let mut facts = vec![("step".to_string(), format!("{} / {}", now.step, now.steps))];
    let mut fact = |name: &str, value: Option<String>| {
        facts.extend(value.map(|value| (name.to_string(), value)));
    };
    fact("held-out score", last(scores, SCORE).map(|x| format!("{:.1} %", x * 100.0)));
    fact("held-out loss", last(scores, "loss").map(|x| format!("{x:.3}")));
    fact("trained for", Some(duration(seconds)));
    fact("left", (!now.ends).then(|| duration(now.left_s)));
    fact("pictures / s", last(losses, "pictures_per_s").map(|x| format!("{x:.1}")));
    let tokens = last(losses, "tokens_per_s").filter(|&x| x > 0.0);
    fact("tokens / s", tokens.map(|x| format!("{x:.0}")));
    fact("peak memory", last(losses, MEMORY).map(|x| memory::of(x as u64)));
    facts
}

fn stage(name: String, state: String, losses: &Table, scores: &Table) -> Stage {
    let curve = |table: &Table, name: &str, shown: &str, dots: bool| {
        let points = table.get(name)?.clone();
        Some(Curve { name: shown.into(), points, dots })
    };
    // A loss with what it is on held-out pictures.
    let both = |name: &str, title: &str| {
        let curves = [curve(losses, name, "train", false), curve(scores, name, "held-out", true)];
        Chart {
            title: title.into(),
            curves: curves.into_iter().flatten().collect(),
            percent: false,
        }
    };
    let score = |name: &str, title: &str| Chart {
        title: title.into(),
        curves: curve(scores, name, "", true).into_iter().collect(),
        percent: true,
    };
    let mut main = vec![both("loss", "Loss")];
    if scores.contains_key(SCORE) {
        main.push(score(SCORE, "Score, mean over all held-out questions"));
    }
    let of_machine = |name: &str| name == MEMORY || MACHINE.iter().any(|known| known.0 == name);
    let parts = losses.keys().filter(|name| *name != "loss" && !of_machine(name));
    let answers = scores.keys().filter(|name| !losses.contains_key(*name) && *name != SCORE);
    let machine = MACHINE.iter().filter_map(|(name, title)| {
        let curves = vec![curve(losses, name, "", false)?];
        Some(Chart { title: (*title).into(), curves, percent: false })
    });
    let groups = vec![
        ("Answers to held-out questions".into(), answers.map(|name| score(name, name)).collect()),
        ("Parts of the loss".into(), parts.map(|name| both(name, name)).collect()),
        ("Machine".into(), machine.collect()),
    ];
    Stage { name, state, main, groups }
}
