//! Looking for what an answer names, before it is planned.
//!
//! The plan of an answer says first whether there is anything, what it is called, and how many of it
//! there are. A model with a finder need not guess: it writes the plan as if there were something,
//! unseen; looks for what it names; and takes the plan back. What is written then agrees with what
//! was found, and each reference means one of the things.

use super::named::{named, names};
use super::search::{Thing, iou};
use super::{EngineError, Row, Session, host};
use crate::language::{argmax, distribution};
use crate::triplet::{Grammar, Next, Planned, TokenSet};
use burn::tensor::Tensor;
use refvlm_record::{Sampling, Task, Unit};

/// Most stretches of a plan.
const LONGEST: usize = 96;
/// A question means one of several things that were found if the language model gives the number
/// one at least this probability: it tells `the dog` from `dogs`, though it counts badly.
const ONE: f32 = 0.9;
/// What the finder does not find is decoded all the same if the language model gives it at least this
/// probability: it has read more than the finder has seen.
const THERE: f32 = 0.8;
/// The language model neither says nor doubts that there is something.
const UNSAID: f32 = 0.5;

/// What nobody named is listed from this confidence on.
const SURE: f32 = 0.5;
/// Most nouns that are listed beside those that the language model names.
const MOST_NOUNS: usize = 8;
/// Things of two nouns whose boxes overlap by more than this are one thing.
const SAME_PLACE: f32 = 0.5;

/// Words before a noun.
const BEFORE: [&str; 13] = [
    "a", "an", "the", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
];

/// What was looked for, and what was found.
#[derive(Debug, Clone)]
pub(super) struct Search {
    /// The plan that agrees with it.
    plan: Vec<Planned>,
    /// Whether the answer is a list of what is planned, and no words of its own.
    lists: bool,
    found: Vec<Found>,
}

/// What was found of a noun.
#[derive(Debug, Clone)]
struct Found {
    noun: String,
    /// The most confident first.
    things: Vec<Thing>,
    /// To how many of them a reference was given.
    given: usize,
}

impl Search {
    /// The plan as tokens, with the list that follows from it where one is asked for; what has no room
    /// is left out from its end. None where nothing has.
    pub fn ids(&mut self, grammar: &Grammar) -> Result<Option<Vec<u32>>, EngineError> {
        loop {
            let ids = match self.lists && !self.plan.is_empty() {
                true => grammar.list_ids(&self.plan)?,
                false => grammar.plan_ids(&self.plan)?,
            };
            if ids.is_some() || self.plan.len() <= 1 {
                return Ok(ids);
            }
            self.plan.pop();
        }
    }

    /// The things that the next triplet of this concept with `count` references means: as many, from
    /// left to right, or all that the only reference to it may mean.
    pub fn meant(&mut self, concept: &str, count: usize) -> Vec<Thing> {
        let noun = bare(concept);
        let of_noun = |line: &&Planned| bare(&line.concept) == noun;
        let number = self.plan.iter().filter(of_noun).map(|line| line.number).sum::<usize>();
        let Some(Found { things, given, .. }) = self.found.iter_mut().find(|f| f.noun == noun)
        else {
            return Vec::new();
        };
        if number <= 1 {
            return things.clone();
        }
        let mut things: Vec<Thing> = things.iter().take(number).copied().collect();
        let middle = |thing: &Thing| thing.bbox[0] + thing.bbox[2] / 2.0;
        things.sort_by(|a, b| middle(a).total_cmp(&middle(b)));
        let first = std::mem::replace(given, *given + count);
        things.into_iter().skip(first).take(count).collect()
    }
}

/// A plan as the language model would write it.
pub(super) struct Wanted {
    /// How likely it would say that there is something, 0 to 1.
    pub there: f32,
    pub lines: Vec<Line>,
}

/// A line of it.
pub(super) struct Line {
    pub planned: Planned,
    /// How likely it would ask for one thing, 0 to 1.
    one: f32,
}

/// Whether a task asks for what its question names, and not for all there is.
fn names_things(task: Task) -> bool {
    matches!(task, Task::GroundingDetection | Task::GroundingSegmentation)
}

/// Whether a task asks for all there is, one noun after another.
fn is_list(task: Task) -> bool {
    matches!(task, Task::Detection | Task::Segmentation)
}

