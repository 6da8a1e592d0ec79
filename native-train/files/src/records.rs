//! Record sets on disk: JSON Lines with pictures and distance maps beside them.

mod form;
mod report;
mod write;

pub use report::{Report, check_file};
pub use write::{RecordWriter, write_depth_png};

use crate::picture::{self, Picture, PictureError};
use image::DynamicImage;
use refvlm_record::{DepthMap, Record, RecordError, json};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};

/// Longest line that is read: a record with many plain run-length masks stays far below.
pub const MAX_LINE_BYTES: u64 = 64 << 20;

/// What is wrong with a set of records. The text names file, line and field.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The record file could not be read.
    #[error("{path}: {source}: check the path and its permissions", path = path.display())]
    Read {
        /// The record file.
        path: PathBuf,
        /// The underlying I/O error.
        source: io::Error,
    },
    /// A line is not a record.
    #[error("{path}:{line}: {source}", path = path.display())]
    Record {
        /// The record file.
        path: PathBuf,
        /// Number of the line, from one.
        line: usize,
        /// What is wrong with it, and in which field.
        source: RecordError,
    },
    /// The file holds something else than one record per line.
    #[error("{path}: {found}", path = path.display())]
    Form {
        /// The record file.
        path: PathBuf,
        /// What it holds, and how to bring it in.
        found: &'static str,
    },
    /// There is no record at all.
    #[error("{path}: no record in it: each line holds one", path = path.display())]
    None {
        /// The record file.
        path: PathBuf,
    },
    /// Two records have one id.
    #[error("record '{id}': this id occurs twice: give each record its own")]
    Twice {
        /// The id.
        id: String,
    },
    /// A line is longer than [`MAX_LINE_BYTES`].
    #[error(
        "{path}:{line}: longer than {} MiB: one record per line; store masks as compressed runs",
        MAX_LINE_BYTES >> 20, path = path.display()
    )]
    LongLine {
        /// The record file.
        path: PathBuf,
        /// Number of the line, from one.
        line: usize,
    },
    /// A path leaves the folder of its record file.
    #[error("record '{id}', {field}: '{path}' must be relative and stay below the record file")]
    Outside {
        /// The record's id.
        id: String,
        /// The field.
        field: String,
        /// The path given.
        path: String,
    },
    /// A path as Windows writes it, which no file has here.
    #[error("record '{id}', {field}: '{path}': write folders with '/': {}", path.replace('\\', "/"))]
    Backslash {
        /// The record's id.
        id: String,
        /// The field.
        field: String,
        /// The path given.
        path: String,
    },
    /// A picture or distance map could not be read or written.
    #[error("record '{id}', {field}: {source}")]
    Picture {
        /// The record's id.
        id: String,
        /// The field.
        field: String,
        /// What is wrong with the picture.
        source: PictureError,
    },
    /// A picture or distance map has another size than the record says.
    #[error(
        "record '{id}', {field}: {path} is {found_width}x{found_height} px, the record says \
         {width}x{height}: correct image.width and image.height, or restore the file",
        path = path.display()
    )]
    Size {
        /// The record's id.
        id: String,
        /// The field.
        field: String,
        /// The file.
        path: PathBuf,
        /// Columns of the file.
        found_width: u32,
        /// Rows of the file.
        found_height: u32,
        /// Columns in the record.
        width: u32,
        /// Rows in the record.
        height: u32,
    },
    /// A distance map is not a 16-bit grey picture.
    #[error(
        "record '{id}', {field}: {path} is not a 16-bit grey PNG: save distances in that format",
        path = path.display()
    )]
    DepthFormat {
        /// The record's id.
        id: String,
        /// The field.
        field: String,
        /// The file.
        path: PathBuf,
    },
    /// A distance map in memory does not fit its picture.
    #[error(
        "record '{id}', {field}: {found} distances for {width}x{height} px: one each is needed"
    )]
    DepthLength {
        /// The record's id.
        id: String,
        /// The field.
        field: String,
        /// How many values are given.
        found: usize,
        /// Columns of the picture.
        width: u32,
        /// Rows of the picture.
        height: u32,
    },
    /// A file could not be written.
    #[error("{path}: {source}: check free space and permissions", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The underlying I/O error.
        source: io::Error,
    },
}

