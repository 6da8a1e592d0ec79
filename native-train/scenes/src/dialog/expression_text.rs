//! Referring expressions in words.

use super::expression::{Clause, Expression, Head, simple};
use super::facts::{Direction, Facts, Noun, Place};
use super::words::{indefinite, ordinal};
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

impl Expression {
    /// The expression as a definite phrase: `the second dog from the left`.
    pub fn text(&self, facts: &Facts, rng: &mut ChaCha8Rng) -> String {
        let noun = self.noun_text(rng);
        let pattern = match self.clause {
            Clause::Only => "the {n}",
            Clause::Most(direction) => pick(most(direction), rng),
            Clause::At(place) => pick(at(place), rng),
            Clause::Nth { position, from } => {
                let side = if from == Direction::Left { "left" } else { "right" };
                let nth = ordinal(position).unwrap_or_default();
                let bare = ["the {nth} from the {s}", "the {nth} one from the {s}"];
                let full = ["the {nth} {n} from the {s}", "the {nth} {n} counted from the {s}"];
                let patterns = if self.head == Head::Any { bare } else { full };
                let pattern = pick(&patterns, rng);
                return pattern.replace("{nth}", nth).replace("{s}", side).replace("{n}", &noun);
            }
            Clause::Than { direction, anchor } => {
                let relation = pick(than(direction), rng);
                return format!("the {noun} {relation} {}", anchor_text(facts, anchor, rng));
            }
        };
        pattern.replace("{n}", &noun)
    }

    /// The clause as what is said of the noun: `on the left`, `the largest`; none where it has
    /// no such form.
    pub fn predicate(&self, facts: &Facts, rng: &mut ChaCha8Rng) -> Option<String> {
        match self.clause {
            Clause::Only | Clause::Nth { .. } => None,
            Clause::Most(direction) => Some(pick(being_most(direction), rng).into()),
            Clause::At(place) => Some(place.phrase().into()),
            Clause::Than { direction, anchor } => {
                let relation = pick(than(direction), rng);
                Some(format!("{relation} {}", anchor_text(facts, anchor, rng)))
            }
        }
    }

    /// The sort in both numbers.
    pub fn noun(&self) -> Noun {
        let any = Noun { singular: "thing", plural: "things" };
        match self.head {
            Head::Class(noun) => noun,
            Head::Family(family) => Noun::of_family(family).unwrap_or(any),
            Head::Any => any,
        }
    }

    fn noun_text(&self, rng: &mut ChaCha8Rng) -> String {
        let noun = match self.head {
            Head::Any => pick(&["thing", "object"], rng),
            _ => self.noun().singular,
        };
        match self.colour {
            None => noun.into(),
            Some(colour) if noun == "person" => {
                let shirt = indefinite(colour);
                let forms = [
                    format!("person in {shirt} shirt"),
                    format!("person in the {colour} shirt"),
                    format!("person in {colour}"),
                    format!("person wearing {colour}"),
                    format!("person wearing {shirt} shirt"),
                    format!("person with the {colour} shirt"),
                ];
                forms.choose(rng).cloned().unwrap_or_default()
            }
            Some(colour) => format!("{colour} {noun}"),
        }
    }
}

fn anchor_text(facts: &Facts, anchor: usize, rng: &mut ChaCha8Rng) -> String {
    simple(facts, anchor).map(|expression| expression.text(facts, rng)).unwrap_or_default()
}

fn pick(options: &[&'static str], rng: &mut ChaCha8Rng) -> &'static str {
    options.choose(rng).copied().unwrap_or_default()
}

/// Relations as they stand between two things.
pub(super) fn than(direction: Direction) -> &'static [&'static str] {
    match direction {
        Direction::Left => &["left of", "to the left of", "on the left side of", "on the left of"],
        Direction::Right => {
            &["right of", "to the right of", "on the right side of", "on the right of"]
        }
        Direction::Small => &["smaller than", "tinier than"],
        Direction::Large => &["larger than", "bigger than"],
        Direction::Near => &["in front of", "nearer than", "closer than", "closer to us than"],
        Direction::Far => &["behind", "farther away than", "further back than", "farther than"],
    }
}

fn most(direction: Direction) -> &'static [&'static str] {
    match direction {
        Direction::Left => &[
            "the leftmost {n}",
            "the {n} furthest left",
            "the {n} on the far left",
            "the first {n} from the left",
        ],
        Direction::Right => &[
            "the rightmost {n}",
            "the {n} furthest right",
            "the {n} on the far right",
            "the first {n} from the right",
        ],
        Direction::Small => &["the smallest {n}", "the tiniest {n}", "the {n} that looks smallest"],
        Direction::Large => &["the largest {n}", "the biggest {n}", "the {n} that looks largest"],
        Direction::Near => &[
            "the nearest {n}",
            "the closest {n}",
            "the {n} closest to the viewer",
            "the {n} nearest to us",
        ],
        Direction::Far => &[
            "the farthest {n}",
            "the most distant {n}",
            "the {n} farthest away",
            "the {n} furthest back",
        ],
    }
}

fn being_most(direction: Direction) -> &'static [&'static str] {
    match direction {
        Direction::Left => &["furthest left", "the leftmost", "on the far left"],
        Direction::Right => &["furthest right", "the rightmost", "on the far right"],
        Direction::Small => &["the smallest", "smallest", "the tiniest"],
        Direction::Large => &["the largest", "largest", "the biggest"],
        Direction::Near => &["the nearest", "closest to the viewer", "nearest to us"],
        Direction::Far => &["the farthest away", "the most distant", "furthest back"],
    }
}

fn at(place: Place) -> &'static [&'static str] {
    match place {
        Place::Left => &[
            "the {n} on the left",
            "the {n} on the left side",
            "the {n} at the left",
            "the {n} in the left part of the picture",
        ],
        Place::Middle => &[
            "the {n} in the middle",
            "the {n} in the centre",
            "the {n} in the middle of the picture",
            "the central {n}",
        ],
        Place::Right => &[
            "the {n} on the right",
            "the {n} on the right side",
            "the {n} at the right",
            "the {n} in the right part of the picture",
        ],
    }
}
