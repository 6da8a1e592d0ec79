//! What is taken home: COCO files, PNG and ZIP, and the conversation as text.

pub mod archive;
pub mod coco;
pub mod transcript;
