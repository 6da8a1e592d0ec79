//! `refvlm compare`.

use super::say::{count, say};
use super::score::Sample;
use super::{Outcome, foreign};
use clap::Args;
use refvlm_native::scores::compare::paired;
use refvlm_native::scores::json;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Compare two models by what `score --json` or `eval --json` wrote of each: is the difference more
/// than chance?
#[derive(Debug, Args)]
pub struct Compare {
    /// Scores of the first model.
    a: PathBuf,
    /// Scores of the second model, of the same samples.
    b: PathBuf,
    /// Seed of the 10,000 draws of the paired bootstrap.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many of the samples that changed most are listed.
    #[arg(long, default_value_t = 5)]
    changed: usize,
}

impl Compare {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let (a, b) = (read(&self.a)?, read(&self.b)?);
        let [name_a, name_b] = [&self.a, &self.b].map(|path| path.display().to_string());
        if a.measure != b.measure {
            let text = "score both in the same way";
            return Err(format!(
                "{name_a} is of {:?}, {name_b} of {:?}: {text}",
                a.measure, b.measure
            )
            .into());
        }
        let (a, b) = (by_id(&name_a, a.samples)?, by_id(&name_b, b.samples)?);
        for (one, other, name) in [(&a, &b, &name_b), (&b, &a, &name_a)] {
            if let Some(id) = one.keys().find(|id| !other.contains_key(*id)) {
                return Err(
                    format!("{name} has no sample {id}: score both on the same truth").into()
                );
            }
        }
        let [mut names, others] = [&a, &b]
            .map(|scores| scores.values().flat_map(BTreeMap::keys).collect::<BTreeSet<_>>());
        names.retain(|name| others.contains(name));
        if names.is_empty() {
            let text = "have no score in common: score both in the same way";
            return Err(format!("{name_a} and {name_b} {text}").into());
        }
        say!("{:16} {:>8} {:>8} {:>9}   95 % interval        p", "", "A", "B", "B - A");
        for name in names {
            let pairs: Vec<(&String, f64, f64)> = a
                .iter()
                .filter_map(|(id, scores)| Some((id, *scores.get(name)?, *b.get(id)?.get(name)?)))
                .collect();
            let values: Vec<(f64, f64)> = pairs.iter().map(|pair| (pair.1, pair.2)).collect();
            let Some(found) = paired(&values, self.seed) else { continue };
            let [low, high] = found.interval;
            say!(
                "{name:16} {:8.4} {:8.4} {:+9.4}   {low:+.4} .. {high:+.4}   {:.4}",
                found.a,
                found.b,
                found.difference,
                found.p
            );
            let mut changed: Vec<_> = pairs.iter().map(|(id, a, b)| (id, b - a)).collect();
            changed.sort_by(|x, y| y.1.abs().total_cmp(&x.1.abs()));
            for (id, change) in changed.iter().filter(|c| c.1 != 0.0).take(self.changed) {
                say!("    {change:+.4}  {id}");
            }
        }
        say!("{} in both; each score is a mean over those that have it", count(a.len(), "sample"));
        Ok(())
    }
}

/// What is read of a file of scores.
#[derive(Debug, Deserialize)]
struct Scored {
    /// How it was scored.
    measure: String,
    samples: Vec<Sample>,
}

fn read(path: &Path) -> Result<Scored, String> {
    let place = path.display().to_string();
    let form = "what refvlm score --json or eval --json wrote";
    json::parse(&foreign(path)?, &place, "entry", form).map_err(|e| e.to_string())
}

type Scores = BTreeMap<String, BTreeMap<String, f64>>;

fn by_id(file: &str, samples: Vec<Sample>) -> Result<Scores, String> {
    if samples.is_empty() {
        return Err(format!("{file} has no samples: nothing can be compared"));
    }
    let mut all = Scores::new();
    for Sample { id, scores } in samples {
        if all.insert(id.clone(), scores).is_some() {
            return Err(format!("{file}: sample {id} stands there twice: score it again"));
        }
    }
    Ok(all)
}
