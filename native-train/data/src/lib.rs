//! Annotated photos and conversations about them: data sets as their authors publish them become
//! the records that a model learns from and is judged with.
//!
//! [`readers`] takes each published layout, [`Collection`] all photos of a folder, [`split`] says which pictures are kept for validation, [`View`]
//! and [`paste()`] vary a photo together with its labels, [`pointing()`] and [`dialogues()`] ask
//! about it, and [`judge`] makes the fixed questions that an evaluation repeats.
//!
//! Coordinates are px of the photo at hand: x to the right, y down, the pixel in column `c` covers
//! `c..c+1`. What is known of a source (its terms, what is labelled completely, how its categories
//! are called) stands in `sources.json`; the ways to ask stand in `wordings/`.

#![warn(missing_docs)]

mod border;
mod bounded;
pub mod build;
mod collection;
pub mod convert;
mod dealing;
pub mod dialogues;
pub mod english;
mod error;
mod exercises;
pub mod judge;
mod mask;
mod paste;
mod photo;
pub mod prompts;
pub mod readers;
pub mod recipe;
mod record_set;
pub mod shards;
mod sought;
mod sources;
pub mod split;
pub mod stats;
mod view;
mod wording;
pub mod words;

pub use collection::Collection;
pub use dealing::renamed;
pub use dialogues::{Dialogue, DialogueOptions, Kind, dialogues, pointing};
pub use error::DataError;
pub use exercises::{Exercises, exercises};
pub use paste::paste;
pub use photo::{Joints, Photo, Thing};
pub use recipe::keys::{nearest, with_nearest};
pub use record_set::RecordSet;
pub use sought::sought;
pub use sources::Source;
pub use split::Split;
pub use view::{Colour, View};
pub use wording::WordingSet;

/// Largest annotation file that is read whole: COCO's own of 118,000 pictures has 470 MB.
pub const MAX_JSON_BYTES: u64 = 2 << 30;
