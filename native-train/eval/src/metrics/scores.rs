//! Samples added up, kind by kind.

use super::words::item_counts;
use super::{
    Answer, Counts, DepthScore, MATCH_IOU, MISSING_DEPTH, Overlap, Person, box_iou, counted_number,
    depth_score, exact_match, holds, match_greedily, normalised, oks, pck, union, word_counts,
};
use refvlm_model::event::{Proposal, Shape};
use refvlm_record::{AnswerPart, Mask, Rle, Target, Unit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Sums per kind of dialogue. A kind is a name, with the kind of its prompt after a point where
/// there is one: `prompt_mask.scribble`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scores {
    /// The sums.
    pub kinds: BTreeMap<String, KindScores>,
}

/// Sums over the samples of one kind. A unit's sums grow only by samples whose truth holds that
/// unit; an answer that lacks it counts as wrong and is never left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KindScores {
    /// Samples.
    pub samples: u64,
    /// Samples whose answer followed the grammar.
    pub parsed: u64,
    /// Samples whose words are exactly the true ones, normalised.
    pub exact: u64,
    /// Samples whose words hold the true ones, normalised.
    pub named: u64,
    /// Samples whose true text names a number.
    pub numbers: u64,
    /// Of these, samples whose answer names the same.
    pub numbers_right: u64,
    /// Concepts of the triplets; words where the truth has no triplet.
    pub concepts: Counts,
    /// Boxes by concept at IoU 0.5.
    pub boxes: Counts,
    /// Samples with exactly one true box.
    pub single_boxes: u64,
    /// Of these, samples whose first box reaches IoU 0.5.
    pub single_boxes_right: u64,
    /// Masks by concept at IoU 0.5.
    pub masks: Counts,
    /// Samples with a true mask.
    pub mask_samples: u64,
    /// Sum of their IoU, all masks of a sample united.
    pub mask_iou: f64,
    /// The same with the best of each answer's proposals in place of the answer.
    pub mask_best_iou: f64,
    /// Sum of their pixels, all masks of a sample united.
    pub mask_overlap: Overlap,
    /// Labelled joints.
    pub joints: u64,
    /// Of these, joints within a tenth of the true box's diagonal.
    pub joints_right: u64,
    /// True people with a labelled joint.
    pub people: u64,
    /// Sum of their OKS.
    pub oks: f64,
    /// Samples of which the truth has nothing to find.
    pub absent: u64,
    /// Those that were answered without finding anything.
    pub absent_right: u64,
    /// Samples with a true distance map.
    pub depth_samples: u64,
    /// Sums of their errors.
    pub abs_rel: f64,
    /// See `abs_rel`.
    pub rms_log: f64,
    /// See `abs_rel`.
    pub delta1: f64,
}

impl Scores {
    /// Adds one sample: the true parts and the record's targets, the picture's width and height
    /// in px, and the answer. Returns the sample's own score in 0..1, the mean over the true
    /// units: F1 of boxes, IoU of united masks, OKS, delta1 of depth; for words alone 1 when they
    /// are exactly the true ones, else half their F1.
    pub fn add(
        &mut self,
        kind: &str,
        truth: &[AnswerPart],
        targets: &[Target],
        size: [u32; 2],
        answer: &Answer,
    ) -> f32 {
        let entry = self.kinds.entry(kind.into()).or_default();
        entry.add(truth, targets, size, answer)
    }

    /// Adds the sums of another run over other samples.
    pub fn merge(&mut self, other: &Scores) {
        for (kind, scores) in &other.kinds {
            self.kinds.entry(kind.clone()).or_default().merge(scores);
        }
    }
}

impl KindScores {
    fn add(
        &mut self,
        parts: &[AnswerPart],
        targets: &[Target],
        size: [u32; 2],
        answer: &Answer,
    ) -> f32 {
        let truth = Answer::from_truth(parts, targets, size);
        self.samples += 1;
        self.parsed += u64::from(answer.parsed);
        let nothing = |answer: &Answer| answer.triplets.is_empty();
        self.absent += u64::from(nothing(&truth));
        self.absent_right += u64::from(nothing(&truth) && nothing(answer) && answer.parsed);
        let words = self.add_words(&truth, answer);
        let mut unit_scores = Vec::new();
        if has(&truth, Unit::Box) || has(answer, Unit::Box) {
            unit_scores.extend(self.add_boxes(&truth, answer));
        }
        if has(&truth, Unit::Mask) || has(answer, Unit::Mask) {
            unit_scores.extend(self.add_masks(&truth, answer, size));
        }
        if has(&truth, Unit::Keypoint) {
            unit_scores.extend(self.add_people(&people(parts, targets), answer));
        }
        if has(&truth, Unit::Depth) {
            unit_scores.extend(self.add_depth(&truth, answer));
        }
        match unit_scores.len() {
            0 => words,
            count => unit_scores.iter().sum::<f32>() / count as f32,
        }
    }