/// The records of a JSON Lines file with their one-based line numbers. A bad line is one error,
/// and reading continues after it; blank lines are skipped.
pub struct Records {
    path: PathBuf,
    reader: BufReader<File>,
    line: usize,
    /// First byte behind what was read.
    offset: u64,
    ended: bool,
}

/// Where a line lies in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinePlace {
    /// Its number, from one.
    pub line: usize,
    /// Its first byte.
    pub start: u64,
    /// Its bytes, the end of the line included.
    pub length: u64,
}

/// The record file that a person names: the file itself, or the folder that holds
/// `records.jsonl`.
pub fn record_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("records.jsonl") } else { path.into() }
}

impl Records {
    /// Opens a file. A byte order mark is passed over.
    ///
    /// # Errors
    /// When it cannot be opened, or is a whole document instead of one record per line.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let failed = |source| DataError::Read { path: path.into(), source };
        let mut reader = BufReader::new(File::open(path).map_err(failed)?);
        let start = reader.fill_buf().map_err(failed)?;
        if let Some(found) = form::other_than_lines(start) {
            return Err(DataError::Form { path: path.into(), found });
        }
        let mark = json::plain(start).map_or(0, |text| start.len() - text.len());
        reader.consume(mark);
        Ok(Self { path: path.into(), reader, line: 0, offset: mark as u64, ended: false })
    }

    /// Where the lines that are not blank lie, without reading what they say.
    ///
    /// # Errors
    /// When the file cannot be read or a line is too long.
    pub fn places(mut self) -> Result<Vec<LinePlace>, DataError> {
        let mut places = Vec::new();
        while let Some(bytes) = self.next_filled() {
            let length = bytes?.len() as u64;
            places.push(LinePlace { line: self.line, start: self.offset - length, length });
        }
        Ok(places)
    }

    /// The next line's bytes; none at the end, an error beyond the bound.
    fn next_line(&mut self) -> io::Result<Option<Result<Vec<u8>, DataError>>> {
        let mut bytes = Vec::new();
        let bounded = &mut (&mut self.reader).take(MAX_LINE_BYTES + 1);
        if bounded.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        self.line += 1;
        self.offset += bytes.len() as u64;
        if bytes.len() as u64 > MAX_LINE_BYTES && bytes.last() != Some(&b'\n') {
            self.offset += self.reader.skip_until(b'\n')? as u64;
            let (path, line) = (self.path.clone(), self.line);
            return Ok(Some(Err(DataError::LongLine { path, line })));
        }
        Ok(Some(Ok(bytes)))
    }

    /// The next line that is not blank.
    fn next_filled(&mut self) -> Option<Result<Vec<u8>, DataError>> {
        while !self.ended {
            match self.next_line() {
                Ok(Some(Ok(bytes))) if bytes.iter().all(u8::is_ascii_whitespace) => {}
                Ok(Some(line)) => return Some(line),
                Ok(None) => self.ended = true,
                Err(source) => {
                    self.ended = true;
                    return Some(Err(DataError::Read { path: self.path.clone(), source }));
                }
            }
        }
        None
    }

    fn parse(&self, bytes: &[u8]) -> Result<Record, DataError> {
        std::str::from_utf8(bytes.trim_ascii_end())
            .map_err(|e| RecordError::Json(e.to_string()))
            .and_then(Record::from_json)
            .map_err(|source| DataError::Record {
                path: self.path.clone(),
                line: self.line,
                source,
            })
    }
}

impl Iterator for Records {
    type Item = Result<(usize, Record), DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.next_filled()?;
        Some(bytes.and_then(|bytes| Ok((self.line, self.parse(&bytes)?))))
    }
}

/// Reads a record's picture from `folder`, the folder of the record file.
///
/// # Errors
/// When the path leaves the folder, the picture is bad, or its size is not the record's.
pub fn load_picture(folder: &Path, record: &Record) -> Result<Picture, DataError> {
    let field = "image.path";
    let path = picture_path(folder, record)?;
    let picture =
        picture::read_picture(&path).map_err(|source| in_record(record, field, source))?;
    check_picture(record, &path, &picture)?;
    Ok(picture)
}

