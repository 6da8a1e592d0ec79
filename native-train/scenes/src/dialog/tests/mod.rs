//! Dialogues about scenes of rectangles.

mod expressions;
mod prompts;
mod ready;
mod truth;
mod world;

use super::*;
use rand::SeedableRng;
use refvlm_record::{AnswerPart, QuestionPart, Task, Unit};
use std::collections::BTreeSet;
use world::{scene, without_people};

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Dialogues of one kind over many scenes.
fn many(kind: Kind, scenes: u64) -> Vec<(Scene, Dialogue)> {
    (0..scenes)
        .filter_map(|seed| {
            let scene = scene(seed);
            let dialogue = dialogue_of(kind, &scene, &mut rng(seed ^ 0xabc))?;
            Some((scene, dialogue))
        })
        .collect()
}

fn answer_text(dialogue: &Dialogue) -> String {
    let parts = dialogue.record.turns[0].answer.iter().map(|part| match part {
        AnswerPart::Text(text) => text.clone(),
        AnswerPart::Triplet { concept, .. } => concept.clone(),
    });
    parts.collect()
}

fn question_text(dialogue: &Dialogue) -> String {
    Record::question_text(&dialogue.record.turns[0]).to_lowercase()
}

#[test]
fn every_record_is_well_formed() {
    let options = DialogOptions { turns: 8, ..DialogOptions::default() };
    for seed in 0..400 {
        let scene = scene(seed);
        let dialogue = dialogues(&scene, &mut rng(seed), &options);
        dialogue.record.check().unwrap();
        assert_eq!(dialogue.record.turns.len(), 8);
        assert_eq!(dialogue.kinds.len(), 8);
        for turn in &dialogue.record.turns {
            let text = Record::question_text(turn);
            assert!(!text.contains(['{', '}']) && !text.contains("  "), "{text}");
            assert!(!text.trim().is_empty() && text.trim() == text, "{text}");
            let has_triplet = turn.answer.iter().any(|part| match part {
                AnswerPart::Triplet { unit, .. } => {
                    assert!(turn.task.units().contains(unit), "{unit} in {}", turn.task);
                    true
                }
                AnswerPart::Text(text) => {
                    assert!(!text.is_empty());
                    false
                }
            });
            assert!(!has_triplet || turn.task != Task::Vqa);
        }
    }
}

#[test]
fn the_record_survives_json_without_the_depth_values() {
    let scene = scene(3);
    let mut dialogue = dialogue_of(Kind::Depth, &scene, &mut rng(1)).unwrap();
    let json = serde_json::to_string(&dialogue.record).unwrap();
    let depth = dialogue.record.targets.last_mut().unwrap().depth.as_mut().unwrap();
    assert_eq!(std::mem::take(&mut depth.metres), scene.depth_m);
    assert_eq!(Record::from_json(&json).unwrap(), dialogue.record);
}

#[test]
fn every_kind_appears_with_its_task_and_units() {
    let options = DialogOptions { turns: 6, ..DialogOptions::default() };
    let drawn: BTreeSet<Kind> =
        (0..300).flat_map(|seed| dialogues(&scene(seed), &mut rng(seed), &options).kinds).collect();
    assert_eq!(drawn.len(), Kind::ALL.len());
    for kind in Kind::ALL {
        let expected = match kind {
            Kind::CaptionBoxes => Task::GcgDetection,
            Kind::CaptionMasks => Task::GcgSegmentation,
            Kind::DetectAll => Task::Detection,
            Kind::SegmentAll => Task::Segmentation,
            Kind::DetectClass | Kind::ReferBox | Kind::PromptBox => Task::GroundingDetection,
            Kind::SegmentClass | Kind::ReferMask | Kind::PromptMask => Task::GroundingSegmentation,
            Kind::Keypoints => Task::KeypointDetection,
            Kind::PromptKeypoints => Task::GroundingKeypoints,
            Kind::Depth => Task::Depth,
            Kind::Mixed => Task::Mixed,
            _ => Task::Vqa,
        };
        let found = many(kind, 60);
        assert!(found.len() > 10, "{kind}: {} of 60 scenes", found.len());
        for (_, dialogue) in found {
            assert_eq!(dialogue.kinds, [kind]);
            assert_eq!(dialogue.record.turns[0].task, expected, "{kind}");
        }
    }
}

#[test]
fn kinds_are_named_as_they_are_configured() {
    for kind in Kind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
    }
    let json = serde_json::to_string(&DialogOptions::default()).unwrap();
    assert_eq!(serde_json::from_str::<DialogOptions>(&json).unwrap(), DialogOptions::default());
}

#[test]
fn one_seed_makes_one_dialogue() {
    let options = DialogOptions { turns: 12, ..DialogOptions::default() };
    for seed in 0..20 {
        let scene = scene(seed);
        let first = dialogues(&scene, &mut rng(seed), &options);
        assert_eq!(first, dialogues(&scene, &mut rng(seed), &options));
        assert_ne!(first, dialogues(&scene, &mut rng(seed + 1000), &options));
    }
}

