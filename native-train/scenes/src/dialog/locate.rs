//! Answers that are triplets: boxes, masks, keypoints and the depth map.

use super::draft::{Draft, listed, triplet};
use super::expression::{self, Expression, Head};
use super::facts::{Group, Noun};
use super::names;
use super::prompts::PromptKind;
use super::wordings::{locate as wordings, people};
use super::words::there_are;
use crate::Family;
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use refvlm_record::{AnswerPart, Task, Turn, Unit};

/// Share of questions about a class that ask for one that is not there.
const ABSENT_SHARE: f32 = 0.12;
/// Share of questions about a class that ask for a family or for one colour instead.
const WIDER_SHARE: f32 = 0.25;
/// Share of prompted questions that point at two things.
const PAIR_SHARE: f32 = 0.2;

fn per_class(groups: &[Group], unit: Unit) -> Vec<AnswerPart> {
    listed(groups.iter().map(|g| triplet(g.noun.singular, unit, g.members.clone())).collect())
}

pub(super) fn everything(draft: &mut Draft, rng: &mut ChaCha8Rng, unit: Unit) -> Option<Turn> {
    let groups = draft.facts.groups();
    if groups.is_empty() {
        return None;
    }
    let (task, wording) = match unit {
        Unit::Mask => (Task::Segmentation, &wordings::SEGMENT_ALL),
        _ => (Task::Detection, &wordings::DETECT_ALL),
    };
    Some(Turn { task, question: wording.ask(&[], rng), answer: per_class(&groups, unit) })
}

pub(super) fn class(draft: &mut Draft, rng: &mut ChaCha8Rng, unit: Unit) -> Option<Turn> {
    let facts = &draft.facts;
    let (singular, plural, answer) = if rng.random::<f32>() < ABSENT_SHARE {
        let noun = names::absent(facts, rng)?;
        let none = vec![AnswerPart::Text(there_are(0, noun))];
        (noun.singular.to_string(), noun.plural.to_string(), none)
    } else {
        let object = facts.objects().choose(rng)?;
        let noun = Noun::of(object);
        let wider = rng.random::<f32>() < WIDER_SHARE;
        let colour = object.colour.filter(|_| wider && object.family != Family::Person);
        let family = Noun::of_family(object.family).filter(|_| wider && colour.is_none());
        let head = family.map_or(Head::Class(noun), |_| Head::Family(object.family));
        let asked = Expression::new(head, colour, expression::Clause::Only);
        if asked.is_broad(facts) {
            return None;
        }
        let wanted = asked.candidates(facts);
        let mut groups = facts.groups();
        for group in &mut groups {
            group.members.retain(|index| wanted.contains(index));
        }
        groups.retain(|group| !group.members.is_empty());
        let noun = family.unwrap_or(noun);
        let tint = colour.map(|colour| format!("{colour} ")).unwrap_or_default();
        let (singular, plural) = (noun.singular, noun.plural);
        (format!("{tint}{singular}"), format!("{tint}{plural}"), per_class(&groups, unit))
    };
    let (task, all, each) = match unit {
        Unit::Mask => {
            (Task::GroundingSegmentation, &wordings::SEGMENT_CLASS, &wordings::SEGMENT_EACH)
        }
        _ => (Task::GroundingDetection, &wordings::DETECT_CLASS, &wordings::DETECT_EACH),
    };
    let question = if rng.random::<f32>() < 0.7 {
        all.ask(&[plural.into()], rng)
    } else {
        each.ask(&[singular.into()], rng)
    };
    Some(Turn { task, question, answer })
}

pub(super) fn referred(draft: &mut Draft, rng: &mut ChaCha8Rng, unit: Unit) -> Option<Turn> {
    let facts = &draft.facts;
    let (expression, index) = expression::choose(&expression::all(facts), rng)?;
    let (task, wording) = match unit {
        Unit::Mask => (Task::GroundingSegmentation, &wordings::REFER_MASK),
        _ => (Task::GroundingDetection, &wordings::REFER_BOX),
    };
    let question = wording.ask(&[expression.text(facts, rng).into()], rng);
    let class = facts.objects().get(index)?.class;
    Some(Turn { task, question, answer: listed(vec![triplet(class, unit, vec![index])]) })
}

