//! The directory of a ZIP archive whose files are stored as they are, as PyTorch writes them.

use crate::source::Cursor;
use crate::{CheckpointError, MAX_NAME, MAX_TENSORS, Source};
use std::collections::HashMap;

/// Bytes of the record at the end, and of the longest comment behind it.
const END: u64 = 22;
const COMMENT: u64 = 65_535;
/// An archive has a few files beside one for each storage.
const MAX_FILES: u64 = MAX_TENSORS + 1000;
/// What stands for a number of more than 32 bits.
const FULL: u64 = u32::MAX as u64;

/// Files of an archive by name.
pub(super) struct Archive<'a> {
    source: &'a Source,
    files: HashMap<String, File>,
}

#[derive(Clone, Copy)]
struct File {
    header: u64,
    length: u64,
    stored: bool,
}

impl<'a> Archive<'a> {
    pub fn open(source: &'a Source) -> Result<Self, CheckpointError> {
        let (begin, end, count) = directory(source)?;
        if count > MAX_FILES {
            let file = source.name();
            return Err(CheckpointError::too_much(file, "files in an archive", count, MAX_FILES));
        }
        let mut cursor = Cursor::new(source, begin, end);
        let mut files = HashMap::new();
        for _ in 0..count {
            let (name, file) = entry(&mut cursor)?;
            if files.contains_key(&name) {
                let (file, tensor) = (source.name().into(), name);
                return Err(CheckpointError::Duplicate { file, tensor });
            }
            files.insert(name, file);
        }
        Ok(Self { source, files })
    }

    /// The one file whose name ends so.
    pub fn find(&self, ending: &str) -> Option<&str> {
        self.files.keys().find(|name| name.ends_with(ending)).map(String::as_str)
    }

    /// Where a file's bytes are: the first and how many.
    pub fn place(&self, name: &str) -> Result<(u64, u64), CheckpointError> {
        let archive = self.source.name();
        let damaged = |reason: String| CheckpointError::damaged(archive, reason);
        let file = self.files.get(name).ok_or_else(|| damaged(format!("no {name} inside")))?;
        if !file.stored {
            return Err(CheckpointError::Unsupported {
                file: archive.into(),
                what: format!("{name} inside is compressed"),
                remedy: "save it with torch.save, which stores tensors as they are",
            });
        }
        // The header repeats the name, with other extra fields than the directory's.
        let mut header = Cursor::new(self.source, file.header, self.source.length());
        if header.array()? != *b"PK\x03\x04" {
            return Err(damaged(format!("no header of {name} at {}", file.header)));
        }
        header.skip(22)?;
        let (name_bytes, extra_bytes) = (header.u16()?, header.u16()?);
        header.skip(u64::from(name_bytes) + u64::from(extra_bytes))?;
        self.source.check(header.at(), file.length)?;
        Ok((header.at(), file.length))
    }
}

/// Begin and end of the directory and its entries, from the record at the end of the archive.
fn directory(source: &Source) -> Result<(u64, u64, u64), CheckpointError> {
    let damaged = |reason: &str| CheckpointError::damaged(source.name(), reason);
    let seen = source.length().min(END + COMMENT);
    let start = source.length() - seen;
    let tail = source.read_vec(start, seen)?;
    let at = tail.windows(4).rposition(|four| four == b"PK\x05\x06");
    let at = at.ok_or_else(|| damaged("an archive without its directory"))? as u64;
    let end = start + at;
    let mut record = Cursor::new(source, end + 10, source.length());
    let count = record.u16()?.into();
    let (size, begin) = (u64::from(record.u32()?), u64::from(record.u32()?));
    let (size, begin, count) = if begin == FULL || size == FULL || count == u64::from(u16::MAX) {
        large_directory(source, end)?
    } else {
        (size, begin, count)
    };
    match begin.checked_add(size) {
        Some(stop) if stop <= end => Ok((begin, stop, count)),
        _ => Err(damaged("the archive's directory lies behind its end")),
    }
}

/// Size, begin and entries where 32 bits don't suffice.
fn large_directory(source: &Source, end: u64) -> Result<(u64, u64, u64), CheckpointError> {
    let damaged = |reason: &str| CheckpointError::damaged(source.name(), reason);
    let locator = end.checked_sub(20).ok_or_else(|| damaged("no 64-bit directory"))?;
    let mut cursor = Cursor::new(source, locator, end);
    if cursor.array()? != *b"PK\x06\x07" {
        return Err(damaged("no 64-bit directory"));
    }
    cursor.skip(4)?;
    let record = cursor.u64()?;
    let mut cursor = Cursor::new(source, record, end);
    if cursor.array()? != *b"PK\x06\x06" {
        return Err(damaged("no 64-bit directory"));
    }
    cursor.skip(28)?;
    let count = cursor.u64()?;
    Ok((cursor.u64()?, cursor.u64()?, count))
}

fn entry(cursor: &mut Cursor<'_>) -> Result<(String, File), CheckpointError> {
    if cursor.array()? != *b"PK\x01\x02" {
        let reason = format!("no entry of the archive's directory at {}", cursor.at());
        return Err(CheckpointError::damaged(cursor.file(), reason));
    }
    cursor.skip(6)?;
    let method = cursor.u16()?;
    cursor.skip(8)?;
    let (mut packed, mut length) = (u64::from(cursor.u32()?), u64::from(cursor.u32()?));
    let (name, extra, comment) = (cursor.u16()?, cursor.u16()?, cursor.u16()?);
    cursor.skip(8)?;
    let mut header = u64::from(cursor.u32()?);
    let name = cursor.text(name.into(), MAX_NAME)?;
    let end = cursor.enter(extra.into())?;
    while cursor.left() > 0 {
        let (kind, size) = (cursor.u16()?, cursor.u16()?);
        let after = cursor.enter(size.into())?;
        if kind == 1 {
            // What overflowed, in this order.
            for field in [&mut length, &mut packed, &mut header] {
                if *field == FULL {
                    *field = cursor.u64()?;
                }
            }
        }
        cursor.skip(cursor.left())?;
        cursor.leave(after);
    }
    cursor.leave(end);
    cursor.skip(comment.into())?;
    Ok((name, File { header, length, stored: method == 0 && packed == length }))
}
