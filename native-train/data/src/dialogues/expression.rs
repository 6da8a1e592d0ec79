//! Expressions that mean exactly one thing, by class, place or size. A comparison within the
//! margin is left unsaid: people would disagree about it.

use super::draft::{Draft, Group, carries};
use crate::english::{Number, number};
use crate::photo::Thing;
use crate::sources::related;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use refvlm_record::Unit;

/// Least difference of centres, as a share of the picture's side, that reads as beside or above.
const APART: f32 = 0.08;
/// Least ratio of areas that reads as larger or smaller.
const SIZE_RATIO: f32 = 1.6;

/// What tells a thing from the others of its noun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clause {
    Only,
    Left,
    Right,
    Top,
    Bottom,
    Large,
    Small,
    /// One-based, from the left, neither first nor last.
    FromLeft(usize),
}

impl Clause {
    /// Ways to say it, with `{}` where the noun stands.
    fn ways(self) -> &'static [&'static str] {
        match self {
            Clause::Only => &["the {}", "the {}", "the {}", "the {}", "the only {}"],
            Clause::Left => &[
                "the {} on the left",
                "the left {}",
                "the leftmost {}",
                "the {} furthest to the left",
            ],
            Clause::Right => &[
                "the {} on the right",
                "the right {}",
                "the rightmost {}",
                "the {} furthest to the right",
            ],
            Clause::Top => &["the {} at the top", "the upper {}", "the topmost {}"],
            Clause::Bottom => &["the {} at the bottom", "the lower {}", "the lowest {}"],
            Clause::Large => &["the largest {}", "the biggest {}", "the large {}"],
            Clause::Small => &["the smallest {}", "the little {}", "the small {}"],
            Clause::FromLeft(2) => &["the second {} from the left", "the 2nd {} from the left"],
            Clause::FromLeft(_) => &["the third {} from the left", "the 3rd {} from the left"],
        }
    }
}

/// A thing that carries the unit, and words that mean it alone; every way of telling apart that
/// fits is as likely as any other.
pub(super) fn draw(draft: &Draft, unit: Unit, rng: &mut ChaCha8Rng) -> Option<(usize, String)> {
    let groups = draft.groups();
    let doubtful = |noun: &str| {
        !draft.complete_for(noun)
            || groups.iter().any(|other| other.noun != noun && related(&other.noun, noun))
    };
    let mut found: Vec<(&Group, usize, Clause)> = Vec::new();
    for group in groups.iter().filter(|group| !doubtful(&group.noun)) {
        let things: Option<Vec<(usize, &Thing)>> =
            group.members.iter().map(|&index| Some((index, draft.thing(index)?))).collect();
        let things = things?;
        if things.iter().any(|(_, thing)| thing.crowd) {
            continue;
        }
        let size = [draft.photo.width as f32, draft.photo.height as f32];
        found.extend(clauses(&things, size).into_iter().map(|(index, c)| (group, index, c)));
    }
    found.retain(|(_, index, _)| draft.thing(*index).is_some_and(|thing| carries(thing, unit)));
    let groups: Vec<&Group> = found.iter().map(|(group, ..)| *group).collect();
    let noun = &groups.choose(rng)?.noun;
    found.retain(|(group, ..)| group.noun == *noun);
    let (group, index, clause) = *found.choose(rng)?;
    let said = draft.said(&group.noun, rng);
    let ways = clause.ways();
    // `the only shoes` sounds like few, not like one.
    let counted = number(&said) == Number::Count && !draft.photo.source.uncounted(&group.noun);
    let plain = clause == Clause::Only && !counted;
    let way = if plain { ways.first()? } else { ways.choose(rng)? };
    Some((index, way.replace("{}", &said)))
}

/// All that can be said of exactly one of `things`, which share a noun.
pub(super) fn clauses(things: &[(usize, &Thing)], size: [f32; 2]) -> Vec<(usize, Clause)> {
    let [(only, _)] = things else {
        let centre = |axis: usize| {
            move |thing: &Thing| (thing.bbox[axis] + thing.bbox[axis + 2] / 2.0) / size[axis]
        };
        let apart = |a: f32, b: f32| b - a > APART;
        let smaller = |a: f32, b: f32| b > a * SIZE_RATIO;
        let by = |value: &dyn Fn(&Thing) -> f32| {
            let mut sorted: Vec<(usize, f32)> =
                things.iter().map(|(index, thing)| (*index, value(thing))).collect();
            sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
            sorted
        };
        let mut found = Vec::new();
        let mut ends =
            |sorted: &[(usize, f32)], clear: &dyn Fn(f32, f32) -> bool, ends: [Clause; 2]| {
                if let [(first, a), (_, b), ..] = sorted
                    && clear(*a, *b)
                {
                    found.push((*first, ends[0]));
                }
                if let [.., (_, a), (last, b)] = sorted
                    && clear(*a, *b)
                {
                    found.push((*last, ends[1]));
                }
            };
        let across = by(&centre(0));
        ends(&across, &apart, [Clause::Left, Clause::Right]);
        ends(&by(&centre(1)), &apart, [Clause::Top, Clause::Bottom]);
        ends(&by(&|thing| area(thing)), &smaller, [Clause::Small, Clause::Large]);
        for position in 2..across.len().min(4) {
            if let [(_, a), (middle, b), (_, c)] = across[position - 2..=position]
                && apart(a, b)
                && apart(b, c)
                && (position == 2 || apart(across[0].1, across[1].1))
            {
                found.push((middle, Clause::FromLeft(position)));
            }
        }
        return found;
    };
    vec![(*only, Clause::Only)]
}

/// What people see as its size: the box, since the mask of a thing may be thin.
fn area(thing: &Thing) -> f32 {
    thing.box_area()
}
