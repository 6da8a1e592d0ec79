//! One answer, written step by step.

use super::context::Context;
use super::finding::Search;
use super::presence::Presence;
use super::units::Asked;
use super::{Ask, EngineError, Row, Session, host};
use crate::decoding::{PromptMaps, QueryMask};
use crate::event::{Event, Finish, Stage, Timings};
use crate::input::{regions, stroke_maps, stroke_tensor};
use crate::language::{Sampler, argmax};
use crate::triplet::parser::{Event as Parsed, Mark, Stream, Triplet, concepts};
use crate::triplet::{Grammar, Limits, Next};
use burn::tensor::Tensor;
use refvlm_record::exchange::Exchange;
use refvlm_record::{AskError, Task, Unit};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Positions of the context that a question must leave free, for a plan and a few words.
const LEAST_ROOM: usize = 32;

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
    /// Ids of the answer so far.
    written: Vec<u32>,
    /// State that the next token follows from, `[1, 1, hidden]`.
    last: Option<Tensor<3>>,
    /// States at the `<REF>`s by position in the answer.
    references: HashMap<usize, Tensor<3>>,
    /// What an adapter asks for; empty without one.
    context: Context,
    /// Triplets that are decoded when the answer ends, in the order of [`Unit::ALL`].
    waiting: [Vec<Asked>; 4],
    events: VecDeque<Event>,
    triplets: usize,
    timings: Timings,
    start: f64,
    /// Whether the budget forbade the token that the model wanted.
    bent: bool,
    over: bool,
    /// What ended it with [`Event::Failed`].
    failure: Option<EngineError>,
    /// What to look for before it is planned, if anything.
    looks: Option<(Task, String)>,
    /// What to look for before its presence is told.
    presence: Option<Presence>,
    /// What was looked for.
    search: Option<Search>,
}

impl Session {
    /// Asks about the picture. The answer is written as its events are taken; dropping it aborts.
    ///
    /// # Errors
    /// When no picture is set, or question or prompts cannot be used.
    pub fn ask(&mut self, ask: &Ask) -> Result<Answer<'_>, EngineError> {
        let start = (self.clock)();
        let frame = self.picture.as_ref().ok_or(EngineError::NoPicture)?.frame;
        let exchange = Exchange::ask(ask.task, ask.parts()?, true);
        let regions = regions(&self.config, &ask.prompts, &frame)?;
        let strokes = stroke_maps(&self.config, &ask.prompts, &frame)?;
        let template = &self.config.template;
        let mut ids = template.encode_prefix(&self.tokenizer, true)?;
        let prompt = template.encode_prompt(&self.tokenizer, &exchange, true)?;
        ids.extend(&prompt.ids);
        let mentioned = || prompt.prompts.iter().copied();
        // Looking closely takes as long as looking at a picture: only at what is mentioned.
        let near = mentioned().filter_map(|prompt| ask.prompts.get(prompt));
        let look = self.config.closer_look.filter(|_| ask.closer);
        let near = near.map(|prompt| self.near(prompt, look)).collect::<Result<Vec<_>, _>>()?;
        let seen = self.picture.as_ref().ok_or(EngineError::NoPicture)?;
        let pointers = mentioned().filter_map(|prompt| regions.get(prompt)).zip(near);
        let pointers = pointers.map(|(region, near)| self.pointer(&seen.sight, region, near));
        let pointers: Vec<_> = pointers.map(Arc::new).collect();
        let strokes = mentioned().filter_map(|prompt| strokes.get(prompt)).flatten();
        // A reference means a prompt when its state is like that of the rows that were read.
        let of_prompts = pointers.iter().map(|pointer| pointer.rows.clone()).collect();
        let context = Context {
            prompts: self.prompt_maps(of_prompts, strokes.copied().collect()),
            pointers: mentioned().filter_map(|prompt| ask.prompts.get(prompt)).cloned().collect(),
            look,
            ..Context::default()
        };
        let rows = self.rows(&ids, &pointers)?;
        let capacity = self.cache.capacity();
        let room = capacity.saturating_sub(rows.len());
        if room < LEAST_ROOM {
            let (found, most) = (rows.len(), capacity.saturating_sub(LEAST_ROOM));
            return Err(EngineError::Long { found, most, over: found - most });
        }
        ask.sampling.check()?;
        let budget = ask.budget.min(room);
        let grammar = ask.constrained.then(|| {
            let limits = Limits { budget, ..Limits::default() };
            Grammar::new(&self.tokenizer, ask.task.units(), self.config.template.cot, limits)
        });
        let grammar = grammar.transpose()?;
        let presence = self.presence(ask)?;
        let answer = Answer::new(self, ask, rows, context, (grammar, budget), start);
        Ok(Answer { presence, ..answer })
    }

    /// What decoders are told of prompts with these rows, `[1, rows, hidden]` each; none where there
    /// are none or no decoder is told.
    pub(super) fn prompt_maps(
        &self,
        rows: Vec<Tensor<3>>,
        strokes: Vec<f32>,
    ) -> Option<PromptMaps> {
        let maps = stroke_tensor(strokes, rows.len(), &self.config, &self.device)?;
        Some(self.model.prompt_maps(maps, Tensor::cat(rows, 0)))
    }
}

