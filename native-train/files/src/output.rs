//! What a command writes: refused before the work where it would replace something, and put in
//! place whole.

use crate::files::temporary_name;
use crate::unfinished;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

pub use crate::unfinished::abandon;

/// Why an output is refused. The text names it and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The output is what the command reads.
    #[error("{path}: this is an input of the same command: name another output", path = path.display())]
    Input {
        /// The output.
        path: PathBuf,
    },
    /// Something is there already.
    #[error("{path}: exists already: name another, or give --force to replace it", path = path.display())]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// A folder with something in it.
    #[error(
        "{path}: this folder is not empty: name another, or give --force to write into it",
        path = path.display()
    )]
    Filled {
        /// The output.
        path: PathBuf,
    },
    /// A folder stands where a file is to be written, or the reverse.
    #[error("{path}: this is a {found}, not a {wanted}: name another", path = path.display())]
    Kind {
        /// The output.
        path: PathBuf,
        /// What is there.
        found: &'static str,
        /// What is to be written.
        wanted: &'static str,
    },
    /// Two things are to be written to one place.
    #[error("{path}: two outputs have this name: name another for one of them", path = path.display())]
    Twice {
        /// The output.
        path: PathBuf,
    },
    /// Nothing can be written there.
    #[error("{path}: cannot be written: {source}: check its folder and permissions", path = path.display())]
    Write {
        /// The output.
        path: PathBuf,
        /// The underlying I/O error.
        source: io::Error,
    },
}

/// Checks, before the work, that a file can be written at `path` without replacing one of
/// `inputs` or, unless `force`, any other file. Missing folders are made when it is written.
///
/// # Errors
/// What stands in the way.
pub fn check_file(path: &Path, inputs: &[&Path], force: bool) -> Result<(), OutputError> {
    let (found, wanted) = ("folder", "file");
    if path.is_dir() || path.file_name().is_none() {
        return Err(OutputError::Kind { path: path.into(), found, wanted });
    }
    refuse_inputs(path, inputs)?;
    // A device or a pipe, such as /dev/null, holds nothing that could be lost.
    let exists = fs::symlink_metadata(path).is_ok_and(|data| data.is_file() || data.is_symlink());
    if exists && !force {
        return Err(OutputError::Exists { path: path.into() });
    }
    probe(path)
}

/// [`check_file`] of several outputs, each of which needs a name of its own.
///
/// # Errors
/// What stands in the way of the first that cannot be written.
pub fn check_files(paths: &[&Path], inputs: &[&Path], force: bool) -> Result<(), OutputError> {
    for (at, path) in paths.iter().enumerate() {
        if paths[..at].contains(path) {
            return Err(OutputError::Twice { path: path.into() });
        }
        check_file(path, inputs, force)?;
    }
    Ok(())
}

/// Checks, before the work, that a folder can be written at `path`: absent or empty unless
/// `force`, and none of `inputs`.
///
/// # Errors
/// What stands in the way.
pub fn check_folder(path: &Path, inputs: &[&Path], force: bool) -> Result<(), OutputError> {
    if path.exists() && !path.is_dir() {
        let (found, wanted) = ("file", "folder");
        return Err(OutputError::Kind { path: path.into(), found, wanted });
    }
    refuse_inputs(path, inputs)?;
    let filled = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    if filled && !force {
        return Err(OutputError::Filled { path: path.into() });
    }
    probe(path)
}

/// Checks that `path` is none of `inputs`, under whatever name.
///
/// # Errors
/// When it is one.
pub fn refuse_inputs(path: &Path, inputs: &[&Path]) -> Result<(), OutputError> {
    let Ok(real) = path.canonicalize() else { return Ok(()) };
    match inputs.iter().any(|input| input.canonicalize().is_ok_and(|input| input == real)) {
        true => Err(OutputError::Input { path: path.into() }),
        false => Ok(()),
    }
}

/// Whether the nearest folder that exists takes a file of this name, or the folder of this name that
/// is to be made in it.
fn probe(path: &Path) -> Result<(), OutputError> {
    let above = path.ancestors().skip(1).map(|above| match above.as_os_str().is_empty() {
        true => Path::new("."),
        false => above,
    });
    let failed = |source| OutputError::Write { path: path.into(), source };
    let Some((below, folder)) = above.enumerate().find(|(_, above)| above.exists()) else {
        return Ok(());
    };
    // The name itself, since it may be too long or hold a letter that the disk does not take.
    let name = path.ancestors().nth(below).and_then(Path::file_name);
    let name = name.unwrap_or(OsStr::new(".refvlm-trial"));
    let trial = folder.join(temporary_name(Path::new(name)));
    File::create(&trial).map_err(failed)?;
    fs::remove_file(&trial).map_err(failed)
}

/// A folder that is written under a temporary name beside its place, and put there whole.
/// Dropping it before [`Staging::finish`] takes it away.
#[derive(Debug)]
pub struct Staging {
    place: PathBuf,
    temporary: PathBuf,
    /// The first of the folders above it that did not exist.
    made: Option<PathBuf>,
}

