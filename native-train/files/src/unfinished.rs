//! What is being written, so that an interrupted program can take it away.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Lists a file or folder that is not whole yet.
pub(crate) fn add(path: &Path) {
    if let Ok(mut list) = UNFINISHED.lock() {
        list.push(path.into());
    }
}

/// Takes it off the list: it is whole, or gone.
pub(crate) fn remove(path: &Path) {
    if let Ok(mut list) = UNFINISHED.lock() {
        list.retain(|listed| listed != path);
    }
}

/// Takes away what is half written; for the moment before an interrupted program ends.
pub fn abandon() {
    for path in UNFINISHED.lock().map(|mut list| std::mem::take(&mut *list)).unwrap_or_default() {
        // Nothing more can be done about what will not go.
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
}
