//! One run folder has one writer: a lock that the system takes back when the process ends, however
//! it ends.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

const LOCK: &str = "lock";
/// The most that is read of what the other process wrote about itself.
const MOST_BYTES: u64 = 256;

/// Why a run's folder cannot be taken.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process trains there.
    #[error(
        "{path}: {holder} trains here; wait until it has ended, stop it (it saves on Ctrl-C), or \
         take another --run", path = path.display()
    )]
    Held {
        /// The run's folder.
        path: PathBuf,
        /// The other process, as it named itself.
        holder: String,
    },
    /// The lock's file cannot be made.
    #[error("{path}: {source}: check free space and permissions", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The underlying I/O error.
        source: std::io::Error,
    },
}

/// The right to write into a run's folder, as long as it lives.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the folder of a run; it is made where it is missing. A file system without locks lets
    /// everyone in.
    ///
    /// # Errors
    /// When another process has it, or the file cannot be made.
    pub fn take(run: &Path) -> Result<Self, LockError> {
        let path = run.join(LOCK);
        let failed = |source| LockError::File { path: path.clone(), source };
        std::fs::create_dir_all(run).map_err(failed)?;
        let mut options = File::options();
        let opened = options.read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let read = Read::take(&mut file, MOST_BYTES).read_to_string(&mut holder);
                let known = read.is_ok() && !holder.trim().is_empty();
                let holder =
                    if known { holder.trim().to_string() } else { "another process".into() };
                return Err(LockError::Held { path: run.into(), holder });
            }
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Only a message is made of it, so a full disk does not matter here.
        let _ = file.set_len(0).and_then(|()| file.rewind());
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = match host.trim() {
            "" => String::new(),
            host => format!(" on {host}"),
        };
        let _ = writeln!(file, "process {}{host}", std::process::id());
        let _ = file.flush();
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_helpers::Folder;

    #[test]
    fn a_folder_has_one_writer_and_the_other_is_named() {
        let folder = Folder::new("lock");
        let first = RunLock::take(&folder.0).unwrap();
        let error = RunLock::take(&folder.0).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        assert!(error.contains("another --run"), "{error}");
        drop(first);
        RunLock::take(&folder.0).unwrap();
    }
}