/// Checks that a picture has the size that its record says; `path` is named if not.
///
/// # Errors
/// When it has another.
pub fn check_picture(record: &Record, path: &Path, picture: &Picture) -> Result<(), DataError> {
    check_size(record, "image.path", path, [picture.width, picture.height])
}

/// Where a record's picture is, below `folder`, the folder of the record file.
///
/// # Errors
/// When the path leaves the folder.
pub fn picture_path(folder: &Path, record: &Record) -> Result<PathBuf, DataError> {
    below(folder, &record.image.path, &record.id, "image.path")
}

/// Reads the record's distance maps from `folder` and fills their metres.
///
/// # Errors
/// When a path leaves the folder, a map is bad, or its size is not the picture's.
pub fn load_depths(folder: &Path, record: &mut Record) -> Result<(), DataError> {
    depths_from(folder, record, &|_| None)
}

/// The same, where `inside` may have the bytes of some paths at hand.
///
/// # Errors
/// As [`load_depths`].
pub fn depths_from<'a>(
    folder: &Path,
    record: &mut Record,
    inside: &dyn Fn(&str) -> Option<&'a [u8]>,
) -> Result<(), DataError> {
    let mut maps = Vec::new();
    for (k, target) in record.targets.iter().enumerate() {
        if let Some(depth) = &target.depth {
            let field = format!("targets[{k}].depth.path");
            let bytes = inside(&depth.path);
            maps.push((k, load_depth(folder, record, depth, (&field, bytes))?));
        }
    }
    for (k, metres) in maps {
        if let Some(depth) = &mut record.targets[k].depth {
            depth.metres = metres;
        }
    }
    Ok(())
}

fn load_depth(
    folder: &Path,
    record: &Record,
    depth: &DepthMap,
    (field, inside): (&str, Option<&[u8]>),
) -> Result<Vec<f32>, DataError> {
    let path = below(folder, &depth.path, &record.id, field)?;
    let image = match inside {
        Some(bytes) => picture::decode(bytes, &path),
        None => picture::read_bytes(&path).and_then(|bytes| picture::decode(&bytes, &path)),
    };
    let image = image.map_err(|source| in_record(record, field, source))?.image;
    check_size(record, field, &path, [image.width(), image.height()])?;
    let DynamicImage::ImageLuma16(grey) = image else {
        return Err(DataError::DepthFormat { id: record.id.clone(), field: field.into(), path });
    };
    Ok(grey.iter().map(|&v| f32::from(v) * depth.metres_per_unit).collect())
}

fn check_size(
    record: &Record,
    field: &str,
    path: &Path,
    [found_width, found_height]: [u32; 2],
) -> Result<(), DataError> {
    let (width, height) = (record.image.width, record.image.height);
    if (found_width, found_height) == (width, height) {
        return Ok(());
    }
    let (id, field, path) = (record.id.clone(), field.into(), path.into());
    Err(DataError::Size { id, field, path, found_width, found_height, width, height })
}

fn in_record(record: &Record, field: &str, source: PictureError) -> DataError {
    DataError::Picture { id: record.id.clone(), field: field.into(), source }
}

/// A record comes from anywhere, so its paths must not reach what is not its own.
fn below(folder: &Path, path: &str, id: &str, field: &str) -> Result<PathBuf, DataError> {
    let relative = Path::new(path);
    let inside =
        relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if path.is_empty() || !inside {
        return Err(DataError::Outside { id: id.into(), field: field.into(), path: path.into() });
    }
    let whole = folder.join(relative);
    if path.contains('\\') && !whole.exists() {
        return Err(DataError::Backslash { id: id.into(), field: field.into(), path: path.into() });
    }
    Ok(whole)
}

/// The folder that a record file's paths are relative to.
pub fn folder_of(records: &Path) -> &Path {
    records.parent().unwrap_or(Path::new(""))
}

#[cfg(test)]
mod tests;
