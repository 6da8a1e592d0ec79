//! Randomness that is the same on every platform: ChaCha8 and integer-exact draws from it.

use crate::dialog::Kind;
use crate::scene::Split;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What random numbers of a scene are drawn for. Each use has a stream of its own, so that none
/// moves another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The picture.
    Picture,
    /// Dialogues of the training, and of previews.
    Dialogues,
    /// What is pointed at without words.
    Pointing,
    /// Dialogues that a vocabulary is trained on.
    Vocabulary,
    /// The question of one kind, in evaluation and in records that are written.
    Evaluation(Kind),
    /// What is asked about a scene in a browser.
    Browser,
}

impl Stream {
    /// Its number. Models and scores depend on it, so it never changes.
    fn number(self) -> u64 {
        match self {
            Stream::Picture => 0,
            Stream::Dialogues => 1,
            // One number for two: what is drawn for a vocabulary goes into no example.
            Stream::Pointing | Stream::Vocabulary => 2,
            Stream::Evaluation(kind) => 3 + kind as u64,
            Stream::Browser => 1 << 16,
        }
    }
}

/// The generator of a scene for one use. The two splits never share a stream.
pub fn scene_rng(seed: u64, split: Split, stream: Stream) -> ChaCha8Rng {
    let mut key = *b"........ refvlm scenes, world 1 ";
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8] = match split {
        Split::Train => 1,
        Split::HeldOut => 2,
    };
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(stream.number());
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

    /// One of the items; `None` when the list is empty.
    fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }
}

impl<R: RngCore> Draw for R {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_keep_their_numbers_and_only_two_share_one() {
        let single = [Stream::Picture, Stream::Dialogues, Stream::Pointing, Stream::Browser];
        assert_eq!(single.map(Stream::number), [0, 1, 2, 1 << 16]);
        assert_eq!(Stream::Vocabulary.number(), Stream::Pointing.number());
        let evaluation = Kind::ALL.map(|kind| Stream::Evaluation(kind).number());
        assert!(evaluation.is_sorted() && evaluation[0] == 3, "{evaluation:?}");
        assert!(evaluation.iter().all(|number| *number < Stream::Browser.number()));
    }
}
