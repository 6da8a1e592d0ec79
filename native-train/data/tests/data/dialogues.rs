//! Prompts, dialogues and the judge's questions.

use crate::support::{picture, scene};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use refvlm_data::dialogues::{MOST_TARGETS, dialogue_of};
use refvlm_data::judge::{self, Question};
use refvlm_data::{
    Collection, Dialogue, DialogueOptions, Kind, Photo, View, WordingSet, dialogues, pointing,
};
use refvlm_record::{AnswerPart, Mask, Prompt, QuestionPart, Record, Task, Unit};
use std::collections::BTreeSet;

fn photo() -> Photo {
    Collection::open(&scene().0).unwrap().photos.remove(0)
}

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn said(dialogue: &Dialogue) -> String {
    let turn = &dialogue.record.turns[0];
    let piece = |part: &AnswerPart| match part {
        AnswerPart::Text(text) => text.clone(),
        AnswerPart::Triplet { concept, targets, .. } => format!("<{concept}>{}", targets.len()),
    };
    turn.answer.iter().map(piece).collect()
}

#[test]
fn every_kind_is_drawn_and_every_record_is_well_formed() {
    let photo = photo();
    let mut seen = BTreeSet::new();
    for seed in 0..400 {
        let mut rng = rng(seed);
        let dialogue = dialogues(&photo, &mut rng, &DialogueOptions::default()).unwrap();
        dialogue.record.check().unwrap();
        assert_eq!(dialogue.record.turns.len(), 4);
        seen.extend(dialogue.kinds.iter().copied());
        for turn in &dialogue.record.turns {
            let text = Record::question_text(turn);
            assert!(!text.contains(['{', '}']) && !text.contains("  "), "{text}");
            for part in &turn.answer {
                if let AnswerPart::Triplet { unit, targets, .. } = part {
                    assert!(turn.task.units().contains(unit));
                    assert!((1..=MOST_TARGETS).contains(&targets.len()));
                }
            }
        }
        let view = View::draw(&mut rng, &photo).scaled_to(128);
        let (photo, _) = view.apply(&photo, &picture(96, 64));
        if let Some(dialogue) = dialogues(&photo, &mut rng, &DialogueOptions::default()) {
            dialogue.record.check().unwrap();
        }
        if let Some(record) = pointing(&photo, usize::MAX, &mut rng) {
            record.check().unwrap();
        }
    }
    assert_eq!(seen, BTreeSet::from(Kind::ALL));
}

#[test]
fn answers_are_true() {
    let photo = photo();
    for seed in 0..200 {
        let of = |kind| dialogue_of(kind, &photo, &mut rng(seed), WordingSet::HeldOut);
        let all = said(&of(Kind::SegmentAll).unwrap());
        assert_eq!(all, "<dog>2, <person>1, <tree>1.");
        assert_eq!(
            said(&of(Kind::CaptionBoxes).unwrap()),
            "<Two dogs>2, <a person>1 and <a tree>1."
        );
        assert_eq!(said(&of(Kind::Keypoints).unwrap()), "<person>1.");
        if let Some(count) = of(Kind::HowMany) {
            let known = [
                "There are 2 dogs.",
                "There is 1 person.",
                "There is 1 human.",
                "There is 1 tree.",
                "There are no zebras.",
                "There are no traffic lights.",
            ];
            assert!(known.contains(&said(&count).as_str()), "{}", said(&count));
        }
        let absent = said(&of(Kind::AbsentMask).unwrap());
        assert!(absent.contains("no zebra") || absent.contains("no traffic light"), "{absent}");
        let presence = of(Kind::Presence).unwrap();
        let asked = Record::question_text(&presence.record.turns[0]).to_lowercase();
        let there = ["dog", "person", "people", "human", "tree"].iter().any(|n| asked.contains(n));
        assert_eq!(said(&presence) == "yes", there, "{asked}");
        if let Some(referred) = of(Kind::ReferBox) {
            let asked = Record::question_text(&referred.record.turns[0]).to_lowercase();
            let x = referred.record.targets[0].bbox.unwrap()[0];
            let first = ["left", "bottom", "low", "small", "little"];
            if asked.contains("dog") && !asked.contains("from the") {
                assert_eq!(x == 4.0, first.iter().any(|word| asked.contains(word)), "{asked}");
            }
        }
    }
}

