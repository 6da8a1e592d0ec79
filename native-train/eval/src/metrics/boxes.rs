//! Boxes, and the matching that detection and segmentation share.

use super::MATCH_IOU;
use serde::{Deserialize, Serialize};

/// Intersection over union of two rectangles `[x, y, w, h]`; zero when neither has an area or a
/// number is not finite.
pub fn box_iou(a: [f32; 4], b: [f32; 4]) -> f32 {
    let area = |r: [f32; 4]| r[2].max(0.0) * r[3].max(0.0);
    let w = (a[0] + a[2]).min(b[0] + b[2]) - a[0].max(b[0]);
    let h = (a[1] + a[3]).min(b[1] + b[3]) - a[1].max(b[1]);
    let inter = w.max(0.0) * h.max(0.0);
    let iou = inter / (area(a) + area(b) - inter);
    if iou.is_finite() { iou } else { 0.0 }
}

/// One-to-one pairs `(found, true)` by descending similarity, none below `least`. Ties go to the
/// earlier found, then the earlier true one. Pairs without a `similarity` never match.
pub fn match_greedily(
    found: usize,
    truth: usize,
    least: f32,
    similarity: impl Fn(usize, usize) -> Option<f32>,
) -> Vec<(usize, usize)> {
    let mut pairs: Vec<(f32, usize, usize)> = (0..found)
        .flat_map(|f| (0..truth).map(move |t| (f, t)))
        .filter_map(|(f, t)| Some((similarity(f, t).filter(|s| *s >= least)?, f, t)))
        .collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut used_found, mut used_truth) = (vec![false; found], vec![false; truth]);
    let mut matches = Vec::new();
    for (_, f, t) in pairs {
        if !used_found[f] && !used_truth[t] {
            (used_found[f], used_truth[t]) = (true, true);
            matches.push((f, t));
        }
    }
    matches
}

/// Right, superfluous and missed findings, added up over all samples (micro average).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Found and true.
    pub right: u64,
    /// Found, not true.
    pub wrong: u64,
    /// True, not found.
    pub missed: u64,
}

impl Counts {
    /// Greedy one-to-one matching of named things: the names must be equal and the IoU at least
    /// [`MATCH_IOU`]. No confidence is used.
    pub fn of_named(found: &[String], truth: &[String], iou: impl Fn(usize, usize) -> f32) -> Self {
        let pairs = match_greedily(found.len(), truth.len(), MATCH_IOU, |f, t| {
            (found[f] == truth[t]).then(|| iou(f, t))
        });
        let right = pairs.len() as u64;
        Self { right, wrong: found.len() as u64 - right, missed: truth.len() as u64 - right }
    }

    /// Adds another sample's counts.
    pub fn add(&mut self, other: Counts) {
        self.right += other.right;
        self.wrong += other.wrong;
        self.missed += other.missed;
    }

    /// Right of all found; none when nothing was found.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.right, self.right + self.wrong)
    }

    /// Right of all true; none when nothing is true.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.right, self.right + self.missed)
    }

    /// `2 right / (2 right + wrong + missed)`; none when nothing is found nor true.
    pub fn f1(&self) -> Option<f64> {
        ratio(2 * self.right, 2 * self.right + self.wrong + self.missed)
    }
}

/// A share; `None` when the whole is 0.
pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iou_by_hand() {
        assert_eq!(box_iou([0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 2.0, 2.0]), 2.0 / 6.0);
        assert_eq!(box_iou([0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0]), 1.0);
        assert_eq!(box_iou([0.0, 0.0, 2.0, 2.0], [2.0, 0.0, 2.0, 2.0]), 0.0);
        assert_eq!(box_iou([0.0; 4], [0.0; 4]), 0.0);
        assert_eq!(box_iou([f32::NAN; 4], [0.0, 0.0, 2.0, 2.0]), 0.0);
    }

    #[test]
    fn matching_is_one_to_one_by_name() {
        let names = |n: &[&str]| n.iter().map(|s| (*s).to_string()).collect::<Vec<_>>();
        // Two found dogs compete for one true dog; the cat lies right but is called a dog.
        let table = [[0.6, 0.0, 0.1], [0.9, 0.0, 0.1], [0.0, 0.8, 0.0]];
        let counts = Counts::of_named(
            &names(&["dog", "dog", "dog"]),
            &names(&["dog", "cat", "dog"]),
            |f, t| table[f][t],
        );
        assert_eq!(counts, Counts { right: 1, wrong: 2, missed: 2 });
        assert_eq!(counts.f1(), Some(2.0 / 6.0));
        assert_eq!(match_greedily(2, 2, 0.5, |f, t| Some(table[f][t])), [(1, 0)]);
        assert_eq!(Counts::default().f1(), None);
    }
}
