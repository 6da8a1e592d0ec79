//! What crosses rooms: packages, presets, adapters, batches, and answers from end to end.

mod answers;
mod finding;
mod lora;
mod package;
mod presets;
mod prompted;
mod training;
mod words;
