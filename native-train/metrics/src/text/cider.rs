//! CIDEr-D: n-grams weighted by how rare they are among all references.

use super::Caption;
use super::grams::{Counts, Gram, GramHash, LONGEST, counts, order};
use crate::{Metric, MetricError, Row};
use rayon::prelude::*;
use std::collections::HashMap;

/// Width of the penalty for another length, in tokens.
const SIGMA: f64 = 6.0;

/// CIDEr-D of a corpus, from 0 to 10. What an n-gram weighs follows from all references, so the
/// samples are kept, as numbers of words.
#[derive(Debug, Clone, Default)]
pub struct Cider {
    words: HashMap<String, u32>,
    samples: Vec<Vec<Vec<u32>>>,
}

/// A text as weights of n-grams.
struct Vector {
    weights: Vec<(Gram, f64)>,
    norms: [f64; LONGEST],
    pairs: f64,
}

impl Vector {
    fn new(counts: &Counts, log_samples: f64, frequency: &HashMap<Gram, u32, GramHash>) -> Self {
        let mut vector =
            Self { weights: Vec::with_capacity(counts.len()), norms: [0.0; LONGEST], pairs: 0.0 };
        for &(gram, count) in counts {
            let seen = frequency.get(&gram).copied().unwrap_or(0).max(1);
            let weight = f64::from(count) * (log_samples - f64::from(seen).ln());
            vector.norms[order(gram)] += weight * weight;
            if order(gram) == 1 {
                vector.pairs += f64::from(count);
            }
            vector.weights.push((gram, weight));
        }
        vector.norms = vector.norms.map(f64::sqrt);
        vector
    }

    /// The clipped cosine with a reference, summed over lengths of n-grams.
    fn similarity(&self, reference: &Self) -> f64 {
        let mut sums = [0.0; LONGEST];
        let mut others = reference.weights.iter().peekable();
        for &(gram, weight) in &self.weights {
            while others.next_if(|other| other.0 < gram).is_some() {}
            if let Some(&&(_, other)) = others.peek().filter(|other| other.0 == gram) {
                sums[order(gram)] += weight.min(other) * other;
            }
        }
        let apart = self.pairs - reference.pairs;
        let penalty = (-(apart * apart) / (2.0 * SIGMA * SIGMA)).exp();
        let norms = self.norms.iter().zip(&reference.norms).map(|(a, b)| a * b);
        let terms = sums.iter().zip(norms);
        terms.map(|(sum, norm)| if norm == 0.0 { *sum } else { sum / norm } * penalty).sum()
    }
}

impl Cider {
    /// CIDEr-D of each sample, in the order they were added.
    pub fn scores(&self) -> Vec<f64> {
        let cooked: Vec<Vec<Counts>> = self
            .samples
            .par_iter()
            .map(|texts| texts.iter().map(|words| counts(words)).collect())
            .collect();
        let mut frequency: HashMap<Gram, u32, GramHash> = HashMap::default();
        for texts in &cooked {
            let mut grams: Vec<Gram> = texts.iter().skip(1).flatten().map(|(g, _)| *g).collect();
            grams.sort_unstable();
            grams.dedup();
            grams.into_iter().for_each(|gram| *frequency.entry(gram).or_default() += 1);
        }
        let log_samples = (self.samples.len() as f64).ln();
        let score = |texts: &Vec<Counts>| {
            let mut vectors = texts.iter().map(|c| Vector::new(c, log_samples, &frequency));
            let Some(answer) = vectors.next() else { return 0.0 };
            let sum: f64 = vectors.map(|reference| answer.similarity(&reference)).sum();
            sum / LONGEST as f64 / (texts.len() - 1).max(1) as f64 * 10.0
        };
        cooked.par_iter().map(score).collect()
    }
}

impl Metric for Cider {
    type Sample<'a> = &'a Caption;

    fn add(&mut self, caption: &Caption) -> Result<(), MetricError> {
        caption.check()?;
        let texts = std::iter::once(&caption.answer).chain(&caption.references);
        let numbers = texts.map(|text| {
            let number = |word: &str| match self.words.get(word) {
                Some(&number) => number,
                None => {
                    let number = self.words.len() as u32;
                    self.words.insert(word.to_string(), number);
                    number
                }
            };
            Caption::words(text).into_iter().map(number).collect()
        });
        let sample = numbers.collect();
        self.samples.push(sample);
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        let mut numbers = vec![0; other.words.len()];
        for (word, number) in other.words {
            let next = self.words.len() as u32;
            numbers[number as usize] = *self.words.entry(word).or_insert(next);
        }
        for mut sample in other.samples {
            let words = sample.iter_mut().flatten();
            words.for_each(|word| *word = numbers[*word as usize]);
            self.samples.push(sample);
        }
    }

    fn rows(&self) -> Vec<Row> {
        vec![Row::mean("CIDEr-D", self.scores().iter().sum(), self.samples.len() as u64)]
    }
}
