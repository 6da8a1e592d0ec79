//! COCO's evaluation: who found what, at ten thresholds, in four ranges of area.

use super::curve::{RECALLS, precision_at_recalls};
use super::shape::{Shape, Truth};
use crate::{Metric, MetricError, Row, finite, within};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// A found object.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<S> {
    /// Its category.
    pub category: u64,
    /// Its outline.
    pub shape: S,
    /// Confidence; only the order counts.
    pub score: f64,
    /// Its area in px: outside of a range, a found object that matches nothing is not a mistake.
    pub area: f64,
}

/// All objects of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture<S> {
    /// Its number. Equal scores are ordered by it, so each picture has its own.
    pub id: i64,
    /// What is there.
    pub truths: Vec<Truth<S>>,
    /// What was found.
    pub found: Vec<Found<S>>,
}

/// What is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Overlaps from which on an object counts as found, rising; 16 at most.
    pub thresholds: Vec<f64>,
    /// How many found objects of a category count in a picture, rising.
    pub most: Vec<usize>,
    /// Names and bounds in px² of ranges of area; the first is "all", and there are four at most.
    pub areas: Vec<(&'static str, f64, f64)>,
    /// Whether a found object must have the truth's category.
    pub by_category: bool,
}

const SMALL: f64 = 32.0 * 32.0;
const LARGE: f64 = 96.0 * 96.0;
const ANY: f64 = 1e10;

impl Settings {
    /// COCO's settings for boxes and masks.
    pub fn objects() -> Self {
        let step = (0.95 - 0.5) / 9.0;
        let mut thresholds: Vec<f64> = (0..10).map(|i| f64::from(i) * step + 0.5).collect();
        thresholds[9] = 0.95;
        let areas = vec![
            ("all", 0.0, ANY),
            ("small", 0.0, SMALL),
            ("medium", SMALL, LARGE),
            ("large", LARGE, ANY),
        ];
        Self { thresholds, most: vec![1, 10, 100], areas, by_category: true }
    }

    /// COCO's settings for keypoints.
    pub fn keypoints() -> Self {
        let mut settings = Self::objects();
        settings.areas.remove(1);
        Self { most: vec![20], ..settings }
    }

    /// The same without categories: whether objects are found, whatever they are called.
    pub fn class_agnostic(self) -> Self {
        Self { by_category: false, ..self }
    }
}

/// The most ranges of area and thresholds that an outcome has room for.
const AREAS: usize = 4;

/// What became of a found object. Bit `t` of `matched[a]` says that it matched at threshold `t` in
/// range `a`; the same bit of `ignored[a]` that it doesn't count there.
#[derive(Debug, Clone, Copy)]
struct Outcome {
    score: f64,
    picture: i64,
    rank: u32,
    matched: [u16; AREAS],
    ignored: [u16; AREAS],
}

#[derive(Debug, Clone, Default)]
struct Category {
    outcomes: Vec<Outcome>,
    /// True objects that count, by range of area.
    wanted: [u64; AREAS],
}

impl Category {
    /// The same with the most confident outcomes first.
    fn sorted(&self) -> Self {
        let mut sorted = self.clone();
        sorted.outcomes.sort_by(|a, b| {
            let order = b.score.total_cmp(&a.score);
            order.then(a.picture.cmp(&b.picture)).then(a.rank.cmp(&b.rank))
        });
        sorted
    }

    /// Whether each found object is right, of those that count among the first `most` of a picture.
    fn hits(&self, area: usize, threshold: usize, most: usize) -> impl Iterator<Item = bool> {
        let counted = self.outcomes.iter().filter(move |outcome| {
            (outcome.rank as usize) < most && outcome.ignored[area] >> threshold & 1 == 0
        });
        counted.map(move |outcome| outcome.matched[area] >> threshold & 1 == 1)
    }
}

/// Average precision and recall.
#[derive(Debug, Clone)]
pub struct Detection {
    settings: Settings,
    categories: BTreeMap<u64, Category>,
    pictures: u64,
}

/// AP and AR of one category, by threshold, for one range of area and number of found objects.
struct Scores {
    precision: Vec<f64>,
    recall: Vec<f64>,
}

impl Detection {
    /// A metric without samples.
    pub fn new(settings: Settings) -> Self {
        Self { settings, categories: BTreeMap::new(), pictures: 0 }
    }

    /// AP over the thresholds, and how many true objects count, of each category that has any.
    pub fn by_category(&self) -> Vec<(u64, f64, u64)> {
        let most = self.settings.most.last().copied().unwrap_or(0);
        let score = |(&id, category): (&u64, &Category)| {
            let scores = self.scores(&category.sorted(), 0, most)?;
            let mean = scores.precision.iter().sum::<f64>() / scores.precision.len() as f64;
            Some((id, mean, category.wanted[0]))
        };
        self.categories.iter().filter_map(score).collect()
    }