#[test]
fn what_is_not_complete_is_neither_counted_nor_missed() {
    let mut photo = photo();
    photo.complete = false;
    photo.complete_for = Default::default();
    for kind in Kind::ALL {
        let found = (0..20)
            .any(|seed| dialogue_of(kind, &photo, &mut rng(seed), WordingSet::Training).is_some());
        let pointed = matches!(
            kind,
            Kind::Caption
                | Kind::RegionLabel
                | Kind::RegionQuestion
                | Kind::PromptBox
                | Kind::PromptMask
                | Kind::PromptKeypoints
        );
        assert_eq!(found, pointed, "{kind}");
    }
}

#[test]
fn nothing_to_say_is_none() {
    let mut photo = photo();
    photo.things.clear();
    photo.captions.clear();
    photo.complete_for = Default::default();
    assert!(dialogues(&photo, &mut rng(0), &DialogueOptions::default()).is_none());
    assert!(pointing(&photo, usize::MAX, &mut rng(0)).is_none());
}

#[test]
fn pointing_asks_each_thing_once_for_all_that_it_has() {
    let photo = photo();
    let record = pointing(&photo, usize::MAX, &mut rng(1)).unwrap();
    assert_eq!(record.turns.len(), 4);
    for turn in &record.turns {
        assert_eq!(turn.task, Task::Mixed);
        let prompts = turn.question.iter().filter(|p| matches!(p, QuestionPart::Prompt { .. }));
        assert_eq!(prompts.count(), 1);
    }
    let units = |k: usize| {
        let parts = record.turns[k].answer.iter();
        let unit = |part: &AnswerPart| match part {
            AnswerPart::Triplet { unit, .. } => Some(*unit),
            AnswerPart::Text(_) => None,
        };
        parts.filter_map(unit).collect::<Vec<_>>()
    };
    assert_eq!(units(0), [Unit::Box, Unit::Mask]);
    assert_eq!(units(2), [Unit::Box, Unit::Mask, Unit::Keypoint]);
}

fn on(mask: &Mask, [x, y]: [f32; 2]) -> bool {
    mask.pixels[y as usize * mask.width as usize + x as usize] == 1
}

#[test]
fn prompts_lie_on_their_things() {
    let photo = photo();
    let mut kinds = BTreeSet::new();
    let (mut daubs, mut exact) = (0, 0);
    for seed in 0..200 {
        let record = pointing(&photo, usize::MAX, &mut rng(seed)).unwrap();
        for (thing, prompt) in photo.things.iter().zip(&record.prompts) {
            let mask = thing.decoded().unwrap();
            kinds.insert(prompt.kind());
            match prompt {
                Prompt::Point { x, y } => assert!(on(&mask, [*x, *y])),
                Prompt::Scribble { points } => {
                    assert!((3..=6).contains(&points.len()));
                    assert!(points.iter().all(|point| on(&mask, *point)));
                }
                Prompt::Box { x, y, w, h } => {
                    let found = [*x, *y, x + w, y + h];
                    let [bx, by, bw, bh] = thing.bbox;
                    let wanted = [bx, by, bx + bw, by + bh];
                    for (k, (a, b)) in found.iter().zip(wanted).enumerate() {
                        let side = if k % 2 == 0 { bw } else { bh };
                        assert!((a - b).abs() <= 0.08 * side + 0.13, "{found:?} {wanted:?}");
                    }
                }
                Prompt::Mask { mask: painted } => {
                    let iou = painted.to_mask().unwrap().iou(&mask);
                    assert!(iou > 0.45, "{iou}");
                    (daubs, exact) = (daubs + 1, exact + u32::from(iou == 1.0));
                }
            }
        }
    }
    assert_eq!(kinds.len(), 4);
    assert!(exact * 10 < daubs, "{exact} of {daubs} daubs are no daubs");
}

#[test]
fn a_click_means_the_smallest_thing_it_hits() {
    let mut photo = photo();
    // A coat that covers the person, but for the head.
    let mut coat = photo.things[2].clone();
    let mut mask = coat.decoded().unwrap();
    mask.pixels[..96 * 20].fill(0);
    coat.mask = Some(mask.to_rle());
    coat.name = Some("coat".into());
    photo.things.push(coat);
    for seed in 0..100 {
        let record = pointing(&photo, usize::MAX, &mut rng(seed)).unwrap();
        let person = &record.prompts[2];
        assert!(!matches!(person, Prompt::Point { .. } | Prompt::Scribble { .. }), "{person:?}");
    }
}