pub(super) fn prompted(draft: &mut Draft, rng: &mut ChaCha8Rng, unit: Unit) -> Option<Turn> {
    let (task, one, two, kinds): (_, _, _, &[PromptKind]) = match unit {
        Unit::Mask => (
            Task::GroundingSegmentation,
            &wordings::PROMPT_MASK,
            &wordings::PROMPT_MASK_PAIR,
            &PromptKind::ALL,
        ),
        _ => (
            Task::GroundingDetection,
            &wordings::PROMPT_BOX,
            &wordings::PROMPT_BOX_PAIR,
            &PromptKind::NO_BOX,
        ),
    };
    let mut chosen: Vec<usize> = (0..draft.facts.objects().len()).collect();
    chosen.shuffle(rng);
    let pair = chosen.len() > 1 && rng.random::<f32>() < PAIR_SHARE;
    chosen.truncate(if pair { 2 } else { 1 });
    let mut slots = Vec::new();
    let mut answer = Vec::new();
    for index in chosen {
        slots.push(draft.point_at(index, kinds, rng)?);
        answer.push(triplet(draft.facts.objects().get(index)?.class, unit, vec![index]));
    }
    let wording = match slots.len() {
        0 => return None,
        1 => one,
        _ => two,
    };
    Some(Turn { task, question: wording.ask(&slots, rng), answer: listed(answer) })
}

pub(super) fn people(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let posed: Vec<usize> = posed(draft);
    let answer = match posed.as_slice() {
        // Some pictures without people teach that the answer may be none.
        [] if rng.random::<f32>() < ABSENT_SHARE => {
            let noun = Noun { singular: "person", plural: "people" };
            vec![AnswerPart::Text(there_are(0, noun))]
        }
        [] => return None,
        _ => listed(vec![triplet("person", Unit::Keypoint, posed)]),
    };
    Some(Turn { task: Task::KeypointDetection, question: people::ALL.ask(&[], rng), answer })
}

pub(super) fn person(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let posed = posed(draft);
    let mut found = Vec::new();
    if rng.random::<f32>() < 0.3 {
        found = expression::all(&draft.facts);
        found.retain(|(_, index)| posed.contains(index));
    }
    let (index, question) = match expression::choose(&found, rng) {
        Some((expression, index)) => {
            let thing = expression.text(&draft.facts, rng);
            (index, people::REFERRED.ask(&[thing.into()], rng))
        }
        None => {
            let index = *posed.choose(rng)?;
            let prompt = draft.point_at(index, &PromptKind::ALL, rng)?;
            (index, people::PROMPTED.ask(&[prompt], rng))
        }
    };
    let answer = listed(vec![triplet("person", Unit::Keypoint, vec![index])]);
    Some(Turn { task: Task::GroundingKeypoints, question, answer })
}

/// Box, mask and, of people, joints of one object that is pointed at; none when nothing of it can
/// be seen.
pub(super) fn all_units(draft: &mut Draft, index: usize, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let prompt = draft.point_at(index, &PromptKind::ALL, rng)?;
    let object = draft.facts.objects().get(index)?;
    let mut units = vec![Unit::Box, Unit::Mask];
    units.extend(object.keypoints.map(|_| Unit::Keypoint));
    let answer = units.into_iter().map(|unit| triplet(object.class, unit, vec![index])).collect();
    let question = wordings::PROMPT_MASK.ask(&[prompt], rng);
    Some(Turn { task: Task::Mixed, question, answer: listed(answer) })
}

fn posed(draft: &Draft) -> Vec<usize> {
    let objects = draft.facts.objects().iter().enumerate();
    objects.filter(|(_, object)| object.keypoints.is_some()).map(|(index, _)| index).collect()
}

pub(super) fn depth(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let target = draft.depth_target()?;
    let answer = listed(vec![triplet("depth", Unit::Depth, vec![target])]);
    Some(Turn { task: Task::Depth, question: wordings::DEPTH.ask(&[], rng), answer })
}
