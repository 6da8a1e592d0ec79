//! What was learned between two lines of the log.

use super::memory;
use super::parallel::Step;
use burn::tensor::Tensor;
use refvlm_collective::{Collective, RankError};
use serde::{Deserialize, Serialize};
use std::time::Duration;

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
    took: Duration,
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
    /// Adds a step: what all ranks know of it, how long this one computed, and how long the step
    /// took with its data and its update.
    pub(crate) fn add(&mut self, step: Step, busy: Duration, took: Duration) {
        self.steps += 1;
        self.total += step.total;
        self.norm += step.norm;
        self.busy += busy;
        self.took += took;
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
        let took = self.took.as_secs_f64().max(1e-9);
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
            rates: self.seen.map(|seen| seen as f64 / took),
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

    fn parts(&self) -> impl Iterator<Item = (&str, f64)> {
        self.parts.iter().map(|(name, sum, n)| (name.as_str(), f64::from(sum / (*n).max(1) as f32)))
    }

    /// The means by name, as `losses.csv` has them: the loss, its parts without their weights, the
    /// norm of the gradients, the learning rate `lr` and what the machine did.
    pub(crate) fn values(&self, lr: f64) -> Vec<(String, f64)> {
        let count = self.steps.max(1) as f64;
        let parts = self.parts().map(|(name, value)| (name.to_string(), value));
        let mut values = vec![("loss".to_string(), self.total / count)];
        values.extend(parts);
        let memory = memory::peak().map(|bytes| ("peak_memory_bytes", bytes as f64));
        let others = [
            ("norm", self.norm / count),
            ("lr", lr),
            ("pictures_per_s", self.rates[0]),
            ("tokens_per_s", self.rates[1]),
        ];
        values.extend(others.into_iter().chain(memory).map(|(name, x)| (name.to_string(), x)));
        values
    }

    /// The means as a line of the log. `left_s` are the seconds that the run still needs. Where
    /// there are several ranks, the seconds that each computes in a step show which is slow.
    pub(crate) fn line(&self, step: usize, steps: usize, left_s: f64) -> String {
        let count = self.steps.max(1) as f64;
        let parts = self.parts().map(|(name, value)| format!("{name} {value:.3}"));
        let busy = match self.busy_s.as_slice() {
            [] | [_] => String::new(),
            ranks => {
                let each = ranks.iter().map(|s| format!("{:.2}", s / count));
                format!(", ranks busy {} s/step", each.collect::<Vec<_>>().join(" "))
            }
        };
        let memory =
            memory::peak().map_or(String::new(), |bytes| format!(", {}", memory::of(bytes)));
        format!(
            "step {step}/{steps} loss {:.4} norm {:.2} | {} | {:.1} pictures/s {:.0} tokens/s{busy}{memory}, {} left",
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
pub(crate) fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0) as u64;
    match s {
        3600.. => format!("{}h{:02}m", s / 3600, s % 3600 / 60),
        60.. => format!("{}m{:02}s", s / 60, s % 60),
        _ => format!("{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::Logged;

    /// With a line for every step the speed is that of the step, its data and its update.
    #[test]
    fn one_step_has_its_speed() {
        let mut window = Window::default();
        let logged = vec![Logged { parts: Vec::new(), seen: [4, 100] }];
        let step = Step { total: 2.0, norm: 1.0, seen: [4, 100], logged, stopping: false };
        window.add(step, Duration::from_millis(300), Duration::from_millis(500));
        let sums = window.sums();
        assert_eq!(sums.rates, [8.0, 200.0]);
        let line = sums.line(1, 3, 90.0);
        assert!(line.starts_with("step 1/3 loss 2.0000 norm 1.00 |  | 8.0 pictures/s 200 tok"));
        assert!(line.ends_with(", 1m30s left"), "{line}");
    }
}
