//! What an answer is made of while it comes into being. The same enums are the lines of `refvlm
//! infer --json`, and the part of the page's protocol that carries an answer.
//!
//! All coordinates are px of the original picture.

use crate::{Mask, Rle, Unit};
use serde::{Deserialize, Serialize};

/// One step of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// What is being done now.
    Status {
        /// The stage that begins.
        stage: Stage,
    },
    /// A piece of text, in order; the pieces joined are the raw answer.
    Token {
        /// The vocabulary id.
        id: u32,
        /// Its text, special tokens included.
        text: String,
        /// True when the grammar left no choice, so that nothing was sampled.
        forced: bool,
    },
    /// A triplet is complete; its units follow.
    Triplet {
        /// Number of the triplet in the answer, from 0.
        triplet: usize,
        /// The phrase.
        concept: String,
        /// How its targets are decoded.
        unit: Unit,
        /// How many targets follow.
        count: usize,
    },
    /// One target of a triplet.
    Unit {
        /// The triplet it belongs to.
        triplet: usize,
        /// Its `[k]` within the triplet.
        index: usize,
        /// What the decoder expects of itself, 0..1: the IoU of a box or mask, the similarity (OKS)
        /// of a body, the share of depths within a factor of 1.25; 1 where the model has no such
        /// head.
        confidence: f32,
        /// The decoded target.
        #[serde(flatten)]
        shape: Shape,
    },
    /// The answer is complete.
    Done {
        /// Where the time went.
        timings: Timings,
        /// Why it ended.
        reason: Finish,
    },
    /// The answer ends here with an error.
    Failed {
        /// What went wrong and what helps.
        error: String,
    },
}

impl Event {
    /// Whether nothing follows in the same answer.
    pub fn is_last(&self) -> bool {
        matches!(self, Event::Done { .. } | Event::Failed { .. })
    }
}

/// The stages an answer goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The question is read.
    Reading,
    /// The answer is written.
    Writing,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model ended it.
    End,
    /// The token budget cut the answer short, or left no room for what the model wanted to say.
    Length,
}

/// A decoded target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "unit", rename_all = "snake_case")]
pub enum Shape {
    /// A rectangle.
    Box {
        /// `[x, y, w, h]`.
        #[serde(rename = "box")]
        bbox: [f32; 4],
    },
    /// A mask of the picture's size.
    Mask {
        /// Run lengths.
        mask: Rle,
        /// The tight rectangle of the mask, `[x, y, w, h]`; zero when the mask is empty.
        #[serde(rename = "box")]
        bbox: [f32; 4],
        /// What else may be meant, the most confident first: a click on a sleeve may mean the
        /// sleeve, the shirt or the person.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        others: Vec<Proposal>,
    },
    /// A person's box and joints.
    Keypoint {
        /// `[x, y, w, h]`.
        #[serde(rename = "box")]
        bbox: [f32; 4],
        /// 17 rows `[x, y, presence]` in COCO order. Presence, 0..1, is how sure the decoder is that
        /// the joint lies in the picture; hidden joints count as present.
        keypoints: Vec<[f32; 3]>,
    },
    /// A distance map at the decoder's resolution, coarser than the picture, which it covers from
    /// edge to edge.
    Depth {
        /// Columns of the map.
        width: u32,
        /// Rows of the map.
        height: u32,
        /// Metres, row-major.
        metres: Vec<f32>,
    },
}

impl Shape {
    /// A mask without proposals beside it; its rectangle is that of its pixels.
    pub fn mask(mask: &Mask) -> Self {
        Shape::Mask { bbox: tight(mask), mask: mask.to_rle(), others: Vec::new() }
    }

    /// A mask with what else may be meant; other shapes stay as they are.
    pub fn with_others(self, proposals: Vec<Proposal>) -> Self {
        match self {
            Shape::Mask { mask, bbox, .. } => Shape::Mask { mask, bbox, others: proposals },
            other => other,
        }
    }
}

/// A mask that may be meant instead of the one that is the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// What the decoder expects of it, 0..1.
    pub confidence: f32,
    /// Run lengths, of the picture's size.
    pub mask: Rle,
    /// The tight rectangle of the mask, `[x, y, w, h]`.
    #[serde(rename = "box")]
    pub bbox: [f32; 4],
}

impl Proposal {
    /// A proposal with the rectangle of its pixels.
    pub fn new(confidence: f32, mask: &Mask) -> Self {
        Self { confidence, bbox: tight(mask), mask: mask.to_rle() }
    }
}

/// The rectangle of a mask's pixels; zero when it has none.
fn tight(mask: &Mask) -> [f32; 4] {
    mask.bounds().unwrap_or_default().map(|v| v as f32)
}

/// Seconds and counts of one answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Looking at the picture. The first answer about a picture carries it, later ones 0.
    pub picture_s: f64,
    /// From the question to the first token, reading included.
    pub first_token_s: f64,
    /// The whole answer, the picture excluded.
    pub total_s: f64,
    /// Rows of the question (its words, and the picture and prompts in it) that were not in the
    /// cache and had to be read.
    pub read_tokens: usize,
    /// Tokens of the answer.
    pub tokens: usize,
    /// Tokens that the grammar forced.
    pub forced_tokens: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_event_is_the_last() {
        assert!(!Event::Status { stage: Stage::Reading }.is_last());
        assert!(!Event::Token { id: 0, text: String::new(), forced: false }.is_last());
        assert!(Event::Done { timings: Timings::default(), reason: Finish::End }.is_last());
        assert!(Event::Failed { error: String::new() }.is_last());
    }
}
