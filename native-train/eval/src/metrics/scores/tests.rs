//! Whole samples with values computed by hand.

use super::*;
use crate::metrics::{AnswerTriplet, Summary};
use refvlm_record::DepthMap;

const SIZE: [u32; 2] = [4, 2];

fn part(concept: &str, unit: Unit, targets: &[usize]) -> AnswerPart {
    AnswerPart::Triplet { concept: concept.into(), unit, targets: targets.to_vec() }
}

fn mask(pixels: [u8; 8]) -> Rle {
    Mask { width: 4, height: 2, pixels: pixels.to_vec() }.to_rle()
}

fn found(concept: &str, unit: Unit, shapes: Vec<Shape>) -> Answer {
    let refs: String = (0..shapes.len()).map(|k| format!("[{k}]<REF>")).collect();
    let shapes = shapes.into_iter().map(|shape| (0.8, shape)).collect();
    Answer {
        text: format!("<Phrase>{concept}</Phrase>(<Unit>{unit}</Unit>{refs})."),
        triplets: vec![AnswerTriplet { concept: concept.into(), unit, shapes }],
        parsed: true,
    }
}

fn said(text: &str) -> Answer {
    Answer { text: text.into(), triplets: vec![], parsed: true }
}

#[test]
fn masks_count_per_prompt_kind_and_silence_counts_zero() {
    let targets = [Target { mask: Some(mask([1, 1, 0, 0, 1, 1, 0, 0])), ..Target::default() }];
    let truth = [part("dog", Unit::Mask, &[0])];
    let pixels = |pixels| mask(pixels).to_mask().unwrap();
    let half = Shape::mask(&pixels([1, 1, 0, 0, 0, 0, 0, 0]));
    let mut scores = Scores::default();
    // Another proposal is three quarters right.
    let other = Proposal::new(0.1, &pixels([1, 1, 0, 0, 1, 0, 0, 0]));
    let half = half.with_others(vec![other]);
    let point = found("dog", Unit::Mask, vec![half.clone()]);
    assert_eq!(scores.add("prompt_mask.point", &truth, &targets, SIZE, &point), 0.5);
    assert_eq!(scores.add("prompt_mask.box", &truth, &targets, SIZE, &said("dog")), 0.0);
    assert_eq!(scores.add("refer_mask", &truth, &targets, SIZE, &point), 0.5);
    assert_eq!(scores.add("refer_mask", &truth, &targets, SIZE, &Answer::default()), 0.0);
    let summary = Summary::of(&scores);
    assert_eq!(summary.interactive_miou, Some(0.25));
    assert_eq!(summary.interactive_miou_by_prompt["point"], 0.5);
    assert_eq!(summary.interactive_miou_by_prompt["box"], 0.0);
    assert_eq!(summary.interactive_best_by_prompt["point"], 0.75);
    assert_eq!(summary.interactive_best_by_prompt.get("box"), None, "it has no other");
    // Intersections 2 + 0, unions 4 + 4.
    assert_eq!((summary.res_ciou, summary.res_giou), (Some(0.25), Some(0.25)));
    assert_eq!(summary.parse_rate, Some(0.75));
    assert_eq!(summary.rec_accuracy, None);
}

#[test]
fn boxes_by_accuracy_and_f1() {
    let at = |x: f32| Target { bbox: Some([x, 0.0, 1.0, 2.0]), ..Target::default() };
    let targets = [at(0.0), at(2.0)];
    let shape = |x: f32| Shape::Box { bbox: [x, 0.0, 1.0, 2.0] };
    let mut scores = Scores::default();
    let one = [part("a dog", Unit::Box, &[0])];
    scores.add("refer_box", &one, &targets, SIZE, &found("dog", Unit::Box, vec![shape(0.2)]));
    scores.add("refer_box", &one, &targets, SIZE, &found("dog", Unit::Box, vec![shape(0.6)]));
    scores.add("refer_box", &one, &targets, SIZE, &said("there"));
    let both = [part("dog", Unit::Box, &[0, 1])];
    let score = scores.add(
        "detect_class",
        &both,
        &targets,
        SIZE,
        &found("Dog", Unit::Box, vec![shape(2.0), shape(2.1), shape(0.0)]),
    );
    assert_eq!(score, 0.8);
    let summary = Summary::of(&scores);
    assert_eq!(summary.rec_accuracy, Some(1.0 / 3.0));
    assert_eq!(summary.rec_f1, Some(2.0 / 5.0), "two boxes, one right, for three things");
    // Two right, one superfluous, none missed.
    assert_eq!(summary.detection_f1, Some(4.0 / 5.0));
}