    /// Precision at recalls 0, 0.01, ..., 1 at the threshold of this number, averaged over the
    /// categories that have true objects; none where no category has any.
    pub fn curve(&self, threshold: usize) -> Option<Vec<f64>> {
        let most = self.settings.most.last().copied().unwrap_or(0);
        let (mut sum, mut count) = (vec![0.0; RECALLS], 0.0);
        for category in self.categories.values().filter(|category| category.wanted[0] > 0) {
            let sorted = category.sorted();
            let hits = sorted.hits(0, threshold, most);
            let (precision, _) = precision_at_recalls(hits, category.wanted[0]);
            sum.iter_mut().zip(precision).for_each(|(sum, value)| *sum += value);
            count += 1.0;
        }
        (count > 0.0).then(|| sum.into_iter().map(|sum| sum / count).collect())
    }

    /// Of a category whose outcomes are sorted.
    fn scores(&self, category: &Category, area: usize, most: usize) -> Option<Scores> {
        let wanted = category.wanted[area];
        if wanted == 0 {
            return None;
        }
        let mut scores = Scores { precision: Vec::new(), recall: Vec::new() };
        for threshold in 0..self.settings.thresholds.len() {
            let hits = category.hits(area, threshold, most);
            let (precision, recall) = precision_at_recalls(hits, wanted);
            scores.precision.push(precision.iter().sum::<f64>() / RECALLS as f64);
            scores.recall.push(recall);
        }
        Some(scores)
    }

    /// One category of one picture.
    fn judge<S: Shape>(
        &self,
        picture: i64,
        truths: &[&Truth<S>],
        mut found: Vec<&Found<S>>,
    ) -> Result<Category, MetricError> {
        let settings = &self.settings;
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(settings.most.last().copied().unwrap_or(0));
        let least = settings.thresholds.first().copied().unwrap_or(0.0).min(1.0 - 1e-10);
        // Truths that overlap at least as much as the lowest threshold asks for.
        let mut near: Vec<Vec<(usize, f64)>> = Vec::with_capacity(found.len());
        for one in &found {
            let mut row = Vec::new();
            for (at, truth) in truths.iter().enumerate() {
                let overlap = one.shape.overlap(truth)?;
                if overlap >= least {
                    row.push((at, overlap));
                }
            }
            near.push(row);
        }
        let mut outcomes: Vec<Outcome> = (0u32..)
            .zip(&found)
            .map(|(rank, one)| Outcome {
                score: one.score,
                picture,
                rank,
                matched: [0; AREAS],
                ignored: [0; AREAS],
            })
            .collect();
        let mut wanted = [0; AREAS];
        for (area, &(_, low, high)) in settings.areas.iter().enumerate() {
            let outside = |area: f64| area < low || area > high;
            let ignored: Vec<bool> =
                truths.iter().map(|t| t.ignore || t.crowd || outside(t.area)).collect();
            wanted[area] = ignored.iter().filter(|ignored| !**ignored).count() as u64;
            for (threshold, &value) in settings.thresholds.iter().enumerate() {
                let mut taken = vec![false; truths.len()];
                for ((row, one), outcome) in near.iter().zip(&found).zip(&mut outcomes) {
                    let pick = pick(row, value.min(1.0 - 1e-10), truths, &ignored, &taken);
                    let bit = 1u16 << threshold;
                    match pick {
                        Some(at) => {
                            taken[at] = true;
                            outcome.matched[area] |= bit;
                            outcome.ignored[area] |= bit * u16::from(ignored[at]);
                        }
                        None => outcome.ignored[area] |= bit * u16::from(outside(one.area)),
                    }
                }
            }
        }
        Ok(Category { outcomes, wanted })
    }
}

/// The truth that a found object stands for: the best that counts and is free, else the best of
/// those that do not count; of equals the last.
fn pick<S>(
    near: &[(usize, f64)],
    least: f64,
    truths: &[&Truth<S>],
    ignored: &[bool],
    taken: &[bool],
) -> Option<usize> {
    for wanted in [false, true] {
        let mut best = (None, least);
        for &(at, overlap) in near {
            let free = !taken[at] || truths[at].crowd;
            if ignored[at] == wanted && free && overlap >= best.1 {
                best = (Some(at), overlap);
            }
        }
        if best.0.is_some() {
            return best.0;
        }
    }
    None
}

