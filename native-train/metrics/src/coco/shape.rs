//! What is compared: boxes, masks and joints, each with COCO's measure of overlap.

use super::region::Region;
use crate::{MetricError, finite, within};
use refvlm_record::coco::SIGMAS;

/// A true object.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth<S> {
    /// Its category.
    pub category: u64,
    /// Its outline.
    pub shape: S,
    /// Its area in px, as annotated: it says which range the object belongs to.
    pub area: f64,
    /// Many in one: may be found any number of times, and counts neither as found nor as missed.
    pub crowd: bool,
    /// Counts neither as found nor as missed (for example a body without joints).
    pub ignore: bool,
}

/// A form that an object can be given in.
pub trait Shape: Clone + Send + Sync {
    /// How well a found shape covers a true one, 0 to 1. Of a crowd, only the share of the found
    /// shape that lies on it counts.
    ///
    /// # Errors
    /// When the two cannot be compared.
    fn overlap(&self, truth: &Truth<Self>) -> Result<f64, MetricError>;

    /// # Errors
    /// When the shape is none.
    fn check(&self) -> Result<(), MetricError>;
}

/// A box `[x, y, width, height]` in px.
impl Shape for [f64; 4] {
    fn overlap(&self, truth: &Truth<Self>) -> Result<f64, MetricError> {
        Ok(box_overlap(self, &truth.shape, truth.crowd))
    }

    fn check(&self) -> Result<(), MetricError> {
        check_box(self)
    }
}

/// # Errors
/// When a number is not finite or a side is negative.
pub(crate) fn check_box([x, y, width, height]: &[f64; 4]) -> Result<(), MetricError> {
    finite("a box's x", *x)?;
    finite("a box's y", *y)?;
    within("a box's width", *width, (0.0, f64::MAX), "0 or more")?;
    within("a box's height", *height, (0.0, f64::MAX), "0 or more").map(|_| ())
}

/// Intersection over union of two boxes, or over the found one where the truth is a crowd.
pub(crate) fn box_overlap(found: &[f64; 4], truth: &[f64; 4], crowd: bool) -> f64 {
    let side = |axis: usize| {
        let end = (found[axis] + found[axis + 2]).min(truth[axis] + truth[axis + 2]);
        end - found[axis].max(truth[axis])
    };
    let [width, height] = [side(0), side(1)];
    if width <= 0.0 || height <= 0.0 {
        return 0.0;
    }
    let shared = width * height;
    let area = found[2] * found[3];
    let whole = if crowd { area } else { area + truth[2] * truth[3] - shared };
    shared / whole
}

impl Shape for Region {
    fn overlap(&self, truth: &Truth<Self>) -> Result<f64, MetricError> {
        let shared = self.intersection(&truth.shape)?;
        if shared == 0 {
            return Ok(0.0);
        }
        let area = self.area();
        let whole = if truth.crowd { area } else { area + truth.shape.area() - shared };
        Ok(shared as f64 / whole as f64)
    }

    fn check(&self) -> Result<(), MetricError> {
        Ok(())
    }
}

/// A body: joints `[x, y, v]` in px (`v` 0: not labelled), and its box.
#[derive(Debug, Clone, PartialEq)]
pub struct Joints {
    /// COCO's 17 joints.
    pub points: [[f64; 3]; SIGMAS.len()],
    /// `[x, y, width, height]` in px.
    pub bounds: [f64; 4],
}

impl Joints {
    /// Labelled joints.
    pub fn labelled(&self) -> usize {
        self.points.iter().filter(|point| point[2] > 0.0).count()
    }
}

impl Shape for Joints {
    /// Object keypoint similarity. Where the truth has no joints, the distance to twice its box
    /// counts.
    fn overlap(&self, truth: &Truth<Self>) -> Result<f64, MetricError> {
        let labelled = truth.shape.labelled();
        let [x, y, width, height] = truth.shape.bounds;
        let (from, to) = ([x - width, y - height], [x + width * 2.0, y + height * 2.0]);
        let mut terms = Vec::with_capacity(SIGMAS.len());
        for ((found, wanted), sigma) in self.points.iter().zip(&truth.shape.points).zip(SIGMAS) {
            if labelled > 0 && wanted[2] <= 0.0 {
                continue;
            }
            let [dx, dy] = [0, 1].map(|axis| match labelled {
                0 => (from[axis] - found[axis]).max(0.0) + (found[axis] - to[axis]).max(0.0),
                _ => found[axis] - wanted[axis],
            });
            // The table holds f32; COCO's constants are these decimals in f64.
            let sigma = (f64::from(sigma) * 1000.0).round() / 100.0 / 10.0;
            let variance = (sigma * 2.0).powi(2);
            let error = (dx * dx + dy * dy) / variance / (truth.area + f64::EPSILON) / 2.0;
            terms.push((-error).exp());
        }
        Ok(terms.iter().sum::<f64>() / terms.len() as f64)
    }

    fn check(&self) -> Result<(), MetricError> {
        self.points.iter().flatten().try_for_each(|&v| finite("a joint", v).map(|_| ()))?;
        check_box(&self.bounds)
    }
}
