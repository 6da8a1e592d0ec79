//! ROUGE-L: the longest common subsequence of answer and reference.

use super::Caption;
use crate::{Metric, MetricError, Row};

/// Recall weighs this much more than precision.
const BETA: f64 = 1.2;

/// ROUGE-L, a mean over samples; the best precision and the best recall over the references count.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rouge {
    sum: f64,
    count: u64,
}

impl Metric for Rouge {
    type Sample<'a> = &'a Caption;

    fn add(&mut self, caption: &Caption) -> Result<(), MetricError> {
        caption.check()?;
        let answer = &caption.answer;
        let (mut precision, mut recall) = (0.0f64, 0.0f64);
        for reference in &caption.references {
            // To the official tool an empty text is one empty token.
            let shared = match (answer.is_empty(), reference.is_empty()) {
                (true, true) => 1,
                _ => common(answer, reference),
            } as f64;
            precision = precision.max(shared / answer.len().max(1) as f64);
            recall = recall.max(shared / reference.len().max(1) as f64);
        }
        if precision > 0.0 && recall > 0.0 {
            let square = BETA * BETA;
            self.sum += (1.0 + square) * precision * recall / (recall + square * precision);
        }
        self.count += 1;
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    fn rows(&self) -> Vec<Row> {
        vec![Row::mean("ROUGE-L", self.sum, self.count)]
    }
}

/// The length of the longest common subsequence.
fn common(a: &[String], b: &[String]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for x in a {
        let mut corner = 0;
        for (at, y) in b.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if x == y { corner + 1 } else { above.max(row[at]) };
            corner = above;
        }
    }
    row[b.len()]
}
