//! `refvlm export`.

use super::{Form, Outcome};
use burn::module::Module;
use burn::tensor::Device;
use clap::Args;
use refvlm_model::package::Description;
use refvlm_model::refvlm::RefVlm;
use refvlm_native::package::{pack, write};
use refvlm_native::train::TrainFile;
use refvlm_native::train::checkpoint::Checkpoint;
use refvlm_native::train::dense::{DenseHeads, Legend};
use refvlm_native::train::full::Student;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Make a package of a run.
#[derive(Debug, Args)]
pub struct Export {
    /// The configuration the run was trained with.
    config: PathBuf,
    /// Folder of the run.
    #[arg(long, default_value = "runs/scenes")]
    run: PathBuf,
    /// Vocabulary of the model.
    #[arg(long, default_value = "configs/scenes-tokenizer.json")]
    tokenizer: PathBuf,
    /// How weights are stored.
    #[arg(long, value_enum, default_value_t = Form::Q8)]
    quantisation: Form,
    /// JSON of `refvlm eval`, whose scores go into the manifest.
    #[arg(long)]
    scores: Option<PathBuf>,
    /// Folder of the package.
    #[arg(long)]
    out: PathBuf,
}

impl Export {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let file = TrainFile::read(&self.config)?;
        let device = Device::flex();
        let dir = self.run.join("full");
        let checkpoint = Checkpoint::latest(&dir)?
            .ok_or_else(|| format!("{}: no checkpoint; train first", dir.display()))?;
        let state = checkpoint.state()?;
        let heads = DenseHeads::new(&file.model.pyramid_channels(), &Legend::new(), &device);
        let student = Student { model: RefVlm::new(&file.model, &device)?, heads };
        let student = student.load_record(checkpoint.record()?);
        let tokenizer = std::fs::read(&self.tokenizer)
            .map_err(|e| format!("{}: {e}", self.tokenizer.display()))?;
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
            training_command: format!("refvlm train {}", self.config.display()),
            scores,
        };
        let files = pack(&student.model, tokenizer, self.quantisation.into(), description)?;
        write(&self.out, &files)?;
        let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        println!(
            "{}: {:.2} MB, {} parameters, step {}",
            self.out.display(),
            bytes as f64 / 1e6,
            student.model.num_params(),
            state.step
        );
        Ok(())
    }
}
