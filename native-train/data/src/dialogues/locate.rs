//! Turns that ask for boxes, masks or joints by words alone.

use super::draft::{Draft, Group, MOST_TARGETS, listed};
use super::expression;
use crate::english;
use crate::sources::{groups, related};
use crate::wording::{Family, Values};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use refvlm_record::{AnswerPart, Task, Turn, Unit};

/// Share of questions about a class that ask for a group of classes where one fits.
const GROUP_SHARE: f64 = 0.25;
/// People whose boxes cover less of the photo need no joints.
const LEAST_POSED: f32 = 0.01;
/// Share of expressions that name an absent thing as if it were there once.
const THE_SHARE: f64 = 0.4;

fn per_class(draft: &mut Draft, groups: &[Group], unit: Unit) -> Option<Vec<AnswerPart>> {
    let triplets: Option<Vec<AnswerPart>> =
        groups.iter().map(|group| draft.triplet(&group.noun, unit, &group.members)).collect();
    triplets.map(listed)
}

fn askable(draft: &Draft, groups: &[Group], unit: Unit) -> bool {
    let count: usize = groups.iter().map(|group| group.members.len()).sum();
    (1..=MOST_TARGETS).contains(&count)
        && groups.iter().all(|group| draft.all_carry(&group.members, unit))
}

pub(super) fn everything(draft: &mut Draft, rng: &mut ChaCha8Rng, unit: Unit) -> Option<Turn> {
    let groups = draft.groups();
    let named = groups.iter().map(|group| group.members.len()).sum::<usize>();
    let whole = draft.photo.complete && named == draft.photo.things.len();
    if !whole || !askable(draft, &groups, unit) {
        return None;
    }
    let (task, family) = match unit {
        Unit::Mask => (Task::Segmentation, Family::SegmentAll),
        _ => (Task::Detection, Family::DetectAll),
    };
    let answer = per_class(draft, &groups, unit)?;
    Some(Turn { task, question: draft.ask(family, &Values::default(), rng), answer })
}

pub(super) fn class(draft: &mut Draft, rng: &mut ChaCha8Rng, unit: Unit) -> Option<Turn> {
    let mut all = draft.groups();
    let complete: Vec<usize> =
        (0..all.len()).filter(|&k| draft.complete_for(&all[k].noun)).collect();
    let noun = all[*complete.choose(rng)?].noun.clone();
    let group = groups()
        .filter(|(_, members)| members.contains(&noun))
        .map(|(group, members)| {
            // All of its classes that this source labels must be labelled in this photo.
            let labelled = |member: &String| draft.photo.source.nouns.contains(member);
            let known = members.iter().filter(|m| labelled(m)).all(|m| draft.complete_for(m));
            (group, members, known)
        })
        .find(|(_, _, known)| *known)
        .filter(|_| rng.random_bool(GROUP_SHARE));
    let asked = match group {
        Some((group, members, _)) => {
            all.retain(|group| members.contains(&group.noun));
            group.to_string()
        }
        None => {
            // A van among the cars, a stool among the chairs: some would count it.
            if all.iter().any(|group| group.noun != noun && related(&group.noun, &noun)) {
                return None;
            }
            all.retain(|group| group.noun == noun);
            draft.said(&noun, rng)
        }
    };
    if !askable(draft, &all, unit) {
        return None;
    }
    let (task, family) = match unit {
        Unit::Mask => (Task::GroundingSegmentation, Family::SegmentClass),
        _ => (Task::GroundingDetection, Family::DetectClass),
    };
    let answer = per_class(draft, &all, unit)?;
    let values = Values { class: &asked, ..Values::default() };
    Some(Turn { task, question: draft.ask(family, &values, rng), answer })
}

pub(super) fn referred(draft: &mut Draft, rng: &mut ChaCha8Rng, unit: Unit) -> Option<Turn> {
    let (index, text) = expression::draw(draft, unit, rng)?;
    let (task, family) = match unit {
        Unit::Mask => (Task::GroundingSegmentation, Family::ReferMask),
        _ => (Task::GroundingDetection, Family::ReferBox),
    };
    let noun = draft.thing(index)?.noun().to_string();
    let answer = listed(vec![draft.triplet(&noun, unit, &[index])?]);
    let values = Values { thing: &text, ..Values::default() };
    Some(Turn { task, question: draft.ask(family, &values, rng), answer })
}

/// What is not there is asked for in the same words as what is; the answer is a plain sentence.
pub(super) fn absent(draft: &mut Draft, rng: &mut ChaCha8Rng, unit: Unit) -> Option<Turn> {
    let noun = draft.absent(rng)?;
    let said = draft.said(noun, rng);
    let the = format!("the {said}");
    let one = rng.random_bool(THE_SHARE);
    let (task, family) = match (unit, one) {
        (Unit::Mask, true) => (Task::GroundingSegmentation, Family::ReferMask),
        (Unit::Mask, false) => (Task::GroundingSegmentation, Family::SegmentClass),
        (_, true) => (Task::GroundingDetection, Family::ReferBox),
        (_, false) => (Task::GroundingDetection, Family::DetectClass),
    };
    let values = match one {
        true => Values { thing: &the, ..Values::default() },
        false => Values { class: &said, ..Values::default() },
    };
    let answer = vec![AnswerPart::Text(english::absent(&said))];
    Some(Turn { task, question: draft.ask(family, &values, rng), answer })
}

/// Only where every person in the picture has joints, but for those that are too small to have any.
pub(super) fn people(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let mut people = draft.groups().into_iter().find(|group| group.noun == "person")?;
    let least = LEAST_POSED * draft.photo.area();
    people.members.retain(|&index| {
        draft
            .thing(index)
            .is_some_and(|thing| thing.crowd || thing.joints.is_some() || thing.box_area() >= least)
    });
    let complete = draft.complete_for("person");
    let posed = (1..=MOST_TARGETS).contains(&people.members.len())
        && draft.all_carry(&people.members, Unit::Keypoint);
    if !complete || !posed {
        return None;
    }
    let answer = listed(vec![draft.triplet("person", Unit::Keypoint, &people.members)?]);
    let question = draft.ask(Family::KeypointsAll, &Values::default(), rng);
    Some(Turn { task: Task::KeypointDetection, question, answer })
}
