//! The configurations that are built into the program.

use refvlm_model::config::ModelConfig;
use serde::Deserialize;
use std::path::Path;
use thiserror::Error;

/// The presets by name, each with its file.
const PRESETS: [(&str, &str); 4] = [
    ("photo", include_str!("../../../configs/photo.toml")),
    ("pocket", include_str!("../../../configs/pocket.toml")),
    ("scenes", include_str!("../../../configs/scenes.toml")),
    ("vicuna-7b", include_str!("../../../configs/vicuna-7b.toml")),
];

/// The part of a configuration file that describes the model.
#[derive(Deserialize)]
struct File {
    model: ModelConfig,
}

/// Why a configuration cannot be read.
#[derive(Debug, Error)]
pub enum PresetError {
    /// No preset has this name.
    #[error("there is no preset `{name}`; choose one of {}", names().join(", "))]
    Unknown {
        /// The name given.
        name: String,
    },
    /// The file cannot be read.
    #[error("{path}: {source}; check the path and its permissions")]
    File {
        /// The file's path.
        path: String,
        /// The underlying I/O error.
        source: std::io::Error,
    },
    /// The file is not a configuration.
    #[error("{path}: {source}")]
    Toml {
        /// The file's path.
        path: String,
        /// The parser's message, with line and column.
        source: Box<toml::de::Error>,
    },
}

/// Names of the presets.
pub fn names() -> Vec<&'static str> {
    PRESETS.iter().map(|(name, _)| *name).collect()
}

/// The model of a preset.
///
/// # Errors
/// When no preset has that name.
pub fn preset(name: &str) -> Result<ModelConfig, PresetError> {
    let (_, text) = PRESETS
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| PresetError::Unknown { name: name.into() })?;
    parse(&format!("preset {name}"), text)
}

/// The `[model]` of a configuration file.
///
/// # Errors
/// When the file can't be read or describes no model.
pub fn read(path: &Path) -> Result<ModelConfig, PresetError> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&name, &text),
        Err(source) => Err(PresetError::File { path: name, source }),
    }
}

fn parse(path: &str, text: &str) -> Result<ModelConfig, PresetError> {
    match toml::from_str::<File>(text) {
        Ok(file) => Ok(file.model),
        Err(source) => Err(PresetError::Toml { path: path.into(), source: Box::new(source) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_describes_a_model_of_its_name() {
        for name in names() {
            let config = preset(name).unwrap();
            assert_eq!(config.preset, name);
            config.check().unwrap();
        }
        assert!(matches!(preset("x"), Err(PresetError::Unknown { .. })));
    }
}
