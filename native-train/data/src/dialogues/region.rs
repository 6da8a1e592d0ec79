//! Turns about what is pointed at.

use super::draft::{Draft, carries, listed, spoken};
use crate::english::indefinite;
use crate::photo::Thing;
use crate::prompts::PromptKind;
use crate::sources::{known_nouns, related};
use crate::wording::{Family, Values};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use refvlm_record::{Task, Turn, Unit};

/// All but the box: to point at what a box is asked of.
const NO_BOX: &[PromptKind] = &[PromptKind::Point, PromptKind::Scribble, PromptKind::Mask];
/// Share of false region questions that name something else in the picture.
const CONFUSED_SHARE: f64 = 0.5;
/// Things whose boxes overlap by more, as a share of the smaller one, may be meant too.
const OVERLAP: f32 = 0.2;

fn pointed(prompt: usize) -> Values<'static> {
    Values { prompt: Some(prompt), ..Values::default() }
}

pub(super) fn label(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let (index, name) = named(draft, rng)?;
    let prompt = draft.point_at(index, &PromptKind::ALL, rng)?;
    Some(spoken(draft.ask(Family::RegionName, &pointed(prompt), rng), indefinite(&name)))
}

fn named(draft: &Draft, rng: &mut ChaCha8Rng) -> Option<(usize, String)> {
    let named: Vec<usize> = draft
        .pointable()
        .into_iter()
        .filter(|&index| draft.thing(index).is_some_and(|thing| thing.name.is_some()))
        .collect();
    let index = *named.choose(rng)?;
    Some((index, draft.thing(index)?.noun().to_string()))
}

pub(super) fn question(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let (index, name) = named(draft, rng)?;
    let truth = rng.random_bool(0.5);
    let class = if truth { draft.said(&name, rng) } else { other(draft, index, rng)?.to_string() };
    let prompt = draft.point_at(index, &PromptKind::ALL, rng)?;
    let values = Values { class: &class, ..pointed(prompt) };
    let answer = if truth { "yes" } else { "no" };
    Some(spoken(draft.ask(Family::RegionIs, &values, rng), answer.into()))
}

/// A noun that does not fit the thing, nor what lies on it or behind it.
fn other<'a>(draft: &Draft<'a>, index: usize, rng: &mut ChaCha8Rng) -> Option<&'a str> {
    let thing = draft.thing(index)?;
    let near: Vec<&Thing> =
        draft.photo.things.iter().filter(|other| overlap(thing, other) > OVERLAP).collect();
    let differs = |noun: &&str| !near.iter().any(|near| related(near.noun(), noun));
    if rng.random_bool(CONFUSED_SHARE) {
        let present = draft.photo.things.iter().filter_map(|thing| thing.name.as_deref());
        let present: Vec<&str> = present.filter(differs).collect();
        if let Some(noun) = present.choose(rng) {
            return Some(noun);
        }
    }
    let known: Vec<&str> = known_nouns().iter().map(String::as_str).filter(differs).collect();
    known.choose(rng).copied()
}

/// Common area of two boxes as a share of the smaller one; 1 with itself.
fn overlap(a: &Thing, b: &Thing) -> f32 {
    let side = |axis: usize| {
        let end = |thing: &Thing| thing.bbox[axis] + thing.bbox[axis + 2];
        (end(a).min(end(b)) - a.bbox[axis].max(b.bbox[axis])).max(0.0)
    };
    side(0) * side(1) / a.box_area().min(b.box_area()).max(1e-6)
}

pub(super) fn prompted(draft: &mut Draft, rng: &mut ChaCha8Rng, unit: Unit) -> Option<Turn> {
    let (task, family, kinds): (_, _, &[PromptKind]) = match unit {
        Unit::Mask => (Task::GroundingSegmentation, Family::PromptMask, &PromptKind::ALL),
        Unit::Keypoint => (Task::GroundingKeypoints, Family::KeypointsPrompt, &PromptKind::ALL),
        _ => (Task::GroundingDetection, Family::PromptBox, NO_BOX),
    };
    let fitting: Vec<usize> = draft
        .pointable()
        .into_iter()
        .filter(|&index| draft.thing(index).is_some_and(|thing| carries(thing, unit)))
        .collect();
    let index = *fitting.choose(rng)?;
    let prompt = draft.point_at(index, kinds, rng)?;
    let noun = draft.thing(index)?.noun().to_string();
    let answer = listed(vec![draft.triplet(&noun, unit, &[index])?]);
    Some(Turn { task, question: draft.ask(family, &pointed(prompt), rng), answer })
}

/// Box and, where there are, mask and joints of one thing that is pointed at.
pub(super) fn all_units(draft: &mut Draft, index: usize, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let thing = draft.thing(index)?;
    let prompt = draft.point_at(index, &PromptKind::ALL, rng)?;
    let units = [Unit::Box, Unit::Mask, Unit::Keypoint].into_iter();
    let answer: Option<Vec<_>> = units
        .filter(|&unit| carries(thing, unit))
        .map(|unit| draft.triplet(thing.noun(), unit, &[index]))
        .collect();
    let question = draft.ask(Family::PromptMask, &pointed(prompt), rng);
    Some(Turn { task: Task::Mixed, question, answer: listed(answer?) })
}