#[test]
fn the_judge_asks_by_its_rule() {
    let photo = photo();
    let all = judge::records(&photo, &mut rng(0));
    all.iter().for_each(|(_, record)| record.check().unwrap());
    let count = |question| all.iter().filter(|(q, _)| *q == question).count();
    let people = photo.things.iter().filter(|thing| thing.joints.is_some()).count();
    assert_eq!(count(Question::Joints), people);
    let nouns: BTreeSet<&str> = photo.things.iter().map(|thing| thing.noun()).collect();
    let asked = nouns.iter().filter(|noun| photo.complete_for.contains(**noun)).count();
    assert_eq!(count(Question::Detect), asked);
    assert_eq!(count(Question::Presence), asked + count(Question::Absent));
    for (_, record) in all.iter().filter(|(question, _)| *question == Question::Absent) {
        let said = Record::question_text(&record.turns[0]);
        assert!(!nouns.iter().any(|noun| said.contains(noun)), "{said}");
        assert!(record.targets.is_empty());
    }
    let of_thing =
        |(q, _): &&(Question, Record)| matches!(q, Question::Segment(_) | Question::Name);
    let records: Vec<_> = all.iter().filter(of_thing).collect();
    assert_eq!(records.len(), photo.things.len() * 5);
    for (k, (question, record)) in records.iter().enumerate() {
        assert_eq!(*question, Question::OF_THING[k % 5]);
        let thing = &photo.things[k / 5];
        let mask = thing.decoded().unwrap();
        let (w, h) = (mask.width as i32, mask.height as i32);
        let depth = |[x, y]: [f32; 2]| {
            let (x, y) = (x as i32, y as i32);
            let mut least = f32::INFINITY;
            for other in 0..w * h {
                if mask.pixels[other as usize] == 0 {
                    let (dx, dy) = (other % w - x, other / w - y);
                    least = least.min(((dx * dx + dy * dy) as f32).sqrt());
                }
            }
            least
        };
        let deepest = || {
            let set = (0..w * h).filter(|at| mask.pixels[*at as usize] == 1);
            set.map(|at| depth([(at % w) as f32, (at / w) as f32])).fold(0.0, f32::max)
        };
        match &record.prompts[0] {
            Prompt::Point { x, y } => assert!(depth([*x, *y]) >= deepest() / 2.0 - 1e-3),
            Prompt::Scribble { points } => {
                assert_eq!(points.len(), 4);
                let least = deepest() / 2.0 - 1e-3;
                assert!(points.iter().all(|point| depth(*point) >= least));
            }
            Prompt::Box { x, w, .. } => {
                assert!((x - thing.bbox[0]).abs() <= 0.05 * thing.bbox[2] + 0.13);
                assert!((w / thing.bbox[2] - 1.0).abs() <= 0.12);
            }
            Prompt::Mask { mask: painted } => {
                let painted = painted.to_mask().unwrap();
                let missed = mask.pixels.iter().zip(&painted.pixels).filter(|(a, b)| a > b);
                assert_eq!(missed.count(), 0, "it covers the thing, holes included");
                assert!(painted.area() > mask.area());
            }
        }
        let said = Record::question_text(&record.turns[0]);
        match question {
            Question::Name => {
                assert_eq!(said, "What is [prompt 1]?");
                assert_eq!(record.turns[0].answer, [AnswerPart::Text(thing.noun().into())]);
            }
            _ => assert_eq!(said, "Segment [prompt 1]."),
        }
    }
    let mut boxed = photo.clone();
    boxed.things.iter_mut().for_each(|thing| thing.mask = None);
    let mut records = judge::records(&boxed, &mut rng(0));
    records.retain(|record| of_thing(&record) || record.0 == Question::Joints);
    assert_eq!(records.len(), boxed.things.len() + people);
    for (question, record) in records {
        record.check().unwrap();
        let named = matches!(question, Question::Name | Question::Joints);
        assert!(named, "there is no mask to hold an answer against");
    }
    let mut crowd = photo.clone();
    crowd.things.iter_mut().for_each(|thing| thing.crowd = true);
    assert!(judge::records(&crowd, &mut rng(0)).is_empty());
}