    fn add_words(&mut self, truth: &Answer, answer: &Answer) -> f32 {
        let (found, wanted) = (answer.words(), truth.words());
        let exact = exact_match(&found, &wanted);
        self.exact += u64::from(exact);
        self.named += u64::from(holds(&found, &wanted));
        if let Some(number) = counted_number(&wanted) {
            self.numbers += 1;
            self.numbers_right += u64::from(counted_number(&found) == Some(number));
        }
        let counts = if truth.triplets.is_empty() {
            word_counts(&found, &wanted)
        } else {
            let concepts = |a: &Answer| -> Vec<String> {
                a.triplets.iter().map(|t| normalised(&t.concept)).collect()
            };
            item_counts(&concepts(answer), &concepts(truth))
        };
        self.concepts.add(counts);
        if exact { 1.0 } else { 0.5 * counts.f1().unwrap_or(0.0) as f32 }
    }

    fn add_boxes(&mut self, truth: &Answer, answer: &Answer) -> Option<f32> {
        let (found_names, found) = named(answer, as_box);
        let (true_names, wanted) = named(truth, as_box);
        let counts =
            Counts::of_named(&found_names, &true_names, |f, t| box_iou(found[f], wanted[t]));
        self.boxes.add(counts);
        if let [only] = wanted[..] {
            self.single_boxes += 1;
            let reached = found.first().is_some_and(|first| box_iou(*first, only) >= MATCH_IOU);
            self.single_boxes_right += u64::from(reached);
        }
        counts.f1().map(|f1| f1 as f32)
    }

    fn add_masks(&mut self, truth: &Answer, answer: &Answer, size: [u32; 2]) -> Option<f32> {
        let (found_names, found) = named(answer, as_mask);
        let (true_names, wanted) = named(truth, as_mask);
        let decoded =
            |masks: &[&Rle]| -> Vec<Mask> { masks.iter().map(|m| union([*m], size)).collect() };
        let (found_masks, true_masks) = (decoded(&found), decoded(&wanted));
        let counts = Counts::of_named(&found_names, &true_names, |f, t| {
            Overlap::of(&found_masks[f], &true_masks[t]).iou()
        });
        self.masks.add(counts);
        if wanted.is_empty() {
            return counts.f1().map(|f1| f1 as f32);
        }
        let wanted = union(wanted, size);
        let overlap = Overlap::of(&union(found, size), &wanted);
        self.mask_samples += 1;
        self.mask_iou += f64::from(overlap.iou());
        self.mask_best_iou += f64::from(best_iou(&wanted, answer, overlap.iou()));
        self.mask_overlap.add(overlap);
        Some(overlap.iou())
    }

    /// People are matched one to one by descending OKS.
    fn add_people(&mut self, truth: &[Person], answer: &Answer) -> Option<f32> {
        let found: Vec<&[[f32; 3]]> = shapes(answer)
            .filter_map(|(_, shape)| match shape {
                Shape::Keypoint { keypoints, .. } => Some(keypoints.as_slice()),
                _ => None,
            })
            .collect();
        let pairs = match_greedily(found.len(), truth.len(), 0.0, |f, t| oks(found[f], &truth[t]));
        let (mut sum, mut count) = (0.0, 0);
        for (t, person) in truth.iter().enumerate() {
            let joints = pairs.iter().find(|p| p.1 == t).map_or(&[][..], |p| found[p.0]);
            let Some(similarity) = oks(joints, person) else { continue };
            let (right, labelled) = pck(joints, person);
            self.joints_right += right;
            self.joints += labelled;
            self.people += 1;
            self.oks += f64::from(similarity);
            sum += similarity;
            count += 1;
        }
        (count > 0).then(|| sum / count as f32)
    }

