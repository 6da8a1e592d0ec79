//! Answers that carry several units.

use super::draft::{Draft, listed, triplet};
use super::expression::simple;
use super::prompts::PromptKind;
use super::wording::Slot;
use super::wordings::mixed as wordings;
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use refvlm_record::{AnswerPart, Task, Turn, Unit};

/// Share of mixed questions that ask for the depth map and one more unit.
const DEPTH_SHARE: f32 = 0.2;
/// Share of things that are pointed at although they could be named.
const POINTED_SHARE: f32 = 0.2;

pub(super) fn mixed(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let mut objects: Vec<usize> = (0..draft.facts.objects().len()).collect();
    objects.shuffle(rng);
    if rng.random::<f32>() < DEPTH_SHARE {
        let index = *objects.first()?;
        let unit = *units_of(draft, index).choose(rng)?;
        let thing = thing(draft, index, unit, rng)?;
        let map = triplet("depth", Unit::Depth, vec![draft.depth_target()?]);
        let answer = listed(vec![map, answered(draft, index, unit)?]);
        let question = wordings::DEPTH.ask(&[unit_word(unit, rng).into(), thing], rng);
        return Some(Turn { task: Task::Mixed, question, answer });
    }
    let (&first, &second) = (objects.first()?, objects.get(1)?);
    let unit = *units_of(draft, first).choose(rng)?;
    let mut others = units_of(draft, second);
    others.retain(|&other| other != unit);
    let other = *others.choose(rng)?;
    let (a, b) = (thing(draft, first, unit, rng)?, thing(draft, second, other, rng)?);
    let words = (unit_word(unit, rng), unit_word(other, rng));
    let question = wordings::TWO.ask(&[words.0.into(), a, words.1.into(), b], rng);
    let answer = listed(vec![answered(draft, first, unit)?, answered(draft, second, other)?]);
    Some(Turn { task: Task::Mixed, question, answer })
}

fn units_of(draft: &Draft, index: usize) -> Vec<Unit> {
    let mut units = vec![Unit::Box, Unit::Mask];
    let posed = |object: &crate::Object| object.keypoints.is_some();
    if draft.facts.objects().get(index).is_some_and(posed) {
        // As often as the other two together: people are rarer than things.
        units.extend([Unit::Keypoint, Unit::Keypoint]);
    }
    units
}

/// The object by name where that is unique, else by a prompt.
fn thing(draft: &mut Draft, index: usize, unit: Unit, rng: &mut ChaCha8Rng) -> Option<Slot> {
    let pointed = rng.random::<f32>() < POINTED_SHARE;
    match simple(&draft.facts, index).filter(|_| !pointed) {
        Some(expression) => Some(expression.text(&draft.facts, rng).into()),
        None if unit == Unit::Box => draft.point_at(index, &PromptKind::NO_BOX, rng),
        None => draft.point_at(index, &PromptKind::ALL, rng),
    }
}

fn answered(draft: &Draft, index: usize, unit: Unit) -> Option<AnswerPart> {
    Some(triplet(draft.facts.objects().get(index)?.class, unit, vec![index]))
}

fn unit_word(unit: Unit, rng: &mut ChaCha8Rng) -> &'static str {
    let words: &[&'static str] = match unit {
        Unit::Box => &["box", "bounding box", "rectangle"],
        Unit::Mask => &["mask", "segmentation mask", "pixel mask"],
        Unit::Keypoint => &["pose", "skeleton", "keypoint set"],
        Unit::Depth => &["depth map"],
    };
    words.choose(rng).copied().unwrap_or_default()
}
