//! A turn as it is written for the model: of a record, of a question, or of the original
//! implementation, whose text knows a little more than records do.

use crate::{AnswerPart, Element, QuestionPart, Task, TaskCommand, Turn, Unit, UnknownName};
use std::fmt;
use std::str::FromStr;

/// A unit as a text may name it: `point` can be written but nothing decodes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnitWord {
    /// A unit with a decoder.
    Unit(Unit),
    /// Known to the original's text only.
    Point,
}

impl UnitWord {
    /// The word between `<Unit>` and `</Unit>`.
    pub fn name(self) -> &'static str {
        match self {
            UnitWord::Unit(unit) => unit.name(),
            UnitWord::Point => "point",
        }
    }
}

impl fmt::Display for UnitWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for UnitWord {
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        if name == "point" { Ok(UnitWord::Point) } else { name.parse().map(UnitWord::Unit) }
    }
}

/// The Task Command of one turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Task name.
    pub name: String,
    /// What the answer is made of, without the trailing `unit`.
    pub elements: Vec<Element>,
    /// Declared units; none means words only.
    pub units: Vec<UnitWord>,
}

impl From<TaskCommand> for Command {
    fn from(command: TaskCommand) -> Self {
        let units = command.units.into_iter().map(UnitWord::Unit).collect();
        Self { name: command.name, elements: command.elements, units }
    }
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerPiece {
    /// Words.
    Text(String),
    /// A concept tied to targets.
    Triplet {
        /// Words between `<Phrase>` and `</Phrase>`.
        concept: String,
        /// Words between the phrase and its bracket; empty but in records of the original.
        gap: String,
        /// How the targets are decoded.
        unit: UnitWord,
        /// Indices of the targets, at least one.
        targets: Vec<usize>,
    },
}

/// A question and its answer, ready for the template.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// The Task Command; none in the first training stage, whose answers are plain text.
    pub command: Option<Command>,
    /// Whether the picture belongs to this turn.
    pub image: bool,
    /// Words and prompts in reading order.
    pub question: Vec<QuestionPart>,
    /// Words and triplets in reading order; empty when the answer is still to come.
    pub answer: Vec<AnswerPiece>,
}

impl Exchange {
    /// A question whose answer is still to come.
    pub fn ask(task: Task, question: Vec<QuestionPart>, image: bool) -> Self {
        Self { command: Some(task.command().into()), image, question, answer: Vec::new() }
    }

    /// A turn of a record; `image` where the picture belongs to it, which is the first turn.
    pub fn from_turn(turn: &Turn, image: bool) -> Self {
        let piece = |part: &AnswerPart| match part {
            AnswerPart::Text(text) => AnswerPiece::Text(text.clone()),
            AnswerPart::Triplet { concept, unit, targets } => AnswerPiece::Triplet {
                concept: concept.clone(),
                gap: String::new(),
                unit: UnitWord::Unit(*unit),
                targets: targets.clone(),
            },
        };
        let answer = turn.answer.iter().map(piece).collect();
        Self { answer, ..Self::ask(turn.task, turn.question.clone(), image) }
    }
}
