//! The configuration file of a run: model, scenes, dialogues and training in one TOML.

mod adapters;
mod document;

pub use adapters::LoraParts;
pub use document::Setting;

use super::checkpoint::Base;
use super::optim::OptimConfig;
use super::parts::PartRule;
use super::teach::class_tokens;
use refvlm_model::config::{ClassTokens, KnownClasses, ModelConfig, ModelConfigError};
use refvlm_model::learning::example::Setup;
use refvlm_model::learning::losses::LossConfig;
use refvlm_model::triplet::{TokenError, Tokenizer};
use refvlm_record::Unit;
use refvlm_scenes::SceneOptions;
use refvlm_scenes::dialog::DialogOptions;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use thiserror::Error;

/// A whole configuration file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainFile {
    /// What the initial weights follow from: the same seed draws the same ones on the same device.
    #[serde(default)]
    pub seed: u64,
    /// Published weights that the visual encoder starts from, such as
    /// `pinned:efficientnet-lite2`.
    #[serde(default)]
    pub tower: Option<String>,
    /// Sizes of the model.
    pub model: ModelConfig,
    /// How scenes are drawn.
    pub scenes: SceneOptions,
    /// What is asked about them.
    pub dialogues: DialogOptions,
    /// Photos beside the scenes; without it there are scenes alone.
    #[serde(default)]
    pub photos: Option<PhotoConfig>,
    /// How records are drawn, where some are given.
    #[serde(default)]
    pub records: RecordConfig,
    /// What is asked about held-out pictures while the whole model learns.
    #[serde(default)]
    pub scores: ScoreConfig,
    /// Training of towers, prompt encoder and decoders without the language model.
    pub sight: SightConfig,
    /// Training of the whole model.
    pub train: TrainConfig,
}

/// Records as a source of examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordConfig {
    /// Share of the pictures of a step that are of records; photos and scenes share the others.
    pub share: f64,
    /// Most turns of a record that one step learns from.
    pub turns: usize,
    /// Share of the pictures that is never learned from, by a hash of source and path: all records of
    /// one picture are on one side.
    pub held_out: f64,
    /// Share of the drawn records that may be bad and are left out.
    pub bad_share: f64,
}

impl Default for RecordConfig {
    fn default() -> Self {
        Self { share: 0.75, turns: 8, held_out: 0.1, bad_share: 0.01 }
    }
}

/// Photos as a source of examples. The towers are frozen then, and see each view once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhotoConfig {
    /// Share of the pictures of a step that are photos; the others are scenes.
    pub share: f64,
    /// Views of each photo: as it is, and random parts of it.
    pub views: u64,
    /// Share of the pictures of photos into which masked things of two other photos are pasted. Such
    /// pictures do not come again, so the towers see each of them anew.
    #[serde(default)]
    pub pasted: f64,
    /// How many scenes there are; they come again, so that frozen towers see each once.
    pub scenes: u64,
    /// Most things of a photo that are pointed at without words.
    pub pointed: usize,
    /// Exercises in reading the classifier beside the dialogue about each photo; needs
    /// `model.class_rows`.
    #[serde(default)]
    pub exercises: usize,
    /// Share of photos that are asked about with the nouns of the classifier's classes dealt anew,
    /// with twice as many questions about what is there in place of exercises; needs
    /// `model.class_rows`.
    #[serde(default)]
    pub renamed: f64,
    /// How often a photo of a source is drawn, relative to the others; 1 for those not named.
    #[serde(default)]
    pub sources: BTreeMap<String, f64>,
    /// What is asked about photos.
    #[serde(default)]
    pub dialogues: refvlm_data::DialogueOptions,
}

/// Questions about held-out pictures, always the same, whose answers are scored with the held-out
/// loss: of records where some are given, else of photos, else of scenes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScoreConfig {
    /// Pictures; none are asked about where it is 0.
    pub pictures: usize,
    /// Most questions about each.
    pub questions: usize,
    /// Pictures that the run's page shows, each with one answer.
    pub shown: usize,
}

impl Default for ScoreConfig {
    fn default() -> Self {
        Self { pictures: 12, questions: 5, shown: 6 }
    }
}

fn two() -> usize {
    2
}

