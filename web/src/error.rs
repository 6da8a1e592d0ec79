//! What the engine can fail of, and how it is told to a page.

use refvlm_model::engine::EngineError;
use refvlm_model::image::ImageError;
use refvlm_model::package::PackageError;
use refvlm_model::triplet::TokenError;
use refvlm_protocol::{Failure, FailureKind};
use refvlm_scenes::SceneError;
use thiserror::Error;

/// Why the worker's engine cannot do what was asked.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum WebError {
    /// The package.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The configuration in the manifest.
    #[error("refvlm.json: config: {0}; write the package again")]
    Config(String),
    /// The vocabulary.
    #[error("tokenizer.json: {0}")]
    Tokenizer(#[from] TokenError),
    /// A step of loading without the ones before.
    #[error("{0}; begin with the manifest, then vocabulary and shards")]
    NotBegun(&'static str),
    /// No model.
    #[error("no model is loaded; load one first")]
    NotLoaded,
    /// No graphics card.
    #[error("the graphics card cannot be used: {0}; use backend \"auto\" or \"cpu\"")]
    NoWebGpu(String),
    /// The picture.
    #[error(transparent)]
    Picture(#[from] ImageError),
    /// Bytes that are no picture of the size given.
    #[error("{bytes} bytes are no RGBA picture of {width}x{height} px; pass width * height * 4")]
    PictureLength {
        /// Bytes given.
        bytes: usize,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The engine in the middle of an answer.
    #[error("{0}")]
    Answer(String),
    /// A request that is none.
    #[error("{0}; the protocol lists the requests")]
    Request(String),
    /// The world of scenes.
    #[error(transparent)]
    Scene(#[from] SceneError),
}

impl WebError {
    /// The sort of failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            WebError::Package(PackageError::Length { .. }) => FailureKind::Truncated,
            WebError::Package(PackageError::Hash { .. }) => FailureKind::HashMismatch,
            WebError::Package(_) | WebError::Config(_) | WebError::Tokenizer(_) => {
                FailureKind::BadPackage
            }
            WebError::NotLoaded => FailureKind::NotLoaded,
            WebError::NoWebGpu(_) => FailureKind::NoWebgpu,
            WebError::Picture(_) | WebError::PictureLength { .. } => FailureKind::BadPicture,
            WebError::NotBegun(_) | WebError::Request(_) => FailureKind::BadRequest,
            WebError::Engine(error) => match error {
                EngineError::NoPicture => FailureKind::NoPicture,
                EngineError::Image(_) => FailureKind::BadPicture,
                EngineError::Ask(_) | EngineError::Prompt(_) | EngineError::Template(_) => {
                    FailureKind::BadRequest
                }
                // The cache is as long as the context: only a question can be too long for it.
                EngineError::Cache(_) | EngineError::Grammar(_) => FailureKind::BadRequest,
                EngineError::Device(_) => FailureKind::DeviceLost,
                _ => FailureKind::Engine,
            },
            WebError::Answer(_) | WebError::Scene(_) => FailureKind::Engine,
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
        let failure = Failure::from(WebError::Answer("it broke".into()));
        assert_eq!(failure.message, "it broke");
        assert!(!failure.remedy.is_empty());
    }
}
