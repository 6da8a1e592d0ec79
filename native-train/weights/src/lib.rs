//! Weights that come from elsewhere, and packages: import, fetch, vocabularies, inspection, export.

pub mod chat;
pub mod fetch;
pub mod huggingface;
pub mod import;
pub mod inspect;
pub mod mean;
pub mod merge;
pub mod package;
pub mod photo;
pub mod presets;
pub mod vocabulary;
