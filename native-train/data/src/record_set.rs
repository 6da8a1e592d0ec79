//! Records with their pictures, in any order: a JSON Lines file, or tar shards as
//! [`crate::shards`] writes them and WebDataset reads them. Only the places of the records are held
//! in memory.

use crate::error::DataError;
use refvlm_files::picture::{Picture, decode_picture};
use refvlm_files::records::{self, LinePlace, check_picture, depths_from, load_picture};
use refvlm_record::Record;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Longest member of a shard that is read.
const MAX_MEMBER_BYTES: u64 = 256 << 20;

/// A set of records.
#[derive(Debug, Clone)]
pub struct RecordSet {
    files: Vec<PathBuf>,
    pictures: PathBuf,
    entries: Vec<Entry>,
}

/// Where a record is.
#[derive(Debug, Clone)]
struct Entry {
    file: u32,
    /// Line of the file, or number of the sample in the shard, from one.
    number: u32,
    json: Span,
    members: Vec<(Box<str>, Span)>,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: u64,
    length: u64,
}

impl RecordSet {
    /// Finds the records of a file or folder: `records.jsonl`, another file of one record per line,
    /// a shard, or a folder of shards. Pictures that a shard only refers to are below `pictures`;
    /// without it, below the shard's folder.
    ///
    /// # Errors
    /// When nothing of that kind is there, or it cannot be read.
    pub fn open(path: &Path, pictures: Option<&Path>) -> Result<Self, DataError> {
        let files = match path.is_dir() && !path.join("records.jsonl").is_file() {
            true => shards_in(path)?,
            false => vec![records::record_file(path)],
        };
        let folder = files.first().and_then(|file| file.parent()).unwrap_or(Path::new(""));
        let sharded = files.iter().all(|file| is_shard(file));
        let pictures = pictures.filter(|_| sharded).unwrap_or(folder).into();
        let mut set = Self { files: Vec::new(), pictures, entries: Vec::new() };
        for file in files {
            let number = set.files.len() as u32;
            set.entries.extend(match is_shard(&file) {
                true => samples(&file, number)?,
                false => lines(&file, number)?,
            });
            set.files.push(file);
        }
        if set.entries.is_empty() {
            return Err(records::DataError::None { path: path.into() }.into());
        }
        Ok(set)
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none; never so for a set that was opened.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where a record is, for messages.
    pub fn place(&self, index: usize) -> String {
        let Some(entry) = self.entries.get(index) else { return format!("record {index}") };
        let file = self.files.get(entry.file as usize).map_or("".into(), |f| f.to_string_lossy());
        format!("{file}:{}", entry.number)
    }

    /// Reads a record. Its distance maps are not filled; see [`Self::fill_depths`].
    ///
    /// # Errors
    /// When it is gone, cannot be read or is not a record.
    pub fn record(&self, index: usize) -> Result<Record, DataError> {
        let (file, entry) = self.entry(index)?;
        let bytes = read_span(file, entry.json)?;
        let failed = |source| {
            let (path, line) = (file.into(), entry.number as usize);
            DataError::from(records::DataError::Record { path, line, source })
        };
        let text = std::str::from_utf8(bytes.trim_ascii());
        let text = text.map_err(|e| failed(refvlm_record::RecordError::Json(e.to_string())))?;
        Record::from_json(text).map_err(failed)
    }

    /// Reads a record's picture.
    ///
    /// # Errors
    /// When it is not there, is damaged, or has another size than the record says.
    pub fn picture(&self, index: usize, record: &Record) -> Result<Picture, DataError> {
        let (file, entry) = self.entry(index)?;
        let Some(bytes) = member(file, entry, &record.image.path)? else {
            return Ok(load_picture(&self.pictures, record)?);
        };
        let name = file.join(&record.image.path);
        let picture = decode_picture(&bytes, &name);
        let picture = picture.map_err(|source| records::DataError::Picture {
            id: record.id.clone(),
            field: "image.path".into(),
            source,
        })?;
        check_picture(record, &name, &picture)?;
        Ok(picture)
    }

    /// Fills the metres of a record's distance maps.
    ///
    /// # Errors
    /// As [`Self::picture`].
    pub fn fill_depths(&self, index: usize, record: &mut Record) -> Result<(), DataError> {
        let (file, entry) = self.entry(index)?;
        let mut inside = Vec::new();
        for depth in record.targets.iter().filter_map(|target| target.depth.as_ref()) {
            if let Some(bytes) = member(file, entry, &depth.path)? {
                inside.push((depth.path.clone(), bytes));
            }
        }
        let inside = |path: &str| {
            let found = inside.iter().find(|(name, _)| name == path);
            found.map(|(_, bytes)| bytes.as_slice())
        };
        Ok(depths_from(&self.pictures, record, &inside)?)
    }

    fn entry(&self, index: usize) -> Result<(&Path, &Entry), DataError> {
        let entry = self.entries.get(index);
        let found = entry.and_then(|e| Some((self.files.get(e.file as usize)?.as_path(), e)));
        found.ok_or_else(|| {
            let path = self.files.first().cloned().unwrap_or_default();
            DataError::Format { path, problem: format!("has no record {index}") }
        })
    }
}

fn is_shard(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "tar")
}

