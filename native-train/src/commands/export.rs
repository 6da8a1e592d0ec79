//! `refvlm export`.

use super::say::say;
use super::{Form, Outcome};
use burn::module::Module;
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use refvlm_model::package::by_name::load_by_name;
use refvlm_model::package::{Description, MANIFEST_FILE, TOKENIZER_FILE};
use refvlm_model::refvlm::RefVlm;
use refvlm_model::triplet::Tokenizer;
use refvlm_native::huggingface::Stored;
use refvlm_native::mean::mean_of;
use refvlm_native::merge::merged;
use refvlm_native::output::{Staging, check_folder};
use refvlm_native::package::{Package, pack, values_of, write};
use refvlm_native::train::TrainFile;
use refvlm_native::train::checkpoint::{Base, Checkpoint, Wanted};
use refvlm_native::train::resolved::CONFIG_FILE;
use refvlm_native::train::stage::Student;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

/// Export a run as a package.
#[derive(Debug, Args)]
pub struct Export {
    /// Another configuration than `config.toml` in the run's folder; with `--layout huggingface`, the
    /// folder of a package.
    config: Option<PathBuf>,
    /// Folder of the run.
    #[arg(long, default_value = "runs/scenes")]
    run: PathBuf,
    /// Which checkpoint: latest, best (by `keep_best` of the configuration) or the number of a step.
    #[arg(long, value_name = "WHICH", default_value = "latest")]
    checkpoint: Wanted,
    /// Of which stage; without it the last one that has a checkpoint.
    #[arg(long, value_enum)]
    stage: Option<Stage>,
    /// Another vocabulary than `tokenizer.json` in the run's folder.
    #[arg(long)]
    tokenizer: Option<PathBuf>,
    /// Write the mean of the run's weights and those of this package, from which the run began.
    #[arg(long, value_name = "PACKAGE")]
    mean: Option<PathBuf>,
    /// What stays as the run has it: parameters whose names begin so, as
    /// `visual_decoder.mask.quality`. May be given several times.
    #[arg(long, value_name = "START", requires = "mean")]
    mean_leave: Vec<String>,
    /// The package that the run began with, where its checkpoints hold adapters and lie apart from it.
    #[arg(long, value_name = "PACKAGE")]
    base: Option<PathBuf>,
    /// Keep low-rank adapters beside the weights instead of merging them.
    #[arg(long)]
    keep_adapters: bool,
    /// How weights are stored.
    #[arg(long, value_enum, default_value_t = Form::Q8)]
    quantisation: Form,
    /// What is written: our package, or the folders of the reference with Hugging Face's names.
    #[arg(long, value_enum, default_value_t = Layout::Package)]
    layout: Layout,
    /// How the layout of Hugging Face stores weights: f32, f16 or bf16.
    #[arg(long, value_enum, default_value_t = Form::F16)]
    dtype: Form,
    /// JSON of `refvlm eval`, whose scores go into the manifest.
    #[arg(long)]
    scores: Option<PathBuf>,
    /// Folder of the package.
    #[arg(short, long)]
    out: PathBuf,
    /// Write into the folder though it is not empty.
    #[arg(long)]
    force: bool,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// A package that this program and the page load.
    Package,
    /// The reference's folders: `projector`, `box_decoder`, ..., beside the language model.
    Huggingface,
}

/// The stages of a run, the last one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// The whole model.
    Full,
    /// Seeing and pointing.
    Sight,
}

impl Stage {
    /// Its folder in that of the run.
    fn folder(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Sight => "sight",
        }
    }
}

impl Export {
    /// The checkpoint that is meant, and the folder of its stage.
    fn checkpoint(&self) -> Result<(Checkpoint, PathBuf), Box<dyn Error>> {
        let stages = self.stage.as_ref().map_or(Stage::value_variants(), std::slice::from_ref);
        for stage in stages {
            let dir = self.run.join(stage.folder());
            if let Some(checkpoint) = Checkpoint::find(&dir, self.checkpoint)? {
                return Ok((checkpoint, dir));
            }
        }
        let names: Vec<_> = stages.iter().map(|stage| stage.folder()).collect();
        let (run, names) = (self.run.display(), names.join(" and "));
        Err(format!("{run}: no checkpoint in {names}; train first").into())
    }

