//! Randomness that is the same on every platform: ChaCha8 and integer-exact draws from it.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::Split;

/// The generator of a scene. `stream` keeps users of one seed apart: 0 draws the picture, other
/// numbers are for what is said about it. The two splits never share a stream.
pub fn scene_rng(seed: u64, split: Split, stream: u64) -> ChaCha8Rng {
    let mut key = *b"........ refvlm scenes, world 1 ";
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8] = match split {
        Split::Train => 1,
        Split::HeldOut => 2,
    };
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(stream);
    rng
}

/// Draws that use one 32-bit word each, so that the sequence does not depend on the word size.
pub(crate) trait Draw: RngCore {
    /// Uniform in 0..1.
    fn unit(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 / (1u32 << 24) as f32
    }

    /// Uniform between two numbers.
    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `0..n`; 0 when `n` is 0.
    fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.next_u32()) * n as u64) >> 32) as usize
    }

    /// True with the given probability.
    fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// One of the items; none when there are none.
    fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }
}

impl<R: RngCore> Draw for R {}
