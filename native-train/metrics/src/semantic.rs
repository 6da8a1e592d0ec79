//! Semantic segmentation: mean IoU over classes, and weighted by their frequency.

use crate::{Metric, MetricError, Row};

/// mIoU, fwIoU and pixel accuracy over a confusion table.
#[derive(Debug, Clone)]
pub struct Semantic {
    classes: usize,
    /// Row: true class, column: found class, last column: found none of them.
    table: Vec<u64>,
}

impl Semantic {
    /// A metric of this many classes, 0 and up. Pixels whose true label is no class are not scored.
    pub fn new(classes: usize) -> Self {
        Self { classes, table: vec![0; classes * (classes + 1)] }
    }

    fn cell(&self, truth: usize, found: usize) -> u64 {
        self.table[truth * (self.classes + 1) + found]
    }

    fn wanted(&self, class: usize) -> u64 {
        (0..=self.classes).map(|found| self.cell(class, found)).sum()
    }

    /// The IoU of each class; none where it neither is there nor was found.
    pub fn by_class(&self) -> Vec<Option<f64>> {
        let iou = |class: usize| {
            let found: u64 = (0..self.classes).map(|truth| self.cell(truth, class)).sum();
            let union = self.wanted(class) + found - self.cell(class, class);
            (union > 0).then(|| self.cell(class, class) as f64 / union as f64)
        };
        (0..self.classes).map(iou).collect()
    }
}

impl Metric for Semantic {
    /// Labels of the pixels of a picture: found, and true.
    type Sample<'a> = (&'a [u32], &'a [u32]);

    fn add(&mut self, (found, truth): Self::Sample<'_>) -> Result<(), MetricError> {
        if found.len() != truth.len() {
            return Err(MetricError::Size {
                what: "the map of classes",
                found: vec![found.len()],
                expected: vec![truth.len()],
            });
        }
        for (&found, &truth) in found.iter().zip(truth) {
            if (truth as usize) < self.classes {
                let found = (found as usize).min(self.classes);
                self.table[truth as usize * (self.classes + 1) + found] += 1;
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        self.table.iter_mut().zip(other.table).for_each(|(mine, theirs)| *mine += theirs);
    }

    fn rows(&self) -> Vec<Row> {
        let pixels: u64 = self.table.iter().sum();
        let ious = self.by_class();
        let known: Vec<f64> = ious.iter().flatten().copied().collect();
        let weighted = |(class, iou): (usize, &Option<f64>)| {
            iou.map_or(0.0, |iou| self.wanted(class) as f64 * iou)
        };
        let right: u64 = (0..self.classes).map(|class| self.cell(class, class)).sum();
        vec![
            Row::mean("mIoU", known.iter().sum(), known.len() as u64),
            Row::mean("fwIoU", ious.iter().enumerate().map(weighted).sum(), pixels),
            Row::mean("pixel accuracy", right as f64, pixels),
        ]
    }
}
