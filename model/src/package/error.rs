//! What can be wrong with a package.

use refvlm_shaders::PackError;
use thiserror::Error;

/// Why a package can't be read or written. The text names the file, the tensor and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PackageError {
    /// The manifest cannot be read or contradicts itself.
    #[error("refvlm.json: {0}; take the manifest that belongs to the shards")]
    Manifest(String),
    /// A shard the manifest doesn't list.
    #[error("{file}: not listed in refvlm.json, or given twice")]
    UnknownShard {
        /// Name of the shard.
        file: String,
    },
    /// A shard of another length.
    #[error("{file}: {found} bytes, refvlm.json says {expected}; download it again")]
    Length {
        /// Name of the shard.
        file: String,
        /// Bytes given.
        found: u64,
        /// Bytes listed.
        expected: u64,
    },
    /// A shard with other contents.
    #[error("{file}: its sha-256 is not the one in refvlm.json; download it again")]
    Hash {
        /// Name of the shard.
        file: String,
    },
    /// A shard that is no safetensors file.
    #[error("{file}: no valid safetensors file: {reason}; write the package again")]
    Header {
        /// Name of the shard.
        file: String,
        /// Why the file is not valid.
        reason: String,
    },
    /// A tensor that can't be used.
    #[error("{file}: tensor {tensor}: {reason}; write the package again from a sound model")]
    Tensor {
        /// Name of the shard.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// What is wrong with the tensor.
        reason: String,
    },
    /// A tensor of another shape than the parameter.
    #[error(
        "{file}: tensor {tensor} is {found:?}, the model needs {expected:?}; \
         the configuration and the weights don't belong together"
    )]
    Shape {
        /// Name of the shard.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// Shape stored.
        found: Vec<usize>,
        /// Shape of the parameter.
        expected: Vec<usize>,
    },
    /// Parameters that no shard holds, or shards that were not given.
    #[error("missing: {}; the package is incomplete or of another model", .0.join(", "))]
    Missing(Vec<String>),
    /// Tensors that the model has no parameter for.
    #[error("{file}: no such parameter: {}; the package is of another model", tensors.join(", "))]
    Unexpected {
        /// Name of the shard.
        file: String,
        /// Names of the tensors.
        tensors: Vec<String>,
    },
    /// A tensor that can't be written.
    #[error("tensor {tensor} can't be stored: {reason}")]
    Unwritable {
        /// Name of the tensor.
        tensor: String,
        /// Why it can't be stored.
        reason: String,
    },
}

impl PackageError {
    pub(super) fn tensor(file: &str, tensor: &str, reason: impl ToString) -> Self {
        let (file, tensor) = (file.to_string(), tensor.to_string());
        PackageError::Tensor { file, tensor, reason: reason.to_string() }
    }

    pub(super) fn packing(tensor: &str, error: &PackError) -> Self {
        PackageError::Unwritable { tensor: tensor.to_string(), reason: error.to_string() }
    }
}
