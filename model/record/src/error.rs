//! What can be wrong with a record.

use crate::rle::RleError;

/// What is wrong with a record, naming the field as it stands in the JSON.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// The line is not the JSON of a record.
    #[error("{0}")]
    Json(String),
    /// A number that is not finite, or a geometry outside the picture.
    #[error("{field}: {problem}")]
    Geometry {
        /// Path of the field.
        field: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A damaged mask.
    #[error("{field}: {source}")]
    Mask {
        /// Path of the field.
        field: String,
        /// What is damaged.
        source: RleError,
    },
    /// A reference to a prompt or target that does not exist.
    #[error("{field}: index {index}, but the record has {count}")]
    Index {
        /// Path of the field.
        field: String,
        /// The index given.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A structural rule is broken.
    #[error("{field}: {problem}")]
    Structure {
        /// Path of the field.
        field: String,
        /// What is wrong and what would be right.
        problem: String,
    },
}
