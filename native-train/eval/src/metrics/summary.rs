//! The results table.

use super::boxes::ratio;
use super::{DepthScore, KindScores, Scores};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every number of the results table, in 0..1 except depth's errors; none where no sample of
/// that kind was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Samples of all kinds.
    pub samples: u64,
    /// Share of answers that followed the grammar.
    pub parse_rate: Option<f64>,
    /// Interactive segmentation (`prompt_mask`): mean IoU per sample.
    pub interactive_miou: Option<f64>,
    /// The same per kind of prompt.
    pub interactive_miou_by_prompt: BTreeMap<String, f64>,
    /// The same per kind of prompt with the best of several proposals, where there are several.
    pub interactive_best_by_prompt: BTreeMap<String, f64>,
    /// Boxes from a prompt (`prompt_box`): share of first boxes with IoU of at least 0.5.
    pub prompt_box_accuracy: Option<f64>,
    /// Referring expressions (`refer_box`): share of first boxes with IoU of at least 0.5.
    pub rec_accuracy: Option<f64>,
    /// The same questions: micro F1 of all boxes at IoU 0.5 by name, as several things may be meant.
    pub rec_f1: Option<f64>,
    /// Referring expressions (`refer_mask`): cumulative intersection over cumulative union.
    pub res_ciou: Option<f64>,
    /// The same: mean IoU per sample.
    pub res_giou: Option<f64>,
    /// Boxes of classes (`detect_all`, `detect_class`): micro F1 at IoU 0.5 by class name.
    pub detection_f1: Option<f64>,
    /// Precision of the same.
    pub detection_precision: Option<f64>,
    /// Recall of the same.
    pub detection_recall: Option<f64>,
    /// Masks of classes (`segment_all`, `segment_class`): micro F1 at IoU 0.5 by class name.
    pub segmentation_f1: Option<f64>,
    /// Names of regions (`region_label`): exact match.
    pub region_label_accuracy: Option<f64>,
    /// The same per kind of prompt.
    pub region_label_by_prompt: BTreeMap<String, f64>,
    /// Names of regions: the true words occur in the answer.
    pub region_label_named: Option<f64>,
    /// Counting (`how_many`): the number is exactly right.
    pub counting_accuracy: Option<f64>,
    /// Other kinds answered in words: exact match, per kind.
    pub vqa_accuracy: BTreeMap<String, f64>,
    /// Captions: share that is exactly the true sentence.
    pub caption_exact: Option<f64>,
    /// Captions: micro F1 of concepts, of words where a caption has none.
    pub caption_concept_f1: Option<f64>,
    /// Grounded captions: share of true targets found at IoU 0.5 under their own phrase.
    pub phrase_recall: Option<f64>,
    /// People (`keypoints`, `prompt_keypoints`): PCK at a tenth of the box's diagonal.
    pub keypoints_pck: Option<f64>,
    /// The same: mean OKS.
    pub keypoints_oks: Option<f64>,
    /// What is not there (`absent`): share of answers that find nothing.
    pub absent_accuracy: Option<f64>,
    /// Distance maps.
    pub depth: Option<DepthScore>,
}

/// One line of the results table as people read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What is measured.
    pub name: String,
    /// The number as it is shown.
    pub value: String,
    /// How it compares: 0..1, higher is better; none for errors without an upper end.
    pub share: Option<f64>,
}

/// Kinds that have a line of their own, so that all others answered in words are VQA.
const NAMED: [&str; 10] = [
    "absent",
    "prompt_mask",
    "prompt_box",
    "refer_box",
    "refer_mask",
    "region_label",
    "how_many",
    "caption",
    "caption_boxes",
    "caption_masks",
];

impl Summary {
    /// Reduces sums to the table.
    pub fn of(scores: &Scores) -> Self {
        let all = total(scores, |_| true);
        let of = |names: &[&str]| total(scores, |name| names.contains(&name));
        let interactive = of(&["prompt_mask"]);
        let (refer_mask, labels) = (of(&["refer_mask"]), of(&["region_label"]));
        let detection = of(&["detect_all", "detect_class"]).boxes;
        let captions = of(&["caption", "caption_boxes", "caption_masks"]);
        let grounded = of(&["caption_boxes", "caption_masks"]);
        let mut found = grounded.boxes;
        found.add(grounded.masks);
        let counting = of(&["how_many"]);
        let people = of(&["keypoints", "prompt_keypoints"]);
        let (depth, absent) = (of(&["depth"]), of(&["absent"]));
        Self {
            samples: all.samples,
            parse_rate: ratio(all.parsed, all.samples),
            interactive_miou: miou(&interactive),
            interactive_miou_by_prompt: by_prompt(scores, "prompt_mask", miou),
            interactive_best_by_prompt: by_prompt(scores, "prompt_mask", best_miou),
            prompt_box_accuracy: first_box(&of(&["prompt_box"])),
            rec_accuracy: first_box(&of(&["refer_box"])),
            rec_f1: of(&["refer_box"]).boxes.f1(),
            res_ciou: ratio(refer_mask.mask_overlap.intersection, refer_mask.mask_overlap.union),
            res_giou: miou(&refer_mask),
            detection_f1: detection.f1(),
            detection_precision: detection.precision(),
            detection_recall: detection.recall(),
            segmentation_f1: of(&["segment_all", "segment_class"]).masks.f1(),
            region_label_accuracy: exact(&labels),
            region_label_by_prompt: by_prompt(scores, "region_label", exact),
            region_label_named: ratio(labels.named, labels.samples),
            counting_accuracy: ratio(counting.numbers_right, counting.numbers),
            vqa_accuracy: vqa(scores),
            caption_exact: exact(&captions),
            caption_concept_f1: captions.concepts.f1(),
            phrase_recall: found.recall(),
            keypoints_pck: ratio(people.joints_right, people.joints),
            keypoints_oks: (people.people > 0).then(|| people.oks / people.people as f64),
            absent_accuracy: ratio(absent.absent_right, absent.absent),
            depth: mean_depth(&depth),
        }
    }

