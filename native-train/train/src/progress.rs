//! What a run tells of itself: lines on the terminal and in its log.

use super::parallel::Logged;
use burn::tensor::Tensor;
use std::io::Write;
use std::path::Path;
use std::time::Instant;
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

/// Means since the last line of the log. Parts are summed on the device and read with the line,
/// since each read makes a GPU wait.
#[derive(Default)]
pub(crate) struct Window {
    steps: usize,
    total: f64,
    norm: f64,
    parts: Vec<(String, Tensor<1>, usize)>,
    seen: [usize; 2],
    started: Option<Instant>,
}

impl Window {
    /// Adds a step: its loss, the norm of its gradients, and what the parts of its batch log.
    pub(crate) fn add(&mut self, total: f64, norm: f64, logged: Vec<Logged>) {
        self.started.get_or_insert_with(Instant::now);
        self.steps += 1;
        self.total += total;
        self.norm += norm;
        for logged in logged {
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

    /// The means as a line of the log, read from the device at once. `left_s` are the seconds
    /// that the run still needs.
    pub(crate) fn line(self, step: usize, steps: usize, left_s: f64) -> String {
        let mean = |sum: f64| sum / self.steps.max(1) as f64;
        let elapsed = self.started.map_or(1.0, |s| s.elapsed().as_secs_f64().max(1e-9));
        // The clock starts after the first step of the window, so one step is not in it.
        let share = (self.steps.saturating_sub(1)).max(1) as f64 / self.steps.max(1) as f64;
        let rate = |seen: usize| seen as f64 * share / elapsed;
        let (mut names, mut sums) = (Vec::new(), Vec::new());
        for (name, sum, n) in self.parts {
            names.push(name);
            sums.push(sum / n.max(1) as f64);
        }
        let parts: Vec<String> = match sums.is_empty() {
            true => Vec::new(),
            false => {
                let means = Tensor::cat(sums, 0).into_data();
                let named = names.iter().zip(means.iter::<f32>());
                named.map(|(name, mean)| format!("{name} {mean:.3}")).collect()
            }
        };
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
fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0) as u64;
    match s {
        3600.. => format!("{}h{:02}m", s / 3600, s % 3600 / 60),
        60.. => format!("{}m{:02}s", s / 60, s % 60),
        _ => format!("{s}s"),
    }
}

/// Prints a line and appends it to the log of the run.
pub(crate) fn say(dir: &Path, line: &str) -> Result<(), LogError> {
    eprintln!("{line}");
    let path = dir.join("train.log");
    let io = |source| LogError { path: path.display().to_string(), source };
    std::fs::create_dir_all(dir).map_err(io)?;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).map_err(io)?;
    writeln!(file, "{line}").map_err(io)
}
