//! The record itself, as it stands in a JSON line.

use crate::mention::marker;
use crate::rle::Rle;
use crate::task::{Task, Unit};
use serde::{Deserialize, Serialize};

/// One picture and one conversation about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Unique within its file.
    pub id: String,
    /// Where the picture comes from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Licence of picture and labels.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub licence: String,
    /// The picture.
    pub image: Image,
    /// Everything that answers can refer to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
    /// Everything that questions can point with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<Prompt>,
    /// The conversation.
    pub turns: Vec<Turn>,
}

/// Where the picture is and how large.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Path relative to the record file, or the member's name in a shard.
    pub path: String,
    /// Columns in px.
    pub width: u32,
    /// Rows in px.
    pub height: u32,
}

/// Something in the picture; each turn uses the form its unit needs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// `[x, y, w, h]` in px.
    #[serde(rename = "box", default, skip_serializing_if = "Option::is_none")]
    pub bbox: Option<[f32; 4]>,
    /// Visible pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Rle>,
    /// 17 rows `[x, y, v]` in px, COCO order; v is 0 unlabelled, 1 hidden, 2 visible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keypoints: Option<Vec<[f32; 3]>>,
    /// Distance of every pixel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<DepthMap>,
}

/// A 16-bit grey PNG whose values times `metres_per_unit` are metres; 0 means unknown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepthMap {
    /// Path relative to the record file.
    pub path: String,
    /// Metres per step of the 16-bit values.
    pub metres_per_unit: f32,
    /// The decoded map in metres, row-major, `width * height` values. Never in JSON: a reader
    /// fills it from `path`, the scene generator fills it directly.
    #[serde(skip)]
    pub metres: Vec<f32>,
}

/// A visual prompt, in px.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Prompt {
    /// A click.
    Point {
        /// Column.
        x: f32,
        /// Row.
        y: f32,
    },
    /// A rectangle.
    Box {
        /// Left.
        x: f32,
        /// Top.
        y: f32,
        /// Width.
        w: f32,
        /// Height.
        h: f32,
    },
    /// A free line through the given points.
    Scribble {
        /// `[x, y]` corners of the line.
        points: Vec<[f32; 2]>,
    },
    /// A painted region of the picture's size.
    Mask {
        /// The painted pixels.
        mask: Rle,
    },
}

impl Prompt {
    /// The word for this kind of prompt.
    pub fn kind(&self) -> &'static str {
        match self {
            Prompt::Point { .. } => "point",
            Prompt::Box { .. } => "box",
            Prompt::Scribble { .. } => "scribble",
            Prompt::Mask { .. } => "mask",
        }
    }
}

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// What kind of answer is asked for.
    pub task: Task,
    /// Words and prompts in reading order.
    pub question: Vec<QuestionPart>,
    /// Words and triplets in reading order.
    pub answer: Vec<AnswerPart>,
}

/// A piece of a question: JSON text, or `{"prompt": k}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum QuestionPart {
    /// Words.
    Text(String),
    /// Index into the record's prompts.
    Prompt {
        /// Zero-based.
        prompt: usize,
    },
}

/// A piece of an answer: JSON text, or a triplet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum AnswerPart {
    /// Words.
    Text(String),
    /// A concept tied to targets by a unit.
    Triplet {
        /// The phrase as it stands in the sentence.
        concept: String,
        /// How the targets are decoded.
        unit: Unit,
        /// Indices into the record's targets, at least one.
        targets: Vec<usize>,
    },
}

impl Record {
    /// A question as one string with `[prompt k]` (one-based) where prompts stand.
    pub fn question_text(turn: &Turn) -> String {
        turn.question
            .iter()
            .map(|part| match part {
                QuestionPart::Text(text) => text.clone(),
                QuestionPart::Prompt { prompt } => marker(prompt + 1),
            })
            .collect()
    }
}
