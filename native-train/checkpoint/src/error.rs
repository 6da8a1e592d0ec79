//! What can be wrong with a checkpoint.

use thiserror::Error;

/// Why a checkpoint can't be read. The text names the file, the tensor and the remedy.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The operating system.
    #[error("{file}: {source}")]
    File {
        /// Which file.
        file: String,
        /// Cause.
        source: std::io::Error,
    },
    /// None of the formats that are read.
    #[error(
        "{file}: no checkpoint; give a .safetensors, .gguf, .pth, .bin or .onnx file, or the \
         folder of a Hugging Face model"
    )]
    Unknown {
        /// Which file.
        file: String,
    },
    /// Something is said to lie behind the end.
    #[error(
        "{file}: {need} bytes at {at} are more than the {length} of the file; download it again"
    )]
    Truncated {
        /// Which file.
        file: String,
        /// Where they should begin.
        at: u64,
        /// How many there should be.
        need: u64,
        /// Bytes of the file.
        length: u64,
    },
    /// The file breaks the rules of its format.
    #[error("{file}: damaged: {reason}; download it again")]
    Damaged {
        /// Which file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// More of something than any real checkpoint has.
    #[error("{file}: {count} {what} exceed the limit of {limit}; is it a checkpoint?")]
    TooMuch {
        /// Which file.
        file: String,
        /// Of what.
        what: &'static str,
        /// How many there are said to be.
        count: u64,
        /// How many there may be.
        limit: u64,
    },
    /// A variety of the format that is not read.
    #[error("{file}: {what}; {remedy}")]
    Unsupported {
        /// Which file.
        file: String,
        /// What is there.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A tensor of an element type that is not read.
    #[error(
        "{file}: tensor {tensor} is {dtype}, which is not read; convert it to f32, f16 or bf16"
    )]
    Dtype {
        /// Which file.
        file: String,
        /// Which tensor.
        tensor: String,
        /// Its type, by the format's name or number.
        dtype: String,
    },
    /// A tensor whose shape and bytes contradict each other.
    #[error("{file}: tensor {tensor} {shape:?}: {reason}; download the file again")]
    Shape {
        /// Which file.
        file: String,
        /// Which tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// What is wrong.
        reason: String,
    },
    /// Two tensors of one name.
    #[error("{file}: two tensors are called {tensor}; the file was put together wrongly")]
    Duplicate {
        /// Which file.
        file: String,
        /// The name.
        tensor: String,
    },
    /// An index that names a file which isn't there.
    #[error("{index}: names {shard}, which is not in the folder; download it too")]
    MissingShard {
        /// The index.
        index: String,
        /// The file.
        shard: String,
    },
    /// An index and the files it names disagree on where a tensor is.
    #[error(
        "{index}: {tensor} should be in {shard} and is not; index and shards don't belong together"
    )]
    Index {
        /// The index.
        index: String,
        /// The tensor.
        tensor: String,
        /// Where it should be.
        shard: String,
    },
    /// A pickle that would do something else than describe tensors.
    #[error(
        "{file}: the pickle has the opcode {opcode:#04x} at {at}, which no plain checkpoint needs; \
         save the state_dict alone with torch.save"
    )]
    Opcode {
        /// Which file.
        file: String,
        /// The opcode.
        opcode: u8,
        /// Its place in the pickle.
        at: usize,
    },
    /// A pickle that names something which is not allowed.
    #[error(
        "{file}: the pickle names {global}, which is not allowed; \
         save the state_dict alone with torch.save"
    )]
    Global {
        /// Which file.
        file: String,
        /// Module and name.
        global: String,
    },
    /// A tensor that was asked for and isn't there.
    #[error("{file}: no tensor {tensor}; `refvlm inspect` lists those there are")]
    NoTensor {
        /// Which file.
        file: String,
        /// The name.
        tensor: String,
    },
    /// A setting that the file lacks or that has another type.
    #[error("{file}: metadata: {key}: {reason}; take a file whose converter wrote it")]
    Metadata {
        /// Which file.
        file: String,
        /// The key.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// A low-rank adapter that can't be used.
    #[error("{file}: {reason}; merge it with the program that trained it")]
    Adapter {
        /// Which file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// A low-rank adapter that can be merged, but not kept beside the weights.
    #[error("{file}: {reason}; merge it: --lora merge")]
    Kept {
        /// Which file.
        file: String,
        /// What is wrong.
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
