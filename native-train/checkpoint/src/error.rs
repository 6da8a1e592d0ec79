//! Errors of reading a checkpoint.

use thiserror::Error;

/// Why a checkpoint cannot be read. The text names the file, the tensor and the remedy.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The operating system reports an error.
    #[error("{file}: {source}; check the path and its permissions")]
    File {
        /// The file's path.
        file: String,
        /// The underlying I/O error.
        source: std::io::Error,
    },
    /// The file has no format that we read.
    #[error(
        "{file}: not a checkpoint; give a .safetensors, .gguf, .pth, .bin or .onnx file, or the \
             folder of a Hugging Face model"
    )]
    Unknown {
        /// The file's path.
        file: String,
    },
    /// A range of bytes lies beyond the end of the file.
    #[error("{file}: needs {need} bytes at {at}, but has only {length}; download it again")]
    Truncated {
        /// The file's path.
        file: String,
        /// Where the range begins.
        at: u64,
        /// Length of the range.
        need: u64,
        /// Length of the file.
        length: u64,
    },
    /// The file breaks the rules of its format.
    #[error("{file}: damaged: {reason}; download it again")]
    Damaged {
        /// The file's path.
        file: String,
        /// Which rule is broken.
        reason: String,
    },
    /// A count is larger than in any real checkpoint.
    #[error("{file}: {count} {what} exceed the limit of {limit}; is it a checkpoint?")]
    TooMuch {
        /// The file's path.
        file: String,
        /// What is counted.
        what: &'static str,
        /// The count that the file claims.
        count: u64,
        /// The largest count accepted.
        limit: u64,
    },
    /// The file uses a part of the format that we don't read.
    #[error("{file}: {what}; {remedy}")]
    Unsupported {
        /// The file's path.
        file: String,
        /// What it uses.
        what: String,
        /// What helps.
        remedy: &'static str,
    },
    /// A tensor has an element type that we don't read.
    #[error(
        "{file}: tensor {tensor} is {dtype}, which is not read; convert it to f32, f16 or bf16"
    )]
    Dtype {
        /// The file's path.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// The type's name or number in the format.
        dtype: String,
    },
    /// A tensor's shape and its bytes contradict each other.
    #[error("{file}: tensor {tensor} {shape:?}: {reason}; download the file again")]
    Shape {
        /// The file's path.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// How they contradict each other.
        reason: String,
    },
    /// Two tensors have the same name.
    #[error("{file}: two tensors are named {tensor}; save the checkpoint again without the second")]
    Duplicate {
        /// The file's path.
        file: String,
        /// The name.
        tensor: String,
    },
    /// The index names a file that isn't in the folder.
    #[error("{index}: names {shard}, which is not in the folder; download it too")]
    MissingShard {
        /// Path of the index.
        index: String,
        /// Name of the missing file.
        shard: String,
    },
    /// The index says that a tensor is in a file, but it isn't.
    #[error(
        "{index}: {tensor} should be in {shard} and is not; index and shards don't belong together"
    )]
    Index {
        /// Path of the index.
        index: String,
        /// Name of the tensor.
        tensor: String,
        /// The file it should be in.
        shard: String,
    },
    /// The pickle contains code that does more than describe tensors.
    #[error(
        "{file}: the pickle has the opcode {opcode:#04x} at {at}, which is not allowed; \
         save the state_dict alone with torch.save"
    )]
    Opcode {
        /// The file's path.
        file: String,
        /// The opcode.
        opcode: u8,
        /// Its offset in the pickle.
        at: usize,
    },
    /// The pickle names a Python object that is not allowed.
    #[error(
        "{file}: the pickle names {global}, which is not allowed; \
         save the state_dict alone with torch.save"
    )]
    Global {
        /// The file's path.
        file: String,
        /// The object's module and name.
        global: String,
    },
    /// The file has no tensor of that name.
    #[error("{file}: no tensor {tensor}; list its tensors with `refvlm inspect`")]
    NoTensor {
        /// The file's path.
        file: String,
        /// The name.
        tensor: String,
    },
    /// A setting is missing or has another type.
    #[error("{file}: metadata: {key}: {reason}; convert the model again")]
    Metadata {
        /// The file's path.
        file: String,
        /// The setting's key.
        key: String,
        /// Whether it is missing, or what its type is.
        reason: String,
    },
    /// The low-rank adapter cannot be used.
    #[error("{file}: {reason}; merge the adapter with the program that trained it")]
    Adapter {
        /// The file's path.
        file: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// The low-rank adapter belongs to weights that its first values were taken out of.
    #[error(
        "{file}: init_lora_weights is {init}, which is not known to leave the base model as it is; \
         {remedy}"
    )]
    Base {
        /// The file's path.
        file: String,
        /// How the adapter began.
        init: String,
        /// What helps.
        remedy: &'static str,
    },
    /// A pattern of an adapter's settings can't be used.
    #[error(
        "{file}: the pattern {pattern:?} of {setting}: {reason}; write it in another way, or merge \
         the adapter with the program that trained it"
    )]
    Pattern {
        /// The file's path.
        file: String,
        /// The setting it is of.
        setting: &'static str,
        /// The regular expression.
        pattern: String,
        /// Why it can't be used.
        reason: String,
    },
    /// The low-rank adapter can be merged, but not kept beside the weights.
    #[error("{file}: {reason}; merge the adapter with --lora merge")]
    Kept {
        /// The file's path.
        file: String,
        /// Why it cannot be kept.
        reason: String,
    },
}

impl CheckpointError {
    pub(crate) fn damaged(file: &str, reason: impl ToString) -> Self {
        CheckpointError::Damaged { file: file.into(), reason: reason.to_string() }
    }

    pub(crate) fn too_much(file: &str, what: &'static str, count: u64, limit: u64) -> Self {
        CheckpointError::TooMuch { file: file.into(), what, count, limit }
    }
}
