//! Calibration: does what is said with confidence 0.8 hold in 8 of 10 cases?

use crate::{Metric, MetricError, Row, within};

/// A stretch of confidences.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bin {
    /// Samples.
    pub count: u64,
    /// Sum of their confidences.
    pub confidence: f64,
    /// How many of them are right.
    pub right: u64,
}

/// Expected and largest calibration error over bins of equal width; a bin includes its upper end.
#[derive(Debug, Clone)]
pub struct Calibration {
    bins: Vec<Bin>,
}

impl Calibration {
    /// A metric with this many bins (15 is usual).
    pub fn new(bins: usize) -> Self {
        Self { bins: vec![Bin::default(); bins.max(1)] }
    }

    /// The reliability curve: mean confidence, share of right answers and samples of each bin that
    /// has any, rising.
    pub fn curve(&self) -> Vec<(f64, f64, u64)> {
        let point = |bin: &Bin| {
            let count = bin.count as f64;
            (bin.confidence / count, bin.right as f64 / count, bin.count)
        };
        self.bins.iter().filter(|bin| bin.count > 0).map(point).collect()
    }
}

impl Metric for Calibration {
    /// A confidence in 0..=1, and whether the answer is right.
    type Sample<'a> = (f64, bool);

    fn add(&mut self, (confidence, right): Self::Sample<'_>) -> Result<(), MetricError> {
        within("a confidence", confidence, (0.0, 1.0), "0 to 1")?;
        let width = 1.0 / self.bins.len() as f64;
        let count = self.bins.len();
        let at = (1..count).filter(|&edge| confidence > edge as f64 * width).count();
        let bin = &mut self.bins[at];
        bin.count += 1;
        bin.confidence += confidence;
        bin.right += u64::from(right);
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        for (mine, theirs) in self.bins.iter_mut().zip(other.bins) {
            mine.count += theirs.count;
            mine.confidence += theirs.confidence;
            mine.right += theirs.right;
        }
    }

    fn rows(&self) -> Vec<Row> {
        let count: u64 = self.bins.iter().map(|bin| bin.count).sum();
        let curve = self.curve();
        let gaps = curve.iter().map(|(confidence, right, n)| ((confidence - right).abs(), *n));
        let sum = gaps.clone().map(|(gap, n)| gap * n as f64).sum();
        let largest = gaps.map(|(gap, _)| gap).fold(0.0, f64::max);
        vec![
            Row::mean("ECE", sum, count),
            Row { name: "MCE".into(), value: (count > 0).then_some(largest), count },
        ]
    }
}
