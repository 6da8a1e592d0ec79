//! Files that are either complete or absent, and their hashes.

use crate::unfinished;
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes `bytes` to `path` under a temporary name beside it, syncs, and renames, so that what
/// was there before stays until the new file is complete. Missing folders are made. A device or a
/// pipe is written to as it is.
///
/// # Errors
/// The first failing step; the temporary file is removed then.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_atomic_with(path, |file| file.write_all(bytes))
}

/// [`write_atomic`] for content that is produced piece by piece.
///
/// # Errors
/// The first failing step, `write` included; the temporary file is removed then.
pub fn write_atomic_with(
    path: &Path,
    write: impl FnOnce(&mut io::BufWriter<Whole>) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = io::BufWriter::new(Whole::begin(path)?);
    write(&mut file)?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.finish()
}

/// A file that is written under a temporary name beside its own, which it gets when it is complete.
/// Dropped before [`Whole::finish`], or when the program is interrupted, it is removed. A device or a
/// pipe is written to as it is: a rename would put a file in its place.
#[derive(Debug)]
pub struct Whole {
    path: PathBuf,
    /// None once the file has its name, and of a device.
    temporary: Option<PathBuf>,
    file: File,
}

impl Whole {
    /// Begins the file that is to stand at `path`; missing folders are made.
    ///
    /// # Errors
    /// When a folder or the temporary file cannot be made.
    pub fn begin(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        if fs::metadata(path).is_ok_and(|data| !data.is_file() && !data.is_dir()) {
            let file = File::options().write(true).open(path)?;
            return Ok(Self { path: path.into(), temporary: None, file });
        }
        let temporary = temporary_name(path);
        unfinished::add(&temporary);
        match File::create(&temporary) {
            Ok(file) => Ok(Self { path: path.into(), temporary: Some(temporary), file }),
            Err(error) => {
                unfinished::remove(&temporary);
                Err(error)
            }
        }
    }

    /// Waits until the content is on the disk, then gives the file its name. What was there before
    /// stays until then.
    ///
    /// # Errors
    /// When a step fails; the temporary file is removed then.
    pub fn finish(mut self) -> io::Result<()> {
        let Some(temporary) = &self.temporary else { return self.file.flush() };
        self.file.sync_all()?;
        fs::rename(temporary, &self.path)?;
        unfinished::remove(temporary);
        self.temporary = None;
        Ok(())
    }
}

impl Write for Whole {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // The first error is the one to report.
            let _ = fs::remove_file(temporary);
            unfinished::remove(temporary);
        }
    }
}

/// The sha-256 of what a reader gives, in lower-case hexadecimal.
///
/// # Errors
/// When it can't be read.
pub fn sha256(mut reader: impl Read) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The process id keeps two runs that write the same target apart.
pub(crate) fn temporary_name(path: &Path) -> PathBuf {
    // Two threads may write the same file at once: each renames its own.
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    let number = WRITES.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}.{number}.tmp", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_write_one_file_do_not_get_in_each_others_way() {
        let folder = std::env::temp_dir().join(format!("refvlm-writes-{}", std::process::id()));
        let path = folder.join("c.txt");
        std::thread::scope(|scope| {
            let write = || (0..40).for_each(|_| write_atomic(&path, &[7; 4096]).unwrap());
            (0..4).for_each(|_| drop(scope.spawn(write)));
        });
        assert_eq!(fs::read(&path).unwrap(), [7; 4096]);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }

    /// The device stays one, and its fault is told.
    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        use std::os::unix::fs::FileTypeExt;
        write_atomic(Path::new("/dev/null"), b"gone").unwrap();
        assert!(write_atomic(Path::new("/dev/full"), b"too much").is_err());
        for device in ["/dev/null", "/dev/full"] {
            assert!(fs::metadata(device).unwrap().file_type().is_char_device(), "{device}");
        }
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = std::env::temp_dir().join(format!("refvlm-files-{}", std::process::id()));
        let path = folder.join("a/b.txt");
        write_atomic(&path, b"old").unwrap();
        let failed = write_atomic_with(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.join("a")).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
