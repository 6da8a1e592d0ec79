//! Captions: what is there, from left to right, and where.

use super::draft::{Draft, spoken};
use super::facts::{Facts, Group};
use super::wordings::caption as wordings;
use super::words::{at_place, capitalised, coloured, indefinite, joint, number};
use crate::Family;
use rand_chacha::ChaCha8Rng;
use refvlm_record::{AnswerPart, Task, Turn, Unit};

pub(super) fn plain(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Turn {
    let said: String = sentence(&draft.facts).into_iter().map(|(text, _)| text).collect();
    spoken(wordings::PLAIN.ask(&[], rng), said)
}

pub(super) fn grounded(draft: &mut Draft, rng: &mut ChaCha8Rng, unit: Unit) -> Option<Turn> {
    if draft.facts.objects().is_empty() {
        return None;
    }
    let (task, wording) = match unit {
        Unit::Mask => (Task::GcgSegmentation, &wordings::MASKS),
        _ => (Task::GcgDetection, &wordings::BOXES),
    };
    let answer = sentence(&draft.facts)
        .into_iter()
        .map(|(text, targets)| match targets {
            Some(targets) => AnswerPart::Triplet { concept: text, unit, targets },
            None => AnswerPart::Text(text),
        })
        .collect();
    Some(Turn { task, question: wording.ask(&[], rng), answer })
}

/// The canonical sentence in pieces; those with indices are the phrases that name these objects.
fn sentence(facts: &Facts) -> Vec<(String, Option<Vec<usize>>)> {
    let groups = facts.groups();
    let count = groups.len();
    if count == 0 {
        return vec![(format!("{}.", capitalised(facts.scene.background)), None)];
    }
    let mut pieces = Vec::new();
    for (k, group) in groups.into_iter().enumerate() {
        let phrase = phrase(facts, &group);
        match joint(k, count) {
            "" => pieces.push((capitalised(&phrase), Some(group.members))),
            joint => {
                pieces.push((joint.into(), None));
                pieces.push((phrase, Some(group.members)));
            }
        }
    }
    pieces.push((format!(" {}.", at_place(facts.scene.background)), None));
    pieces
}

/// `two dogs`, `a red car`, `three red balloons`.
fn phrase(facts: &Facts, group: &Group) -> String {
    let members = || group.members.iter().filter_map(|&index| facts.objects().get(index));
    let first = members().next();
    let family = first.map_or(Family::Thing, |object| object.family);
    let colour = first.and_then(|object| object.colour);
    let shared = colour.filter(|_| members().all(|object| object.colour == colour));
    let count = group.members.len();
    if count == 1 {
        return indefinite(&coloured(group.noun.singular, family, shared));
    }
    // Two people in two shirts have no short plural.
    let shared = shared.filter(|_| family != Family::Person);
    format!("{} {}", number(count), coloured(group.noun.plural, family, shared))
}
