//! Storing and loading models: safetensors shards, their index, and the manifest `refvlm.json`
//! that says what they are and what they must hash to.
//!
//! Everything here turns bytes into values and back; who reads files or a network hands the bytes
//! in. A quantised tensor `<name>` is stored as `<name>.qweight` (u32, in the order the kernels
//! read) and `<name>.scales` (f16, with the minima of q4).

pub mod by_name;
mod encode;
mod error;
mod header;
mod manifest;
mod plan;
mod reader;
mod writer;

pub use encode::encode;
pub use error::PackageError;
pub use manifest::{Description, FileEntry, Manifest, Quantisation};
pub use plan::{INDEX_FILE, MANIFEST_FILE, Plan, PlannedShard, SHARD_BYTES, TOKENIZER_FILE};
pub use reader::Loader;
pub use writer::Writer;