/// The shards of a folder, by name.
fn shards_in(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let failed = |source| DataError::Read { path: folder.into(), source };
    let paths = std::fs::read_dir(folder).map_err(failed)?.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<Result<Vec<PathBuf>, std::io::Error>>().map_err(failed)?;
    paths.retain(|path| is_shard(path));
    paths.sort();
    if paths.is_empty() {
        let problem = "holds neither records.jsonl nor shards (*.tar); `refvlm data build` and \
                       `refvlm data shard` make them";
        return Err(DataError::Format { path: folder.into(), problem: problem.into() });
    }
    Ok(paths)
}

fn read_span(file: &Path, span: Span) -> Result<Vec<u8>, DataError> {
    let failed = |source| DataError::Read { path: file.into(), source };
    let mut opened = File::open(file).map_err(failed)?;
    opened.seek(SeekFrom::Start(span.start)).map_err(failed)?;
    let mut bytes = Vec::new();
    opened.take(span.length).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// A member of a sample by its name; none where the sample has no such member.
fn member(file: &Path, entry: &Entry, name: &str) -> Result<Option<Vec<u8>>, DataError> {
    let found = entry.members.iter().find(|(member, _)| **member == *name);
    found.map(|(_, span)| read_span(file, *span)).transpose()
}

/// The lines of a file that are not blank.
fn lines(path: &Path, file: u32) -> Result<Vec<Entry>, DataError> {
    let places = records::Records::open(path)?.places()?;
    let entry = |LinePlace { line, start, length }| {
        let json = Span { start, length };
        Entry { file, number: line as u32, json, members: Vec::new() }
    };
    Ok(places.into_iter().map(entry).collect())
}

/// The samples of a shard: members that have the same name up to its first dot and lie side by side.
fn samples(path: &Path, file: u32) -> Result<Vec<Entry>, DataError> {
    let failed = |source| DataError::Read { path: path.into(), source };
    let damaged = |problem: String| DataError::Format { path: path.into(), problem };
    let mut archive = tar::Archive::new(BufReader::new(File::open(path).map_err(failed)?));
    let mut entries: Vec<Entry> = Vec::new();
    let (mut key, mut members): (String, Vec<(Box<str>, Span)>) = (String::new(), Vec::new());
    let mut finish = |members: Vec<(Box<str>, Span)>| -> Result<(), DataError> {
        let Some(at) = members.iter().position(|(name, _)| name.ends_with(".json")) else {
            return match members.first() {
                Some((name, _)) => Err(damaged(format!("{name} has no record (.json) beside it"))),
                None => Ok(()),
            };
        };
        let (json, number) = (members[at].1, entries.len() as u32 + 1);
        let members = members.into_iter().filter(|(name, _)| !name.ends_with(".json")).collect();
        entries.push(Entry { file, number, json, members });
        Ok(())
    };
    for entry in archive.entries_with_seek().map_err(failed)? {
        let entry = entry.map_err(|e| damaged(e.to_string()))?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = entry.path().map_err(|e| damaged(e.to_string()))?;
        let name = name.to_string_lossy().into_owned();
        let span = Span { start: entry.raw_file_position(), length: entry.size() };
        if span.length > MAX_MEMBER_BYTES {
            let bytes = span.length;
            let (path, limit) = (path.join(name), MAX_MEMBER_BYTES);
            return Err(DataError::TooLarge { path, bytes, limit });
        }
        let stem = name.split('.').next().unwrap_or_default();
        if stem != key {
            finish(std::mem::take(&mut members))?;
            key = stem.into();
        }
        members.push((name.into(), span));
    }
    finish(members)?;
    Ok(entries)
}
