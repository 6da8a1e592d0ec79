//! POPE: is there a ... in the picture? Yes or no, and how often yes is said.

use crate::{Metric, MetricError, Row};

/// Accuracy, precision, recall and F1 of "yes", and the share of answers that are "yes".
#[derive(Debug, Clone, Copy, Default)]
pub struct Pope {
    /// By truth (no, yes) and answer (no, yes).
    table: [[u64; 2]; 2],
}

/// What the official tool takes an answer for: its first sentence is "no" when it has one of the
/// words "No", "no", "not"; anything else is "yes".
pub fn says_yes(answer: &str) -> bool {
    let sentence = answer.split('.').next().unwrap_or("").replace(',', "");
    !sentence.split(' ').any(|word| ["No", "no", "not"].contains(&word))
}

impl Metric for Pope {
    /// The answer as text, and whether it should be "yes".
    type Sample<'a> = (&'a str, bool);

    fn add(&mut self, (answer, truth): Self::Sample<'_>) -> Result<(), MetricError> {
        self.table[usize::from(truth)][usize::from(says_yes(answer))] += 1;
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        let cells = self.table.iter_mut().flatten().zip(other.table.iter().flatten());
        cells.for_each(|(mine, theirs)| *mine += theirs);
    }

    fn rows(&self) -> Vec<Row> {
        let [[no_no, no_yes], [yes_no, yes_yes]] = self.table;
        let count = no_no + no_yes + yes_no + yes_yes;
        let precision = Row::mean("precision", yes_yes as f64, yes_yes + no_yes);
        let recall = Row::mean("recall", yes_yes as f64, yes_yes + yes_no);
        let f1 = precision.value.zip(recall.value).and_then(|(precision, recall)| {
            let sum = precision + recall;
            (sum > 0.0).then(|| 2.0 * precision * recall / sum)
        });
        vec![
            Row::mean("accuracy", (no_no + yes_yes) as f64, count),
            precision,
            recall,
            Row { name: "F1".into(), value: f1, count },
            Row::mean("yes-rate", (no_yes + yes_yes) as f64, count),
        ]
    }
}
