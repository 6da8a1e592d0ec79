//! Referring expressions as structured values, and the one object each means.

use super::facts::{Direction, Facts, Noun, Place};
use super::names;
use super::words::ordinal;
use crate::{Family, Object};
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// What sort of thing is spoken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    Class(Noun),
    Family(Family),
    /// `thing`, `object`.
    Any,
}

/// What tells it from others of its sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clause {
    /// There is only one.
    Only,
    /// It exceeds all others of its sort.
    Most(Direction),
    /// Its position, counted from one at the side given: left or right.
    Nth { position: usize, from: Direction },
    /// It alone exceeds another object.
    Than { direction: Direction, anchor: usize },
    /// It alone is in that third.
    At(Place),
}

/// `the {colour} {head} {clause}`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expression {
    pub head: Head,
    /// Only together with a class: things without a colour attribute have colours too.
    pub colour: Option<&'static str>,
    pub clause: Clause,
}

impl Expression {
    pub fn new(head: Head, colour: Option<&'static str>, clause: Clause) -> Self {
        Self { head, colour, clause }
    }

    /// Whether head and colour fit an object.
    pub fn admits(&self, object: &Object) -> bool {
        let sort = match self.head {
            Head::Class(noun) => object.class == noun.singular,
            Head::Family(family) => object.family == family,
            Head::Any => true,
        };
        sort && (self.colour.is_none() || self.colour == object.colour)
    }

    /// Whether some would count more than the objects of this sort: a duck where a bird is asked
    /// for, or the trees of a forest.
    pub fn is_broad(&self, facts: &Facts) -> bool {
        let scenery = names::scenery(facts.scene.background);
        match self.head {
            Head::Class(noun) => {
                let also = |object: &Object| names::broader(object.class) == Some(noun.singular);
                scenery.contains(&noun.singular) || facts.objects().iter().any(also)
            }
            Head::Family(family) => family == Family::Plant && scenery.contains(&"tree"),
            Head::Any => false,
        }
    }

    /// Objects that head and colour fit, from left to right.
    pub fn candidates(&self, facts: &Facts) -> Vec<usize> {
        let objects = facts.objects().iter().enumerate();
        objects.filter(|(_, object)| self.admits(object)).map(|(index, _)| index).collect()
    }

    /// The one object meant; none when several fit, none fits, or one is within a margin.
    pub fn resolve(&self, facts: &Facts) -> Option<usize> {
        if self.is_broad(facts) {
            return None;
        }
        let candidates = self.candidates(facts);
        let meant = match self.clause {
            Clause::Only => sole(&candidates, |_| Some(true)),
            Clause::Most(_) if candidates.len() < 2 => None,
            Clause::Most(direction) => candidates.iter().copied().find(|&index| {
                let mut others = candidates.iter().filter(|&&other| other != index);
                others.all(|&other| facts.exceeds(direction, index, other) == Some(true))
            }),
            Clause::Nth { .. } if candidates.len() < 3 => None,
            Clause::Nth { position, from } => candidates.iter().copied().find(|&index| {
                let others = candidates.iter().filter(|&&other| other != index);
                let before: Option<Vec<bool>> =
                    others.map(|&other| facts.exceeds(from, other, index)).collect();
                before.is_some_and(|b| b.into_iter().filter(|&b| b).count() + 1 == position)
            }),
            Clause::Than { direction, anchor } => {
                let others: Vec<usize> =
                    candidates.into_iter().filter(|&index| index != anchor).collect();
                sole(&others, |index| facts.exceeds(direction, index, anchor))
            }
            Clause::At(place) => sole(&candidates, |index| facts.place(index).map(|p| p == place)),
        }?;
        // Some would count people among the things and some would not: keep what holds both ways.
        let is_person = |object: &Object| object.family == Family::Person;
        let counts = matches!(self.clause, Clause::Nth { .. });
        let doubtful = self.head == Head::Any
            && (is_person(&facts.objects()[meant])
                || counts && facts.objects().iter().any(is_person));
        (!doubtful).then_some(meant)
    }
}

/// The one index that fits; none when there are more, none, or a doubtful one.
fn sole(indices: &[usize], fits: impl Fn(usize) -> Option<bool>) -> Option<usize> {
    let mut found = None;
    for &index in indices {
        if fits(index)? && found.replace(index).is_some() {
            return None;
        }
    }
    found
}

/// `the dog`, or with its colour `the red car`; none when neither is unique.
pub(super) fn simple(facts: &Facts, index: usize) -> Option<Expression> {
    let object = facts.objects().get(index)?;
    let head = Head::Class(Noun::of(object));
    let plain = Expression::new(head, None, Clause::Only);
    let tinted = Expression::new(head, object.colour, Clause::Only);
    [plain, tinted].into_iter().find(|expression| expression.resolve(facts) == Some(index))
}

/// Everything that can be said of exactly one object, with that object.
pub(super) fn all(facts: &Facts) -> Vec<(Expression, usize)> {
    let clauses = clauses(facts);
    let mut found = Vec::new();
    for (head, colour) in heads(facts) {
        for &clause in &clauses {
            if head == Head::Any && clause == Clause::Only {
                continue;
            }
            let expression = Expression::new(head, colour, clause);
            if let Some(index) = expression.resolve(facts) {
                found.push((expression, index));
            }
        }
    }
    found
}

fn heads(facts: &Facts) -> Vec<(Head, Option<&'static str>)> {
    let mut heads = vec![(Head::Any, None)];
    for object in facts.objects() {
        let class = Head::Class(Noun::of(object));
        let mut new = vec![(class, None), (class, object.colour)];
        if Noun::of_family(object.family).is_some() {
            new.push((Head::Family(object.family), None));
        }
        for head in new {
            if !heads.contains(&head) {
                heads.push(head);
            }
        }
    }
    heads
}

fn clauses(facts: &Facts) -> Vec<Clause> {
    let mut clauses = vec![Clause::Only];
    clauses.extend(Direction::ALL.map(Clause::Most));
    clauses.extend(Place::ALL.map(Clause::At));
    for from in [Direction::Left, Direction::Right] {
        let positions = (2..facts.objects().len()).filter(|&p| ordinal(p).is_some());
        clauses.extend(positions.map(|position| Clause::Nth { position, from }));
    }
    for anchor in (0..facts.objects().len()).filter(|&index| simple(facts, index).is_some()) {
        clauses.extend(Direction::ALL.map(|direction| Clause::Than { direction, anchor }));
    }
    clauses
}

/// One of `found`, with every way of telling apart as likely as any other that is available.
pub(super) fn choose(
    found: &[(Expression, usize)],
    rng: &mut ChaCha8Rng,
) -> Option<(Expression, usize)> {
    let way = |expression: &Expression| match expression.clause {
        Clause::Only if expression.colour.is_some() => 0,
        Clause::Only => 1,
        Clause::Most(_) => 2,
        Clause::Nth { .. } => 3,
        Clause::Than { .. } => 4,
        Clause::At(_) => 5,
    };
    let mut ways: Vec<usize> = found.iter().map(|(expression, _)| way(expression)).collect();
    ways.sort_unstable();
    ways.dedup();
    let chosen = *ways.choose(rng)?;
    let fitting: Vec<_> = found.iter().filter(|(e, _)| way(e) == chosen).copied().collect();
    fitting.choose(rng).copied()
}
