//! Everything around the model that needs files: pictures, records, drawing, scores.

pub mod body;
pub mod chat;
pub mod data;
pub mod distance;
pub mod draw;
pub mod evaluate;
pub mod fetch;
pub mod files;
pub mod huggingface;
pub mod import;
pub mod inspect;
pub mod metrics;
pub mod package;
pub mod photo;
pub mod picture;
pub mod presets;
pub mod sheet;
pub mod train;
pub mod vocabulary;