#[test]
fn words_numbers_and_concepts() {
    let text = |t: &str| [AnswerPart::Text(t.into())];
    let mut scores = Scores::default();
    let mut say = |kind: &str, truth: &str, answer: &str| {
        scores.add(kind, &text(truth), &[], SIZE, &said(answer))
    };
    assert_eq!(say("how_many", "There are two dogs.", "2 dogs"), 0.5 * 2.0 / 6.0);
    assert_eq!(say("how_many", "There are no dogs.", "There are three dogs."), 0.5 * 0.75);
    assert_eq!(say("colour", "red", "Red."), 1.0);
    assert_eq!(say("colour", "red", "blue"), 0.0);
    assert_eq!(say("region_label.box", "a dog", "dog"), 1.0);
    assert_eq!(say("region_label.point", "a dog", "cat"), 0.0);
    assert_eq!(say("caption", "A dog on a beach.", "a dog on a meadow"), 0.5 * 4.0 / 6.0);
    let summary = Summary::of(&scores);
    assert_eq!(summary.counting_accuracy, Some(0.5));
    assert_eq!(summary.vqa_accuracy["colour"], 0.5);
    assert!(!summary.vqa_accuracy.contains_key("how_many"));
    assert_eq!(summary.region_label_accuracy, Some(0.5));
    assert_eq!(summary.region_label_by_prompt["box"], 1.0);
    assert_eq!(summary.caption_exact, Some(0.0));
    assert_eq!(summary.caption_concept_f1, Some(4.0 / 6.0));
}

#[test]
fn people_are_matched_and_the_missed_count_zero() {
    let person = |x: f32| {
        let mut joints = vec![[0.0, 0.0, 0.0]; 17];
        joints[0] = [x, 10.0, 2.0];
        let bbox = Some([x, 0.0, 30.0, 40.0]);
        Target { bbox, keypoints: Some(joints), ..Target::default() }
    };
    let targets = [person(0.0), person(100.0)];
    let truth = [part("person", Unit::Keypoint, &[0, 1])];
    let shape = Shape::Keypoint {
        bbox: [100.0, 0.0, 30.0, 40.0],
        keypoints: targets[1].keypoints.clone().unwrap(),
    };
    let mut scores = Scores::default();
    let answer = found("person", Unit::Keypoint, vec![shape]);
    assert_eq!(scores.add("keypoints", &truth, &targets, [200, 50], &answer), 0.5);
    let summary = Summary::of(&scores);
    assert_eq!((summary.keypoints_pck, summary.keypoints_oks), (Some(0.5), Some(0.5)));
}

#[test]
fn depth_is_a_mean_over_maps_and_a_missing_one_is_no_help() {
    let depth = DepthMap { path: String::new(), metres_per_unit: 0.001, metres: vec![2.0; 8] };
    let targets = [Target { depth: Some(depth), ..Target::default() }];
    let truth = [part("depth", Unit::Depth, &[0])];
    let shape = Shape::Depth { width: 1, height: 1, metres: vec![2.2] };
    let mut scores = Scores::default();
    let answer = found("depth", Unit::Depth, vec![shape]);
    assert_eq!(scores.add("depth", &truth, &targets, SIZE, &answer), 1.0);
    assert_eq!(scores.add("depth", &truth, &targets, SIZE, &said("far")), 0.0);
    let depth = Summary::of(&scores).depth.unwrap();
    assert!((depth.abs_rel - 0.55).abs() < 1e-6 && depth.delta1 == 0.5);
}

#[test]
fn sums_of_parts_are_the_sum_and_survive_json() {
    let text = [AnswerPart::Text("red".into())];
    let (mut a, mut b, mut all) = (Scores::default(), Scores::default(), Scores::default());
    for (k, answer) in ["red", "blue", "green"].into_iter().enumerate() {
        let half = if k == 0 { &mut a } else { &mut b };
        half.add("colour", &text, &[], SIZE, &said(answer));
        all.add("colour", &text, &[], SIZE, &said(answer));
    }
    a.merge(&b);
    assert_eq!(a, all);
    let json = serde_json::to_string(&all).unwrap();
    assert_eq!(serde_json::from_str::<Scores>(&json).unwrap(), all);
}

#[test]
fn the_truth_as_an_answer_is_perfect() {
    let targets = [Target {
        bbox: Some([0.0, 0.0, 2.0, 2.0]),
        mask: Some(mask([1, 1, 0, 0, 1, 1, 0, 0])),
        ..Target::default()
    }];
    let truth = [
        part("a dog", Unit::Box, &[0]),
        AnswerPart::Text(" and ".into()),
        part("its shape", Unit::Mask, &[0]),
    ];
    let answer = Answer::from_truth(&truth, &targets, SIZE);
    assert_eq!(Answer::from_events(&answer.events()), answer);
    let mut scores = Scores::default();
    assert_eq!(scores.add("mixed", &truth, &targets, SIZE, &answer), 1.0);
    let kind = &scores.kinds["mixed"];
    assert_eq!(
        (kind.parsed, kind.exact, kind.boxes.f1(), kind.masks.f1()),
        (1, 1, Some(1.0), Some(1.0))
    );
}