/// What every run of the loop needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoopConfig {
    /// Steps of the run.
    pub steps: usize,
    /// Steps between lines of the log.
    pub log_every: usize,
    /// Steps between held-out scores.
    pub score_every: usize,
    /// Steps between checkpoints.
    pub checkpoint_every: usize,
    /// Equal parts that a step's batch is split into, each computed on a thread of its own; 1 on a
    /// GPU. Several ranks share the parts out, at least one for each, so what is learned does not
    /// depend on the number of ranks.
    pub threads: usize,
    /// Steps of data made ahead.
    pub prefetch: usize,
    /// Share of the moving average of the weights that a step keeps, such as 0.998; held-out scores
    /// are the average's, and exports take it. None is kept when absent.
    #[serde(default)]
    pub average: Option<f64>,
    /// How many of the newest checkpoints are kept, at least one.
    #[serde(default = "two")]
    pub keep: usize,
    /// The held-out score whose best checkpoint is kept beside them, such as `loss` or
    /// `prompt_mask.box`; every step that is scored has a checkpoint then.
    #[serde(default)]
    pub keep_best: Option<String>,
    /// The optimiser.
    pub optim: OptimConfig,
    /// What is trained, and at which rate: rules of which the last that fits a parameter counts.
    /// Without rules everything is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartRule>,
    /// The package whose weights checkpoints leave out, as far as they stay as they are.
    #[serde(skip)]
    pub base: Option<Base>,
}

/// Training without the language model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SightConfig {
    /// Pictures per step.
    pub pictures: usize,
    /// First seed; seeds of this stage and of the whole model do not overlap.
    pub first_seed: u64,
    /// Weight of the dense supervision of the towers.
    pub dense_weight: f64,
    /// Weight of naming what the rows of picture and prompts show.
    pub naming_weight: f64,
    /// The loop.
    #[serde(rename = "loop")]
    pub run: LoopConfig,
}

/// Training of the whole model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Pictures per step; `dialogues.turns` dialogues about each.
    pub pictures: usize,
    /// First seed.
    pub first_seed: u64,
    /// Side of the rasters that masks and depth are supervised at.
    pub label_side: usize,
    /// Weight of the dense supervision of the towers.
    pub dense_weight: f64,
    /// Weight of naming what the rows of picture and prompts show.
    pub naming_weight: f64,
    /// Weight of drawing the rows of the classifier's classes towards the classes' words, in both
    /// stages.
    #[serde(default)]
    pub class_weight: f64,
    /// Weight of what the finder finds of nouns, in both stages.
    #[serde(default)]
    pub finder_weight: f64,
    /// Weight of what decoders are asked of prompts directly, as in the stage before.
    pub pointing_weight: f64,
    /// Weight of 1 - cosine between the state at a `<REF>` and that which stands for a prompt on
    /// the same target. Needs targets in order: `losses.use_group_matcher = false`.
    pub alignment_weight: f64,
    /// Weights of the parts: text, then the units.
    pub weights: PartWeights,
    /// Steps over which the weights of the units rise to what `weights` says: at first the language
    /// model's states mean nothing, and decoders that are asked of them unlearn what they know.
    #[serde(default)]
    pub rise_steps: usize,
    /// Weights inside the units.
    pub losses: LossConfig,
    /// Low-rank adapters that are trained in place of what they stand beside.
    #[serde(default, skip_serializing_if = "LoraParts::is_empty")]
    pub lora: LoraParts,
    /// The loop.
    #[serde(rename = "loop")]
    pub run: LoopConfig,
}

impl TrainConfig {
    /// Which share of their weights the units have at a step; all of it on held-out pictures.
    pub fn risen(&self, step: Option<usize>) -> f64 {
        match step {
            Some(step) if step < self.rise_steps => (step + 1) as f64 / self.rise_steps as f64,
            _ => 1.0,
        }
    }
}

/// Weights of the parts of the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartWeights {
    /// Cross-entropy of the text.
    pub text: f64,
    /// Boxes.
    #[serde(rename = "box")]
    pub boxes: f64,
    /// Masks.
    pub mask: f64,
    /// Keypoints.
    pub keypoint: f64,
    /// Depth.
    pub depth: f64,
}

impl PartWeights {
    /// The weight of a unit.
    pub fn of(&self, unit: Unit) -> f64 {
        match unit {
            Unit::Box => self.boxes,
            Unit::Mask => self.mask,
            Unit::Keypoint => self.keypoint,
            Unit::Depth => self.depth,
        }
    }
}