/// Whether the words of an answer are the answer, and what is found stands beside them.
fn is_caption(task: Task) -> bool {
    matches!(task, Task::GcgDetection | Task::GcgSegmentation)
}

/// A concept without the word in front that says which or how many.
fn bare(concept: &str) -> &str {
    match concept.split_once(' ') {
        Some((first, rest)) if BEFORE.contains(&first.to_lowercase().as_str()) => rest,
        _ => concept,
    }
}

impl Session {
    /// Looks for what an answer's plan would name, where there is a finder; `last` is the state that
    /// the answer's first token follows from. Nothing where the answer needs no plan.
    pub(super) async fn look_for(
        &mut self,
        (task, question): (Task, &str),
        grammar: &Grammar,
        last: Tensor<3>,
    ) -> Result<Option<Search>, EngineError> {
        let Some(config) = self.config.finder.as_ref().filter(|_| grammar.is_open()) else {
            return Ok(None);
        };
        let weight = config.words_weight;
        let nouns = config.nouns.clone();
        let Wanted { there, mut lines } = self.wanted(task.units(), grammar, last).await?;
        if lines.is_empty() {
            return Ok(None);
        }
        // A list says of each of its lines that it is there.
        let mut said = UNSAID;
        if let ([line], true) = (&mut lines[..], names_things(task)) {
            said = there;
            // A language model that hardly listens plans what it sees instead of what it was asked for.
            let other = named(question, &nouns).filter(|_| !names(question, &line.planned.concept));
            if let Some(noun) = other {
                (line.planned.concept, said) = (noun.into(), UNSAID);
            }
        }
        let mut found: Vec<Found> = Vec::new();
        for Line { planned, .. } in &lines {
            let noun = bare(&planned.concept);
            if planned.unit != Unit::Depth && found.iter().all(|found| found.noun != noun) {
                let Some(things) = self.find(noun, said, weight).await? else { return Ok(None) };
                found.push(Found { noun: noun.into(), things, given: 0 });
            }
        }
        let more = self.unnamed(task, &found).await?;
        let agreed = |Line { planned, one }: Line| {
            let of_noun = found.iter().find(|found| found.noun == bare(&planned.concept));
            let number = match of_noun.map(|found| found.things.len()) {
                // A caption tells what it names and how many in its words.
                None => planned.number,
                Some(_) if is_caption(task) => planned.number,
                Some(0) if said < THERE => return None,
                Some(0) => planned.number,
                Some(several @ 2..) if one < ONE => several,
                Some(_) => 1,
            };
            Some(Planned { number, ..planned })
        };
        let named: Vec<Planned> = lines.iter().map(|line| line.planned.clone()).collect();
        let mut plan: Vec<Planned> = Vec::new();
        for line in lines.into_iter().filter_map(agreed) {
            // All that was found of a noun stands on its first line, unless words tell them apart.
            let said = plan.iter().any(|l| l.concept == line.concept && l.unit == line.unit);
            if !said || is_caption(task) {
                plan.push(line);
            }
        }
        for more in more {
            let (concept, number) = (more.noun.clone(), more.things.len());
            plan.extend(task.units().first().map(|&unit| Planned { concept, unit, number }));
            found.push(more);
        }
        if plan.is_empty() && is_list(task) {
            // A list of nothing helps nobody: what the language model names is at least likely.
            plan = named;
        }
        Ok(Some(Search { plan, lists: is_list(task), found }))
    }

