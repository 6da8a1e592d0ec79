//! Stretches of one to four words, counted: what BLEU and CIDEr compare. Words are numbers here, so
//! that a stretch of them is one number.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// The longest stretch.
pub(super) const LONGEST: usize = 4;

/// Up to four words in one number: each plus one, so that shorter stretches are other numbers.
pub(super) type Gram = u128;

/// N-grams of a text with their counts, sorted.
pub(super) type Counts = Vec<(Gram, u32)>;

/// The n-grams of a text.
pub(super) fn counts(words: &[u32]) -> Counts {
    let key = |gram: &[u32]| gram.iter().fold(0, |key, &word| (key << 32) | (Gram::from(word) + 1));
    let mut grams: Vec<Gram> = (1..=LONGEST).flat_map(|n| words.windows(n).map(key)).collect();
    grams.sort_unstable();
    let mut counts: Counts = Vec::with_capacity(grams.len());
    for gram in grams {
        match counts.last_mut() {
            Some((last, count)) if *last == gram => *count += 1,
            _ => counts.push((gram, 1)),
        }
    }
    counts
}

/// How many words the n-gram has, less one.
pub(super) fn order(gram: Gram) -> usize {
    ((128 - gram.leading_zeros() as usize).div_ceil(32)).saturating_sub(1)
}

/// Hashes n-grams by two multiplications: millions are looked up. The factors are drawn when the
/// table is made, so that no file can be written whose n-grams all meet in one place.
#[derive(Debug, Clone)]
pub(super) struct GramHash {
    factors: [u64; 2],
}

impl Default for GramHash {
    fn default() -> Self {
        // An odd factor loses nothing.
        Self { factors: [0u8, 1].map(|seed| RandomState::new().hash_one(seed) | 1) }
    }
}

impl BuildHasher for GramHash {
    type Hasher = GramHasher;

    fn build_hasher(&self) -> GramHasher {
        GramHasher { factors: self.factors, hash: 0 }
    }
}

/// See [`GramHash`].
pub(super) struct GramHasher {
    factors: [u64; 2],
    hash: u64,
}

impl GramHasher {
    fn mix(&mut self, word: u64, factor: u64) {
        let product = u128::from(self.hash ^ word) * u128::from(factor);
        self.hash = (product >> 64) as u64 ^ product as u64;
    }
}

impl Hasher for GramHasher {
    fn write(&mut self, bytes: &[u8]) {
        let [factor, _] = self.factors;
        bytes.iter().for_each(|&byte| self.mix(u64::from(byte), factor));
    }

    fn write_u128(&mut self, gram: u128) {
        let [first, second] = self.factors;
        self.mix(gram as u64, first);
        self.mix((gram >> 64) as u64, second);
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn stretches_are_counted_by_their_words() {
        let found = counts(&[7, 0, 7, 0]);
        let of = |n: usize| -> u32 {
            found.iter().filter(|(gram, _)| order(*gram) + 1 == n).map(|(_, count)| count).sum()
        };
        assert_eq!([1, 2, 3, 4].map(of), [4, 3, 2, 1]);
        let different = [1, 2, 3, 4].map(|n| found.iter().filter(|g| order(g.0) + 1 == n).count());
        assert_eq!(different, [2, 2, 2, 1]);
        assert!(counts(&[]).is_empty());
    }

    #[test]
    fn stretches_of_neighbouring_words_have_hashes_of_their_own() {
        let build = GramHash::default();
        let grams: Vec<Gram> =
            (0..2000u32).flat_map(|w| counts(&[w, w + 1, w + 2, w + 3])).map(|g| g.0).collect();
        let grams: HashSet<Gram> = grams.into_iter().collect();
        let hashes: HashSet<u64> = grams.iter().map(|gram| build.hash_one(gram)).collect();
        assert_eq!(hashes.len(), grams.len());
        // The low bits choose the place in a table.
        let low: HashSet<u64> = hashes.iter().map(|hash| hash & 0xfff).collect();
        assert!(low.len() > 2500, "{}", low.len());
    }
}
