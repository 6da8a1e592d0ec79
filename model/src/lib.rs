//! REF-VLM as one burn model: pictures, prompts and words in; words tied to boxes, masks,
//! keypoints and depth out. No files, no threads, no browser, no clock.
//!
//! The modules follow the data: `image` prepares the picture, `vision` turns it into a pyramid of
//! maps, `prompting` turns points, boxes, scribbles and masks into tokens, `triplet` is the
//! language of the answers, `language` the LLM, `decoding` turns reference states into units,
//! `learning` is what only training needs, `package` stores the weights.

pub mod config;
pub mod decoding;
pub mod engine;
pub mod image;
pub mod input;
pub mod language;
pub mod layers;
pub mod learning;
pub mod opening;
pub mod package;
pub mod prompting;
pub mod refvlm;
pub mod sam;
pub mod triplet;
pub mod vision;

pub use refvlm_record::event;
