//! Bytes at given places of a file, without reading the rest of it.

use crate::CheckpointError;
use std::fs::File;
use std::path::Path;

/// A file, or bytes that stand for one.
#[derive(Debug)]
pub struct Source {
    name: String,
    length: u64,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    File(File),
    Memory(Vec<u8>),
}

impl Source {
    /// Opens a file.
    ///
    /// # Errors
    /// When it can't be opened, or is a folder.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let name = path.display().to_string();
        let failed = |source| CheckpointError::File { file: name.clone(), source };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(failed(std::io::ErrorKind::IsADirectory.into()));
        }
        Ok(Self { length: metadata.len(), name, bytes: Bytes::File(file) })
    }

    /// Bytes under the name that errors give.
    pub fn memory(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), length: bytes.len() as u64, bytes: Bytes::Memory(bytes) }
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Fills `out` with the bytes at `at`.
    ///
    /// # Errors
    /// When there are not so many, or the file can't be read.
    pub fn read_at(&self, at: u64, out: &mut [u8]) -> Result<(), CheckpointError> {
        self.check(at, out.len() as u64)?;
        match &self.bytes {
            Bytes::File(file) => read_exact_at(file, out, at)
                .map_err(|source| CheckpointError::File { file: self.name.clone(), source }),
            Bytes::Memory(bytes) => {
                let begin = usize::try_from(at).unwrap_or(usize::MAX);
                match bytes.get(begin..).and_then(|rest| rest.get(..out.len())) {
                    Some(found) => out.copy_from_slice(found),
                    None => return Err(self.truncated(at, out.len() as u64)),
                }
                Ok(())
            }
        }
    }

    /// The `need` bytes at `at`; allocates no more than the file has.
    pub(crate) fn read_vec(&self, at: u64, need: u64) -> Result<Vec<u8>, CheckpointError> {
        self.check(at, need)?;
        let mut bytes = vec![0; usize::try_from(need).unwrap_or(usize::MAX)];
        self.read_at(at, &mut bytes)?;
        Ok(bytes)
    }

    /// Whether the file has `need` bytes at `at`.
    pub(crate) fn check(&self, at: u64, need: u64) -> Result<(), CheckpointError> {
        match at.checked_add(need) {
            Some(end) if end <= self.length => Ok(()),
            _ => Err(self.truncated(at, need)),
        }
    }

    fn truncated(&self, at: u64, need: u64) -> CheckpointError {
        CheckpointError::Truncated { file: self.name.clone(), at, need, length: self.length }
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, out: &mut [u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, at)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut out: &mut [u8], mut at: u64) -> std::io::Result<()> {
    while !out.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, out, at)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => {
                out = &mut out[n..];
                at += n as u64;
            }
        }
    }
    Ok(())
}

/// Bytes that a cursor reads ahead: enough that small fields cost no system call each.
const WINDOW: usize = 1 << 16;

/// A place in a source that moves forward as fields are read.
pub(crate) struct Cursor<'a> {
    source: &'a Source,
    at: u64,
    end: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl<'a> Cursor<'a> {
    /// The bytes `begin..end` of the source.
    pub fn new(source: &'a Source, begin: u64, end: u64) -> Self {
        let end = end.min(source.length);
        Self { source, at: begin, end, window: vec![], window_at: 0 }
    }

    pub fn at(&self) -> u64 {
        self.at
    }

    pub fn left(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }

    pub fn file(&self) -> &str {
        &self.source.name
    }

    /// Lets only the next `length` bytes be read, until [`Cursor::leave`] gets back what this gives.
    pub fn enter(&mut self, length: u64) -> Result<u64, CheckpointError> {
        self.need(length)?;
        Ok(std::mem::replace(&mut self.end, self.at + length))
    }

    pub fn leave(&mut self, end: u64) {
        self.end = end;
    }

    fn need(&self, count: u64) -> Result<(), CheckpointError> {
        if count <= self.left() {
            return Ok(());
        }
        Err(self.source.truncated(self.at, count))
    }

    pub fn skip(&mut self, count: u64) -> Result<(), CheckpointError> {
        self.need(count)?;
        self.at += count;
        Ok(())
    }

    pub fn fill(&mut self, out: &mut [u8]) -> Result<(), CheckpointError> {
        self.need(out.len() as u64)?;
        if out.len() > WINDOW {
            self.source.read_at(self.at, out)?;
        } else {
            let inside = |window: &[u8], window_at: u64, at: u64| {
                let begin = usize::try_from(at.checked_sub(window_at)?).ok()?;
                (begin.checked_add(out.len())? <= window.len()).then_some(begin)
            };
            let begin = match inside(&self.window, self.window_at, self.at) {
                Some(begin) => begin,
                None => {
                    let ahead = self.source.length - self.at;
                    self.window.resize((WINDOW as u64).min(ahead) as usize, 0);
                    self.source.read_at(self.at, &mut self.window)?;
                    self.window_at = self.at;
                    0
                }
            };
            out.copy_from_slice(&self.window[begin..begin + out.len()]);
        }
        self.at += out.len() as u64;
        Ok(())
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], CheckpointError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub fn u8(&mut self) -> Result<u8, CheckpointError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub fn u16(&mut self) -> Result<u16, CheckpointError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Result<u32, CheckpointError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64, CheckpointError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Text of `count` bytes, at most `limit`.
    pub fn text(&mut self, count: u64, limit: u64) -> Result<String, CheckpointError> {
        if count > limit {
            return Err(CheckpointError::too_much(self.file(), "bytes of text", count, limit));
        }
        String::from_utf8(self.bytes(count)?).map_err(|e| CheckpointError::damaged(self.file(), e))
    }

    /// `count` bytes, for which nothing is allocated unless they are there.
    pub fn bytes(&mut self, count: u64) -> Result<Vec<u8>, CheckpointError> {
        self.need(count)?;
        let mut bytes = vec![0; count as usize];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}