    /// A model with the weights of the package that a run began with.
    fn based(&self, base: &Base, model: RefVlm, dir: &Path) -> Result<RefVlm, Box<dyn Error>> {
        let folder = self.base.as_ref().unwrap_or(&base.package);
        let found = Base::of(folder)?;
        if found.sha256 != base.sha256 {
            return Err(base.differs(dir, Some(&found)).into());
        }
        let mut values = values_of(&Package::read(folder, &Device::flex())?.model);
        Ok(load_by_name(model, &mut |name, _| values.remove(name)).0)
    }

    /// Runs the command.
    pub fn run(self) -> Outcome {
        if self.layout == Layout::Huggingface && matches!(self.dtype, Form::Q8 | Form::Q4) {
            return Err("--dtype: this layout holds f32, f16 or bf16".into());
        }
        let config = self.config.clone().unwrap_or_else(|| self.run.join(CONFIG_FILE));
        check_folder(&self.out, &[&config, &self.run], self.force)?;
        if config.join(MANIFEST_FILE).is_file() {
            if self.layout == Layout::Package {
                return Err("this is a package already; give --layout huggingface".into());
            }
            let stored = Stored::open(&config)?;
            let staging = Staging::begin(&self.out)?;
            stored.export(self.dtype.into(), staging.path())?;
            staging.finish()?;
            say!("{}", self.out.display());
            return Ok(());
        }
        let file = TrainFile::read(&config, None)?;
        let vocabulary = self.tokenizer.clone().unwrap_or_else(|| self.run.join(TOKENIZER_FILE));
        let tokenizer = std::fs::read(&vocabulary).map_err(|e| {
            format!("{}: {e}; name the run's vocabulary with --tokenizer", vocabulary.display())
        })?;
        let mut file = file.with_words(&Tokenizer::from_json(&tokenizer)?)?;
        let device = Device::flex();
        let (checkpoint, dir) = self.checkpoint()?;
        let state = checkpoint.state()?;
        let mut student = Student::new(&file.model, &device)?;
        if let Some(base) = &state.base {
            student.model = self.based(base, student.model, &dir)?;
        }
        student = checkpoint.weights(student)?;
        if let Some(folder) = &self.mean {
            let package = Package::read(folder, &device)?;
            let (model, alone) = mean_of(student.model, &package.model, &self.mean_leave)
                .map_err(|e| format!("--mean {}: {e}", folder.display()))?;
            student.model = model;
            for name in alone {
                say!("of the run alone: {name}");
            }
        }
        if !self.keep_adapters {
            (file.model, student.model) = merged(&file.model, &student.model)?;
        }
        if self.layout == Layout::Huggingface {
            let stored = Stored::of(file.model, student.model, Some(tokenizer));
            let staging = Staging::begin(&self.out)?;
            stored.export(self.dtype.into(), staging.path())?;
            staging.finish()?;
            say!("{}: step {}", self.out.display(), state.step);
            return Ok(());
        }
        let mut scores = BTreeMap::from([
            ("steps".to_string(), state.step as f64),
            ("pictures".to_string(), state.pictures as f64),
            ("tokens".to_string(), state.tokens as f64),
        ]);
        if let Some(path) = &self.scores {
            let json = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
            let values: serde_json::Value = serde_json::from_slice(&json)?;
            let summary = values.get("summary").and_then(|v| v.as_object()).cloned();
            for (name, value) in summary.unwrap_or_default() {
                scores.extend(value.as_f64().map(|value| (name, value)));
            }
        }
        let description = Description {
            preset: file.model.preset.clone(),
            config: serde_json::to_value(&file.model)?,
            licence: "MIT OR Apache-2.0".into(),
            training_command: format!("refvlm train {}", config.display()),
            scores,
        };
        let files = pack(&student.model, tokenizer, self.quantisation.into(), description)?;
        let staging = Staging::begin(&self.out)?;
        write(staging.path(), &files)?;
        staging.finish()?;
        let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        say!(
            "{}: {:.2} MB, {} parameters, step {}",
            self.out.display(),
            bytes as f64 / 1e6,
            student.model.num_params(),
            state.step
        );
        Ok(())
    }
}
