//! Recipes: a TOML file that says which sources are read, what is asked about them, what is left
//! out, and in which order it comes.
//!
//! `configs/data` has two. Folders are relative to the folder of the data sets, which is named when
//! a recipe is used and not in it.

pub(crate) mod keys;

use crate::bounded::read_bounded;
use crate::dialogues::DialogueOptions;
use crate::readers::by_name;
use crate::wording::WordingSet;
use refvlm_files::files::sha256;
use refvlm_record::Task;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Longest recipe.
const MAX_BYTES: u64 = 1 << 20;
/// A picture in a shard may be larger than this; then the shard holds it alone.
const DEFAULT_MEGABYTES: u64 = 256;

/// Why a recipe cannot be used. The text names the file, the key and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file could not be read.
    #[error(transparent)]
    Read(#[from] crate::DataError),
    /// The file is not a recipe.
    #[error("{path}: {problem}", path = path.display())]
    Text {
        /// The recipe.
        path: PathBuf,
        /// What is wrong, with its line where it has one.
        problem: String,
    },
}

/// Everything that decides what is built, but for the data sets themselves.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What the result is called in its index.
    pub name: String,
    /// Seed of all that is drawn.
    #[serde(default)]
    pub seed: u64,
    /// What becomes of a source or an evaluation set whose folder is not there.
    #[serde(default)]
    pub missing: Missing,
    /// The order of what the sources give.
    #[serde(default)]
    pub mix: Mix,
    /// How shards are cut.
    #[serde(default)]
    pub shards: Shards,
    /// Pictures that are left out because they are there already.
    #[serde(default)]
    pub deduplicate: Deduplicate,
    /// Pictures that must not be learned from.
    #[serde(default, rename = "evaluation")]
    pub evaluations: Vec<Evaluation>,
    /// The sources, in the order in which they are concatenated.
    #[serde(rename = "source")]
    pub sources: Vec<SourceRecipe>,
    /// The sha-256 of the file's text.
    #[serde(skip)]
    pub sha256: String,
}

/// What becomes of a folder that is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// It is an error.
    #[default]
    Error,
    /// It is passed over and named.
    Skip,
}

/// The order of what the sources give.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// How the next source is chosen.
    pub order: Order,
    /// When interleaving ends.
    pub until: Until,
    /// Dialogues in all; needed for portions.
    pub total: Option<u64>,
}

/// How the next source is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// One source after the other.
    #[default]
    Concatenate,
    /// By chance, each source as often as its `weight` says.
    Interleave,
    /// As interleaved, and each source gives its `weight`'s part of `total`.
    Portions,
}

/// When interleaving ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// When every source is used up.
    #[default]
    All,
    /// When the first source is used up.
    First,
}

/// How shards are cut.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shards {
    /// Size at which a shard is closed, in megabytes (a million bytes). It is a little exceeded.
    pub megabytes: u64,
    /// Where the pictures are.
    pub pictures: Pictures,
}

impl Default for Shards {
    fn default() -> Self {
        Self { megabytes: DEFAULT_MEGABYTES, pictures: Pictures::default() }
    }
}

/// Where the pictures of shards are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pictures {
    /// In the shard, byte by byte as the source has them.
    #[default]
    Inside,
    /// In the folder of the data sets; the record says where below it.
    Reference,
}

/// Pictures that are left out because they are there already.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deduplicate {
    /// What makes two pictures the same.
    pub by: SameBy,
    /// Whether a picture is left out that an earlier entry had. Most data sets ask several times
    /// about a picture, so this is for folders of photos.
    pub across: bool,
}

/// What makes two pictures the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SameBy {
    /// Their files have the same bytes.
    #[default]
    Bytes,
    /// They look alike: at most three signs of 64 differences of brightness are others. It finds a picture that was
    /// stored anew in another size, and takes as long as decoding every picture.
    Look,
}

/// Pictures that must not be learned from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// What it is called where a picture is left out for it.
    pub name: String,
    /// The folder of its pictures.
    pub folder: String,
}

/// A source and what is made of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRecipe {
    /// What reports call it; its folder by default.
    #[serde(default)]
    pub name: String,
    /// The folder: a source, or a folder of sources.
    pub folder: String,
    /// The only layout that is read, by its name in [`crate::readers::READERS`].
    pub layout: Option<String>,
    /// Only files of labels are read whose name contains one of these.
    #[serde(default)]
    pub files: Vec<String>,
    /// Only what the authors put into one of these parts (`train`, `testA`) is used, where a source
    /// says so entry by entry.
    #[serde(default)]
    pub parts: Vec<String>,
    /// The side of our own border, see [`crate::split`].
    #[serde(default)]
    pub split: Side,
    /// Which wordings questions are asked in.
    #[serde(default)]
    pub wordings: Wordings,
    /// For photos: turns of a record and how often each kind is asked.
    #[serde(default)]
    pub dialogues: DialogueOptions,
    /// For photos: records of each.
    #[serde(default = "one")]
    pub per_picture: u32,
    /// For conversations: the share of the turns of a task that is kept. Tasks that are not listed
    /// are kept.
    #[serde(default)]
    pub tasks: BTreeMap<Task, f64>,
    /// What is left out for its size.
    #[serde(default)]
    pub filters: Filters,
    /// The share of the entries that is used, drawn by chance.
    #[serde(default = "whole")]
    pub share: f64,
    /// How often the source is read. Each time other questions are drawn.
    #[serde(default = "one")]
    pub repeat: u32,
    /// Most records.
    pub cap: Option<u64>,
    /// How often it is drawn, relative to the others, or which portion it is.
    #[serde(default = "whole")]
    pub weight: f64,
}