    /// What a list has to name beside what was found of its own nouns: things of the finder's nouns
    /// that are likelier there than not, and of which nothing likelier stands in the same place.
    async fn unnamed(&self, task: Task, known: &[Found]) -> Result<Vec<Found>, EngineError> {
        let nouns = self.config.finder.as_ref().map_or(&[][..], |finder| &finder.nouns);
        if !is_list(task) {
            return Ok(Vec::new());
        }
        let new = |noun: &&str| known.iter().all(|found| found.noun != *noun);
        let nouns: Vec<&str> = nouns.iter().map(String::as_str).filter(new).collect();
        let Some(things) = self.find_all(&nouns, SURE, &|chance| chance).await? else {
            return Ok(Vec::new());
        };
        let of_nouns = nouns.into_iter().zip(things);
        let mut new: Vec<(&str, Thing)> = of_nouns
            .flat_map(|(noun, things)| things.into_iter().map(move |t| (noun, t)))
            .collect();
        new.sort_by(|a, b| b.1.confidence.total_cmp(&a.1.confidence));
        let mut taken: Vec<[f32; 4]> =
            known.iter().flat_map(|found| &found.things).map(|thing| thing.bbox).collect();
        let mut more: Vec<Found> = Vec::new();
        for (noun, thing) in new {
            if taken.iter().any(|other| iou(*other, thing.bbox) > SAME_PLACE) {
                continue;
            }
            taken.push(thing.bbox);
            let room = more.len() < MOST_NOUNS;
            match more.iter_mut().find(|found| found.noun == noun) {
                Some(found) => found.things.push(thing),
                None if room => {
                    more.push(Found { noun: noun.into(), things: vec![thing], given: 0 });
                }
                None => {}
            }
        }
        Ok(more)
    }

    /// The plan that the language model would write if there were something. What it reads on the way
    /// is forgotten again.
    pub(super) async fn wanted(
        &mut self,
        units: &[Unit],
        start: &Grammar,
        last: Tensor<3>,
    ) -> Result<Wanted, EngineError> {
        let held = self.read.len();
        let wanted = self.written_unseen(units, start, last).await;
        self.cache.truncate(held);
        self.read.truncate(held);
        wanted
    }

    async fn written_unseen(
        &mut self,
        units: &[Unit],
        start: &Grammar,
        mut last: Tensor<3>,
    ) -> Result<Wanted, EngineError> {
        let mut grammar = start.clone();
        let words = start.plan_ids(&[])?.unwrap_or_default();
        let (mut there, mut lines, mut written) = (1.0, Vec::<Line>::new(), Vec::<u32>::new());
        let mut one = None;
        for _ in 0..LONGEST {
            if grammar.is_planned() {
                break;
            }
            let ids = match grammar.next()? {
                Next::End => break,
                Next::Forced(ids) => ids,
                Next::Allowed(set) => {
                    let scores = host(self.model.llm.logits(last.clone())).await?;
                    let mut refused = None;
                    if grammar.is_open() {
                        refused = words.get(written.len()).copied();
                        there = match refused {
                            Some(id) => 1.0 - chance(&scores, &set, id)?,
                            None => 1.0,
                        };
                    }
                    if let (Some(concept), [unit], None) = (grammar.concept(), units, one) {
                        let line = Planned { concept: concept.into(), unit: *unit, number: 1 };
                        let plan: Vec<_> = grammar.plan().iter().cloned().chain([line]).collect();
                        let ids = start.plan_ids(&plan)?.unwrap_or_default();
                        let first = ids.get(written.len()).filter(|_| ids.starts_with(&written));
                        one = Some(first.map_or(Ok(0.0), |&id| chance(&scores, &set, id))?);
                    }
                    let allowed = |id| set.contains(id) && Some(id) != refused;
                    vec![argmax(&scores, Some(&allowed))?]
                }
            };
            ids.iter().try_for_each(|&id| grammar.advance(id))?;
            let new = grammar.plan().get(lines.len()..).unwrap_or_default();
            for planned in new {
                lines.push(Line { planned: planned.clone(), one: one.take().unwrap_or_default() });
            }
            let rows: Vec<Row> = ids.iter().map(|&id| Row::Token(id)).collect();
            let embeds = self.embed_ids(ids.iter().map(|&id| i64::from(id)).collect())?;
            let hidden = self.feed(embeds, &rows)?;
            last = hidden.narrow(1, ids.len() - 1, 1);
            written.extend(ids);
        }
        Ok(Wanted { there, lines })
    }
}

/// How likely the next token, one of `set`, is this one.
pub(super) fn chance(scores: &[f32], set: &TokenSet, id: u32) -> Result<f32, EngineError> {
    let sampling = Sampling { temperature: 1.0, ..Sampling::default() };
    let chances = distribution(scores, Some(&|id| set.contains(id)), &sampling)?;
    Ok(chances.into_iter().find(|(other, _)| *other == id).map_or(0.0, |(_, chance)| chance))
}
