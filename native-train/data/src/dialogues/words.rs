//! Turns that are answered in words, and captions that carry targets.

use super::draft::{Draft, Group, MOST_TARGETS, counted, spoken};
use crate::english::{Number, capitalised, number, there_are};
use crate::sources::related;
use crate::wording::{Family, Values};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use refvlm_record::{AnswerPart, Task, Turn, Unit};

/// Share of counting questions about what is not there.
const NONE_SHARE: f64 = 0.15;
/// Most classes that a caption names.
const MOST_PHRASES: usize = 5;

pub(super) fn presence(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    // Both answers must be possible, or the source alone would tell which is true.
    let absent = draft.absent(rng)?;
    // Each noun that is there is as likely as any other, as are those that are not: were what is
    // seen most asked for most, a noun alone would tell the answer.
    let present = draft.groups();
    let present = &present.choose(rng)?.noun;
    let truth = rng.random_bool(0.5);
    let said = draft.said(if truth { present } else { absent }, rng);
    let values = Values { class: &said, ..Values::default() };
    let answer = if truth { "yes" } else { "no" };
    Some(spoken(draft.ask(Family::Presence, &values, rng), answer.into()))
}

pub(super) fn how_many(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let counted = |noun: &str| number(noun) == Number::Count && !draft.photo.source.uncounted(noun);
    let (noun, count) = if rng.random_bool(NONE_SHARE) {
        (draft.absent(rng)?.to_string(), 0)
    } else {
        let groups = draft.groups();
        let sure = |group: &&Group| {
            let single = |&index: &usize| draft.thing(index).is_some_and(|thing| !thing.crowd);
            let alone =
                |other: &Group| other.noun == group.noun || !related(&other.noun, &group.noun);
            draft.complete_for(&group.noun)
                && group.members.iter().all(single)
                && groups.iter().all(alone)
        };
        let sure: Vec<&Group> = groups.iter().filter(sure).collect();
        let group = sure.choose(rng)?;
        (group.noun.clone(), group.members.len())
    };
    if !counted(&noun) || count > MOST_TARGETS {
        return None;
    }
    let said = draft.said(&noun, rng);
    let values = Values { class: &said, ..Values::default() };
    Some(spoken(draft.ask(Family::Count, &values, rng), there_are(count, &said)))
}

pub(super) fn caption(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let caption = draft.photo.captions.choose(rng)?.clone();
    Some(spoken(draft.ask(Family::Caption, &Values::default(), rng), caption))
}

/// `A <dog> and two <chairs>.`: the largest classes, from left to right.
pub(super) fn grounded(draft: &mut Draft, rng: &mut ChaCha8Rng, unit: Unit) -> Option<Turn> {
    if !draft.photo.complete {
        return None;
    }
    let mut groups = draft.groups();
    groups.retain(|group| !draft.photo.source.uncounted(&group.noun));
    let area = |group: &Group| -> f32 {
        let things = group.members.iter().filter_map(|&index| draft.thing(index));
        things.map(|thing| thing.box_area()).sum()
    };
    let mut areas: Vec<f32> = groups.iter().map(area).collect();
    areas.sort_by(|a, b| b.total_cmp(a));
    let least = areas.get(MOST_PHRASES - 1).copied().unwrap_or(0.0);
    groups.retain(|group| area(group) >= least);
    let count: usize = groups.iter().map(|group| group.members.len()).sum();
    let carried = groups.iter().all(|group| draft.all_carry(&group.members, unit));
    if !(1..=MOST_TARGETS).contains(&count) || !carried {
        return None;
    }
    let (task, family) = match unit {
        Unit::Mask => (Task::GcgSegmentation, Family::CaptionMasks),
        _ => (Task::GcgDetection, Family::CaptionBoxes),
    };
    let mut answer = Vec::new();
    for (k, group) in groups.iter().enumerate() {
        let phrase = counted(&group.noun, group.members.len());
        let (before, phrase) = match k {
            0 => ("", capitalised(&phrase)),
            _ if k + 1 == groups.len() => (" and ", phrase),
            _ => (", ", phrase),
        };
        if !before.is_empty() {
            answer.push(AnswerPart::Text(before.into()));
        }
        answer.push(draft.triplet(&phrase, unit, &group.members)?);
    }
    answer.push(AnswerPart::Text(".".into()));
    Some(Turn { task, question: draft.ask(family, &Values::default(), rng), answer })
}
