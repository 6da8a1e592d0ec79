//! What a run was started with, as it stands in the run's folder: the whole configuration and the
//! vocabulary, so that a run can be resumed, exported and understood by its folder alone.

use super::config::{ConfigFileError, TrainFile};
use refvlm_files::files::write_atomic;
use refvlm_model::package::TOKENIZER_FILE;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The configuration's file.
pub const CONFIG_FILE: &str = "config.toml";

/// Why a run cannot be started or resumed in a folder.
#[derive(Debug, Error)]
pub enum ResolvedError {
    /// What stands there cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigFileError),
    /// The run was started with another model.
    #[error(
        "{path}: the run was started with another model ({}); take another --run, or the \
         configuration it was started with", changes.join("; ")
    )]
    Model {
        /// The configuration that the run was started with.
        path: PathBuf,
        /// Keys with the old and the new value.
        changes: Vec<String>,
    },
    /// The run was started with another vocabulary.
    #[error("{path}: the run was started with another vocabulary; take another --run")]
    Vocabulary {
        /// The vocabulary that the run was started with.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("{path}: {source}: check free space and permissions", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The underlying I/O error.
        source: std::io::Error,
    },
}

/// Writes a run's configuration and vocabulary into its folder. Returns what is different from the
/// last start, key by key.
///
/// # Errors
/// When the run was started with another model or vocabulary, or the files cannot be written.
pub fn keep(dir: &Path, file: &TrainFile, tokenizer: &[u8]) -> Result<Vec<String>, ResolvedError> {
    let (config, vocabulary) = (dir.join(CONFIG_FILE), dir.join(TOKENIZER_FILE));
    let mut changes = Vec::new();
    if config.is_file() {
        let before = TrainFile::read(&config, None)?;
        changes = differences(&before, file);
        let of_model = |change: &&String| change.starts_with("model.");
        let model: Vec<String> = changes.iter().filter(of_model).cloned().collect();
        if !model.is_empty() {
            return Err(ResolvedError::Model { path: config, changes: model });
        }
        if std::fs::read(&vocabulary).is_ok_and(|kept| kept != tokenizer) {
            return Err(ResolvedError::Vocabulary { path: vocabulary });
        }
    }
    let wrote = |path: &Path, source| ResolvedError::Write { path: path.into(), source };
    std::fs::create_dir_all(dir).map_err(|source| wrote(dir, source))?;
    let text = toml::to_string(file).map_err(|e| wrote(&config, std::io::Error::other(e)))?;
    write_atomic(&config, text.as_bytes()).map_err(|source| wrote(&config, source))?;
    write_atomic(&vocabulary, tokenizer).map_err(|source| wrote(&vocabulary, source))?;
    Ok(changes)
}

/// The keys whose values differ, with both values.
fn differences(before: &TrainFile, now: &TrainFile) -> Vec<String> {
    let value = |file: &TrainFile| toml::Value::try_from(file).ok();
    let mut found = Vec::new();
    compare("", value(before).as_ref(), value(now).as_ref(), &mut found);
    found
}

fn compare(
    key: &str,
    before: Option<&toml::Value>,
    now: Option<&toml::Value>,
    found: &mut Vec<String>,
) {
    if before == now {
        return;
    }
    let (Some(toml::Value::Table(a)), Some(toml::Value::Table(b))) = (before, now) else {
        let text = |value: Option<&toml::Value>| value.map_or("nothing".into(), short);
        found.push(format!("{key}: {} before, {} now", text(before), text(now)));
        return;
    };
    let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for part in keys {
        let key = if key.is_empty() { part.clone() } else { format!("{key}.{part}") };
        compare(&key, a.get(part), b.get(part), found);
    }
}

/// A value in at most a few words.
fn short(value: &toml::Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_helpers::Folder;

    #[test]
    fn a_run_remembers_what_it_was_started_with() {
        let folder = Folder::new("resolved");
        let dir = folder.0.join("run");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/scenes.toml");
        let mut file = TrainFile::read(&path, None).unwrap();
        assert!(keep(&dir, &file, b"words").unwrap().is_empty());
        assert_eq!(TrainFile::read(&dir.join(CONFIG_FILE), None).unwrap(), file);
        let steps = file.train.run.steps;
        file.train.run.steps += 100;
        let now = steps + 100;
        let change = format!("train.loop.steps: {steps} before, {now} now");
        assert_eq!(keep(&dir, &file, b"words").unwrap(), [change]);
        assert!(matches!(keep(&dir, &file, b"others"), Err(ResolvedError::Vocabulary { .. })));
        file.model.tower_size *= 2;
        let error = keep(&dir, &file, b"words").unwrap_err().to_string();
        assert!(error.contains("model.tower_size: 128 before, 256 now"), "{error}");
        // What was refused is not kept.
        let kept = TrainFile::read(&dir.join(CONFIG_FILE), None).unwrap();
        assert_eq!((kept.model.tower_size, kept.train.run.steps), (128, now));
    }

    #[test]
    fn a_file_without_a_model_takes_that_of_the_package() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/tune.toml");
        let error = TrainFile::read(&path, None).unwrap_err().to_string();
        assert!(error.contains("--init PACKAGE"), "{error}");
        for name in ["pocket", "scenes"] {
            let config = format!("../../www/models/{name}/config.json");
            let config = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(config)).unwrap();
            let model = serde_json::from_slice(&config).unwrap();
            assert_eq!(TrainFile::read(&path, Some(&model)).unwrap().model, model, "{name}");
        }
    }
}