    fn add_depth(&mut self, truth: &Answer, answer: &Answer) -> Option<f32> {
        let map = |a: &Answer| {
            shapes(a).find_map(|(_, shape)| match shape {
                Shape::Depth { width, height, metres } => Some(([*width, *height], metres.clone())),
                _ => None,
            })
        };
        let (size, wanted) = map(truth)?;
        let score: DepthScore = match map(answer) {
            Some((found_size, found)) => depth_score(&found, found_size, &wanted, size)?,
            None => MISSING_DEPTH,
        };
        self.depth_samples += 1;
        self.abs_rel += score.abs_rel;
        self.rms_log += score.rms_log;
        self.delta1 += score.delta1;
        Some(score.delta1 as f32)
    }

    pub(super) fn merge(&mut self, other: &KindScores) {
        self.samples += other.samples;
        self.parsed += other.parsed;
        self.exact += other.exact;
        self.named += other.named;
        self.numbers += other.numbers;
        self.numbers_right += other.numbers_right;
        self.concepts.add(other.concepts);
        self.boxes.add(other.boxes);
        self.single_boxes += other.single_boxes;
        self.single_boxes_right += other.single_boxes_right;
        self.masks.add(other.masks);
        self.mask_samples += other.mask_samples;
        self.mask_iou += other.mask_iou;
        self.mask_best_iou += other.mask_best_iou;
        self.mask_overlap.add(other.mask_overlap);
        self.joints += other.joints;
        self.joints_right += other.joints_right;
        self.people += other.people;
        self.oks += other.oks;
        self.absent += other.absent;
        self.absent_right += other.absent_right;
        self.depth_samples += other.depth_samples;
        self.abs_rel += other.abs_rel;
        self.rms_log += other.rms_log;
        self.delta1 += other.delta1;
    }
}

fn shapes(answer: &Answer) -> impl Iterator<Item = (&str, &Shape)> {
    let triplets = answer.triplets.iter();
    triplets.flat_map(|t| t.shapes.iter().map(|(_, shape)| (t.concept.as_str(), shape)))
}

/// The IoU of the best proposal of an answer that is one mask; `answered` where it has no other.
fn best_iou(wanted: &Mask, answer: &Answer, answered: f32) -> f32 {
    let mut found = shapes(answer).map(|(_, shape)| shape);
    let (Some(Shape::Mask { others, .. }), None) = (found.next(), found.next()) else {
        return answered;
    };
    let size = [wanted.width, wanted.height];
    let iou = |proposal: &Proposal| Overlap::of(&union([&proposal.mask], size), wanted).iou();
    others.iter().map(iou).fold(answered, f32::max)
}

/// By what was asked for: a triplet whose shapes are missing still has its unit.
fn has(answer: &Answer, unit: Unit) -> bool {
    answer.triplets.iter().any(|t| t.unit == unit)
}

/// Normalised names and the shapes that `pick` takes.
fn named<'a, T>(
    answer: &'a Answer,
    pick: impl Fn(&'a Shape) -> Option<T>,
) -> (Vec<String>, Vec<T>) {
    shapes(answer).filter_map(|(name, shape)| Some((normalised(name), pick(shape)?))).unzip()
}

fn as_box(shape: &Shape) -> Option<[f32; 4]> {
    match shape {
        Shape::Box { bbox } => Some(*bbox),
        _ => None,
    }
}

fn as_mask(shape: &Shape) -> Option<&Rle> {
    match shape {
        Shape::Mask { mask, .. } => Some(mask),
        _ => None,
    }
}

fn people(parts: &[AnswerPart], targets: &[Target]) -> Vec<Person> {
    let indices = parts.iter().flat_map(|part| match part {
        AnswerPart::Triplet { unit: Unit::Keypoint, targets, .. } => targets.as_slice(),
        _ => &[],
    });
    indices
        .filter_map(|&k| {
            let target = targets.get(k)?;
            let (joints, bbox) = (target.keypoints.clone()?, target.bbox?);
            let mask = target.mask.as_ref().and_then(|m| m.to_mask().ok());
            let area = mask.map_or(bbox[2] * bbox[3], |m| m.area() as f32);
            Some(Person { joints, bbox, area })
        })
        .collect()
}

#[cfg(test)]
mod tests;
