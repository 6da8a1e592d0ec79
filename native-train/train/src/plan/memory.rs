//! Memory of one device.

use super::Sizes;
use crate::sharing::values::BUCKET;

/// What is left to driver, libraries and the allocator's gaps.
pub const RESERVED: u64 = 3 << 30;

/// How weights are kept and multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Everything in 32 bits.
    F32,
    /// Weights, gradients and activations in 16 bits; what is trained also in 32 bits.
    Bf16,
}

/// What ranks divide among each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sharding {
    /// The optimiser's state (ZeRO stage 1).
    State,
    /// Gradients, too (stage 2).
    Gradients,
    /// Weights, too; each layer is gathered when it is needed (stage 3).
    Weights,
}

/// A way to train.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// How weights are kept.
    pub precision: Precision,
    /// What is divided.
    pub sharding: Sharding,
    /// Whether the activations of a layer are computed again when its gradient is, in place of
    /// being kept.
    pub recompute: bool,
}

impl Setting {
    /// All of them, the simplest and quickest first.
    pub const ALL: [Self; 6] = [
        Self { precision: Precision::F32, sharding: Sharding::State, recompute: false },
        Self { precision: Precision::Bf16, sharding: Sharding::State, recompute: false },
        Self { precision: Precision::Bf16, sharding: Sharding::State, recompute: true },
        Self { precision: Precision::Bf16, sharding: Sharding::Gradients, recompute: true },
        Self { precision: Precision::Bf16, sharding: Sharding::Weights, recompute: true },
        Self { precision: Precision::F32, sharding: Sharding::Weights, recompute: true },
    ];

    /// Whether the trainer has it; the others are arithmetic so far.
    pub fn is_built(self) -> bool {
        self == Self::ALL[0]
    }

    /// Bytes of a weight, a gradient or an activation.
    pub(super) fn bytes(self) -> u64 {
        match self.precision {
            Precision::F32 => 4,
            Precision::Bf16 => 2,
        }
    }
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let precision = match self.precision {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        };
        let stage = match self.sharding {
            Sharding::State => "ZeRO-1",
            Sharding::Gradients => "ZeRO-2",
            Sharding::Weights => "ZeRO-3",
        };
        write!(f, "{precision}, {stage}{}", if self.recompute { ", recompute" } else { "" })
    }
}

/// Bytes by part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Weights, those that stay as they are included.
    pub weights: u64,
    /// Gradients.
    pub gradients: u64,
    /// The optimiser's state, with weights in 32 bits where the others are in 16.
    pub state: u64,
    /// What the backward pass needs of the forward pass.
    pub activations: u64,
    /// What is sent and received at a time.
    pub buckets: u64,
}

impl Memory {
    /// What a way to train takes on each of `ranks` devices.
    pub fn new(sizes: &Sizes, setting: Setting, ranks: usize) -> Self {
        let (ranks, each) = (ranks.max(1) as u64, setting.bytes());
        let trained = sizes.trained() as u64;
        let all = trained + sizes.frozen as u64;
        let layer = sizes.layer as u64;
        let over = |bytes: u64| bytes.div_ceil(ranks);
        // Of what is divided, one layer is whole at a time, and the next on its way.
        let weights = match setting.sharding {
            Sharding::Weights => over(all * each) + 2 * layer.min(all) * each,
            _ => all * each,
        };
        let gradients = match setting.sharding {
            Sharding::State => trained * each,
            _ => over(trained * each) + layer.min(trained) * each,
        };
        let master = if setting.precision == Precision::Bf16 { 4 } else { 0 };
        let bucket = BUCKET as u64 * ranks * each;
        Self {
            weights,
            gradients,
            state: over(trained * (8 + master)),
            activations: activations(sizes, setting),
            // One that is sent, and what is received of it.
            buckets: if ranks == 1 { 0 } else { 2 * bucket },
        }
    }

    /// All of a device.
    pub fn device(&self) -> u64 {
        self.weights + self.gradients + self.state + self.activations + self.buckets
    }
}

/// What the backward pass of the language model needs. In 32 bits attention keeps its scores for all
/// pairs of tokens and their softmax, as the trainer does; in 16 bits it is taken to be fused.
fn activations(sizes: &Sizes, setting: Setting) -> u64 {
    let tokens = sizes.step_tokens() as u64;
    kept(sizes, setting, tokens, tokens * sizes.tokens as u64)
}

/// What the backward pass needs of the language model, as the trainer computes it, for so many
/// tokens, of which so many `pairs` attend to each other.
pub fn of_tokens(sizes: &Sizes, tokens: u64, pairs: u64) -> u64 {
    kept(sizes, Setting::ALL[0], tokens, pairs)
}

fn kept(sizes: &Sizes, setting: Setting, tokens: u64, pairs: u64) -> u64 {
    let [hidden, inner, queries, keys] =
        [sizes.hidden, sizes.inner, sizes.queries, sizes.keys].map(|n| n as u64);
    // Inputs and outputs of both norms; queries and keys before and after rotation, values, what
    // attention gives; gate, up, activated gate, product.
    let values = 4 * hidden + 3 * queries + 3 * keys + 4 * inner;
    let scores = match setting.precision {
        Precision::F32 => 2 * sizes.heads as u64 * pairs,
        Precision::Bf16 => sizes.heads as u64 * tokens,
    };
    let layer = (tokens * values + scores) * setting.bytes();
    let layers = sizes.layers as u64;
    let kept = match setting.recompute {
        true => layers * tokens * hidden * setting.bytes() + layer,
        false => layers * layer,
    };
    // Scores of the vocabulary, their softmax and its gradient, in 32 bits.
    kept + 3 * tokens * sizes.vocabulary as u64 * 4
}
