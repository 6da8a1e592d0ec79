//! What is taken for what: found objects beside the true ones that they cover, whatever both are
//! called.

use super::detection::Picture;
use super::shape::Shape;
use crate::MetricError;
use std::collections::BTreeMap;

/// The overlap from which on a found object stands for a true one.
pub const LEAST: f64 = 0.5;

/// How often a true category (none: nothing is there) was found as another (none: not found).
pub type Pairs = BTreeMap<(Option<u64>, Option<u64>), u64>;

/// Counts of what was taken for what, and for each found object its confidence and whether place
/// and category are right.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Confusion {
    /// True and found category, and how often.
    pub pairs: Pairs,
    /// Confidence, and whether it is right.
    pub judged: Vec<(f64, bool)>,
}

impl Confusion {
    /// Takes the objects of a picture: the most confident first, each takes the free true object
    /// that it overlaps most, from [`LEAST`] on; of equals the first. What lies on a crowd or on
    /// what does not count is left out.
    ///
    /// # Errors
    /// When two shapes cannot be compared.
    pub fn add<S: Shape>(&mut self, picture: &Picture<S>) -> Result<(), MetricError> {
        let truths = &picture.truths;
        let mut taken = vec![false; truths.len()];
        let mut found: Vec<_> = picture.found.iter().collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        for one in found {
            let (mut best, mut beside) = (None, false);
            let mut most = LEAST;
            for (at, truth) in truths.iter().enumerate() {
                let overlap = one.shape.overlap(truth)?;
                if truth.crowd || truth.ignore {
                    beside |= overlap >= LEAST;
                } else if !taken[at] && overlap >= LEAST && (best.is_none() || overlap > most) {
                    (best, most) = (Some(at), overlap);
                }
            }
            if best.is_none() && beside {
                continue;
            }
            let truth = best.map(|at| {
                taken[at] = true;
                truths[at].category
            });
            self.judged.push((one.score, truth == Some(one.category)));
            *self.pairs.entry((truth, Some(one.category))).or_default() += 1;
        }
        for (truth, _) in truths.iter().zip(taken).filter(|(_, taken)| !taken) {
            if !truth.crowd && !truth.ignore {
                *self.pairs.entry((Some(truth.category), None)).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Takes what another has counted.
    pub fn merge(&mut self, other: Self) {
        for (pair, count) in other.pairs {
            *self.pairs.entry(pair).or_default() += count;
        }
        self.judged.extend(other.judged);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coco::{Found, Truth};

    fn truth(category: u64, x: f64, crowd: bool) -> Truth<[f64; 4]> {
        let shape = [x, 0.0, 10.0, 10.0];
        Truth { category, shape, area: 100.0, crowd, ignore: false }
    }

    fn found(category: u64, x: f64, score: f64) -> Found<[f64; 4]> {
        Found { category, shape: [x, 0.0, 10.0, 10.0], score, area: 100.0 }
    }

    #[test]
    fn each_true_object_is_taken_once_and_the_rest_is_told() {
        let picture = Picture {
            id: 1,
            truths: vec![truth(1, 0.0, false), truth(2, 50.0, false), truth(3, 90.0, true)],
            // The surer of two takes the first; the second is called a 1; one lies on the crowd,
            // one nowhere.
            found: vec![
                found(1, 1.0, 0.6),
                found(1, 0.0, 0.9),
                found(1, 50.0, 0.8),
                found(3, 90.0, 0.7),
                found(2, 200.0, 0.1),
            ],
        };
        let mut confusion = Confusion::default();
        confusion.add(&picture).unwrap();
        let pairs = [
            ((None, Some(1)), 1),
            ((None, Some(2)), 1),
            ((Some(1), Some(1)), 1),
            ((Some(2), Some(1)), 1),
        ];
        assert_eq!(confusion.pairs, Pairs::from(pairs));
        let judged = [(0.9, true), (0.8, false), (0.6, false), (0.1, false)];
        assert_eq!(confusion.judged, judged);
        let mut both = confusion.clone();
        both.merge(confusion);
        assert_eq!(both.pairs[&(Some(2), Some(1))], 2);
        let mut missed = Confusion::default();
        missed.add(&Picture { found: Vec::new(), ..picture }).unwrap();
        assert_eq!(missed.pairs.len(), 2);
        assert_eq!(missed.pairs[&(Some(1), None)], 1);
    }
}
