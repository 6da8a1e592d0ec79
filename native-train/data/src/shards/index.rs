//! What shards hold, as it stands beside them.

use super::names::Names;
use crate::bounded::read_bounded;
use crate::build::{Build, Part, State, Tally};
use crate::error::DataError;
use refvlm_files::files::write_atomic;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Version of the files.
const FORMAT: u32 = 1;
/// Longest file: a shard of references names a million pictures.
const MAX_BYTES: u64 = 256 << 20;

/// A shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardIndex {
    /// The file's name.
    pub file: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// The file's sha-256.
    pub sha256: String,
    /// Records in it.
    pub records: u64,
    /// Their turns by task.
    pub tasks: BTreeMap<String, u64>,
    /// Records by licence.
    pub licences: BTreeMap<String, u64>,
}

/// A source and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceIndex {
    /// The source's name.
    pub name: String,
    /// Entries kept and dropped.
    pub tally: Tally,
}

/// A part that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartIndex {
    /// Version of this file.
    pub format: u32,
    /// The recipe's name.
    pub name: String,
    /// The sha-256 of the recipe's text.
    pub recipe: String,
    /// Which part.
    pub part: Part,
    /// Sources and evaluation sets that were not there.
    pub missing: Vec<String>,
    /// The sources that were.
    pub sources: Vec<SourceIndex>,
    /// The shards, in order.
    pub shards: Vec<ShardIndex>,
}

/// All parts together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// Version of this file.
    pub format: u32,
    /// The recipe's name.
    pub name: String,
    /// The sha-256 of the recipe's text.
    pub recipe: String,
    /// Records.
    pub records: u64,
    /// Turns by task.
    pub tasks: BTreeMap<String, u64>,
    /// Records by licence.
    pub licences: BTreeMap<String, u64>,
    /// Sources and evaluation sets that were not there.
    pub missing: Vec<String>,
    /// The sources that were.
    pub sources: Vec<SourceIndex>,
    /// The shards, part by part.
    pub shards: Vec<ShardIndex>,
}

/// A shard, and how to go on behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Described {
    format: u32,
    recipe: String,
    part: Part,
    pub shard: ShardIndex,
    pub state: State,
    /// Hashes of pictures that were seen, where these are looked for.
    pub seen: Vec<u64>,
}

impl Described {
    pub fn new(build: &Build, shard: ShardIndex, seen: Vec<u64>) -> Self {
        let (recipe, part) = (build.recipe().sha256.clone(), build.part());
        Self { format: FORMAT, recipe, part, shard, state: build.state(), seen }
    }
}

/// The shards of a part that are whole and described, in order.
pub(super) fn described(names: &Names, build: &Build) -> Result<Vec<Described>, DataError> {
    let mut shards = Vec::new();
    loop {
        let path = names.description(shards.len());
        let Some(next) = read_if_there::<Described>(&path)? else { return Ok(shards) };
        of_recipe(&path, next.format, &next.recipe, build)?;
        let file = names.shard(shards.len());
        let bytes = std::fs::metadata(&file).map(|data| data.len());
        let bytes = bytes.map_err(|source| DataError::Read { path: file.clone(), source })?;
        if bytes != next.shard.bytes {
            let problem = format!("has {bytes} bytes, its description says {}", next.shard.bytes);
            return Err(DataError::Format { path: file, problem });
        }
        shards.push(next);
    }
}

impl PartIndex {
    pub(super) fn new(build: &Build, shards: Vec<Described>) -> Self {
        let sources = build.state().sources.into_iter();
        let sources = sources.map(|state| SourceIndex { name: state.name, tally: state.tally });
        Self {
            format: FORMAT,
            name: build.recipe().name.clone(),
            recipe: build.recipe().sha256.clone(),
            part: build.part(),
            missing: build.missing().to_vec(),
            sources: sources.collect(),
            shards: shards.into_iter().map(|described| described.shard).collect(),
        }
    }

    /// The index of a part that is done.
    pub(super) fn read(path: &Path, build: &Build) -> Result<Option<Self>, DataError> {
        let Some(done) = read_if_there::<Self>(path)? else { return Ok(None) };
        of_recipe(path, done.format, &done.recipe, build)?;
        Ok(Some(done))
    }

    /// The index of a part by its number.
    pub(super) fn of(out: &Path, number: u64, of: u64) -> Result<Option<Self>, DataError> {
        read_if_there(&Names::new(out, number, of).part())
    }
}

fn of_recipe(path: &Path, format: u32, recipe: &str, build: &Build) -> Result<(), DataError> {
    if format == FORMAT && recipe == build.recipe().sha256 {
        return Ok(());
    }
    Err(DataError::OtherRecipe { path: path.into() })
}

fn read_if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, DataError> {
    if !path.exists() {
        return Ok(None);
    }
    let bytes = read_bounded(path, MAX_BYTES)?;
    let read = serde_json::from_slice(&bytes);
    read.map(Some).map_err(|e| DataError::Json { path: path.into(), problem: e.to_string() })
}

pub(super) fn save(path: &Path, value: &impl Serialize) -> Result<(), DataError> {
    let text = serde_json::to_vec_pretty(value).map_err(std::io::Error::from);
    text.and_then(|text| write_atomic(path, &text))
        .map_err(|source| DataError::Write { path: path.into(), source })
}
