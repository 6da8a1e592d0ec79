//! BLEU: shares of n-grams that stand in a reference, over all samples, with a penalty for brevity.

use super::{Caption, ngrams};
use crate::{Metric, MetricError, Row};
use std::collections::HashMap;

/// The longest n-gram.
const LONGEST: usize = 4;

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
        let answer = Caption::words(&caption.answer);
        let references: Vec<Vec<&str>> =
            caption.references.iter().map(|text| Caption::words(text)).collect();
        let mut most: HashMap<&[&str], u64> = HashMap::new();
        for reference in &references {
            for (gram, count) in ngrams(reference, LONGEST) {
                let most = most.entry(gram).or_default();
                *most = count.max(*most);
            }
        }
        let length = answer.len();
        for (gram, count) in ngrams(&answer, LONGEST) {
            self.correct[gram.len() - 1] += count.min(most.get(gram).copied().unwrap_or(0));
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
