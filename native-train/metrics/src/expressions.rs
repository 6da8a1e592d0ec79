//! Referring expressions: one box (REC), one mask (RES), or perhaps nothing (gRefCOCO).

use crate::coco::Region;
use crate::coco::shape::{box_overlap, check_box};
use crate::{Metric, MetricError, Row};

/// Counts of samples that reach each of some thresholds.
#[derive(Debug, Clone)]
struct Reached(Vec<(f64, u64)>);

impl Reached {
    fn new(thresholds: &[f64]) -> Self {
        Self(thresholds.iter().map(|&threshold| (threshold, 0)).collect())
    }

    fn add(&mut self, value: f64) {
        self.0.iter_mut().for_each(|(threshold, count)| *count += u64::from(value >= *threshold));
    }

    fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| mine.1 += theirs.1);
    }

    fn rows(&self, name: &str, count: u64) -> impl Iterator<Item = Row> {
        self.0.iter().map(move |&(at, n)| Row::mean(format!("{name}@{at}"), n as f64, count))
    }
}

/// REC: accuracy at IoU 0.5, 0.75 and 0.9 (reached, not exceeded), and mean IoU. No answer is an
/// IoU of 0.
#[derive(Debug, Clone)]
pub struct Boxes {
    reached: Reached,
    sum: f64,
    count: u64,
}

impl Default for Boxes {
    fn default() -> Self {
        Self { reached: Reached::new(&[0.5, 0.75, 0.9]), sum: 0.0, count: 0 }
    }
}

impl Metric for Boxes {
    /// What was answered, and the truth.
    type Sample<'a> = (Option<[f64; 4]>, [f64; 4]);

    fn add(&mut self, (found, truth): Self::Sample<'_>) -> Result<(), MetricError> {
        check_box(&truth)?;
        found.as_ref().map_or(Ok(()), check_box)?;
        let iou = found.map_or(0.0, |found| box_overlap(&found, &truth, false));
        self.reached.add(iou);
        self.sum += iou;
        self.count += 1;
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        self.reached.merge(&other.reached);
        self.sum += other.sum;
        self.count += other.count;
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.reached.rows("accuracy", self.count).collect();
        rows.push(Row::mean("mean IoU", self.sum, self.count));
        rows
    }
}

/// Pixels shared and covered by two masks. No answer covers nothing.
fn overlap(found: Option<&Region>, truth: &Region) -> Result<(u64, u64), MetricError> {
    let Some(found) = found else { return Ok((0, truth.area())) };
    let shared = found.intersection(truth)?;
    Ok((shared, found.area() + truth.area() - shared))
}

/// RES: cIoU (shared over covered pixels of all samples), gIoU (mean IoU; 1 where both masks are
/// empty), and the share of samples with an IoU of 0.5 to 0.9. No answer is an IoU of 0.
#[derive(Debug, Clone)]
pub struct Masks {
    reached: Reached,
    shared: u64,
    covered: u64,
    sum: f64,
    count: u64,
}

impl Default for Masks {
    fn default() -> Self {
        let reached = Reached::new(&[0.5, 0.6, 0.7, 0.8, 0.9]);
        Self { reached, shared: 0, covered: 0, sum: 0.0, count: 0 }
    }
}

impl Metric for Masks {
    /// What was answered, and the truth.
    type Sample<'a> = (Option<&'a Region>, &'a Region);

    fn add(&mut self, (found, truth): Self::Sample<'_>) -> Result<(), MetricError> {
        let (shared, covered) = overlap(found, truth)?;
        let iou = match (found, covered) {
            (None, _) => 0.0,
            (Some(_), 0) => 1.0,
            (Some(_), covered) => shared as f64 / covered as f64,
        };
        self.reached.add(iou);
        self.shared += shared;
        self.covered += covered;
        self.sum += iou;
        self.count += 1;
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        self.reached.merge(&other.reached);
        self.shared += other.shared;
        self.covered += other.covered;
        self.sum += other.sum;
        self.count += other.count;
    }

    fn rows(&self) -> Vec<Row> {
        let cumulative = (self.covered > 0).then(|| self.shared as f64 / self.covered as f64);
        let mut rows = vec![
            Row { name: "cIoU".into(), value: cumulative, count: self.count },
            Row::mean("gIoU", self.sum, self.count),
        ];
        rows.extend(self.reached.rows("P", self.count));
        rows
    }
}

/// gRefCOCO: the expression may name nothing. N-acc is the share of expressions without target
/// that were refused, T-acc the share of those with target that were not.
#[derive(Debug, Clone)]
pub struct Targets {
    reached: Reached,
    shared: u64,
    covered: u64,
    sum: f64,
    /// Refused and all, of those without target.
    without: [u64; 2],
    /// Answered and all, of those with target.
    with: [u64; 2],
}

impl Default for Targets {
    fn default() -> Self {
        let reached = Reached::new(&[0.7, 0.8, 0.9]);
        Self { reached, shared: 0, covered: 0, sum: 0.0, without: [0; 2], with: [0; 2] }
    }
}

/// An expression of gRefCOCO. A model that has a mask and says "there is none" at once has both
/// fields: what it draws then still counts as covered, as in the official tool.
#[derive(Debug, Clone, Copy)]
pub struct TargetSample<'a> {
    /// Whether the answer was "there is none".
    pub refused: bool,
    /// What was answered; none covers nothing.
    pub found: Option<&'a Region>,
    /// The union of the targets; none where the expression names nothing.
    pub truth: Option<&'a Region>,
}

impl Metric for Targets {
    type Sample<'a> = TargetSample<'a>;

    fn add(&mut self, sample: TargetSample<'_>) -> Result<(), MetricError> {
        let TargetSample { refused, found, truth } = sample;
        let Some(truth) = truth else {
            self.without[0] += u64::from(refused);
            self.without[1] += 1;
            self.sum += f64::from(u8::from(refused));
            if !refused {
                self.covered += found.map_or(0, Region::area);
            }
            return Ok(());
        };
        let (shared, covered) = overlap(found, truth)?;
        let shared = if refused { 0 } else { shared };
        let iou = if covered == 0 { 0.0 } else { shared as f64 / covered as f64 };
        self.reached.add(iou);
        self.sum += iou;
        self.shared += shared;
        self.covered += covered;
        self.with[0] += u64::from(!refused);
        self.with[1] += 1;
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        self.reached.merge(&other.reached);
        self.shared += other.shared;
        self.covered += other.covered;
        self.sum += other.sum;
        for at in 0..2 {
            self.without[at] += other.without[at];
            self.with[at] += other.with[at];
        }
    }

    fn rows(&self) -> Vec<Row> {
        let count = self.with[1] + self.without[1];
        let cumulative = (self.covered > 0).then(|| self.shared as f64 / self.covered as f64);
        let mut rows = vec![
            Row { name: "cIoU".into(), value: cumulative, count },
            Row::mean("gIoU", self.sum, count),
            Row::mean("N-acc", self.without[0] as f64, self.without[1]),
            Row::mean("T-acc", self.with[0] as f64, self.with[1]),
        ];
        rows.extend(self.reached.rows("P", self.with[1]));
        rows
    }
}
