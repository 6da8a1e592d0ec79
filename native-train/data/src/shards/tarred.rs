//! A tar file in the making.

use super::index::ShardIndex;
use crate::build::Sample;
use crate::error::DataError;
use refvlm_files::files::{Whole, hex};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 1 << 20;
/// Longest file of distances.
const MAX_DEPTH_BYTES: u64 = 256 << 20;

/// What names members and paths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The folder of the data sets.
    pub data: &'a Path,
    /// Whether pictures are inside.
    pub inside: bool,
    /// The part's number.
    pub part: u64,
    /// Records before this shard.
    pub first: u64,
}

/// A shard that has not yet got its name.
pub(super) struct Tarred<'a> {
    path: PathBuf,
    place: Place<'a>,
    tar: tar::Builder<Hashed<BufWriter<Whole>>>,
    index: ShardIndex,
    seen: Vec<u64>,
}

impl<'a> Tarred<'a> {
    pub fn begin(path: &Path, place: Place<'a>) -> Result<Self, DataError> {
        let file = Whole::begin(path).map_err(|e| wrote(path, e))?;
        let writer = Hashed {
            inner: BufWriter::with_capacity(BUFFER_BYTES, file),
            hash: Sha256::new(),
            bytes: 0,
        };
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let index = ShardIndex {
            file,
            bytes: 0,
            sha256: String::new(),
            records: 0,
            tasks: BTreeMap::new(),
            licences: BTreeMap::new(),
        };
        let tar = tar::Builder::new(writer);
        Ok(Self { path: path.into(), place, tar, index, seen: Vec::new() })
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.tar.get_ref().bytes
    }

    /// Records so far.
    pub fn records(&self) -> u64 {
        self.index.records
    }

    /// Adds a record and its files.
    pub fn add(&mut self, sample: Sample) -> Result<(), DataError> {
        let Sample { mut record, picture, depths, inside, picture_hash } = sample;
        // No dot in it: WebDataset cuts a name at its first one.
        let key = format!("{:05}-{:010}", self.place.part, self.place.first + self.index.records);
        record.image.path = match inside {
            Some(file) => {
                let name = format!("{key}.{}", file.ending);
                self.member(&name, &file.bytes)?;
                name
            }
            None => below(&picture, self.place.data)?,
        };
        let with_depth = record.targets.iter_mut().filter_map(|target| target.depth.as_mut());
        let mut maps = Vec::new();
        for (k, (depth, file)) in with_depth.zip(depths).enumerate() {
            depth.path = match self.place.inside {
                true => format!("{key}.depth{k}.png"),
                false => below(&file, self.place.data)?,
            };
            maps.extend(self.place.inside.then(|| (depth.path.clone(), file)));
        }
        for (name, file) in maps {
            let bytes = crate::bounded::read_bounded(&file, MAX_DEPTH_BYTES)?;
            self.member(&name, &bytes)?;
        }
        let json = serde_json::to_vec(&record).map_err(|e| wrote(&self.path, e.into()))?;
        self.member(&format!("{key}.json"), &json)?;
        self.index.records += 1;
        for turn in &record.turns {
            *self.index.tasks.entry(turn.task.name().into()).or_default() += 1;
        }
        *self.index.licences.entry(record.licence).or_default() += 1;
        self.seen.extend(picture_hash);
        Ok(())
    }

    /// The same header for the same content, whoever writes it and when.
    fn member(&mut self, name: &str, bytes: &[u8]) -> Result<(), DataError> {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(bytes.len() as u64);
        let written = self.tar.append_data(&mut header, name, bytes);
        written.map_err(|e| wrote(&self.path, e))
    }

    /// Gives it its name, once it is on the disk. Says what is in it, and which pictures it saw.
    pub fn finish(self) -> Result<(ShardIndex, Vec<u64>), DataError> {
        let Self { path, tar, mut index, mut seen, .. } = self;
        let failed = |e| wrote(&path, e);
        let Hashed { inner, hash, bytes } = tar.into_inner().map_err(failed)?;
        let file = inner.into_inner().map_err(|e| failed(e.into_error()))?;
        file.finish().map_err(failed)?;
        index.bytes = bytes;
        index.sha256 = hex(&hash.finalize());
        seen.sort_unstable();
        seen.dedup();
        Ok((index, seen))
    }
}

fn wrote(path: &Path, source: io::Error) -> DataError {
    DataError::Write { path: path.into(), source }
}

/// Where a file is below a folder, with `/` between its parts.
fn below(file: &Path, folder: &Path) -> Result<String, DataError> {
    let parts = file.strip_prefix(folder).map_err(|_| DataError::Format {
        path: file.into(),
        problem: format!("is not below {}, so it cannot be referred to", folder.display()),
    })?;
    let parts: Vec<_> = parts.iter().map(|part| part.to_string_lossy()).collect();
    Ok(parts.join("/"))
}

/// Counts and hashes what goes through.
struct Hashed<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
