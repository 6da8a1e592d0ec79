//! The ready-made questions against the wordings of the training.

use super::*;
use crate::dialog::expression;
use crate::dialog::facts::Facts;
use crate::dialog::wording::Wording;
use crate::dialog::wordings::all as wordings;
use refvlm_record::ready::{READY, default_question, pointed_question};

/// The task under which a list of wordings is asked.
fn task_of(list: &str) -> Task {
    match list {
        "caption with boxes" => Task::GcgDetection,
        "caption with masks" => Task::GcgSegmentation,
        "detect all" => Task::Detection,
        "segment all" => Task::Segmentation,
        "detect class" | "detect each" | "refer box" | "prompt box" | "prompt box pair" => {
            Task::GroundingDetection
        }
        "segment class" | "segment each" | "refer mask" | "prompt mask" | "prompt mask pair" => {
            Task::GroundingSegmentation
        }
        "people" => Task::KeypointDetection,
        "person prompted" | "person referred" => Task::GroundingKeypoints,
        "depth" => Task::Depth,
        "mixed" | "mixed with depth" => Task::Mixed,
        _ => Task::Vqa,
    }
}

/// Whether filled slots make `words` of `template`; `fits` judges what a slot would hold.
fn makes(template: &str, words: &str, fits: &dyn Fn(&str, &str) -> bool) -> bool {
    let Some((before, after)) = template.split_once('{') else { return template == words };
    let (slot, rest) = after.split_once('}').unwrap();
    let Some(words) = words.strip_prefix(before) else { return false };
    let ends = (1..=words.len()).filter(|end| words.is_char_boundary(*end));
    ends.into_iter().any(|end| fits(slot, &words[..end]) && makes(rest, &words[end..], fits))
}

/// What scenes call single things.
fn expressions() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for seed in 0..300 {
        let scene = scene(seed);
        let facts = Facts::new(&scene);
        let mut rng = rng(seed);
        for (expression, _) in expression::all(&facts) {
            found.insert(expression.text(&facts, &mut rng));
        }
    }
    found
}

fn asks(wording: &Wording, words: &str, things: &BTreeSet<String>) -> bool {
    let classes = crate::World::classes();
    let fits = |slot: &str, text: &str| match slot {
        "prompt" | "thing" | "other" if text.starts_with("[prompt ") => text.ends_with(']'),
        "thing" | "other" => things.contains(text),
        "things" => classes.iter().any(|class| class.plural == text),
        "unit" | "other unit" => Unit::ALL.iter().any(|unit| unit.name() == text),
        _ => false,
    };
    wording.templates.iter().any(|template| makes(template, words, &fits))
}

#[test]
fn ready_made_questions_say_whether_training_asks_them() {
    let things = expressions();
    let lists = wordings();
    let defaults = Task::ALL.into_iter().flat_map(|t| [default_question(t), pointed_question(t)]);
    let mut foreign = 0;
    for ready in READY.iter().copied().chain(defaults) {
        let words = ready.about(&[1, 2]).unwrap();
        let trained = lists
            .iter()
            .filter(|(list, ..)| task_of(list) == ready.task)
            .any(|(_, wording, _)| asks(wording, &words, &things));
        assert_eq!(trained, ready.trained, "{ready:?}");
        foreign += usize::from(!trained);
    }
    assert!(foreign > 0, "a question of another task is found out");
    let once = "Find the pose of every person.";
    assert!(!lists.iter().any(|(_, wording, _)| asks(wording, once, &things)));
}
