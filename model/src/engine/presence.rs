//! Whether the picture shows what a question asks the presence of.
//!
//! A language model of this size answers "Is there a dog?" by what is often there. A model with a
//! finder asks itself for the boxes of it instead, and says yes where there are some.

use super::finding::{Wanted, chance};
use super::named::{named, names};
use super::{Ask, EngineError, Row, Session, host};
use crate::language::argmax;
use crate::triplet::{Grammar, Limits, TokenSet};
use burn::tensor::Tensor;
use refvlm_record::exchange::Exchange;
use refvlm_record::{Task, asks_presence};

/// Weight of what the language model says, as a logit, beside that of a peak.
const WORDS: f32 = 0.5;
/// As which task a question is read to learn what it names.
const READ_AS: Task = Task::GroundingDetection;
/// How an answer may begin, and what it then says.
const ANSWERS: [(&str, bool); 4] = [("yes", true), ("Yes", true), ("no", false), ("No", false)];

/// A question for presence, to be read for what it names.
pub(super) struct Presence {
    rows: Vec<Row>,
    question: String,
}

impl Session {
    /// The question read for what it names, where a model with a finder is asked for presence alone.
    pub(super) fn presence(&self, ask: &Ask) -> Result<Option<Presence>, EngineError> {
        let asks = ask.task == Task::Vqa && ask.prompts.is_empty() && asks_presence(&ask.text);
        if self.model.finder.is_none() || !asks {
            return Ok(None);
        }
        let exchange = Exchange::ask(READ_AS, ask.parts()?, true);
        let template = &self.config.template;
        let mut ids = template.encode_prefix(&self.tokenizer, true)?;
        ids.extend(template.encode_prompt(&self.tokenizer, &exchange, true)?.ids);
        Ok(Some(Presence { rows: self.rows(&ids, &[])?, question: ask.text.clone() }))
    }

    /// The token that says whether it is there, one of `set`; none where the language model would
    /// answer neither yes nor no. `last` is the state that the answer's words follow from.
    pub(super) async fn sees(
        &mut self,
        Presence { rows, question }: Presence,
        last: Tensor<3>,
        set: &TokenSet,
    ) -> Result<Option<u32>, EngineError> {
        let scores = host(self.model.llm.logits(last)).await?;
        let mut says = Vec::new();
        for (text, yes) in ANSWERS {
            let id = self.tokenizer.encode(text)?.first().copied();
            if let Some(id) = id.filter(|&id| set.contains(id)) {
                says.push((id, chance(&scores, set, id)?, yes));
            }
        }
        let wanted = argmax(&scores, Some(&|id| set.contains(id)))?;
        if says.iter().all(|(id, ..)| *id != wanted) {
            return Ok(None);
        }
        let of = |truth: bool| -> f32 {
            says.iter().filter(|(.., yes)| *yes == truth).map(|(_, chance, _)| chance).sum()
        };
        let said = of(true) / (of(true) + of(false));
        let read = self.read.clone();
        let planned = self.planned(&rows).await;
        self.prefill(&read)?;
        let nouns = self.config.finder.as_ref().map_or(&[][..], |finder| &finder.nouns);
        let planned = planned?;
        let asked = planned.as_deref().filter(|noun| names(&question, noun));
        let Some(noun) = asked.or_else(|| named(&question, nouns)).or(planned.as_deref()) else {
            return Ok(None);
        };
        let Some(things) = self.find(noun, said, WORDS).await? else { return Ok(None) };
        let there = !things.is_empty();
        let best = says.into_iter().filter(|(.., yes)| *yes == there);
        Ok(best.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(id, ..)| id))
    }

    /// What the language model takes to be named first.
    async fn planned(&mut self, rows: &[Row]) -> Result<Option<String>, EngineError> {
        let room = self.cache.capacity().saturating_sub(rows.len());
        let limits = Limits { budget: room.min(Limits::default().budget), ..Limits::default() };
        let units = READ_AS.units();
        let Ok(grammar) = Grammar::new(&self.tokenizer, units, self.config.template.cot, limits)
        else {
            return Ok(None);
        };
        if !grammar.is_open() {
            return Ok(None);
        }
        let last = self.prefill(rows)?;
        let Wanted { lines, .. } = self.wanted(units, &grammar, last).await?;
        Ok(lines.into_iter().next().map(|line| line.planned.concept))
    }
}
