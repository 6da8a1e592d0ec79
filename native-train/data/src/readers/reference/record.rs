//! A record as it stands in the original's files, and what it becomes.

use refvlm_record::exchange::{Command, Exchange, UnitWord};
use refvlm_record::{Element, UnknownName};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;

/// Which of the original's preparations a record is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preparation {
    /// Coordinates as text.
    Stage1,
    /// Triplets.
    Stage2,
    /// Triplets of boxes, each with keypoints behind it.
    Keypoints,
}

/// A list of a record's `target`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `boxes`.
    Box,
    /// `masks`.
    Mask,
    /// `points`.
    Point,
    /// `keypoints`.
    Keypoint,
}

impl Kind {
    pub(super) const ALL: [Kind; 4] = [Kind::Box, Kind::Mask, Kind::Point, Kind::Keypoint];

    /// The word for one of them, which is also its unit.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Box => "box",
            Kind::Mask => "mask",
            Kind::Point => "point",
            Kind::Keypoint => "keypoint",
        }
    }

    pub(super) fn list(self) -> &'static str {
        match self {
            Kind::Box => "boxes",
            Kind::Mask => "masks",
            Kind::Point => "points",
            Kind::Keypoint => "keypoints",
        }
    }

    pub(super) fn placeholder(self) -> &'static str {
        match self {
            Kind::Box => "<boxes>",
            Kind::Mask => "<masks>",
            Kind::Point => "<points>",
            Kind::Keypoint => "<keypoints>",
        }
    }
}

/// One turn. Prompts of the question and targets of the answer are indices into these lists.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceTurn {
    /// Question and answer; a target index counts in the list of its unit's kind.
    pub exchange: Exchange,
    /// Kind and index of each visual prompt, in reading order.
    pub prompts: Vec<(Kind, usize)>,
    /// Kind and index of each label, in reading order.
    pub labels: Vec<(Kind, usize)>,
}

/// Why a record is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The JSON does not have the form of a record.
    #[error("not a record of the original: {0}")]
    Json(String),
    /// The speaker is not system, human or gpt.
    #[error("message from '{0}'; messages come from system, human and gpt")]
    Speaker(String),
    /// Questions and answers do not alternate.
    #[error("message {message}: every human message must be followed by one gpt message")]
    Order {
        /// Index of the message.
        message: usize,
    },
    /// Task entries and turns differ in number.
    #[error("{turns} turns but {tasks} task entries; the system message needs one per turn")]
    Turns {
        /// How many turns there are.
        turns: usize,
        /// How many task entries there are.
        tasks: usize,
    },
    /// A task declares more than one unit.
    #[error("task {0} declares several units; the original's tasks have one")]
    Units(String),
    /// A unit, element or placeholder is unknown.
    #[error("unknown {what} '{name}'")]
    Unknown {
        /// What was expected: unit, element or placeholder.
        what: &'static str,
        /// The name found.
        name: String,
    },
    /// The numbers of placeholders and targets differ.
    #[error("{found} {placeholder} in the text, {given} in {place}")]
    Count {
        /// The placeholder.
        placeholder: &'static str,
        /// How many the text has.
        found: usize,
        /// How many the sequence has.
        given: usize,
        /// Which sequence or group.
        place: String,
    },
    /// An index points beyond the list of targets.
    #[error("{list}[{index}], but the record has {count}")]
    Index {
        /// Name of the list.
        list: &'static str,
        /// The index.
        index: i64,
        /// How many there are.
        count: usize,
    },
    /// A phrase mark is not closed or not opened.
    #[error("phrase mark without its partner near '{0}'")]
    Phrase(String),
    /// Placeholders that do not belong to exactly one phrase.
    #[error("phrase '{phrase}': {problem}")]
    Targets {
        /// Words of the phrase.
        phrase: String,
        /// What is wrong with its placeholders.
        problem: &'static str,
    },
}

impl From<UnknownName> for ReferenceError {
    fn from(unknown: UnknownName) -> Self {
        Self::Unknown { what: unknown.kind, name: unknown.name }
    }
}

#[derive(Deserialize)]
pub(super) struct Raw {
    #[serde(default)]
    pub(super) target: HashMap<String, Vec<Value>>,
    pub(super) conversations: Vec<Message>,
    #[serde(default)]
    pub(super) map_placeholders: Placeholders,
}

#[derive(Deserialize, Default)]
pub(super) struct Placeholders {
    #[serde(default)]
    pub(super) input: Vec<String>,
    #[serde(default)]
    pub(super) output: Vec<String>,
}

type Sequence = Option<Vec<Vec<i64>>>;

#[derive(Deserialize)]
pub(super) struct Message {
    pub(super) from: String,
    #[serde(default)]
    pub(super) value: Value,
    boxes_seq: Sequence,
    masks_seq: Sequence,
    points_seq: Sequence,
    keypoints_seq: Sequence,
}

impl Message {
    pub(super) fn text(&self) -> Result<&str, ReferenceError> {
        match &self.value {
            Value::Null => Ok(""),
            Value::String(text) => Ok(text),
            _ => Err(ReferenceError::Json(format!("the value from {} is not text", self.from))),
        }
    }

    pub(super) fn sequence(&self, kind: Kind) -> &[Vec<i64>] {
        let sequence = match kind {
            Kind::Box => &self.boxes_seq,
            Kind::Mask => &self.masks_seq,
            Kind::Point => &self.points_seq,
            Kind::Keypoint => &self.keypoints_seq,
        };
        sequence.as_deref().unwrap_or_default()
    }
}

#[derive(Deserialize)]
pub(super) struct TaskEntry {
    task: TaskRaw,
    #[serde(default)]
    unit: Vec<String>,
}

#[derive(Deserialize)]
struct TaskRaw {
    task_name: String,
    element: Vec<Element>,
    #[serde(default)]
    use_unit: bool,
}

impl TaskEntry {
    pub(super) fn command(self) -> Result<Command, ReferenceError> {
        let TaskRaw { task_name: name, element: elements, use_unit } = self.task;
        if self.unit.len() > 1 {
            return Err(ReferenceError::Units(name));
        }
        let units = self.unit.iter().filter(|_| use_unit);
        let units = units.map(|unit| Ok(unit.parse::<UnitWord>()?));
        Ok(Command { name, elements, units: units.collect::<Result<_, ReferenceError>>()? })
    }
}
