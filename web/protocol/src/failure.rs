//! What can go wrong, in words for a person and in a kind for a program.

use serde::{Deserialize, Serialize};

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What sort of failure.
    pub kind: FailureKind,
    /// What happened, in one sentence, naming the file or field.
    pub message: String,
    /// What the person can do about it, in one sentence.
    pub remedy: String,
    /// Whether the model is gone with it and has to be loaded again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
}

/// The sorts of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The server cannot be reached, or broke off too often.
    Offline,
    /// The server has no such file.
    NotFound,
    /// The server answered with an error.
    Server,
    /// A file is not what the manifest says.
    HashMismatch,
    /// A file is shorter or longer than the manifest says.
    Truncated,
    /// The package is damaged or of another version.
    BadPackage,
    /// The browser lacks WebAssembly or its SIMD instructions.
    NoSimd,
    /// WebGPU was asked for and is not to be had.
    NoWebgpu,
    /// The graphics card went away.
    DeviceLost,
    /// Memory ran out.
    OutOfMemory,
    /// The picture cannot be used.
    BadPicture,
    /// The question or a prompt cannot be used.
    BadRequest,
    /// A question without a picture.
    NoPicture,
    /// A picture or question without a model.
    NotLoaded,
    /// The engine or its worker died; it can be loaded again.
    Crashed,
    /// A fault of the engine itself.
    Engine,
}
