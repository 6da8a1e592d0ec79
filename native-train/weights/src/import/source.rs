//! Where weights come from: files and folders, and the parts of the model they are.

use super::efficientnet::folded;
use super::error::ImportError;
use super::layout::{ADAPTERS, FOLDERS, Names};
use refvlm_checkpoint::lora::{Adapter, CONFIG_FILE as ADAPTER_CONFIG, Uniform};
use refvlm_checkpoint::{Checkpoint, Format, llama};
use refvlm_model::config::ModelConfig;
use refvlm_model::language::LlamaConfig;
use refvlm_model::layers::LoraConfig;
use std::path::{Path, PathBuf};

/// Name of the settings in a folder of Hugging Face.
const CONFIG: &str = "config.json";
/// Larger than any such file.
const MAX_CONFIG: u64 = 1 << 20;

/// A checkpoint and what its keys mean.
#[derive(Debug)]
pub struct Source {
    /// What errors call it.
    pub place: String,
    /// Its tensors.
    pub checkpoint: Checkpoint,
    /// Their parameters.
    pub names: Names,
    /// What is merged into them.
    pub adapter: Option<Adapter>,
}

/// The sources that `PATH` or `PART=PATH` stands for: a file, a folder of one model, or a folder of
/// the reference's layout with a folder for each part.
///
/// # Errors
/// When a file can't be read, or its keys are unknown.
pub fn open(argument: &str) -> Result<Vec<Source>, ImportError> {
    let part = argument.split_once('=').filter(|(part, _)| is_part(part));
    if let Some((part, path)) = part {
        return Ok(vec![source(Path::new(path), Some(part))?]);
    }
    let path = Path::new(argument);
    let mut sources = vec![];
    for (folder, _) in FOLDERS {
        let inner = path.join(folder);
        if inner.is_dir() {
            sources.push(source(&inner, Some(folder))?);
        }
    }
    if sources.is_empty() {
        return Ok(vec![source(path, None)?]);
    }
    // The language model lies beside the folders of its eyes and hands.
    if weights_beside(path) {
        sources.push(source(path, Some("llm"))?);
    }
    for (folder, base) in ADAPTERS {
        let inner = path.join(folder);
        if inner.is_dir() {
            attach(&mut sources, base, &inner)?;
        }
    }
    Ok(sources)
}

/// The weights of one part of the model, such as `llm`.
///
/// # Errors
/// When the file can't be read.
pub fn open_part(part: &str, path: &Path) -> Result<Source, ImportError> {
    source(path, Some(part))
}

/// Puts an adapter on the source of the module whose parameters begin with `base`.
///
/// # Errors
/// When there is no such source, it has an adapter already, or the adapter can't be read.
pub fn attach(sources: &mut [Source], base: &str, folder: &Path) -> Result<(), ImportError> {
    let adapter = Adapter::open(folder)?;
    let source = sources.iter_mut().find(|source| source.names.prefix() == base);
    let source = source.ok_or_else(|| ImportError::Layout {
        place: format!("{}: the weights that it changes are not given", folder.display()),
        keys: adapter.targets().take(2).map(String::from).collect(),
    })?;
    if let Some(first) = &source.adapter {
        let (place, first) = (adapter.name().into(), first.name().into());
        return Err(ImportError::Adapters { place, first });
    }
    source.adapter = Some(adapter);
    Ok(())
}

/// Makes the adapters parts of the model instead of merging them: their settings go into the
/// configuration, their tensors become sources behind the others.
///
/// # Errors
/// When an adapter can only be merged, or the configuration has other adapters.
pub fn keep_adapters(
    sources: &mut Vec<Source>,
    config: &mut ModelConfig,
) -> Result<(), ImportError> {
    let mut kept = vec![];
    for source in &mut *sources {
        let Some(adapter) = source.adapter.take() else { continue };
        let Uniform { r, lora_alpha, use_rslora, target_modules } = adapter.uniform()?;
        let lora = LoraConfig { r, lora_alpha, target_modules, use_rslora, lora_dropout: 0.0 };
        let (place, prefix) = (adapter.name().to_string(), source.names.prefix());
        let ours = match prefix {
            "llm." => Some(&mut config.llm.lora),
            "visual_encoder." => config.visual_encoder.lora_mut(),
            // The model has no place for it, so its keys will be unexpected.
            _ => None,
        };
        let ours = ours.map(|ours| ours.get_or_insert_with(|| lora.clone()));
        if let Some(ours) = ours.filter(|ours| **ours != lora) {
            let (found, expected) = (format!("{lora:?}"), format!("{ours:?}"));
            return Err(ImportError::Setting { place, field: "lora", found, expected });
        }
        let names = Names::of_adapter(prefix);
        kept.push(Source { place, checkpoint: adapter.into_checkpoint(), names, adapter: None });
    }
    sources.extend(kept);
    Ok(())
}

