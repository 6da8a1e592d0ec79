//! Folders of files: read, copied, hashed, replaced as a whole.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tools::Fallible;

/// FNV-1a over names and contents: it tells builds apart, and guards nothing.
pub fn hash_of(folder: &Path, files: &[PathBuf]) -> Fallible<String> {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for file in files {
        let bytes = fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let name = file.strip_prefix(folder).unwrap_or(file).to_string_lossy().into_owned();
        for byte in name.bytes().chain([0]).chain(bytes) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    Ok(format!("{hash:016x}"))
}

/// Every file below a folder, in order of their names.
pub fn files_in(folder: &Path) -> Fallible<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| format!("{}: {e}", folder.display()))?.path();
        if path.is_dir() { files.extend(files_in(&path)?) } else { files.push(path) }
    }
    files.sort();
    Ok(files)
}

/// A file or a whole folder; nothing happens when it does not exist.
pub fn copy(from: &Path, to: &Path) -> Fallible<()> {
    if from.is_dir() {
        for file in files_in(from)? {
            let name = file.strip_prefix(from).unwrap_or(&file);
            copy(&file, &to.join(name))?;
        }
    } else if from.is_file() {
        let bytes = fs::read(from).map_err(|e| format!("{}: {e}", from.display()))?;
        write(to, &bytes)?;
    }
    Ok(())
}

pub fn write(path: &Path, bytes: &[u8]) -> Fallible<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    fs::write(path, bytes).map_err(|e| format!("{}: {e}", path.display()))
}

pub fn remove(folder: &Path) -> Fallible<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Puts a complete folder in the place of an old one.
pub fn replace(fresh: &Path, old: &Path) -> Fallible<()> {
    remove(old)?;
    fs::rename(fresh, old).map_err(|e| format!("{}: {e}", old.display()))
}
