//! Masks of what is pointed at: mean IoU and boundary F, by kind of prompt and by size.

use crate::{Metric, MetricError, Row};
use refvlm_record::Mask;
use std::collections::BTreeMap;

/// A mask asked for by a prompt.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Kind of prompt, for example `point`.
    pub kind: &'a str,
    /// What was answered; none scores 0.
    pub found: Option<&'a Mask>,
    /// The truth.
    pub truth: &'a Mask,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    iou: f64,
    boundary: f64,
    count: u64,
}

/// mIoU and boundary F over all samples, and of each kind of prompt and each size (COCO's ranges).
#[derive(Debug, Clone, Default)]
pub struct Interactive {
    /// By name of the group; the empty name is all.
    groups: BTreeMap<String, Sum>,
}

/// Boundaries may lie this share of the picture's diagonal apart.
const TOLERANCE: f64 = 0.008;

impl Metric for Interactive {
    type Sample<'a> = Sample<'a>;

    fn add(&mut self, Sample { kind, found, truth }: Sample<'_>) -> Result<(), MetricError> {
        let size = |mask: &Mask| vec![mask.width as usize, mask.height as usize];
        let area = truth.area();
        let (iou, boundary) = match found {
            None => (0.0, 0.0),
            Some(found) if size(found) == size(truth) => {
                let pairs = found.pixels.iter().zip(&truth.pixels);
                let shared: u64 = pairs.map(|(a, b)| u64::from(a & b)).sum();
                let union = found.area() + area - shared;
                let iou = if union == 0 { 1.0 } else { shared as f64 / union as f64 };
                (iou, boundary_f(found, truth))
            }
            Some(found) => {
                let [found, expected] = [size(found), size(truth)];
                return Err(MetricError::Size { what: "the mask", found, expected });
            }
        };
        let of_size = match area {
            0..1024 => "small",
            1024..9216 => "medium",
            _ => "large",
        };
        for name in ["", kind, of_size] {
            let sum = self.groups.entry(name.to_string()).or_default();
            sum.iou += iou;
            sum.boundary += boundary;
            sum.count += 1;
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        for (name, more) in other.groups {
            let sum = self.groups.entry(name).or_default();
            sum.iou += more.iou;
            sum.boundary += more.boundary;
            sum.count += more.count;
        }
    }

    fn rows(&self) -> Vec<Row> {
        let rows = self.groups.iter().flat_map(|(name, sum)| {
            let named = |what: &str| format!("{what} {name}").trim_end().to_string();
            [
                Row::mean(named("mIoU"), sum.iou, sum.count),
                Row::mean(named("boundary F"), sum.boundary, sum.count),
            ]
        });
        rows.collect()
    }
}

/// F of the boundaries, as DAVIS measures it: the share of each mask's boundary that lies within a
/// disk of the other's. Both masks have the same size.
pub fn boundary_f(found: &Mask, truth: &Mask) -> f64 {
    let diagonal = f64::from(truth.width).hypot(f64::from(truth.height));
    let radius = (TOLERANCE * diagonal).ceil() as i64;
    let [found, truth] = [found, truth].map(|mask| {
        let edge = boundary(mask);
        let near = dilate(&edge, mask.width as usize, radius);
        (edge, near)
    });
    let count = |edge: &[bool]| edge.iter().filter(|&&on| on).count() as f64;
    let on = |edge: &[bool], near: &[bool]| {
        edge.iter().zip(near).filter(|(edge, near)| **edge && **near).count() as f64
    };
    let [n_found, n_truth] = [count(&found.0), count(&truth.0)];
    let (precision, recall) = match (n_found > 0.0, n_truth > 0.0) {
        (false, false) => (1.0, 1.0),
        (false, true) => (1.0, 0.0),
        (true, false) => (0.0, 1.0),
        (true, true) => (on(&found.0, &truth.1) / n_found, on(&truth.0, &found.1) / n_truth),
    };
    let sum = precision + recall;
    if sum == 0.0 { 0.0 } else { 2.0 * precision * recall / sum }
}

/// Pixels that differ from the one right of, below or diagonally below them.
fn boundary(mask: &Mask) -> Vec<bool> {
    let (width, height) = (mask.width as usize, mask.height as usize);
    let pixel = |x: usize, y: usize| mask.pixels[y * width + x] != 0;
    let mut edge = vec![false; width * height];
    for y in 0..height {
        for x in 0..width {
            let [right, below] = [(x + 1).min(width - 1), (y + 1).min(height - 1)];
            let here = pixel(x, y);
            edge[y * width + x] =
                here != pixel(right, y) || here != pixel(x, below) || here != pixel(right, below);
        }
    }
    edge
}

/// All pixels within a disk of set ones.
fn dilate(edge: &[bool], width: usize, radius: i64) -> Vec<bool> {
    let height = edge.len() / width.max(1);
    let reach: Vec<(i64, i64)> = (-radius..=radius)
        .map(|dy| (dy, ((radius * radius - dy * dy) as f64).sqrt().floor() as i64))
        .collect();
    let mut near = vec![false; edge.len()];
    for at in (0..edge.len()).filter(|&at| edge[at]) {
        let (x, y) = ((at % width) as i64, (at / width) as i64);
        for &(dy, dx) in &reach {
            let row = y + dy;
            if (0..height as i64).contains(&row) {
                let from = (x - dx).max(0) as usize;
                let to = (x + dx).min(width as i64 - 1) as usize;
                near[row as usize * width + from..=row as usize * width + to].fill(true);
            }
        }
    }
    near
}
