//! Depth in metres: the errors that NYU and KITTI are reported with, a mean over pictures.

use crate::{Metric, MetricError, Row};

/// The part of the picture that is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crop {
    /// All of it.
    Whole,
    /// Eigen's part of NYU's 640x480 pictures.
    Nyu,
    /// Eigen's part of KITTI's pictures.
    KittiEigen,
    /// Garg's part of KITTI's pictures.
    KittiGarg,
}

impl Crop {
    /// Columns and rows `[from, to)` of a picture of this size.
    fn bounds(self, width: usize, height: usize) -> [[usize; 2]; 2] {
        let part = |side: usize, from: f64, to: f64| {
            [from, to].map(|share| (share * side as f64) as usize)
        };
        match self {
            Crop::Whole => [[0, width], [0, height]],
            Crop::Nyu => [[41.min(width), 601.min(width)], [45.min(height), 471.min(height)]],
            Crop::KittiEigen => {
                [part(width, 0.0359477, 0.96405229), part(height, 0.3324324, 0.91351351)]
            }
            Crop::KittiGarg => {
                [part(width, 0.03594771, 0.96405229), part(height, 0.40810811, 0.99189189)]
            }
        }
    }
}

/// What is scored, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The part of the picture.
    pub crop: Crop,
    /// True distances outside of `(near_m, far_m)` are not scored; found ones are clamped to it.
    pub near_m: f64,
    /// See `near_m`.
    pub far_m: f64,
    /// Whether each picture is first scaled to the truth's median, for models without a scale.
    pub median_scaling: bool,
}

impl Settings {
    /// NYU: Eigen's part, 0.001 to 10 m.
    pub const NYU: Self =
        Self { crop: Crop::Nyu, near_m: 1e-3, far_m: 10.0, median_scaling: false };
    /// KITTI: Garg's part, 0.001 to 80 m.
    pub const KITTI: Self =
        Self { crop: Crop::KittiGarg, near_m: 1e-3, far_m: 80.0, median_scaling: false };
}

/// Distances of a picture, row by row in metres.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Columns.
    pub width: usize,
    /// Found distances, positive.
    pub found: &'a [f64],
    /// True distances; 0 where unknown.
    pub truth: &'a [f64],
}

const NAMES: [&str; 8] =
    ["AbsRel", "SqRel", "RMSE", "RMSE log", "SILog", "delta1", "delta2", "delta3"];

/// AbsRel, SqRel, RMSE, RMSE log, SILog (times 100) and the shares within 1.25, 1.25², 1.25³.
#[derive(Debug, Clone)]
pub struct Depth {
    settings: Settings,
    sums: [f64; NAMES.len()],
    count: u64,
}

impl Depth {
    /// A metric without samples.
    pub fn new(settings: Settings) -> Self {
        Self { settings, sums: [0.0; NAMES.len()], count: 0 }
    }
}

/// The middle of the sorted values, or the mean of the middle two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 }
}

impl Metric for Depth {
    type Sample<'a> = Sample<'a>;

    /// A picture without a known pixel in the part is not counted.
    fn add(&mut self, sample: Sample<'_>) -> Result<(), MetricError> {
        let Settings { crop, near_m, far_m, median_scaling } = self.settings;
        let Sample { width, found, truth } = sample;
        if found.len() != truth.len() || width == 0 || truth.len() % width != 0 {
            return Err(MetricError::Size {
                what: "the depth map",
                found: vec![found.len()],
                expected: vec![truth.len()],
            });
        }
        let [[left, right], [top, bottom]] = crop.bounds(width, truth.len() / width);
        let mut pairs = Vec::new();
        for row in top..bottom {
            for column in left..right {
                let at = row * width + column;
                let (found, truth) = (found[at], truth[at]);
                if truth > near_m && truth < far_m {
                    if !(found.is_finite() && found > 0.0) {
                        let (what, range) = ("a found distance", "positive and finite");
                        return Err(MetricError::Range { what, value: found, range });
                    }
                    pairs.push((found, truth));
                }
            }
        }
        if pairs.is_empty() {
            return Ok(());
        }
        let scale = if median_scaling {
            let [found, truth]: [Vec<f64>; 2] =
                [pairs.iter().map(|p| p.0).collect(), pairs.iter().map(|p| p.1).collect()];
            median(truth) / median(found)
        } else {
            1.0
        };
        let mut sums = [0.0; NAMES.len()];
        let mut log_sum = 0.0;
        for &(found, truth) in &pairs {
            let found = (found * scale).clamp(near_m, far_m);
            let error = truth - found;
            let log = truth.ln() - found.ln();
            let ratio = (truth / found).max(found / truth);
            let within = |power: i32| f64::from(u8::from(ratio < 1.25f64.powi(power)));
            let terms = [
                error.abs() / truth,
                error * error / truth,
                error * error,
                log * log,
                0.0,
                within(1),
                within(2),
                within(3),
            ];
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
            log_sum += log;
        }
        let n = pairs.len() as f64;
        let mut means = sums.map(|sum| sum / n);
        let spread = (means[3] - (log_sum / n).powi(2)).max(0.0);
        means[2] = means[2].sqrt();
        means[3] = means[3].sqrt();
        means[4] = spread.sqrt() * 100.0;
        self.sums.iter_mut().zip(means).for_each(|(sum, mean)| *sum += mean);
        self.count += 1;
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        self.sums.iter_mut().zip(other.sums).for_each(|(mine, theirs)| *mine += theirs);
        self.count += other.count;
    }

    fn rows(&self) -> Vec<Row> {
        let row = |(name, sum): (&&str, &f64)| Row::mean(*name, *sum, self.count);
        NAMES.iter().zip(&self.sums).map(row).collect()
    }
}
