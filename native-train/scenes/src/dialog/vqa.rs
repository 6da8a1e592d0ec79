//! Questions about the picture that are answered in words.

use super::draft::{Draft, spoken};
use super::expression::{self, Clause, Expression, Head, simple};
use super::expression_text::than;
use super::facts::{Direction, Facts, Noun};
use super::names;
use super::wordings::vqa as wordings;
use super::words::{coloured, described, indefinite, there_are};
use crate::Family;
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use refvlm_record::Turn;

/// Share of questions after the background among those after what is there.
const BACKGROUND_SHARE: f32 = 0.15;
/// Share of counting questions about what is not there.
const NONE_SHARE: f32 = 0.2;
/// Share of counting questions about a family, such as animals.
const FAMILY_SHARE: f32 = 0.2;
/// Share of questions after the place of what is not there.
const NOWHERE_SHARE: f32 = 0.08;
/// Share of yes-no questions about presence that name a colour where they can.
const TINTED_SHARE: f32 = 0.4;

pub(super) fn yes_or_no(truth: bool) -> String {
    if truth { "yes".into() } else { "no".into() }
}

pub(super) fn what(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let facts = &draft.facts;
    let mut found = expression::all(facts);
    // A class in the question would be the answer.
    found.retain(|(e, _)| !matches!(e.head, Head::Class(_)) && e.clause != Clause::Only);
    let background = found.is_empty() || rng.random::<f32>() < BACKGROUND_SHARE;
    if background {
        let answer = facts.scene.background.to_string();
        return Some(spoken(wordings::BACKGROUND.ask(&[], rng), answer));
    }
    let (expression, index) = expression::choose(&found, rng)?;
    let direct = rng.random::<f32>() < 0.5;
    let question = match expression.predicate(facts, rng).filter(|_| direct) {
        Some(predicate) => {
            wordings::WHICH.ask(&[expression.noun().singular.into(), predicate.into()], rng)
        }
        None => wordings::WHAT.ask(&[expression.text(facts, rng).into()], rng),
    };
    Some(spoken(question, described(facts.objects().get(index)?)))
}

pub(super) fn how_many(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let facts = &draft.facts;
    let (noun, count) = if rng.random::<f32>() < NONE_SHARE {
        (names::absent(facts, rng)?, 0)
    } else {
        let object = facts.objects().choose(rng)?;
        let wide = rng.random::<f32>() < FAMILY_SHARE;
        let family = Noun::of_family(object.family).filter(|_| wide);
        let head = family.map_or(Head::Class(Noun::of(object)), |_| Head::Family(object.family));
        let asked = Expression::new(head, None, Clause::Only);
        if asked.is_broad(facts) {
            return None;
        }
        (asked.noun(), asked.candidates(facts).len())
    };
    Some(spoken(wordings::HOW_MANY.ask(&[noun.plural.into()], rng), there_are(count, noun)))
}

pub(super) fn where_is(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let facts = &draft.facts;
    if rng.random::<f32>() < NOWHERE_SHARE {
        let noun = names::absent(facts, rng)?;
        let question = wordings::WHERE.ask(&[format!("the {}", noun.singular).into()], rng);
        return Some(spoken(question, format!("There is no {}.", noun.singular)));
    }
    let mut found = expression::all(facts);
    let tells_place = |clause: Clause| match clause {
        Clause::Only => false,
        Clause::Most(direction) => matches!(direction, Direction::Left | Direction::Right),
        Clause::Than { .. } | Clause::Nth { .. } | Clause::At(_) => true,
    };
    found.retain(|(e, index)| !tells_place(e.clause) && facts.place(*index).is_some());
    let (expression, index) = expression::choose(&found, rng)?;
    let question = wordings::WHERE.ask(&[expression.text(facts, rng).into()], rng);
    Some(spoken(question, facts.place(index)?.phrase().into()))
}

