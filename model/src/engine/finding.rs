//! Looking for what a question names, before it is answered.
//!
//! The plan of an answer says first whether there is anything, what it is called, and how many of it
//! there are. A model with a finder need not guess: it writes the plan as if there were something,
//! unseen, up to the name; looks for that; and takes the plan back. What is written then agrees with
//! what was found, and each reference means one of the things.

use super::search::Thing;
use super::{EngineError, Row, Session, host};
use crate::language::{argmax, distribution};
use crate::triplet::{Expected, Grammar, Next, TokenSet};
use burn::tensor::Tensor;
use refvlm_record::{Sampling, Task};

/// Most tokens of a plan up to its number.
const LONGEST: usize = 96;
/// A question means one of several things that were found if the language model gives the number
/// one at least this probability: it tells `the dog` from `dogs`, though it counts badly.
const ONE: f32 = 0.9;
/// What the finder does not find is decoded all the same if the language model gives it at least this
/// probability: it has read more than the finder has seen.
const THERE: f32 = 0.8;

/// What was looked for, and what was found of it, the most confident first.
#[derive(Debug, Clone)]
pub(super) struct Search {
    concept: String,
    /// What the plan is to say.
    pub expected: Expected,
    things: Vec<Thing>,
}

impl Search {
    /// The things that a triplet of this concept with `count` references means: as many, from left to
    /// right, or all that one reference may mean.
    pub fn meant(&self, concept: &str, count: usize) -> Vec<Thing> {
        if concept != self.concept {
            return Vec::new();
        }
        let mut things = self.things.clone();
        if count > 1 {
            things.truncate(count);
            let middle = |thing: &Thing| thing.bbox[0] + thing.bbox[2] / 2.0;
            things.sort_by(|a, b| middle(a).total_cmp(&middle(b)));
        }
        things
    }
}

/// What the language model would plan.
struct Wanted {
    concept: String,
    /// How likely it would say that there is something, 0 to 1.
    there: f32,
    /// How likely it would ask for one thing then, 0 to 1.
    one: f32,
}

/// Whether a task asks for what its question names.
pub(super) fn names_things(task: Task) -> bool {
    matches!(task, Task::GroundingDetection | Task::GroundingSegmentation)
}

impl Session {
    /// Looks for what an answer's plan would name, where there is a finder; `last` is the state that
    /// the answer's first token follows from. Nothing where the answer needs no plan.
    pub(super) async fn look_for(
        &mut self,
        grammar: &Grammar,
        last: Tensor<3>,
    ) -> Result<Option<Search>, EngineError> {
        if self.model.finder.is_none() || !grammar.is_open() {
            return Ok(None);
        }
        let wanted = self.wanted(grammar.clone(), last).await?;
        let Some(Wanted { concept, there, one }) = wanted else { return Ok(None) };
        let Some(things) = self.find(&concept, there).await? else { return Ok(None) };
        let expected = match things.len() {
            0 if there < THERE => Expected::Nothing,
            0 => Expected::Things,
            several @ 2.. if one < ONE => Expected::Number(several),
            _ => Expected::Number(1),
        };
        Ok(Some(Search { concept, expected, things }))
    }

    /// What the language model would name and how many of it, if there were something. What it reads
    /// on the way is forgotten again.
    async fn wanted(
        &mut self,
        mut grammar: Grammar,
        mut last: Tensor<3>,
    ) -> Result<Option<Wanted>, EngineError> {
        let held = self.read.len();
        let (mut there, mut wanted) = (1.0, None);
        for _ in 0..LONGEST {
            let ids = match grammar.next()? {
                Next::End => break,
                Next::Forced(ids) => ids,
                Next::Allowed(set) => {
                    let scores = host(self.model.llm.logits(last.clone())).await?;
                    if grammar.is_open() {
                        there = chance(&grammar, &scores, &set, Expected::Things)?;
                        grammar.expect(Expected::Things);
                        continue;
                    }
                    if let Some(concept) = grammar.first_concept() {
                        // Only the number is left to choose.
                        let concept = concept.to_string();
                        let one = chance(&grammar, &scores, &set, Expected::Number(1))?;
                        wanted = Some(Wanted { concept, there, one });
                        break;
                    }
                    vec![argmax(&scores, Some(&|id| set.contains(id)))?]
                }
            };
            ids.iter().try_for_each(|&id| grammar.advance(id))?;
            let rows: Vec<Row> = ids.iter().map(|&id| Row::Token(id)).collect();
            let embeds = self.embed_ids(ids.iter().map(|&id| i64::from(id)).collect())?;
            let hidden = self.feed(embeds, &rows)?;
            last = hidden.narrow(1, ids.len() - 1, 1);
        }
        self.cache.truncate(held);
        self.read.truncate(held);
        Ok(wanted)
    }
}

/// How likely the next token, one of `set`, is the first of what is expected.
fn chance(
    grammar: &Grammar,
    scores: &[f32],
    set: &TokenSet,
    expected: Expected,
) -> Result<f32, EngineError> {
    let mut grammar = grammar.clone();
    grammar.expect(expected);
    let first = match grammar.next()? {
        Next::Forced(ids) => ids.first().copied(),
        Next::Allowed(_) | Next::End => None,
    };
    let sampling = Sampling { temperature: 1.0, ..Sampling::default() };
    let chances = distribution(scores, Some(&|id| set.contains(id)), &sampling)?;
    Ok(chances.into_iter().find(|(id, _)| Some(*id) == first).map_or(0.0, |(_, chance)| chance))
}