/// Whether a folder holds a low-rank adapter alone.
pub fn is_adapter(path: &Path) -> bool {
    path.join(ADAPTER_CONFIG).is_file() && !path.join(CONFIG).is_file()
}

fn is_part(part: &str) -> bool {
    FOLDERS.iter().any(|(folder, _)| *folder == part)
}

fn weights_beside(path: &Path) -> bool {
    ["model.safetensors", "pytorch_model.bin"]
        .iter()
        .any(|name| path.join(name).is_file() || path.join(format!("{name}.index.json")).is_file())
}

fn source(path: &Path, part: Option<&str>) -> Result<Source, ImportError> {
    let place = path.display().to_string();
    let checkpoint = folded(Checkpoint::open(path)?, &place)?;
    let names = match part {
        Some(part) => Some(Names::of_part(&checkpoint, part)),
        None => Names::detect(&checkpoint),
    };
    let Some(names) = names else {
        let keys = checkpoint.tensors().iter().take(3).map(|t| t.name.clone()).collect();
        return Err(ImportError::Layout { place, keys });
    };
    Ok(Source { place, checkpoint, names, adapter: None })
}

/// Where the vocabulary of a language model lies: in a GGUF itself, or in a file beside the weights
/// that [`crate::vocabulary::read`] takes.
pub fn tokenizer_beside(argument: &str) -> Option<PathBuf> {
    let path = argument.split_once('=').map_or(argument, |(_, path)| path);
    let path = Path::new(path);
    if path.extension().is_some_and(|extension| extension == "gguf") {
        return Some(path.to_path_buf());
    }
    let folder = if path.is_dir() { path } else { path.parent()? };
    let names = ["tokenizer.json", "tokenizer.model", "llm/tokenizer.json", "llm/tokenizer.model"];
    names.map(|name| folder.join(name)).into_iter().find(|path| path.is_file())
}

/// Holds settings that shapes don't show against the model's: how many heads there are, and how
/// positions turn them.
///
/// # Errors
/// Names the first that differs.
pub fn check_settings(source: &Source, config: &ModelConfig) -> Result<(), ImportError> {
    if source.names.prefix() != "llm." {
        return Ok(());
    }
    let ours = &config.llm;
    let differ = |field, found: String, expected: String| {
        let place = source.place.clone();
        Err(ImportError::Setting { place, field, found, expected })
    };
    if source.checkpoint.format == Format::Gguf {
        let (heads, shared) = llama::heads(&source.checkpoint.metadata)?;
        let expected = (ours.num_attention_heads, ours.kv_heads());
        if (heads, shared) != expected {
            return differ(
                "the number of heads",
                format!("{heads}, {shared}"),
                format!("{expected:?}"),
            );
        }
        if let Ok(base) = source.checkpoint.metadata.float("llama.rope.freq_base")
            && (base - ours.rope_theta).abs() > 1e-3 * ours.rope_theta
        {
            return differ("rope_theta", base.to_string(), ours.rope_theta.to_string());
        }
        return Ok(());
    }
    let path = Path::new(&source.place).join(CONFIG);
    let small = std::fs::metadata(&path).is_ok_and(|file| file.len() <= MAX_CONFIG);
    let text = if small { std::fs::read(&path).unwrap_or_default() } else { vec![] };
    // A folder without settings, or with those of another program, is judged by shapes alone.
    let Ok(theirs) = serde_json::from_slice::<LlamaConfig>(&text) else { return Ok(()) };
    for (field, found, expected) in [
        ("num_attention_heads", theirs.num_attention_heads, ours.num_attention_heads),
        ("num_key_value_heads", theirs.kv_heads(), ours.kv_heads()),
    ] {
        if found != expected {
            return differ(field, found.to_string(), expected.to_string());
        }
    }
    for (field, found, expected) in [
        ("rope_theta", theirs.rope_theta, ours.rope_theta),
        ("rms_norm_eps", theirs.rms_norm_eps, ours.rms_norm_eps),
    ] {
        if (found - expected).abs() > 1e-3 * expected.abs() {
            return differ(field, found.to_string(), expected.to_string());
        }
    }
    if theirs.rope_scaling != ours.rope_scaling {
        let (found, expected) = (&theirs.rope_scaling, &ours.rope_scaling);
        return differ("rope_scaling", format!("{found:?}"), format!("{expected:?}"));
    }
    Ok(())
}