/// Why a configuration file cannot be used.
#[derive(Debug, Error)]
pub enum ConfigFileError {
    /// The file cannot be read.
    #[error("{path}: {source}; check the path and its permissions")]
    File {
        /// The file's path.
        path: String,
        /// The underlying I/O error.
        source: std::io::Error,
    },
    /// The file is not TOML, or a key or value is wrong.
    #[error("{path}: {problem}")]
    Text {
        /// The file's path.
        path: String,
        /// What is wrong, with line and key.
        problem: String,
    },
    /// The model's settings don't fit together.
    #[error("{path}: model.{source}")]
    Model {
        /// The file's path.
        path: String,
        /// Which setting is wrong.
        source: ModelConfigError,
    },
}

impl ConfigFileError {
    fn text(path: &Path, problem: &str) -> Self {
        Self::Text { path: path.display().to_string(), problem: problem.trim_end().into() }
    }
}

impl TrainFile {
    /// What examples for this run are made with.
    pub fn setup<'a>(&'a self, tokenizer: &'a Tokenizer) -> Setup<'a> {
        Setup { config: &self.model, tokenizer, label_side: self.train.label_side }
    }

    /// The file with what it leaves to the vocabulary.
    ///
    /// # Errors
    /// When the words of a class cannot be encoded.
    pub fn with_words(mut self, tokenizer: &Tokenizer) -> Result<Self, TokenError> {
        if self.model.class_words == Some(ClassTokens::Known(KnownClasses::Imagenet)) {
            self.model.class_words = Some(ClassTokens::Tokens(class_tokens(tokenizer)?));
        }
        Ok(self)
    }

    /// Reads and checks a file. `base` is the model of one that has no `[model]`.
    ///
    /// # Errors
    /// Names the file and the offending key.
    pub fn read(path: &Path, base: Option<&ModelConfig>) -> Result<Self, ConfigFileError> {
        Self::read_with(path, base, &[])
    }

    /// The same with values of the command line in place of the file's.
    ///
    /// # Errors
    /// Names the file and the offending key, and the known key nearest to it.
    pub fn read_with(
        path: &Path,
        base: Option<&ModelConfig>,
        settings: &[Setting],
    ) -> Result<Self, ConfigFileError> {
        let failed = |problem: &str| ConfigFileError::text(path, problem);
        let mut table = document::read(path)?;
        if !table.contains_key("model") {
            let model = base.ok_or_else(|| {
                failed("has no [model]; give --init PACKAGE, whose model it takes")
            })?;
            let model = toml::Value::try_from(model).map_err(|e| failed(&e.to_string()))?;
            table.insert("model".into(), model);
        }
        document::set(&mut table, settings);
        // Some parts are read from published configurations too, whose other keys do not matter;
        // in this file every key must mean something.
        let mut unknown = Vec::new();
        let known = table.clone();
        let mut file: Self = serde_ignored::deserialize(table, |key| unknown.push(key.to_string()))
            .map_err(|e: toml::de::Error| {
                let message = document::located::<Self>(path).unwrap_or_else(|| e.to_string());
                failed(&document::advised(&message, &known, settings))
            })?;
        if let Some(key) = unknown.first() {
            let read = toml::Table::try_from(&file).unwrap_or_default();
            return Err(failed(&document::unknown(key, &read)));
        }
        file.adapt().map_err(|problem| failed(&problem))?;
        file.check(path)?;
        Ok(file)
    }

    /// Checks what no single key says.
    fn check(&self, path: &Path) -> Result<(), ConfigFileError> {
        let failed = |problem: String| Err(ConfigFileError::text(path, &problem));
        if let Some(class) = self.scenes.unknown_class() {
            return failed(format!("scenes.classes: the world has no '{class}'"));
        }
        if self.train.alignment_weight > 0.0 && self.train.losses.use_group_matcher {
            let problem = "train.alignment_weight needs train.losses.use_group_matcher = false, \
                           since references can only be aligned with targets in order";
            return failed(problem.into());
        }
        let shares = self
            .photos
            .iter()
            .flat_map(|p| [("share", p.share), ("renamed", p.renamed), ("pasted", p.pasted)]);
        for (key, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                return failed(format!("photos.{key} is {share}; a share is 0 to 1"));
            }
        }
        let path = path.display().to_string();
        self.model.check().map_err(|source| ConfigFileError::Model { path, source })
    }
}
