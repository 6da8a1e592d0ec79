//! One answer, written step by step.

use super::{Ask, EngineError, Row, Session, host};
use crate::decoding::AdapterGroup;
use crate::event::{Event, Finish, Stage, Timings};
use crate::language::Sampler;
use crate::triplet::parser::{Event as Parsed, Mark, Stream, Triplet, group};
use crate::triplet::{Grammar, Next};
use burn::tensor::Tensor;
use refvlm_record::{AskError, Unit};
use std::collections::{HashMap, VecDeque};

/// An answer that is being written. [`Answer::next`] gives its events in order; the last one is
/// [`Event::Done`] or [`Event::Failed`].
pub struct Answer<'s> {
    session: &'s mut Session,
    grammar: Option<Grammar>,
    sampler: Sampler,
    stream: Stream,
    declared: Vec<Unit>,
    budget: usize,
    /// Rows of the question that are still to be read.
    question: Option<Vec<Row>>,
    /// State that the next token follows from, `[1, 1, hidden]`.
    last: Option<Tensor<3>>,
    /// States at the `<REF>`s by position in the answer.
    references: HashMap<usize, Tensor<3>>,
    /// What an adapter asks for; empty without one.
    context: Context,
    events: VecDeque<Event>,
    triplets: usize,
    timings: Timings,
    start: f64,
    over: bool,
}

/// The states of the whole answer.
#[derive(Default)]
struct Context {
    marks: Vec<Mark>,
    /// Those that predicted the tokens: that of the question's end, then those of the answer's
    /// stretches, `[1, tokens, hidden]` each.
    states: Vec<Tensor<3>>,
}

impl Context {
    /// The triplet with these references.
    fn group(&self, refs: &[usize]) -> Option<AdapterGroup> {
        let found = group(self.marks.iter().copied()).into_iter().find(|g| g.refs == refs)?;
        let states = Tensor::cat(self.states.clone(), 1).squeeze_dim::<2>(0);
        let device = states.device();
        let rows = |places: Vec<i64>| {
            states.clone().select(0, Tensor::from_data(places.as_slice(), &device))
        };
        let words = found.phrase.map_or(0..0, |[open, close]| open + 1..close);
        let words: Vec<i64> = words.map(|at| at as i64).collect();
        Some(AdapterGroup {
            picture: 0,
            refs: rows(found.refs.into_iter().map(|at| at as i64).collect()),
            phrase: (!words.is_empty()).then(|| rows(words)),
        })
    }
}

impl<'s> Answer<'s> {
    pub(super) fn new(
        session: &'s mut Session,
        ask: &Ask,
        rows: Vec<Row>,
        grammar: Option<Grammar>,
        budget: usize,
        start: f64,
    ) -> Self {
        let stream = Stream::new(&session.tokenizer, ask.task.units());
        let mut timings = Timings::default();
        if let Some(seen) = session.picture.as_mut().filter(|seen| !seen.reported) {
            seen.reported = true;
            timings.picture_s = seen.seconds;
        }
        Self {
            session,
            grammar,
            sampler: Sampler::new(ask.sampling),
            stream,
            declared: ask.task.units().to_vec(),
            budget,
            question: Some(rows),
            last: None,
            references: HashMap::new(),
            context: Context::default(),
            events: VecDeque::from([Event::Status { stage: Stage::Reading }]),
            triplets: 0,
            timings,
            start,
            over: false,
        }
    }