fn one() -> u32 {
    1
}

fn whole() -> f64 {
    1.0
}

/// A side of the border between photos to learn from and photos to measure with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// To learn from.
    #[default]
    Train,
    /// To measure with.
    Validation,
    /// Both: for sources of which the authors' own parts are used.
    All,
}

/// Which wordings are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wordings {
    /// Those to learn from.
    #[default]
    Training,
    /// Those that training never sees.
    Unseen,
}

impl From<Wordings> for WordingSet {
    fn from(wordings: Wordings) -> Self {
        match wordings {
            Wordings::Training => WordingSet::Training,
            Wordings::Unseen => WordingSet::HeldOut,
        }
    }
}

/// What is left out for its size or terms.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filters {
    /// Least side of a picture in px.
    pub min_side_px: u32,
    /// Most turns of a record; those behind are cut off.
    pub max_turns: usize,
    /// Most targets of a triplet; turns with more are left out.
    pub max_targets: usize,
    /// Most words of an answer; turns with more are left out.
    pub max_words: usize,
    /// The only licences that are used; all where the list is empty.
    pub licences: Vec<String>,
}

impl Default for Filters {
    fn default() -> Self {
        Self {
            min_side_px: 1,
            max_turns: 16,
            max_targets: crate::dialogues::MOST_TARGETS,
            max_words: 400,
            licences: Vec::new(),
        }
    }
}

impl Recipe {
    /// Reads and checks a recipe.
    ///
    /// # Errors
    /// Names the file and the key; of an unknown key, the known one nearest to it.
    pub fn read(path: &Path) -> Result<Self, RecipeError> {
        let bytes = read_bounded(path, MAX_BYTES)?;
        let failed = |problem| RecipeError::Text { path: path.into(), problem };
        let text = std::str::from_utf8(&bytes).map_err(|e| failed(e.to_string()))?;
        let mut recipe: Self =
            toml::from_str(text).map_err(|e| failed(keys::with_nearest(&e.to_string())))?;
        recipe.sha256 = sha256(&*bytes).map_err(|e| failed(e.to_string()))?;
        for source in &mut recipe.sources {
            if source.name.is_empty() {
                source.name.clone_from(&source.folder);
            }
        }
        recipe.check().map_err(failed)?;
        Ok(recipe)
    }

    /// The recipe that asks about everything in a folder, in the order of its sources.
    pub fn of_folder(seed: u64, split: Side, wordings: Wordings, turns: usize) -> Self {
        let source = SourceRecipe {
            name: "all".into(),
            folder: ".".into(),
            layout: None,
            files: Vec::new(),
            parts: Vec::new(),
            split,
            wordings,
            dialogues: DialogueOptions { turns, ..DialogueOptions::default() },
            per_picture: 1,
            tasks: BTreeMap::new(),
            filters: Filters::default(),
            share: 1.0,
            repeat: 1,
            cap: None,
            weight: 1.0,
        };
        Self {
            name: "folder".into(),
            seed,
            missing: Missing::Error,
            mix: Mix::default(),
            shards: Shards::default(),
            deduplicate: Deduplicate::default(),
            evaluations: Vec::new(),
            sources: vec![source],
            sha256: String::new(),
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.sources.is_empty() {
            return Err("there is no [[source]]; add one".into());
        }
        if self.shards.megabytes == 0 {
            return Err("shards.megabytes is 0; give at least 1".into());
        }
        if self.mix.order == Order::Portions && self.mix.total.is_none() {
            return Err("mix.order = \"portions\" needs mix.total, the dialogues in all".into());
        }
        for (k, source) in self.sources.iter().enumerate() {
            let at = |problem: &str| format!("source '{}': {problem}", source.name);
            if self.sources.iter().skip(k + 1).any(|other| other.name == source.name) {
                return Err(at("another has the same name; give each its own `name`"));
            }
            if let Some(layout) = &source.layout
                && by_name(layout).is_none()
            {
                let known = crate::readers::READERS.iter().map(|reader| reader.name);
                let nearest = keys::nearest(layout, known);
                let nearest = nearest.map(|name| format!(", did you mean `{name}`?"));
                return Err(at(&format!(
                    "unknown layout `{layout}`{}",
                    nearest.unwrap_or_default()
                )));
            }
            let shares = source.tasks.values().chain([&source.share]);
            if !shares.clone().all(|share| (0.0..=1.0).contains(share)) {
                return Err(at("share and those in tasks must lie in 0..=1"));
            }
            if !source.weight.is_finite() || source.weight <= 0.0 {
                return Err(at("weight must be a positive number"));
            }
            if source.repeat == 0 || source.per_picture == 0 || source.filters.max_turns == 0 {
                return Err(at("repeat, per_picture and filters.max_turns must be at least 1"));
            }
        }
        Ok(())
    }

    /// Most records of a source, in all parts together.
    pub(crate) fn most(&self, source: &SourceRecipe) -> Option<u64> {
        let portion = match (self.mix.order, self.mix.total) {
            (Order::Portions, Some(total)) => {
                let all: f64 = self.sources.iter().map(|source| source.weight).sum();
                Some((total as f64 * source.weight / all).round() as u64)
            }
            _ => None,
        };
        match (portion, source.cap) {
            (Some(portion), Some(cap)) => Some(portion.min(cap)),
            (portion, cap) => portion.or(cap),
        }
    }
}

#[cfg(test)]
mod tests;
