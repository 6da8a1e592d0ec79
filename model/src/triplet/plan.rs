//! Plans, and the lists that follow from them, which are known before they are written.

use super::grammar::{Grammar, GrammarError};
use super::rules::{Planned, triplet_text};
use super::template::{plan_line, plan_text};

impl Grammar {
    /// The ids of a whole plan; of one without lines, words alone are said. None where it may not be
    /// written here, or leaves no room for what it plans.
    ///
    /// # Errors
    /// Only when the vocabulary fails to encode a concept.
    pub fn plan_ids(&self, plan: &[Planned]) -> Result<Option<Vec<u32>>, GrammarError> {
        self.allowed(&planned(plan), plan)
    }

    /// The ids of a whole answer that lists what is planned, as answers to questions for everything
    /// do: `dog, ball.` None where it may not be written here, or has no room.
    ///
    /// # Errors
    /// Only when the vocabulary fails to encode a concept.
    pub fn list_ids(&self, plan: &[Planned]) -> Result<Option<Vec<u32>>, GrammarError> {
        let triplets = plan.iter().map(|line| triplet_text(&line.concept, line.unit, line.number));
        let body = triplets.collect::<Vec<_>>().join(", ");
        let Some(mut ids) = self.allowed(&format!("{}{body}.", planned(plan)), plan)? else {
            return Ok(None);
        };
        ids.push(self.rules.tokenizer.specials().eos);
        Ok(Some(ids))
    }

    /// The ids of a text, if it may be written here and plans this.
    fn allowed(&self, text: &str, plan: &[Planned]) -> Result<Option<Vec<u32>>, GrammarError> {
        let ids = self.rules.tokenizer.encode(text)?;
        let mut probe = self.clone();
        for &id in &ids {
            if !probe.options()?.is_some_and(|options| options.contains(id)) {
                return Ok(None);
            }
            probe.step(id)?;
        }
        Ok((probe.plan() == plan).then_some(ids))
    }
}

/// A plan as text.
fn planned(plan: &[Planned]) -> String {
    let lines = plan.iter().map(|line| plan_line(&line.concept, line.unit.name(), line.number));
    plan_text(&lines.collect::<String>())
}