    /// The next event; none after the last.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            if let Err(error) = self.step().await {
                self.over = true;
                // What was read last may be half a step: the next question starts afresh.
                self.session.cache.truncate(0);
                self.session.read.clear();
                self.events.push_back(Event::Failed { error: error.to_string() });
            }
        }
    }

    /// All events that are left.
    pub async fn collect(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    async fn step(&mut self) -> Result<(), EngineError> {
        if let Some(rows) = self.question.take() {
            let held = self.session.read.len();
            let shared = rows.iter().zip(&self.session.read).take_while(|(a, b)| a == b).count();
            self.timings.read_tokens = rows.len() - shared.min(held).min(rows.len());
            let last = self.session.prefill(&rows)?;
            if self.session.model.vd_adapter.is_some() {
                self.context.states.push(last.clone());
            }
            self.last = Some(last);
            self.events.push_back(Event::Status { stage: Stage::Writing });
            return Ok(());
        }
        if self.timings.tokens >= self.budget {
            return self.finish(Finish::Budget);
        }
        let next = self.grammar.as_ref().map(Grammar::next).transpose()?;
        match next {
            Some(Next::End) => self.finish(Finish::End),
            Some(Next::Forced(ids)) => self.write(&ids, true).await,
            Some(Next::Allowed(set)) => {
                let id = self.choose(Some(&|id| set.contains(id))).await?;
                self.write(&[id], false).await
            }
            None => {
                let id = self.choose(None).await?;
                self.write(&[id], false).await
            }
        }
    }

    async fn choose(&mut self, allowed: Option<&dyn Fn(u32) -> bool>) -> Result<u32, EngineError> {
        let Some(last) = self.last.clone() else { return Err(AskError::Empty.into()) };
        let scores = host(self.session.model.llm.logits(last)).await?;
        Ok(self.sampler.next(&scores, allowed)?)
    }

    /// Takes tokens as the next of the answer: emits them, reads them, decodes what they close.
    async fn write(&mut self, ids: &[u32], forced: bool) -> Result<(), EngineError> {
        let specials = *self.session.tokenizer.specials();
        let first = self.timings.tokens;
        if first == 0 {
            self.timings.first_token_s = (self.session.clock)() - self.start;
        }
        let ended = ids.contains(&specials.eos);
        let read: Vec<u32> = ids.iter().copied().take_while(|&id| id != specials.eos).collect();
        if !read.is_empty() {
            let rows: Vec<Row> = read.iter().map(|&id| Row::Token(id)).collect();
            let embeds = self.session.embed_ids(read.iter().map(|&id| i64::from(id)).collect());
            let hidden = self.session.feed(embeds, &rows)?;
            for (i, _) in read.iter().enumerate().filter(|(_, id)| **id == specials.reference) {
                self.references.insert(first + i, hidden.clone().narrow(1, i, 1));
            }
            if self.session.model.vd_adapter.is_some() {
                self.context.marks.extend(read.iter().map(|&id| Mark::of(id, &specials)));
                self.context.states.push(hidden.clone());
            }
            self.last = Some(hidden.narrow(1, read.len() - 1, 1));
        }
        for &id in ids {
            if let Some(grammar) = &mut self.grammar {
                grammar.advance(id)?;
            }
            if id == specials.eos {
                break;
            }
            self.timings.tokens += 1;
            self.timings.forced_tokens += usize::from(forced);
            let text = self.session.tokenizer.decode(&[id])?;
            self.events.push_back(Event::Token { id, text, forced });
            for parsed in self.stream.push(id)? {
                if let Parsed::Triplet(triplet) = parsed {
                    self.decode(triplet).await?;
                }
            }
        }
        if ended {
            return self.finish(Finish::End);
        }
        Ok(())
    }

    /// Decodes a triplet that is complete by the decoder of its own unit.
    async fn decode(&mut self, triplet: Triplet) -> Result<(), EngineError> {
        let states: Vec<Tensor<3>> =
            triplet.refs.iter().filter_map(|at| self.references.remove(at)).collect();
        let unit = triplet.unit.or(self.declared.first().copied());
        let (Some(unit), false) = (unit, states.is_empty()) else { return Ok(()) };
        let states = Tensor::cat(states, 1);
        let number = self.triplets;
        self.triplets += 1;
        self.events.push_back(Event::Triplet {
            triplet: number,
            concept: triplet.concept,
            unit,
            count: states.dims()[1],
        });
        let seen = self.session.picture.as_ref().ok_or(EngineError::NoPicture)?;
        let digits = self.session.config.box_digits;
        let model = &self.session.model;
        let adapted = self.session.image_states.clone().and_then(|image| {
            let grid = [self.session.config.selected_side(&self.session.config.image_features); 2];
            let group = self.context.group(&triplet.refs)?;
            Some(model.vd_adapter.as_ref()?.forward(image, grid, &[group]))
        });
        let (sight, states) = match adapted {
            Some(adapted) => (seen.sight.with_last_map(adapted.map), adapted.refs),
            None => (seen.sight.clone(), states),
        };
        let place = (&seen.frame, &sight);
        let shapes = super::units::decode(model, place, unit, states, digits).await?;
        for (index, (confidence, shape)) in shapes.into_iter().enumerate() {
            self.events.push_back(Event::Unit { triplet: number, index, confidence, shape });
        }
        Ok(())
    }

    fn finish(&mut self, reason: Finish) -> Result<(), EngineError> {
        self.over = true;
        self.timings.total_s = (self.session.clock)() - self.start;
        self.events.push_back(Event::Done { timings: self.timings, reason });
        Ok(())
    }
}