impl Staging {
    /// Begins the folder that is to stand at `place`.
    ///
    /// # Errors
    /// When the temporary folder cannot be made.
    pub fn begin(place: &Path) -> Result<Self, OutputError> {
        let failed = |source| OutputError::Write { path: place.into(), source };
        // `a/.` and `a/` are `a`, which has a name to put the ending behind.
        let place: PathBuf = place.components().collect();
        let temporary = temporary_name(&place);
        let above = temporary.ancestors().skip(1).take_while(|above| !above.as_os_str().is_empty());
        let made = above.take_while(|above| !above.exists()).last().map(Path::to_path_buf);
        fs::create_dir_all(&temporary).map_err(failed)?;
        unfinished::add(made.as_ref().unwrap_or(&temporary));
        Ok(Self { place, temporary, made })
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Puts the folder in its place. Into a folder that is there, the new files are moved one by
    /// one; what else it holds stays.
    ///
    /// # Errors
    /// When a step fails.
    pub fn finish(mut self) -> Result<(), OutputError> {
        let failed = |source| OutputError::Write { path: self.place.clone(), source };
        move_into(&self.temporary, &self.place).map_err(failed)?;
        self.forget();
        self.made = None;
        Ok(())
    }

    fn forget(&self) {
        unfinished::remove(self.made.as_ref().unwrap_or(&self.temporary));
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After `finish` there is nothing left to remove.
        let _ = fs::remove_dir_all(&self.temporary);
        if let Some(made) = &self.made {
            let _ = fs::remove_dir_all(made);
        }
        self.forget();
    }
}

fn move_into(from: &Path, to: &Path) -> io::Result<()> {
    // An empty folder may be replaced by a rename; one with content takes the files one by one.
    if !to.exists() || fs::read_dir(to)?.next().is_none() {
        if to.exists() {
            fs::remove_dir(to)?;
        }
        return fs::rename(from, to);
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => move_into(&entry.path(), &target)?,
            false => fs::rename(entry.path(), target)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_helpers::Folder;

    #[test]
    fn inputs_and_what_exists_are_refused_and_force_replaces_only_the_latter() {
        let folder = Folder::new("guard");
        let photo = folder.file("photo.jpg", b"precious");
        let other = folder.file("other.png", b"old");
        let detour = folder.0.join("./photo.jpg");
        for force in [false, true] {
            let error = check_file(&detour, &[&photo], force).unwrap_err();
            assert!(matches!(error, OutputError::Input { .. }), "{error}");
        }
        let error = check_file(&other, &[&photo], false).unwrap_err();
        assert!(error.to_string().contains("--force"), "{error}");
        check_file(&other, &[&photo], true).unwrap();
        check_file(&folder.0.join("new/a.png"), &[&photo], false).unwrap();
        assert!(matches!(check_file(&folder.0, &[], true), Err(OutputError::Kind { .. })));
        let twice = check_files(&[&other, &other], &[], true);
        assert!(matches!(twice, Err(OutputError::Twice { .. })));
        assert!(matches!(check_folder(&folder.0, &[], false), Err(OutputError::Filled { .. })));
        assert!(matches!(check_folder(&other, &[], true), Err(OutputError::Kind { .. })));
        check_folder(&folder.0, &[], true).unwrap();
        let left = fs::read_dir(&folder.0).unwrap().count();
        assert_eq!(left, 2, "a check left something");
        // A file above: nothing can be made below it, which is found before the work.
        let below = check_file(&other.join("a.png"), &[], false).unwrap_err();
        assert!(matches!(below, OutputError::Write { .. }), "{below}");
        let long = "x".repeat(300);
        for name in [format!("{long}.png"), format!("{long}/new/a.png")] {
            let error = check_file(&folder.0.join(&name), &[], false).unwrap_err();
            assert!(matches!(error, OutputError::Write { .. }), "{name}: {error}");
        }
    }

    #[test]
    fn a_folder_is_whole_or_absent() {
        let folder = Folder::new("staging");
        let place = folder.0.join("deep/set");
        let begun = Staging::begin(&place).unwrap();
        fs::write(begun.path().join("a"), "half").unwrap();
        assert!(!place.exists());
        drop(begun);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
        let write = |name: &str| {
            let staging = Staging::begin(&place).unwrap();
            fs::create_dir(staging.path().join("pictures")).unwrap();
            fs::write(staging.path().join("pictures").join(name), name).unwrap();
            staging.finish().unwrap();
        };
        write("a");
        fs::write(place.join("mine"), "kept").unwrap();
        write("b");
        let names = fs::read_dir(place.join("pictures")).unwrap().count();
        assert_eq!((names, fs::read(place.join("mine")).unwrap()), (2, b"kept".to_vec()));
        assert_eq!(fs::read_dir(folder.0.join("deep")).unwrap().count(), 1);
    }
}
