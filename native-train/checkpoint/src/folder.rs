//! Folders, and models that are split into files.

use crate::{Checkpoint, CheckpointError, Format, Metadata, Source, Tensor, gguf};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Files of a folder that say which others hold the weights.
const INDEX_NAMES: [&str; 2] = ["model.safetensors.index.json", "pytorch_model.bin.index.json"];
/// Files of a folder that hold all weights.
const FILE_NAMES: [&str; 6] = [
    "model.safetensors",
    "adapter_model.safetensors",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "adapter_model.bin",
    "open_clip_pytorch_model.bin",
];
/// Endings of weights under any name.
const ENDINGS: [&str; 7] = ["safetensors", "gguf", "bin", "pth", "pt", "ckpt", "onnx"];
/// What training programs put beside the weights under such endings.
const BESIDE: [&str; 5] = ["training_args", "optimizer", "scheduler", "rng_state", "scaler"];
/// Files of a folder that are looked at.
const MAX_FILES: usize = 10_000;
/// Parts of a split file.
const MAX_PARTS: u64 = 1000;

/// What a name `NAME-00002-of-00005.gguf` says.
pub(crate) struct Part {
    stem: String,
    pub count: u64,
    ending: String,
}

impl Part {
    pub fn of(path: &Path) -> Option<Self> {
        let (rest, ending) = path.file_name()?.to_str()?.rsplit_once('.')?;
        let (rest, count) = rest.rsplit_once("-of-")?;
        let (stem, number) = rest.rsplit_once('-')?;
        let five = |digits: &str| {
            let plain = digits.len() == 5 && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse::<u64>().ok().filter(|_| plain)
        };
        let (number, count) = (five(number)?, five(count)?);
        (number >= 1 && number <= count).then(|| Self {
            stem: stem.into(),
            count,
            ending: ending.into(),
        })
    }

    pub fn is_gguf(&self) -> bool {
        self.ending.eq_ignore_ascii_case("gguf")
    }

    fn name(&self, number: u64) -> String {
        format!("{}-{number:05}-of-{:05}.{}", self.stem, self.count, self.ending)
    }
}

/// Reads all parts of a split GGUF, whichever of them is named.
pub(crate) fn split(path: &Path, part: &Part) -> Result<Checkpoint, CheckpointError> {
    let named = path.display().to_string();
    if part.count > MAX_PARTS {
        return Err(CheckpointError::too_much(&named, "parts", part.count, MAX_PARTS));
    }
    let (mut files, mut tensors, mut settings) = (vec![], vec![], Metadata::default());
    for number in 1..=part.count {
        let shard = part.name(number);
        let file = path.with_file_name(&shard);
        if !file.is_file() {
            return Err(CheckpointError::MissingShard { index: named, shard });
        }
        let source = Source::open(&file)?;
        if !gguf::is_one(&source) {
            return Err(crate::what::refusal(&source));
        }
        let (metadata, directory) = gguf::read(&source)?;
        let says = gguf::split(&metadata);
        if says != Some((number - 1, part.count)) && (part.count > 1 || says.is_some()) {
            let reason = match says {
                Some((no, count)) => format!("it is part {} of {count} by its settings", no + 1),
                None => "it is not a part by its settings".into(),
            };
            return Err(CheckpointError::damaged(source.name(), reason));
        }
        tensors.extend(directory.into_iter().map(|t| Tensor { file: files.len(), ..t }));
        files.push(source);
        if number == 1 {
            settings = metadata;
        }
    }
    if let Ok(expected) = settings.integer("split.tensors.count")
        && expected != tensors.len()
    {
        let reason = format!("its parts have {} tensors instead of {expected}", tensors.len());
        return Err(CheckpointError::damaged(&named, reason));
    }
    Checkpoint::new(Format::Gguf, settings, files, tensors)
}

/// The file of a folder that holds the weights or names those that do.
pub(crate) fn weights(folder: &Path) -> Result<PathBuf, CheckpointError> {
    let known = INDEX_NAMES.iter().chain(&FILE_NAMES).map(|name| folder.join(name));
    if let Some(path) = known.into_iter().find(|path| path.is_file()) {
        return Ok(path);
    }
    let place = folder.display().to_string();
    let entries = std::fs::read_dir(folder)
        .map_err(|source| CheckpointError::File { file: place.clone(), source })?;
    let names: BTreeSet<String> = entries
        .take(MAX_FILES)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let unsupported = |what: &str, remedy: &'static str| CheckpointError::Unsupported {
        file: place.clone(),
        what: what.into(),
        remedy,
    };
    let has = |end: &str| names.iter().any(|name| name.ends_with(end));
    if names.contains("zero_to_fp32.py") || has("_optim_states.pt") || has("_model_states.pt") {
        return Err(unsupported("a DeepSpeed checkpoint in parts", crate::torch::ZERO_TO_FP32));
    }
    if has(".distcp") {
        let remedy = "convert it: python -m torch.distributed.checkpoint.format_utils \
                      dcp_to_torch FOLDER weights.pth";
        return Err(unsupported("a distributed checkpoint of PyTorch", remedy));
    }
    // A split file counts once, by its first part.
    let (mut found, mut parted) = (BTreeSet::new(), None);
    for name in names {
        let (stem, ending) = name.rsplit_once('.').unwrap_or((&name, ""));
        if !ENDINGS.contains(&ending) || BESIDE.iter().any(|other| stem.starts_with(other)) {
            continue;
        }
        match Part::of(Path::new(&name)) {
            Some(part) => {
                let first = part.name(1);
                if !part.is_gguf() {
                    parted = Some(first.clone());
                }
                found.insert(first);
            }
            None => drop(found.insert(name)),
        }
    }
    if let Some(first) = parted {
        let what = format!("{first} and the parts that belong to it lack their index");
        return Err(unsupported(&what, "download the file that ends in .index.json too"));
    }
    let mut all = found.iter();
    match (all.next(), all.len()) {
        (None, _) => Err(CheckpointError::Unknown { file: place }),
        (Some(only), 0) => Ok(folder.join(only)),
        (Some(_), _) => {
            let few: Vec<&str> = found.iter().take(4).map(String::as_str).collect();
            let what =
                format!("a folder with {} files of weights: {}", found.len(), few.join(", "));
            Err(unsupported(&what, "give the one that is meant"))
        }
    }
}
