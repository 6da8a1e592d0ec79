//! Scores of answers against the truth. Every number's exact definition stands at the function
//! that computes it; [`Scores`] adds up samples, [`Summary`] is the results table.

mod answer;
mod boxes;
mod depth;
mod keypoints;
mod masks;
mod scores;
mod summary;
mod words;

pub use answer::{Answer, AnswerTriplet};
pub use boxes::{Counts, box_iou, match_greedily};
pub use depth::{DepthScore, MISSING_DEPTH, depth_score};
pub use keypoints::{Person, oks, pck};
pub use masks::{Overlap, union};
pub use scores::{KindScores, Scores};
pub use summary::{Row, Summary};
pub use words::{counted_number, exact_match, holds, normalised, word_counts};

/// A match of boxes or masks needs at least this intersection over union.
pub const MATCH_IOU: f32 = 0.5;
