//! Panoptic quality: how many segments are found (RQ) and how well (SQ), of things and of stuff.

use crate::{Metric, MetricError, Row};
use std::collections::{BTreeMap, BTreeSet};

/// A segment of a panoptic map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Its number in the map; 0 stands for "unlabelled" and is no segment.
    pub id: u32,
    /// Its category.
    pub category: u64,
    /// Whether it holds many objects in one (only in the truth).
    pub crowd: bool,
}

/// A map of segments: each pixel's number, and what the numbers are.
#[derive(Debug, Clone, Copy)]
pub struct Map<'a> {
    /// Numbers of segments, row by row.
    pub pixels: &'a [u32],
    /// The segments.
    pub segments: &'a [Segment],
}

/// What a category came to.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    iou: f64,
    hits: u64,
    wrong: u64,
    missed: u64,
}

/// PQ, SQ and RQ.
#[derive(Debug, Clone)]
pub struct Panoptic {
    /// Category: is it a thing, and its tally.
    categories: BTreeMap<u64, (bool, Tally)>,
}

impl Panoptic {
    /// A metric of these categories: number, and whether it is a thing.
    pub fn new(categories: &[(u64, bool)]) -> Self {
        let tally = |&(id, thing): &(u64, bool)| (id, (thing, Tally::default()));
        Self { categories: categories.iter().map(tally).collect() }
    }

    fn listed(&self, map: &Map<'_>) -> Result<BTreeMap<u32, Segment>, MetricError> {
        let unknown = |what, value| Err(MetricError::Unknown { what, value });
        let mut listed = BTreeMap::new();
        for segment in map.segments {
            if !self.categories.contains_key(&segment.category) {
                return unknown("a segment's category", segment.category);
            }
            listed.insert(segment.id, *segment);
        }
        let pixels: BTreeSet<u32> = map.pixels.iter().copied().collect();
        match pixels.iter().find(|id| **id != 0 && !listed.contains_key(id)) {
            Some(&id) => unknown("segment", u64::from(id)),
            // A segment without a pixel can neither be found nor be wrong.
            None => Ok(listed.into_iter().filter(|(id, _)| pixels.contains(id)).collect()),
        }
    }

    fn tally(&mut self, category: u64, change: impl FnOnce(&mut Tally)) {
        if let Some((_, tally)) = self.categories.get_mut(&category) {
            change(tally);
        }
    }
}

impl Metric for Panoptic {
    /// What was found, and the truth.
    type Sample<'a> = (Map<'a>, Map<'a>);

    fn add(&mut self, (found, truth): Self::Sample<'_>) -> Result<(), MetricError> {
        if found.pixels.len() != truth.pixels.len() {
            return Err(MetricError::Size {
                what: "the panoptic map",
                found: vec![found.pixels.len()],
                expected: vec![truth.pixels.len()],
            });
        }
        let [found_segments, true_segments] = [self.listed(&found)?, self.listed(&truth)?];
        let mut shared: BTreeMap<(u32, u32), u64> = BTreeMap::new();
        let mut areas: [BTreeMap<u32, u64>; 2] = Default::default();
        for (&truth, &found) in truth.pixels.iter().zip(found.pixels) {
            *shared.entry((truth, found)).or_default() += 1;
            *areas[0].entry(truth).or_default() += 1;
            *areas[1].entry(found).or_default() += 1;
        }
        let area = |side: usize, id: u32| areas[side].get(&id).copied().unwrap_or(0);
        let both = |truth: u32, found: u32| shared.get(&(truth, found)).copied().unwrap_or(0);
        let mut matched: [BTreeSet<u32>; 2] = Default::default();
        for (&(truth, found), &pixels) in &shared {
            let (Some(wanted), Some(given)) =
                (true_segments.get(&truth), found_segments.get(&found))
            else {
                continue;
            };
            if wanted.crowd || wanted.category != given.category {
                continue;
            }
            let union = area(1, found) + area(0, truth) - pixels - both(0, found);
            let iou = pixels as f64 / union as f64;
            if iou > 0.5 {
                self.tally(wanted.category, |tally| {
                    tally.hits += 1;
                    tally.iou += iou;
                });
                matched[0].insert(truth);
                matched[1].insert(found);
            }
        }
        for segment in true_segments.values() {
            if !segment.crowd && !matched[0].contains(&segment.id) {
                self.tally(segment.category, |tally| tally.missed += 1);
            }
        }
        // The official tool keeps one crowd of a category: the one that is listed last.
        let mut crowds: BTreeMap<u64, u32> = BTreeMap::new();
        for segment in truth.segments.iter().filter(|segment| segment.crowd) {
            crowds.insert(segment.category, segment.id);
        }
        for segment in found_segments.values() {
            let crowd = crowds.get(&segment.category).map_or(0, |&crowd| both(crowd, segment.id));
            let free = both(0, segment.id) + crowd;
            let wrong = free as f64 / area(1, segment.id) as f64 <= 0.5;
            if wrong && !matched[1].contains(&segment.id) {
                self.tally(segment.category, |tally| tally.wrong += 1);
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        for (id, (thing, more)) in other.categories {
            let (_, tally) = self.categories.entry(id).or_insert((thing, Tally::default()));
            tally.iou += more.iou;
            tally.hits += more.hits;
            tally.wrong += more.wrong;
            tally.missed += more.missed;
        }
    }

    /// `PQ`, `SQ`, `RQ`, then the same of things and of stuff; means over categories that occur.
    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (suffix, kind) in [("", None), (" things", Some(true)), (" stuff", Some(false))] {
            let (mut sums, mut count) = ([0.0; 3], 0);
            for (thing, tally) in self.categories.values() {
                let all = tally.hits + tally.wrong + tally.missed;
                if all == 0 || kind.is_some_and(|kind| kind != *thing) {
                    continue;
                }
                let hits = tally.hits as f64;
                let whole = hits + 0.5 * tally.wrong as f64 + 0.5 * tally.missed as f64;
                count += 1;
                sums[0] += tally.iou / whole;
                sums[1] += if tally.hits == 0 { 0.0 } else { tally.iou / hits };
                sums[2] += hits / whole;
            }
            for (name, sum) in ["PQ", "SQ", "RQ"].into_iter().zip(sums) {
                rows.push(Row::mean(format!("{name}{suffix}"), sum, count));
            }
        }
        rows
    }
}
