//! Questions: what a person asks, before any model reads it.

use crate::mention::{Piece, cut};
use crate::{Prompt, QuestionPart, Task};
use serde::{Deserialize, Serialize};

/// A question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// What kind of answer is wanted.
    pub task: Task,
    /// The words, with `[prompt 1]` where the first of `prompts` stands. Prompts that the words do
    /// not mention are put behind them.
    pub text: String,
    /// What is pointed at, in px of the picture.
    #[serde(default)]
    pub prompts: Vec<Prompt>,
    /// How tokens are chosen.
    #[serde(default)]
    pub sampling: Sampling,
    /// Most tokens of the answer; fewer where the model's context is shorter.
    #[serde(default = "default_budget")]
    pub budget: usize,
    /// Whether the grammar lets only answers be written that parse.
    #[serde(default = "yes")]
    pub constrained: bool,
    /// Whether what is pointed at may be looked at once more, larger, where the model does so: better
    /// masks, joints and names, for the time that a picture takes.
    #[serde(default = "yes")]
    pub closer: bool,
}

fn default_budget() -> usize {
    192
}

fn yes() -> bool {
    true
}

impl Ask {
    /// A question with the default settings: greedy, constrained.
    pub fn new(task: Task, text: impl Into<String>, prompts: Vec<Prompt>) -> Self {
        Self {
            task,
            text: text.into(),
            prompts,
            sampling: Sampling::default(),
            budget: default_budget(),
            constrained: true,
            closer: true,
        }
    }

    /// Words and prompts in reading order.
    ///
    /// # Errors
    /// When the words mention a prompt that is not there, or there is nothing at all.
    pub fn parts(&self) -> Result<Vec<QuestionPart>, AskError> {
        let mut parts = Vec::new();
        let mut mentioned = vec![false; self.prompts.len()];
        for piece in cut(self.text.trim()) {
            match piece {
                Piece::Words(words) => parts.push(QuestionPart::Text(words)),
                Piece::Prompt(number) => {
                    let prompt = number.wrapping_sub(1);
                    let Some(seen) = mentioned.get_mut(prompt) else {
                        return Err(AskError::Mention { number, count: self.prompts.len() });
                    };
                    *seen = true;
                    parts.push(QuestionPart::Prompt { prompt });
                }
            }
        }
        for (prompt, _) in mentioned.iter().enumerate().filter(|(_, seen)| !**seen) {
            if !parts.is_empty() {
                parts.push(QuestionPart::Text(" ".into()));
            }
            parts.push(QuestionPart::Prompt { prompt });
        }
        if parts.is_empty() {
            return Err(AskError::Empty);
        }
        Ok(parts)
    }
}

/// Why a question cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The question has neither words nor prompts.
    #[error("the question is empty; write something or point at something")]
    Empty,
    /// The text mentions a prompt that is not given.
    #[error(
        "the question mentions [prompt {number}], but {} given; correct the number", given(*.count)
    )]
    Mention {
        /// The number in the text.
        number: usize,
        /// How many prompts are given.
        count: usize,
    },
    /// The temperature is no temperature.
    #[error("temperature: give a number from 0 (always the best token) to {MAX_TEMPERATURE}")]
    Temperature,
    /// The nucleus is no probability.
    #[error("top_p: give a probability above 0 and at most 1 (1 keeps all tokens)")]
    TopP,
}

fn given(count: usize) -> String {
    match count {
        0 => "no prompt is".into(),
        1 => "1 prompt is".into(),
        _ => format!("{count} prompts are"),
    }
}

/// Largest temperature; all tokens are equally likely long before.
pub const MAX_TEMPERATURE: f32 = 100.0;

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// Divides the scores; 0 takes the best token.
    pub temperature: f32,
    /// How many of the best tokens stay; 0 keeps all.
    pub top_k: usize,
    /// Probability that the tokens kept must reach together; 1 keeps all.
    pub top_p: f32,
    /// Start of the random numbers.
    pub seed: u64,
}

impl Sampling {
    /// Checks that the numbers mean something.
    ///
    /// # Errors
    /// Names the first that does not, with its range.
    pub fn check(&self) -> Result<(), AskError> {
        if !(0.0..=MAX_TEMPERATURE).contains(&self.temperature) {
            return Err(AskError::Temperature);
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return Err(AskError::TopP);
        }
        Ok(())
    }
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.0, top_k: 0, top_p: 1.0, seed: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampling_without_meaning_is_refused() {
        let check =
            |temperature, top_p| Sampling { temperature, top_p, ..Sampling::default() }.check();
        for good in [(0.0, 1.0), (0.7, 0.9), (100.0, 1e-6)] {
            assert_eq!(check(good.0, good.1), Ok(()));
        }
        for temperature in [-1.0, f32::NAN, f32::INFINITY, 101.0] {
            assert_eq!(check(temperature, 1.0), Err(AskError::Temperature));
        }
        for top_p in [0.0, -0.1, 7.0, f32::NAN] {
            assert_eq!(check(0.5, top_p), Err(AskError::TopP));
        }
    }

    #[test]
    fn prompts_that_are_not_mentioned_stand_behind_the_words() {
        let point = Prompt::Point { x: 0.0, y: 0.0 };
        let parts = |text: &str| Ask::new(Task::Vqa, text, vec![point.clone(); 2]).parts();
        let prompt = |prompt| QuestionPart::Prompt { prompt };
        let text = |text: &str| QuestionPart::Text(text.into());
        let expected = vec![text("Is "), prompt(1), text(" a dog?"), text(" "), prompt(0)];
        assert_eq!(parts(" Is [prompt 2] a dog? ").unwrap(), expected);
        let mention = |number| Err(AskError::Mention { number, count: 2 });
        assert_eq!(parts("Is [prompt 3] a dog?"), mention(3));
        assert_eq!(parts("Is [prompt 0] a dog?"), mention(0));
        assert_eq!(Ask::new(Task::Vqa, " ", vec![]).parts(), Err(AskError::Empty));
    }
}
