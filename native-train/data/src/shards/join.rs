//! Parts become one set by their indexes alone.

use super::index::{Index, PartIndex, SourceIndex, save};
use super::names::{INDEX, Names};
use crate::build::Tally;
use crate::error::DataError;
use std::collections::BTreeMap;
use std::path::Path;

/// Whether every part has its index.
pub(super) fn all_done(out: &Path, of: u64) -> bool {
    (0..of).all(|number| Names::new(out, number, of).part().is_file())
}

/// Joins the parts in a folder and writes `index.json`.
///
/// # Errors
/// When parts are missing, of other recipes or of other counts, or the index cannot be written.
pub fn join(out: &Path) -> Result<Index, DataError> {
    let of = count(out)?;
    let mut parts = Vec::new();
    for number in 0..of {
        let part = PartIndex::of(out, number, of)?;
        parts.push(part.ok_or_else(|| DataError::PartMissing { path: out.into(), number, of })?);
    }
    let Some(first) = parts.first() else {
        return Err(DataError::PartMissing { path: out.into(), number: 0, of });
    };
    let mut index = Index {
        format: first.format,
        name: first.name.clone(),
        recipe: first.recipe.clone(),
        records: 0,
        tasks: BTreeMap::new(),
        licences: BTreeMap::new(),
        missing: first.missing.clone(),
        sources: Vec::new(),
        shards: Vec::new(),
    };
    let mut tallies: Vec<(String, Tally)> = Vec::new();
    for part in parts {
        if part.recipe != index.recipe || part.format != index.format {
            let path = Names::new(out, part.part.number(), of).part();
            return Err(DataError::OtherRecipe { path });
        }
        for source in part.sources {
            match tallies.iter_mut().find(|(name, _)| *name == source.name) {
                Some((_, tally)) => tally.add(&source.tally),
                None => tallies.push((source.name, source.tally)),
            }
        }
        for shard in &part.shards {
            index.records += shard.records;
            for (counts, more) in
                [(&mut index.tasks, &shard.tasks), (&mut index.licences, &shard.licences)]
            {
                for (name, count) in more {
                    *counts.entry(name.clone()).or_default() += count;
                }
            }
        }
        index.shards.extend(part.shards);
    }
    let sources = tallies.into_iter().map(|(name, tally)| SourceIndex { name, tally });
    index.sources = sources.collect();
    save(&out.join(INDEX), &index)?;
    Ok(index)
}

/// How many parts the folder's files say there are.
fn count(out: &Path) -> Result<u64, DataError> {
    let failed = |source| DataError::Read { path: out.into(), source };
    let mut of = None;
    for entry in std::fs::read_dir(out).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let numbers = name.strip_suffix(".json").and_then(|name| name.split_once("-of-"));
        let Some((_, found)) = numbers else { continue };
        let Ok(found) = found.parse::<u64>() else { continue };
        if of.is_some_and(|of| of != found) {
            let problem = format!("has parts of {found} and of others; keep them apart");
            return Err(DataError::Format { path: out.into(), problem });
        }
        of = Some(found);
    }
    of.ok_or_else(|| DataError::PartMissing { path: out.into(), number: 0, of: 1 })
}
