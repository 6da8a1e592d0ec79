//! What a run tells of itself: lines on the terminal and in its log.

use super::parallel::Step;
use burn::tensor::Tensor;
use refvlm_collective::{Collective, RankError};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thiserror::Error;

/// The log of a run cannot be written.
#[derive(Debug, Error)]
#[error("{path}: {source}; check free space and permissions")]
pub struct LogError {
    /// The file.
    path: String,
    /// The underlying I/O error.
    source: std::io::Error,
}

/// What was learned since the last line of the log. Parts are summed on the device and read with the
/// line, since each read makes a GPU wait.
#[derive(Default)]
pub(crate) struct Window {
    steps: usize,
    total: f64,
    norm: f64,
    parts: Vec<(String, Tensor<1>, usize)>,
    seen: [usize; 2],
    busy: Duration,
    started: Option<Instant>,
}

/// The sums of a window on the host.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Sums {
    steps: usize,
    total: f64,
    norm: f64,
    /// Name, sum and number of summands.
    parts: Vec<(String, f32, usize)>,
    /// Pictures and tokens a second.
    rates: [f64; 2],
    /// Seconds that each rank computed.
    busy_s: Vec<f64>,
}

impl Window {
    /// Adds a step: what all ranks know of it, and how long this one computed.
    pub(crate) fn add(&mut self, step: Step, busy: Duration) {
        self.started.get_or_insert_with(Instant::now);
        self.steps += 1;
        self.total += step.total;
        self.norm += step.norm;
        self.busy += busy;
        for logged in step.logged {
            for i in 0..2 {
                self.seen[i] += logged.seen[i];
            }
            for (name, value) in logged.parts {
                match self.parts.iter_mut().find(|part| part.0 == name) {
                    Some(part) => {
                        part.1 = part.1.clone() + value;
                        part.2 += 1;
                    }
                    None => self.parts.push((name, value, 1)),
                }
            }
        }
    }

    /// The sums of all ranks on rank 0, those of this rank on the others. Parts are read from the
    /// device at once.
    ///
    /// # Errors
    /// When a rank is lost.
    pub(crate) fn of_all(self, ranks: &dyn Collective) -> Result<Sums, RankError> {
        let mine = self.sums();
        let json = serde_json::to_vec(&mine).unwrap_or_default();
        let all = ranks.gather(json, 0)?;
        let others = all.iter().skip(1).filter_map(|json| serde_json::from_slice(json).ok());
        Ok(others.fold(mine, Sums::join))
    }

    fn sums(self) -> Sums {
        let elapsed = self.started.map_or(1.0, |s| s.elapsed().as_secs_f64().max(1e-9));
        // The clock starts after the first step of the window, so one step is not in it.
        let share = (self.steps.saturating_sub(1)).max(1) as f64 / self.steps.max(1) as f64;
        let values: Vec<_> = self.parts.iter().map(|part| part.1.clone()).collect();
        let values: Vec<f32> = match values.is_empty() {
            true => Vec::new(),
            false => Tensor::cat(values, 0).into_data().iter::<f32>().collect(),
        };
        let parts = self.parts.into_iter().zip(values);
        Sums {
            steps: self.steps,
            total: self.total,
            norm: self.norm,
            parts: parts.map(|((name, _, n), sum)| (name, sum, n)).collect(),
            rates: self.seen.map(|seen| seen as f64 * share / elapsed),
            busy_s: vec![self.busy.as_secs_f64()],
        }
    }
}

impl Sums {
    /// Adds what another rank saw of the same steps.
    fn join(mut self, other: Self) -> Self {
        for (name, sum, n) in other.parts {
            match self.parts.iter_mut().find(|part| part.0 == name) {
                Some(part) => (part.1, part.2) = (part.1 + sum, part.2 + n),
                None => self.parts.push((name, sum, n)),
            }
        }
        (0..2).for_each(|i| self.rates[i] += other.rates[i]);
        self.busy_s.extend(other.busy_s);
        self
    }

    /// The means as a line of the log. `left_s` are the seconds that the run still needs. Where
    /// there are several ranks, the seconds that each computes in a step show which is slow.
    pub(crate) fn line(self, step: usize, steps: usize, left_s: f64) -> String {
        let count = self.steps.max(1) as f64;
        let mean = |part: &(String, f32, usize)| part.1 / part.2.max(1) as f32;
        let parts = self.parts.iter().map(|part| format!("{} {:.3}", part.0, mean(part)));
        let busy = match self.busy_s.as_slice() {
            [] | [_] => String::new(),
            ranks => {
                let each = ranks.iter().map(|s| format!("{:.2}", s / count));
                format!(", ranks busy {} s/step", each.collect::<Vec<_>>().join(" "))
            }
        };
        format!(
            "step {step}/{steps} loss {:.4} norm {:.2} | {} | {:.1} pictures/s {:.0} tokens/s{busy}, {} left",
            self.total / count,
            self.norm / count,
            parts.collect::<Vec<_>>().join(" "),
            self.rates[0],
            self.rates[1],
            duration(left_s),
        )
    }
}

/// `1h02m`, `3m20s`, `45s`.
fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0) as u64;
    match s {
        3600.. => format!("{}h{:02}m", s / 3600, s % 3600 / 60),
        60.. => format!("{}m{:02}s", s / 60, s % 60),
        _ => format!("{s}s"),
    }
}

/// The log of a run: rank 0 writes it.
pub(crate) struct Journal {
    path: Option<PathBuf>,
}

impl Journal {
    /// The log in the folder of a run.
    pub(crate) fn new(dir: &Path, ranks: &dyn Collective) -> Self {
        Self { path: (ranks.rank() == 0).then(|| dir.join("train.log")) }
    }

    /// Whether this rank writes what a run leaves behind.
    pub(crate) fn writes(&self) -> bool {
        self.path.is_some()
    }

    /// Prints a line and appends it to the log.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub(crate) fn say(&self, line: &str) -> Result<(), LogError> {
        let Some(path) = &self.path else { return Ok(()) };
        eprintln!("{line}");
        let io = |source| LogError { path: path.display().to_string(), source };
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(io)?;
        }
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        writeln!(file.map_err(io)?, "{line}").map_err(io)
    }
}
