//! The preset `photo`: pretrained eyes and language, and between them parts that nobody has
//! trained yet.

use crate::fetch::{Pinned, SMOLLM2_135M, VIT_S14};
use crate::import::{ImportError, check_settings, fill_packed, open_part};
use crate::package::seconds;
use crate::presets::{PresetError, preset};
use crate::vocabulary::{VocabularyError, from_gguf};
use burn::tensor::Device;
use refvlm_model::config::ModelConfigError;
use refvlm_model::engine::{EngineError, Session};
use refvlm_model::refvlm::RefVlm;
use refvlm_model::triplet::{TokenError, Tokenizer};
use std::path::Path;
use thiserror::Error;

/// Files that the preset is filled from: language model, then transformer tower.
pub const PARTS: [Pinned; 2] = [SMOLLM2_135M, VIT_S14];

/// Parameters that no published weights fill, and the saliency decoder behind the tower.
const UNTRAINED: [&str; 6] = [
    "projector.*",
    "row_position.*",
    "vpt_encoder.*",
    "vpt_projector.*",
    "visual_decoder.*",
    "decoder.*",
];

/// Why the preset cannot be built.
#[derive(Debug, Error)]
pub enum PhotoError {
    /// The configuration cannot be read.
    #[error(transparent)]
    Preset(#[from] PresetError),
    /// The parts of the configuration don't fit together.
    #[error("configs/photo.toml: {0}")]
    Config(#[from] ModelConfigError),
    /// The weights cannot be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The vocabulary cannot be read.
    #[error(transparent)]
    Vocabulary(#[from] VocabularyError),
    /// The vocabulary lacks a token that the model needs.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The session cannot be set up.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A session with the preset: language model and transformer tower from their files, all else
/// randomly initialised.
///
/// # Errors
/// When a file is damaged, or does not hold what the configuration names.
pub fn session(language: &Path, tower: &Path, device: &Device) -> Result<Session, PhotoError> {
    let config = preset("photo")?;
    let sources = [open_part("llm", language)?, open_part("visual_encoder", tower)?];
    for source in &sources {
        check_settings(source, &config)?;
    }
    let tokenizer = Tokenizer::from_json(&from_gguf(&sources[0].checkpoint.metadata)?)?;
    let model = RefVlm::new(&config, device)?;
    let model = fill_packed(model, "", &sources, &UNTRAINED.map(String::from), device)?;
    Ok(Session::new(config, model, tokenizer, device.clone(), seconds)?)
}
