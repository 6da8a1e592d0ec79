//! Bytes between ranks, and the time of a step.

use super::{Devices, Precision, Setting, Sharding, Sizes};
use crate::sharing::{HEAD, owners, values::BUCKET};
use refvlm_collective::even_cuts;

/// The share of a device's peak that dense layers are taken to reach.
pub const UTILISATION: f64 = 0.4;
/// What a message takes beside its bytes.
pub const LATENCY_S: f64 = 10e-6;

/// What the busiest rank sends in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// Messages.
    pub messages: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Wire {
    /// What goes over the wire when `ranks` train together.
    pub fn new(sizes: &Sizes, setting: Setting, ranks: usize) -> Self {
        let of = |rank| Self::of_rank(sizes, setting, ranks, rank);
        (0..ranks).map(of).max_by_key(|wire| wire.bytes).unwrap_or(Self { messages: 0, bytes: 0 })
    }

    /// What one of the ranks sends.
    pub fn of_rank(sizes: &Sizes, setting: Setting, ranks: usize, rank: usize) -> Self {
        let (others, each) = (ranks as u64 - 1, setting.bytes());
        let mut shares = vec![0; ranks];
        for (owner, len) in owners(&sizes.trained, ranks).iter().zip(&sizes.trained) {
            shares[*owner] += len;
        }
        let longest = shares.iter().copied().max().unwrap_or(0);
        let buckets = longest.div_ceil(BUCKET) as u64;
        // Summands to their owners, then sums to all.
        let sent = |all: usize, share: usize| (all - share) as u64 + others * share as u64;
        let known = HEAD + 2 * sizes.trained.len();
        let cuts = even_cuts(known, ranks);
        let mut wire = Self {
            messages: 2 * others * (buckets + 1),
            bytes: sent(sizes.trained(), shares[rank]) * each
                + sent(known, cuts[rank + 1] - cuts[rank]) * 4,
        };
        if setting.sharding == Sharding::Weights && others > 0 {
            // Weights are gathered before the forward and before the backward pass, the frozen ones
            // too, instead of after the step.
            let share = |values: usize| values.div_ceil(ranks) as u64;
            let (all, trained) = (share(sizes.trained() + sizes.frozen), share(sizes.trained()));
            wire.bytes += (2 * all - trained) * others * each;
            wire.messages += 2 * others * sizes.layers as u64;
        }
        wire
    }
}

/// The time of a step, as far as it can be said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Time {
    /// Seconds of computing.
    pub compute_s: f64,
    /// Seconds of sending. Nothing of it is hidden behind computing.
    pub wire_s: f64,
    /// Tokens a second, of all devices.
    pub tokens_per_s: f64,
}

impl Time {
    /// The time that a way to train takes.
    pub fn new(sizes: &Sizes, setting: Setting, wire: &Wire, devices: &Devices) -> Self {
        let peak = match setting.precision {
            Precision::F32 => devices.f32_per_s,
            Precision::Bf16 => devices.bf16_per_s,
        };
        let compute_s = operations(sizes, setting) / (peak * UTILISATION);
        let wire_s = wire.bytes as f64 / devices.link_per_s + wire.messages as f64 * LATENCY_S;
        let tokens = (sizes.step_tokens() * devices.count) as f64;
        Self { compute_s, wire_s, tokens_per_s: tokens / (compute_s + wire_s) }
    }
}

/// Operations of a step of the language model on one device: two for each weight and token forward,
/// two for the gradient of what went in, two for that of the weight if it is trained; forward once
/// more where layers are recomputed.
fn operations(sizes: &Sizes, setting: Setting) -> f64 {
    let again = if setting.recompute { 2.0 } else { 0.0 };
    let weights = (6.0 + again) * sizes.language_trained as f64
        + (4.0 + again) * sizes.language_frozen as f64;
    // Queries times keys and scores times values, forward and twice backward. The causal half that
    // need not be computed is.
    let pairs = 4.0 * (sizes.queries * sizes.tokens * sizes.layers) as f64;
    (weights + pairs * (3.0 + again / 2.0)) * sizes.step_tokens() as f64
}
