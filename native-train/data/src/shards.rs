//! Shards: what a [`Build`] gives, as WebDataset tar files with an index.
//!
//! A folder of shards has, for part 0 of 4:
//!
//! - `00000-of-00004-000000.tar`: pairs of members `KEY.jpg` (or `.png`, `.webp`, `.gif`) and
//!   `KEY.json`, and `KEY.depth0.png` where a target has distances. The JSON is a record whose
//!   `image.path` is the picture's member; where pictures are referred to, it is the path below the
//!   folder of the data sets, and there is no picture;
//! - `00000-of-00004-000000.json`: what the shard holds, its hash, and how to go on behind it;
//! - `00000-of-00004.json`: once the part is done, its shards and what became of every source;
//! - `index.json`: once every part is done, the same of all of them.
//!
//! A shard gets its name when it is whole and on the disk, and its description after it. So a build
//! that is killed and started again goes on behind the last shard that has a description.

mod index;
mod join;
mod names;
mod tarred;

pub use index::{Index, PartIndex, ShardIndex, SourceIndex};
pub use join::join;

use crate::build::Build;
use crate::error::DataError;
use crate::recipe::Pictures;
use index::Described;
use names::Names;
use std::fs;
use std::path::Path;
use tarred::Tarred;

/// What is said after each batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Shards that are written, those of an earlier run included.
    pub shards: usize,
    /// Records that are written.
    pub records: u64,
}

/// Builds shards into `out` until the sources are used up, or goes on with it. Where the part is
/// the last one to be done, [`join`] follows.
///
/// # Errors
/// When a source cannot be read, a file cannot be written, or `out` holds shards of another recipe.
pub fn write(
    mut build: Build,
    data: &Path,
    out: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<PartIndex, DataError> {
    let names = Names::new(out, build.part().number(), build.part().of());
    fs::create_dir_all(out).map_err(|source| DataError::Write { path: out.into(), source })?;
    names.clean(build.part().of())?;
    if let Some(done) = PartIndex::read(&names.part(), &build)? {
        // Perhaps it was killed between its last file and this one.
        join_if_done(out, build.part().of())?;
        return Ok(done);
    }
    let mut shards = index::described(&names, &build)?;
    if let Some(last) = shards.last() {
        let seen = shards.iter().flat_map(|shard| shard.seen.iter().copied());
        build.resume(last.state.clone(), seen)?;
    }
    let limit = build.recipe().shards.megabytes * 1_000_000;
    let inside = build.recipe().shards.pictures == Pictures::Inside;
    let mut records: u64 = shards.iter().map(|shard| shard.shard.records).sum();
    let mut ended = false;
    while !ended {
        let path = names.shard(shards.len());
        let place = tarred::Place { data, inside, part: build.part().number(), first: records };
        let mut shard = Tarred::begin(&path, place)?;
        while shard.bytes() < limit && !ended {
            match build.next_batch()? {
                Some(samples) => {
                    samples.into_iter().try_for_each(|sample| shard.add(sample))?;
                    let records = records + shard.records();
                    progress(Progress { shards: shards.len(), records });
                }
                None => ended = true,
            }
        }
        if shard.records() > 0 {
            records += shard.records();
            let (shard, seen) = shard.finish()?;
            let described = Described::new(&build, shard, seen);
            index::save(&names.description(shards.len()), &described)?;
            shards.push(described);
        }
    }
    let done = PartIndex::new(&build, shards);
    index::save(&names.part(), &done)?;
    join_if_done(out, build.part().of())?;
    Ok(done)
}

fn join_if_done(out: &Path, of: u64) -> Result<(), DataError> {
    if join::all_done(out, of) { join(out).map(drop) } else { Ok(()) }
}