impl<'s> Answer<'s> {
    pub(super) fn new(
        session: &'s mut Session,
        ask: &Ask,
        rows: Vec<Row>,
        context: Context,
        (grammar, budget): (Option<Grammar>, usize),
        start: f64,
    ) -> Self {
        let stream = Stream::new(&session.tokenizer, ask.task.units());
        let looks = context.pointers.is_empty().then(|| (ask.task, ask.text.clone()));
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
            written: Vec::new(),
            last: None,
            references: HashMap::new(),
            context,
            waiting: Default::default(),
            events: VecDeque::from([Event::Status { stage: Stage::Reading }]),
            triplets: 0,
            timings,
            start,
            bent: false,
            over: false,
            failure: None,
            looks,
            presence: None,
            search: None,
        }
    }

    /// The error behind [`Event::Failed`], once that was given; none of an answer that goes well.
    pub fn failure(&self) -> Option<&EngineError> {
        self.failure.as_ref()
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
                self.failure = Some(error);
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
            return self.finish(Finish::Length).await;
        }
        if let (Some((task, question)), Some(grammar), Some(last)) =
            (self.looks.take(), &self.grammar, self.last.clone())
            && let Some(mut search) =
                self.session.look_for((task, &question), grammar, last).await?
        {
            let ids = search.ids(grammar)?;
            self.search = Some(search);
            if let Some(ids) = ids {
                return self.write(&ids, true).await;
            }
        }
        let next = self.grammar.as_ref().map(Grammar::next).transpose()?;
        let next = match next {
            Some(next) if !self.bent => Some(self.within_budget(next).await?),
            next => next,
        };
        match next {
            Some(Next::End) => self.finish(Finish::End).await,
            Some(Next::Forced(ids)) => self.write(&ids, true).await,
            Some(Next::Allowed(set)) => {
                if let (Some(presence), Some(last)) = (self.presence.take(), self.last.clone())
                    && let Some(id) = self.session.sees(presence, last, &set).await?
                {
                    return self.write(&[id], true).await;
                }
                let id = self.choose(Some(&|id| set.contains(id))).await?;
                self.write(&[id], false).await
            }
            None => {
                let id = self.choose(None).await?;
                self.write(&[id], false).await
            }
        }
    }

    /// Notes whether the budget, and not the language, forbids what the model would write next.
    async fn within_budget(&mut self, next: Next) -> Result<Next, EngineError> {
        let free = self.grammar.as_ref().map(|grammar| grammar.unbounded().next()).transpose()?;
        match (free, next) {
            (Some(Next::Allowed(free)), next) if Next::Allowed(free.clone()) != next => {
                let Some(last) = self.last.clone() else { return Err(AskError::Empty.into()) };
                let scores = host(self.session.model.llm.logits(last)).await?;
                let wanted = argmax(&scores, Some(&|id| free.contains(id)))?;
                self.bent = match &next {
                    Next::Allowed(set) => !set.contains(wanted),
                    Next::Forced(ids) => ids.first() != Some(&wanted),
                    Next::End => true,
                };
                // What follows the first token is judged when it is its turn.
                Ok(match next {
                    Next::Forced(ids) if !self.bent => Next::Forced(ids[..1].to_vec()),
                    next => next,
                })
            }
            (Some(Next::Forced(free)), Next::Forced(ids)) if ids.starts_with(&free) => {
                Ok(Next::Forced(free))
            }
            (_, next) => Ok(next),
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
        self.written.extend_from_slice(&read);
        if !read.is_empty() {
            let rows: Vec<Row> = read.iter().map(|&id| Row::Token(id)).collect();
            let embeds = self.session.embed_ids(read.iter().map(|&id| i64::from(id)).collect())?;
            let hidden = self.session.feed(embeds, &rows)?;
            for (i, _) in read.iter().enumerate().filter(|(_, id)| **id == specials.reference) {
                self.references.insert(first + i, hidden.clone().narrow(1, i, 1));
            }
            self.context.marks.extend(read.iter().map(|&id| Mark::of(id, &specials)));
            if self.session.model.vd_adapter.is_some() {
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
            return self.finish(Finish::End).await;
        }
        Ok(())
    }

    /// Announces a triplet that is complete and decodes it, unless it waits for others.
    async fn decode(&mut self, triplet: Triplet) -> Result<(), EngineError> {
        let states: Vec<Tensor<3>> =
            triplet.refs.iter().filter_map(|at| self.references.remove(at)).collect();
        let unit = triplet.unit.or(self.declared.first().copied());
        let (Some(unit), false) = (unit, states.is_empty()) else { return Ok(()) };
        let number = self.triplets;
        self.triplets += 1;
        let count = states.len();
        let (concept, refs) = (triplet.concept, triplet.refs);
        let words = concepts(self.context.marks.iter().copied());
        let words = refs.first().and_then(|first| words.get(first).cloned());
        let words = words.and_then(|at| self.written.get(at)).unwrap_or_default();
        let words = words.iter().map(|&id| i64::from(id)).collect();
        let search = self.search.as_mut();
        let things = search.map_or(Vec::new(), |search| search.meant(&concept, count));
        let states = Tensor::cat(states, 1);
        let asked = Asked { number, refs, things, states, concept: words };
        self.events.push_back(Event::Triplet { triplet: number, concept, unit, count });
        let decoder = self.session.config.decoder(unit);
        if decoder.is_some_and(|decoder| decoder.query_mask == QueryMask::Reference) {
            // The published decoders see all references of an answer.
            self.waiting[unit as usize].push(asked);
            return Ok(());
        }
        self.emit(unit, &[asked]).await
    }

    async fn emit(&mut self, unit: Unit, asked: &[Asked]) -> Result<(), EngineError> {
        let shapes = self.session.decode(&self.context, unit, asked).await?;
        self.events.extend(shapes.into_iter().map(|((triplet, index), (confidence, shape))| {
            Event::Unit { triplet, index, confidence, shape }
        }));
        Ok(())
    }

    async fn finish(&mut self, reason: Finish) -> Result<(), EngineError> {
        for unit in Unit::ALL {
            let asked = std::mem::take(&mut self.waiting[unit as usize]);
            if !asked.is_empty() {
                self.emit(unit, &asked).await?;
            }
        }
        let reason = if self.bent { Finish::Length } else { reason };
        self.over = true;
        self.timings.total_s = (self.session.clock)() - self.start;
        self.events.push_back(Event::Done { timings: self.timings, reason });
        Ok(())
    }
}
