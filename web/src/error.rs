//! The engine's errors, and how the page is told of them.

use refvlm_model::engine::EngineError;
use refvlm_model::image::ImageError;
use refvlm_model::opening::OpeningError;
use refvlm_model::package::PackageError;
use refvlm_protocol::{Failure, FailureKind};
use refvlm_scenes::SceneError;
use thiserror::Error;

/// Why the worker's engine cannot do what was asked.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum WebError {
    /// The package cannot be opened.
    #[error(transparent)]
    Package(#[from] OpeningError),
    /// A step of loading came before the ones it needs.
    #[error("{0}; begin with the manifest, then vocabulary and shards")]
    NotBegun(&'static str),
    /// No model is loaded.
    #[error("no model is loaded; load one first")]
    NotLoaded,
    /// WebGPU does not work.
    #[error("the graphics card cannot be used: {0}; use backend \"auto\" or \"cpu\"")]
    NoWebGpu(String),
    /// The picture cannot be used.
    #[error(transparent)]
    Picture(#[from] ImageError),
    /// The bytes don't match the picture's size.
    #[error("{bytes} bytes are not RGBA of {width}x{height} px; pass width * height * 4 bytes")]
    PictureLength {
        /// How many bytes were given.
        bytes: usize,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What is to be told cannot be written.
    #[error("the reply cannot be written: {0}")]
    Reply(String),
    /// The request is not valid.
    #[error("the request is not valid: {0}; `refvlm-protocol` lists the valid ones")]
    Request(String),
    /// The world of scenes cannot be set up.
    #[error(transparent)]
    Scene(#[from] SceneError),
}

impl WebError {
    /// The sort of failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            WebError::Package(error) => match error {
                OpeningError::Package(PackageError::Length { .. }) => FailureKind::Truncated,
                OpeningError::Package(PackageError::Hash { .. }) => FailureKind::HashMismatch,
                OpeningError::NoTokenizer => FailureKind::BadRequest,
                OpeningError::Package(_) | OpeningError::Config(_) | OpeningError::Tokenizer(_) => {
                    FailureKind::BadPackage
                }
            },
            WebError::NotLoaded => FailureKind::NotLoaded,
            WebError::NoWebGpu(_) => FailureKind::NoWebgpu,
            WebError::Picture(_) | WebError::PictureLength { .. } => FailureKind::BadPicture,
            WebError::NotBegun(_) | WebError::Request(_) => FailureKind::BadRequest,
            WebError::Engine(error) => match error {
                EngineError::NoPicture => FailureKind::NoPicture,
                EngineError::Image(_) => FailureKind::BadPicture,
                // The cache is as long as the context: only a question can be too long for it.
                EngineError::Ask(_)
                | EngineError::Prompt(_)
                | EngineError::Template(_)
                | EngineError::Long { .. }
                | EngineError::Cache(_)
                | EngineError::Grammar(_)
                | EngineError::NoDecoder(_) => FailureKind::BadRequest,
                EngineError::Vocabulary { .. }
                | EngineError::ClassWords
                | EngineError::Config(_) => FailureKind::BadPackage,
                EngineError::Device(_) => FailureKind::DeviceLost,
                // Written out, so that an error that is new is given its kind here.
                EngineError::Token(_)
                | EngineError::Language(_)
                | EngineError::Sampling(_)
                | EngineError::NotFinite(_) => FailureKind::Engine,
            },
            WebError::Reply(_) | WebError::Scene(_) => FailureKind::Engine,
        }
    }
}

/// Our errors say what is wrong and, behind a semicolon or colon, what helps.
impl From<WebError> for Failure {
    fn from(error: WebError) -> Self {
        let (kind, text) = (error.kind(), error.to_string());
        let (message, remedy) = match text.split_once("; ") {
            Some((message, remedy)) => (message.to_string(), remedy.to_string()),
            None => (text, remedy(kind).to_string()),
        };
        Failure { kind, message, remedy, lost: kind == FailureKind::DeviceLost }
    }
}

/// What helps where the error's text does not say.
fn remedy(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::BadPicture => "use another picture",
        FailureKind::BadRequest => "change the question or its prompts",
        _ => "load the model again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_is_told_apart() {
        let failure = Failure::from(WebError::Engine(EngineError::NoPicture));
        assert_eq!(failure.kind, FailureKind::NoPicture);
        assert_eq!(failure.message, "no picture is set");
        assert_eq!(failure.remedy, "set one before asking");
        assert!(!failure.lost);
        let failure = Failure::from(WebError::Reply("it broke".into()));
        assert_eq!(failure.message, "the reply cannot be written: it broke");
        assert!(!failure.remedy.is_empty());
    }
}
