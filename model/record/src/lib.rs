//! Records: one picture, one conversation, structured answers; and the plain values around a
//! question: what is asked ([`Ask`], [`ready`], [`intent`]), what comes back ([`event::Event`]) and what that
//! means ([`answer::Answer`], [`reading::Reading`]). What is known to all who draw or score answers
//! stands here once: the body ([`coco`]), the colours of distances ([`depth`]), the pixels of shapes
//! ([`raster`]) and how far they lie apart ([`distance`]), and what several clicks on one thing mean
//! ([`clicks`]).
//!
//! A record is what the scene generator writes, what training and evaluation read, and what the
//! template of the `model` crate turns into tokens, labels, prompt masks and targets. Answers are
//! lists of text and triplets, never strings with placeholders, so that a target can neither be
//! lost nor be counted twice.
//!
//! Coordinates are pixels of the original picture: x to the right, y down, the pixel in column `c`
//! covers `c..c+1`.

pub mod answer;
pub mod ask;
mod check;
pub mod clicks;
pub mod coco;
pub mod depth;
pub mod distance;
mod error;
pub mod event;
pub mod exchange;
mod form;
pub mod intent;
pub mod json;
pub mod mention;
mod outline;
pub mod raster;
pub mod reading;
pub mod ready;
mod record;
mod rle;
mod task;
pub mod weighted;

pub use ask::{Ask, AskError, Sampling};
pub use check::shares_in_px;
pub use error::RecordError;
pub use intent::asks_presence;
pub use record::{AnswerPart, DepthMap, Image, Prompt, QuestionPart, Record, Target, Turn};
pub use rle::{Counts, MAX_SIDE_PX, Mask, Rle, RleError};
pub use task::{Element, Task, TaskCommand, Unit, UnknownName};
