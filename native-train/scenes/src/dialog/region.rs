//! Words about what is pointed at.

use super::draft::{Draft, spoken};
use super::expression::simple;
use super::expression_text::than;
use super::facts::{Direction, Noun};
use super::names;
use super::prompts::PromptKind;
use super::vqa::yes_or_no;
use super::wordings::region as wordings;
use super::words::{described, indefinite};
use crate::Family;
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use refvlm_record::Turn;

const ANY: &[PromptKind] = &PromptKind::ALL;

pub(super) fn label(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let index = some_object(draft, rng)?;
    let answer = described(draft.facts.objects().get(index)?);
    let prompt = draft.point_at(index, ANY, rng)?;
    Some(spoken(wordings::LABEL.ask(&[prompt], rng), answer))
}

pub(super) fn caption(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let facts = &draft.facts;
    let placed: Vec<usize> =
        (0..facts.objects().len()).filter(|&index| facts.place(index).is_some()).collect();
    let index = *placed.choose(rng)?;
    let what = described(facts.objects().get(index)?);
    let place = facts.place(index)?.phrase();
    let distance =
        match (facts.is_most(Direction::Near, index), facts.is_most(Direction::Far, index)) {
            (Some(true), _) => ", nearest to the viewer",
            (_, Some(true)) => ", farthest away",
            _ => "",
        };
    let prompt = draft.point_at(index, ANY, rng)?;
    Some(spoken(wordings::CAPTION.ask(&[prompt], rng), format!("{what} {place}{distance}")))
}

pub(super) fn question(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let mut ways = [colour, place, identity, relation, comparison, extreme];
    ways.shuffle(rng);
    ways.into_iter().find_map(|way| way(draft, rng))
}

fn some_object(draft: &Draft, rng: &mut ChaCha8Rng) -> Option<usize> {
    let count = draft.facts.objects().len();
    (count > 0).then(|| rng.random_range(0..count))
}

fn colour(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let objects = draft.facts.objects();
    let tinted: Vec<usize> =
        (0..objects.len()).filter(|&index| objects[index].colour.is_some()).collect();
    let index = *tinted.choose(rng)?;
    let object = objects.get(index)?;
    let prompt = draft.point_at(index, ANY, rng)?;
    let wording =
        if object.family == Family::Person { &wordings::SHIRT } else { &wordings::COLOUR };
    Some(spoken(wording.ask(&[prompt], rng), object.colour?.into()))
}

fn place(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let index = some_object(draft, rng)?;
    let answer = draft.facts.place(index)?.phrase();
    let prompt = draft.point_at(index, ANY, rng)?;
    Some(spoken(wordings::PLACE.ask(&[prompt], rng), answer.into()))
}

/// Is this a dog? The wrong name is that of another object of the scene where there is one.
fn identity(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let index = some_object(draft, rng)?;
    let truth = rng.random::<f32>() < 0.5;
    let object = draft.facts.objects().get(index)?;
    let name = if truth {
        object.class
    } else {
        let others: Vec<Noun> = draft
            .facts
            .objects()
            .iter()
            .filter(|other| {
                other.class != object.class && names::broader(object.class) != Some(other.class)
            })
            .map(Noun::of)
            .collect();
        let hard = rng.random::<f32>() < 0.7;
        match others.choose(rng).filter(|_| hard) {
            Some(noun) => noun.singular,
            None => names::absent(&draft.facts, rng)?.singular,
        }
    };
    let prompt = draft.point_at(index, ANY, rng)?;
    let question = wordings::IDENTITY.ask(&[prompt, indefinite(name).into()], rng);
    Some(spoken(question, yes_or_no(truth)))
}

/// Is this left of the tree? Either answer is as likely, since either of the two may be pointed at.
fn relation(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let (direction, mut pair) = some_pair(draft, rng)?;
    pair.shuffle(rng);
    let [index, anchor] = pair;
    let thing = simple(&draft.facts, anchor)?.text(&draft.facts, rng);
    let truth = draft.facts.exceeds(direction, index, anchor)?;
    let relation = *than(direction).first()?;
    let prompt = draft.point_at(index, ANY, rng)?;
    let question = wordings::RELATION.ask(&[prompt, relation.into(), thing.into()], rng);
    Some(spoken(question, yes_or_no(truth)))
}

/// Is this nearer than that? Both are pointed at.
fn comparison(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let (direction, mut pair) = some_pair(draft, rng)?;
    pair.shuffle(rng);
    let truth = draft.facts.exceeds(direction, pair[0], pair[1])?;
    let relation = *than(direction).first()?;
    let one = draft.point_at(pair[0], ANY, rng)?;
    let other = draft.point_at(pair[1], ANY, rng)?;
    let question = wordings::RELATION.ask(&[one, relation.into(), other], rng);
    Some(spoken(question, yes_or_no(truth)))
}

fn some_pair(draft: &Draft, rng: &mut ChaCha8Rng) -> Option<(Direction, [usize; 2])> {
    let facts = &draft.facts;
    let direction = *Direction::ALL.choose(rng)?;
    let count = facts.objects().len();
    let pairs: Vec<[usize; 2]> = (0..count)
        .flat_map(|a| (a + 1..count).map(move |b| [a, b]))
        .filter(|&[a, b]| facts.exceeds(direction, a, b).is_some())
        .collect();
    Some((direction, *pairs.choose(rng)?))
}

/// Is this the nearest thing? As often yes as no where both can be asked.
fn extreme(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let facts = &draft.facts;
    let truth = rng.random::<f32>() < 0.5;
    let direction =
        *[Direction::Near, Direction::Far, Direction::Large, Direction::Small].choose(rng)?;
    let fitting: Vec<usize> = (0..facts.objects().len())
        .filter(|&index| facts.is_most(direction, index) == Some(truth))
        .collect();
    let index = *fitting.choose(rng)?;
    let most = match direction {
        Direction::Near => "nearest",
        Direction::Far => "farthest",
        Direction::Large => "largest",
        _ => "smallest",
    };
    let prompt = draft.point_at(index, ANY, rng)?;
    Some(spoken(wordings::EXTREME.ask(&[prompt, most.into()], rng), yes_or_no(truth)))
}