/// Two things that can be named and whose difference in one of `directions` is clear, in random
/// order.
fn named_pair(
    facts: &Facts,
    directions: &[Direction],
    rng: &mut ChaCha8Rng,
) -> Option<(Direction, [usize; 2])> {
    let named: Vec<usize> =
        (0..facts.objects().len()).filter(|&index| simple(facts, index).is_some()).collect();
    let mut directions = directions.to_vec();
    directions.shuffle(rng);
    directions.into_iter().find_map(|direction| {
        let mut pairs = Vec::new();
        for (k, &a) in named.iter().enumerate() {
            let clear = |b: &&usize| facts.exceeds(direction, a, **b).is_some();
            pairs.extend(named[k + 1..].iter().filter(clear).map(|&b| [a, b]));
        }
        let mut pair = *pairs.choose(rng)?;
        pair.shuffle(rng);
        Some((direction, pair))
    })
}

pub(super) fn relation(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let facts = &draft.facts;
    let (direction, [a, b]) = named_pair(facts, &Direction::ALL, rng)?;
    let truth = facts.exceeds(direction, a, b)?;
    let relation = *than(direction).choose(rng)?;
    let (a, b) = (simple(facts, a)?.text(facts, rng), simple(facts, b)?.text(facts, rng));
    let question = wordings::RELATION.ask(&[a.into(), relation.into(), b.into()], rng);
    Some(spoken(question, yes_or_no(truth)))
}

pub(super) fn nearer(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let facts = &draft.facts;
    let (direction, [a, b]) = named_pair(facts, &[Direction::Near, Direction::Far], rng)?;
    let chosen = if facts.exceeds(direction, a, b)? { a } else { b };
    let wording = if direction == Direction::Near { &wordings::NEARER } else { &wordings::FARTHER };
    let (first, second) = (simple(facts, a)?.text(facts, rng), simple(facts, b)?.text(facts, rng));
    let question = wording.ask(&[first.into(), second.into()], rng);
    Some(spoken(question, canonical(facts, chosen)?))
}

/// `the dog`, with its colour only where the class is not unique.
fn canonical(facts: &Facts, index: usize) -> Option<String> {
    let object = facts.objects().get(index)?;
    let colour = simple(facts, index)?.colour;
    Some(format!("the {}", coloured(object.class, object.family, colour)))
}

pub(super) fn colour(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let facts = &draft.facts;
    let mut found = expression::all(facts);
    found.retain(|(e, index)| {
        let named = matches!(e.head, Head::Class(_)) && e.colour.is_none();
        named && facts.objects().get(*index).is_some_and(|object| object.colour.is_some())
    });
    let (expression, index) = expression::choose(&found, rng)?;
    let object = facts.objects().get(index)?;
    let wording =
        if object.family == Family::Person { &wordings::SHIRT } else { &wordings::COLOUR };
    let question = wording.ask(&[expression.text(facts, rng).into()], rng);
    Some(spoken(question, object.colour?.into()))
}

pub(super) fn presence(draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    let facts = &draft.facts;
    let truth = rng.random::<f32>() < 0.5;
    let tinted = rng.random::<f32>() < TINTED_SHARE;
    let scenery = names::scenery(facts.scene.background);
    let object = facts.objects().choose(rng).filter(|object| !scenery.contains(&object.class));
    let coloured_object = object.filter(|object| tinted && object.colour.is_some());
    let thing = match (coloured_object, truth) {
        (Some(object), true) => coloured(object.class, object.family, object.colour),
        (Some(object), false) => {
            let colour = names::absent_colour(facts, object, rng)?;
            coloured(object.class, object.family, Some(colour))
        }
        (None, true) => object?.class.into(),
        (None, false) => names::absent(facts, rng)?.singular.into(),
    };
    let question = wordings::PRESENCE.ask(&[indefinite(&thing).into()], rng);
    Some(spoken(question, yes_or_no(truth)))
}
