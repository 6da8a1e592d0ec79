//! How fast answers came.

use refvlm_model::event::Timings;
use std::fmt;

/// Mean seconds.
pub(super) struct Speed {
    first_token_s: f64,
    answer_s: f64,
    tokens_per_s: f64,
}

impl Speed {
    pub(super) fn of(timings: &[Timings]) -> Self {
        let n = timings.len().max(1) as f64;
        let mean = |value: fn(&Timings) -> f64| timings.iter().map(value).sum::<f64>() / n;
        let total: f64 = timings.iter().map(|t| t.total_s).sum();
        let tokens: usize = timings.iter().map(|t| t.tokens).sum();
        Self {
            first_token_s: mean(|t| t.first_token_s),
            answer_s: mean(|t| t.total_s),
            tokens_per_s: tokens as f64 / total.max(1e-9),
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "first token {:.3} s, answer {:.3} s, {:.0} tokens/s",
            self.first_token_s, self.answer_s, self.tokens_per_s
        )
    }
}