    /// The table's lines; numbers that were not measured are left out.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut share = |name: String, value: Option<f64>| {
            if let Some(value) = value {
                rows.push(Row {
                    name,
                    value: format!("{:.1} %", value * 100.0),
                    share: Some(value),
                });
            }
        };
        share("Interactive segmentation, mIoU".into(), self.interactive_miou);
        for (prompt, value) in &self.interactive_miou_by_prompt {
            share(format!("… from a {prompt}"), Some(*value));
            let best = self.interactive_best_by_prompt.get(prompt);
            share(format!("… from a {prompt}, the best proposal"), best.copied());
        }
        share("Box from a prompt, accuracy".into(), self.prompt_box_accuracy);
        share("Referring expressions, box accuracy".into(), self.rec_accuracy);
        share("Referring expressions, F1 of all boxes".into(), self.rec_f1);
        share("Referring expressions, mask cIoU".into(), self.res_ciou);
        share("Referring expressions, mask gIoU".into(), self.res_giou);
        share("Detection, F1".into(), self.detection_f1);
        share("Segmentation, F1".into(), self.segmentation_f1);
        share("Region label, accuracy".into(), self.region_label_accuracy);
        for (prompt, value) in &self.region_label_by_prompt {
            share(format!("… from a {prompt}"), Some(*value));
        }
        share("Region label, named in the answer".into(), self.region_label_named);
        share("Counting, accuracy".into(), self.counting_accuracy);
        for (kind, value) in &self.vqa_accuracy {
            share(format!("Question “{}”, accuracy", kind.replace('_', " ")), Some(*value));
        }
        share("Caption, exact match".into(), self.caption_exact);
        share("Caption, concept F1".into(), self.caption_concept_f1);
        share("Grounded caption, phrase recall".into(), self.phrase_recall);
        share("Keypoints, PCK@0.1".into(), self.keypoints_pck);
        share("Keypoints, OKS".into(), self.keypoints_oks);
        share("What is not there, found nowhere".into(), self.absent_accuracy);
        share("Depth, δ < 1.25".into(), self.depth.map(|d| d.delta1));
        if let Some(depth) = self.depth {
            let errors = [("AbsRel", depth.abs_rel), ("RMS log", depth.rms_log)];
            rows.extend(errors.map(|(name, value)| Row {
                name: format!("Depth, {name} (lower is better)"),
                value: format!("{value:.3}"),
                share: None,
            }));
        }
        if let Some(rate) = self.parse_rate {
            let (name, value) = ("Answers that parse".into(), format!("{:.1} %", rate * 100.0));
            rows.push(Row { name, value, share: Some(rate) });
        }
        rows
    }
}

/// `prompt_mask.box` is of kind `prompt_mask` with the prompt `box`.
fn name_and_prompt(kind: &str) -> (&str, Option<&str>) {
    kind.split_once('.').map_or((kind, None), |(name, prompt)| (name, Some(prompt)))
}

fn total(scores: &Scores, wanted: impl Fn(&str) -> bool) -> KindScores {
    let mut sum = KindScores::default();
    for (_, scores) in scores.kinds.iter().filter(|(kind, _)| wanted(name_and_prompt(kind).0)) {
        sum.merge(scores);
    }
    sum
}

fn by_prompt(
    scores: &Scores,
    wanted: &str,
    value: impl Fn(&KindScores) -> Option<f64>,
) -> BTreeMap<String, f64> {
    let of = scores.kinds.iter().filter_map(|(kind, scores)| {
        let (name, prompt) = name_and_prompt(kind);
        (name == wanted).then_some((prompt?.to_string(), value(scores)?))
    });
    of.collect()
}

fn vqa(scores: &Scores) -> BTreeMap<String, f64> {
    let mut sums: BTreeMap<&str, KindScores> = BTreeMap::new();
    for (kind, scores) in &scores.kinds {
        let (name, _) = name_and_prompt(kind);
        let any_unit = scores.mask_samples + scores.people + scores.depth_samples > 0
            || scores.boxes.right + scores.boxes.missed > 0;
        if !NAMED.contains(&name) && !any_unit {
            sums.entry(name).or_default().merge(scores);
        }
    }
    sums.into_iter().filter_map(|(name, sum)| Some((name.to_string(), exact(&sum)?))).collect()
}

fn miou(sum: &KindScores) -> Option<f64> {
    (sum.mask_samples > 0).then(|| sum.mask_iou / sum.mask_samples as f64)
}

/// None where no answer has a better proposal than the one that was chosen.
fn best_miou(sum: &KindScores) -> Option<f64> {
    let best = sum.mask_best_iou / sum.mask_samples.max(1) as f64;
    (sum.mask_best_iou > sum.mask_iou).then_some(best)
}

fn first_box(sum: &KindScores) -> Option<f64> {
    ratio(sum.single_boxes_right, sum.single_boxes)
}

fn exact(sum: &KindScores) -> Option<f64> {
    ratio(sum.exact, sum.samples)
}

fn mean_depth(sum: &KindScores) -> Option<DepthScore> {
    let n = sum.depth_samples as f64;
    (sum.depth_samples > 0).then(|| DepthScore {
        abs_rel: sum.abs_rel / n,
        rms_log: sum.rms_log / n,
        delta1: sum.delta1 / n,
    })
}