#[test]
fn weights_choose_the_kinds_and_a_caption_stands_in() {
    let only = |kind, weight| DialogOptions { turns: 5, weights: [(kind, weight)].into() };
    let scene = without_people(7);
    let drawn = |options: &DialogOptions| dialogues(&scene, &mut rng(5), options).kinds;
    assert_eq!(drawn(&only(Kind::DetectAll, 2.0)), [Kind::DetectAll; 5]);
    assert_eq!(drawn(&only(Kind::PromptKeypoints, 1.0)), [Kind::Caption; 5]);
    assert_eq!(drawn(&only(Kind::DetectAll, 0.0)), [Kind::Caption; 5]);
    assert_eq!(drawn(&only(Kind::DetectAll, f32::NAN)), [Kind::Caption; 5]);
    let none = DialogOptions { turns: 0, ..only(Kind::DetectAll, 1.0) };
    assert_eq!(drawn(&none), [Kind::DetectAll]);
}

#[test]
fn an_empty_scene_still_makes_a_record() {
    let mut empty = scene(1);
    empty.objects.clear();
    let options = DialogOptions { turns: 30, ..DialogOptions::default() };
    let dialogue = dialogues(&empty, &mut rng(9), &options);
    dialogue.record.check().unwrap();
    let mut caption = dialogue_of(Kind::Caption, &empty, &mut rng(2)).unwrap();
    caption.record.check().unwrap();
    assert_eq!(answer_text(&caption), "A beach.");
    caption.record.turns.clear();
    assert!(caption.record.check().is_err());
}

#[test]
fn the_depth_map_is_a_target_only_when_asked_for() {
    let options = DialogOptions { turns: 3, ..DialogOptions::default() };
    let mut seen = [false; 2];
    for seed in 0..200 {
        let scene = scene(seed);
        let record = dialogues(&scene, &mut rng(seed), &options).record;
        let asked = record.turns.iter().flat_map(|turn| &turn.answer).any(
            |part| matches!(part, AnswerPart::Triplet { unit: Unit::Depth, concept, .. } if concept == "depth"),
        );
        let maps = record.targets.iter().filter(|target| target.depth.is_some()).count();
        assert_eq!(maps, usize::from(asked));
        assert_eq!(record.targets.len(), scene.objects.len() + maps);
        seen[usize::from(asked)] = true;
    }
    assert_eq!(seen, [true; 2]);
}

#[test]
fn every_wording_keeps_its_promise() {
    for (name, wording, promised) in wordings::all() {
        let distinct: BTreeSet<&str> = wording.templates.iter().copied().collect();
        assert_eq!(distinct.len(), wording.templates.len(), "{name}: a template stands twice");
        assert!(distinct.len() >= promised, "{name}: {} of {promised}", distinct.len());
        for template in distinct {
            for slot in wording.slots {
                let holder = format!("{{{slot}}}");
                assert_eq!(template.matches(&holder).count(), 1, "{name}: {slot} in {template}");
            }
            assert_eq!(template.matches('{').count(), wording.slots.len(), "{name}: {template}");
            assert!(template.ends_with(['.', '?']), "{name}: {template}");
        }
    }
}

#[test]
fn wordings_of_different_kinds_are_their_own() {
    let turn_texts = |kind| -> BTreeSet<String> {
        many(kind, 300).iter().map(|(_, dialogue)| question_text(dialogue)).collect()
    };
    let (boxes, masks) = (turn_texts(Kind::CaptionBoxes), turn_texts(Kind::CaptionMasks));
    assert!(boxes.len() >= 24 && masks.len() >= 24);
    assert!(boxes.is_disjoint(&masks));
    assert!(turn_texts(Kind::DetectAll).is_disjoint(&turn_texts(Kind::SegmentAll)));
}

#[test]
fn prompts_in_questions_are_used_once_each() {
    let options = DialogOptions { turns: 10, ..DialogOptions::default() };
    for seed in 0..200 {
        let record = dialogues(&scene(seed), &mut rng(seed), &options).record;
        let mut used: Vec<usize> = record
            .turns
            .iter()
            .flat_map(|turn| &turn.question)
            .filter_map(|part| match part {
                QuestionPart::Prompt { prompt } => Some(*prompt),
                QuestionPart::Text(_) => None,
            })
            .collect();
        used.sort_unstable();
        assert_eq!(used, (0..record.prompts.len()).collect::<Vec<_>>());
    }
}

#[test]
fn drawn_scenes_can_be_talked_about() {
    let world = crate::World::new().unwrap();
    let options = DialogOptions { turns: 10, ..DialogOptions::default() };
    let mut drawn = BTreeSet::new();
    for seed in 0..60 {
        let scene = world.scene(seed, &crate::SceneOptions::default());
        let dialogue = dialogues(&scene, &mut rng(seed), &options);
        dialogue.record.check().unwrap();
        drawn.extend(dialogue.kinds);
    }
    assert!(drawn.len() > 20, "{drawn:?}");
}
