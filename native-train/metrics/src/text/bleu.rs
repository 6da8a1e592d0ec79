//! BLEU: shares of n-grams that stand in a reference, over all samples, with a penalty for brevity.

use super::Caption;
use super::grams::{Counts, LONGEST, counts, order};
use crate::{Metric, MetricError, Row};
use std::collections::HashMap;

/// What keeps the quotients of the official tool from being 0 / 0.
const TINY: f64 = 1e-15;
const SMALL: f64 = 1e-9;

/// BLEU-1 to BLEU-4 of a corpus; the reference nearest in length (of two, the shorter) counts for
/// the brevity penalty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bleu {
    correct: [u64; LONGEST],
    guessed: [u64; LONGEST],
    answer_tokens: u64,
    reference_tokens: u64,
    count: u64,
}

impl Bleu {
    /// BLEU-1 to BLEU-4.
    pub fn scores(&self) -> [f64; LONGEST] {
        let ratio = (self.answer_tokens as f64 + TINY) / (self.reference_tokens as f64 + SMALL);
        let penalty = if ratio < 1.0 { (1.0 - 1.0 / ratio).exp() } else { 1.0 };
        let mut product = 1.0;
        let mut scores = [0.0; LONGEST];
        for (n, score) in scores.iter_mut().enumerate() {
            product *= (self.correct[n] as f64 + TINY) / (self.guessed[n] as f64 + SMALL);
            *score = product.powf(1.0 / (n + 1) as f64) * penalty;
        }
        scores
    }
}

impl Metric for Bleu {
    type Sample<'a> = &'a Caption;

    fn add(&mut self, caption: &Caption) -> Result<(), MetricError> {
        caption.check()?;
        // Words as numbers of this sample.
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let texts = std::iter::once(&caption.answer).chain(&caption.references);
        let mut texts = texts.map(|text| -> Vec<u32> {
            let next = |word| {
                let next = numbers.len() as u32;
                *numbers.entry(word).or_insert(next)
            };
            Caption::words(text).into_iter().map(next).collect()
        });
        let answer = texts.next().unwrap_or_default();
        let references: Vec<Vec<u32>> = texts.collect();
        let most: Vec<Counts> = references.iter().map(|words| counts(words)).collect();
        let length = answer.len();
        for (gram, count) in counts(&answer) {
            let in_one = |own: &Counts| {
                let at = own.binary_search_by_key(&gram, |(gram, _)| *gram).ok()?;
                own.get(at).map(|(_, count)| *count)
            };
            let most = most.iter().filter_map(in_one).max().unwrap_or(0);
            if let Some(correct) = self.correct.get_mut(order(gram)) {
                *correct += u64::from(count.min(most));
            }
        }
        for (n, guessed) in self.guessed.iter_mut().enumerate() {
            *guessed += length.saturating_sub(n) as u64;
        }
        let lengths = references.iter().map(Vec::len);
        let nearest = lengths.min_by_key(|&reference| (reference.abs_diff(length), reference));
        self.answer_tokens += length as u64;
        self.reference_tokens += nearest.unwrap_or(0) as u64;
        self.count += 1;
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        for n in 0..LONGEST {
            self.correct[n] += other.correct[n];
            self.guessed[n] += other.guessed[n];
        }
        self.answer_tokens += other.answer_tokens;
        self.reference_tokens += other.reference_tokens;
        self.count += other.count;
    }

    fn rows(&self) -> Vec<Row> {
        let row = |(n, score): (usize, f64)| Row {
            name: format!("BLEU-{}", n + 1),
            value: (self.count > 0).then_some(score),
            count: self.count,
        };
        self.scores().into_iter().enumerate().map(row).collect()
    }
}