/// A picture, with the shape that its objects have.
pub trait Judged {
    /// The picture's objects, judged into `metric`.
    ///
    /// # Errors
    /// When a number or a mask is damaged.
    fn judge(&self, metric: &mut Detection) -> Result<(), MetricError>;
}

impl<S: Shape> Judged for Picture<S> {
    fn judge(&self, metric: &mut Detection) -> Result<(), MetricError> {
        type Group<'a, S> = (Vec<&'a Truth<S>>, Vec<&'a Found<S>>);
        let mut groups: BTreeMap<u64, Group<'_, S>> = BTreeMap::new();
        let area = |value| within("an area", value, (0.0, f64::MAX), "0 or more").map(|_| ());
        for truth in &self.truths {
            truth.shape.check()?;
            area(truth.area)?;
            groups.entry(truth.category).or_default().0.push(truth);
        }
        for found in &self.found {
            found.shape.check()?;
            area(found.area)?;
            finite("a score", found.score)?;
            groups.entry(found.category).or_default().1.push(found);
        }
        if !metric.settings.by_category {
            let mut all = Group::default();
            groups.into_values().for_each(|(truths, found)| {
                all.0.extend(truths);
                all.1.extend(found);
            });
            groups = BTreeMap::from([(0, all)]);
        }
        let judged: Result<Vec<_>, MetricError> = groups
            .into_iter()
            .map(|(id, (truths, found))| Ok((id, metric.judge(self.id, &truths, found)?)))
            .collect();
        for (id, category) in judged? {
            metric.take(id, category);
        }
        metric.pictures += 1;
        Ok(())
    }
}

impl Detection {
    fn take(&mut self, id: u64, other: Category) {
        let category = self.categories.entry(id).or_default();
        category.outcomes.extend(other.outcomes);
        for (sum, more) in category.wanted.iter_mut().zip(other.wanted) {
            *sum += more;
        }
    }
}

impl Metric for Detection {
    type Sample<'a> = &'a dyn Judged;

    fn add(&mut self, sample: &dyn Judged) -> Result<(), MetricError> {
        sample.judge(self)
    }

    fn merge(&mut self, other: Self) {
        self.pictures += other.pictures;
        for (id, category) in other.categories {
            self.take(id, category);
        }
    }

    /// COCO's rows: `AP`, `AP50`, `AP75`, `AP small` ..., `AR1`, `AR10`, `AR100`, `AR small` ...;
    /// each averaged over the categories that have true objects of the range.
    fn rows(&self) -> Vec<Row> {
        let settings = &self.settings;
        let most = settings.most.last().copied().unwrap_or(0);
        let mut cells: Vec<(usize, usize)> = (0..settings.areas.len()).map(|a| (a, most)).collect();
        cells.extend(settings.most.iter().rev().skip(1).map(|&most| (0, most)));
        // For each cell, the scores of the categories that have any.
        let table: Vec<Vec<Option<Scores>>> = self
            .categories
            .par_iter()
            .map(|(_, category)| {
                let sorted = category.sorted();
                cells.iter().map(|&(area, most)| self.scores(&sorted, area, most)).collect()
            })
            .collect();
        let mean = |name: String, cell: usize, pick: &dyn Fn(&Scores) -> Option<f64>| {
            let scores = table.iter().filter_map(|row| row[cell].as_ref().and_then(pick));
            let (sum, count) = scores.fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
            Row::mean(name, sum, count)
        };
        let average = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let precision = |s: &Scores| Some(average(&s.precision));
        let recall = |s: &Scores| Some(average(&s.recall));
        let at = |value: f64| settings.thresholds.iter().position(|t| (t - value).abs() < 1e-9);
        let mut rows = vec![mean("AP".into(), 0, &precision)];
        for (name, value) in [("AP50", 0.5), ("AP75", 0.75)] {
            let at = at(value);
            rows.push(mean(name.into(), 0, &|s| Some(s.precision[at?])));
        }
        for (area, (name, ..)) in settings.areas.iter().enumerate().skip(1) {
            rows.push(mean(format!("AP {name}"), area, &precision));
        }
        for &count in &settings.most {
            let cell = cells.iter().position(|cell| *cell == (0, count)).unwrap_or(0);
            rows.push(mean(format!("AR{count}"), cell, &recall));
        }
        for (name, value) in [("AR50", 0.5), ("AR75", 0.75)] {
            let at = at(value);
            rows.push(mean(name.into(), 0, &|s| Some(s.recall[at?])));
        }
        for (area, (name, ..)) in settings.areas.iter().enumerate().skip(1) {
            rows.push(mean(format!("AR {name}"), area, &recall));
        }
        rows
    }
}
