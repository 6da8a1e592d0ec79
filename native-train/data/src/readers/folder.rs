//! A folder as its authors published it: which files it has, what they begin with, and where the
//! pictures are.

use crate::error::DataError;
use image::ImageReader;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;

/// Bytes of a file that are looked at to know its form.
const HEAD_BYTES: u64 = 1 << 16;
/// Files whose beginning is looked at.
const MOST_HEADS: usize = 64;
/// Folders below the source in which pictures are looked for.
const MOST_ROOTS: usize = 256;
/// Pictures whose place and size are remembered.
const MOST_REMEMBERED: usize = 1 << 20;
/// Endings of pictures, for names without one.
pub(crate) const PICTURE_ENDINGS: [&str; 5] = ["jpg", "png", "jpeg", "webp", "JPG"];

/// A folder and the names in it.
#[derive(Debug)]
pub struct Folder {
    /// The folder.
    pub path: PathBuf,
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    /// Files in `annotations`.
    inner: OnceCell<Vec<PathBuf>>,
    heads: OnceCell<Vec<(PathBuf, String)>>,
}

impl Folder {
    /// Lists a folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let failed = |source| DataError::Read { path: path.into(), source };
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
            // Links are followed.
            let is_folder = kind.is_dir() || kind.is_symlink() && path.is_dir();
            if is_folder { folders.push(path) } else { files.push(path) }
        }
        files.sort();
        folders.sort();
        Ok(Self {
            path: path.into(),
            files,
            folders,
            inner: OnceCell::new(),
            heads: OnceCell::new(),
        })
    }

    /// The folder's name, links followed.
    pub(crate) fn name(&self) -> String {
        let real = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        real.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// Whether a file or folder of this name is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.path.join(name).exists()
    }

    /// Files right in it, sorted.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path)
    }

    /// Folders right in it, sorted.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.iter().map(PathBuf::as_path)
    }

    /// Files right in it or in `annotations`, whose name the test accepts.
    pub(crate) fn named(&self, test: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let inner = self.inner.get_or_init(|| below(&self.path.join("annotations"), 0));
        let files = self.files.iter().chain(inner);
        files.filter(|path| test(&name_of(path))).cloned().collect()
    }

    /// Files of JSON right in it or in `annotations` that hold each of `marks` near their
    /// beginning.
    pub(crate) fn json_with(&self, marks: &[&str]) -> Vec<PathBuf> {
        let heads = self.heads.get_or_init(|| {
            let json = |name: &str| name.ends_with(".json") || name.ends_with(".jsonl");
            let files = self.named(json).into_iter().take(MOST_HEADS);
            files.filter_map(|path| Some((path.clone(), head(&path)?))).collect()
        });
        let holds = |head: &String| marks.iter().all(|mark| head.contains(mark));
        heads.iter().filter(|(_, head)| holds(head)).map(|(path, _)| path.clone()).collect()
    }

    /// Where its pictures are.
    pub(crate) fn pictures(&self) -> Pictures {
        let mut roots = vec![self.path.join("images"), self.path.clone()];
        let inner = |path: &Path| Folder::open(path).map(|f| f.folders).unwrap_or_default();
        for folder in &self.folders {
            roots.push(folder.clone());
            roots.extend(inner(folder));
        }
        roots.truncate(MOST_ROOTS);
        Pictures { roots, known: Mutex::default() }
    }
}

/// Files in a folder and, to that depth, in those below it, sorted; none where there is no folder.
pub(crate) fn below(path: &Path, depth: usize) -> Vec<PathBuf> {
    let Ok(folder) = Folder::open(path) else { return Vec::new() };
    let mut files = folder.files;
    if depth > 0 {
        files.extend(folder.folders.iter().flat_map(|folder| below(folder, depth - 1)));
    }
    files
}

/// The last part of a path.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The last part of a path without its ending.
pub(crate) fn stem_of(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn head(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(HEAD_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Finds pictures by the names that files call them by.
#[derive(Debug)]
pub(crate) struct Pictures {
    roots: Vec<PathBuf>,
    known: Mutex<HashMap<PathBuf, [u32; 2]>>,
}

impl Pictures {
    /// The picture of that name, which may have folders in it: in `images`, in the source's
    /// folder, or in a folder below these.
    ///
    /// # Errors
    /// When there is none, or the name leaves the folder.
    pub fn find(&self, name: &str) -> Result<PathBuf, String> {
        // Names that Windows wrote.
        let name = name.replace('\\', "/");
        let relative = Path::new(name.trim_start_matches("./"));
        let inside = relative.components().all(|c| matches!(c, Component::Normal(_)));
        if name.is_empty() || !inside {
            return Err(format!("the picture's name '{name}' leaves the folder; correct it"));
        }
        let found = self.roots.iter().map(|root| root.join(relative)).find(|path| path.is_file());
        found.ok_or_else(|| {
            let folder = self.roots.get(1).map(|root| root.display().to_string());
            let folder = folder.unwrap_or_default();
            format!("no picture '{name}' in {folder} or below; restore it or remove the entry")
        })
    }

    /// The picture of that name with any usual ending.
    ///
    /// # Errors
    /// When there is none.
    pub fn find_stem(&self, stem: &str) -> Result<PathBuf, String> {
        let named = PICTURE_ENDINGS.iter().map(|ending| format!("{stem}.{ending}"));
        named.filter_map(|name| self.find(&name).ok()).next().ok_or_else(|| {
            format!("no picture '{stem}' with a usual ending; restore it or remove the entry")
        })
    }

    /// The JPEG of that name: where maps of classes are PNG of the same name.
    ///
    /// # Errors
    /// When there is none.
    pub fn find_jpeg(&self, stem: &str) -> Result<PathBuf, String> {
        let found = ["jpg", "jpeg", "JPG"].iter().map(|ending| format!("{stem}.{ending}"));
        let none = || format!("no picture '{stem}.jpg'; restore it or remove the map");
        found.filter_map(|name| self.find(&name).ok()).next().ok_or_else(none)
    }

    /// Columns and rows of a picture, from the beginning of its file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn size(&self, path: &Path) -> Result<[u32; 2], String> {
        if let Some(size) = self.known.lock().ok().and_then(|known| known.get(path).copied()) {
            return Ok(size);
        }
        let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
        let size = reader.map_err(|e| e.to_string()).and_then(|reader| {
            reader.into_dimensions().map(|(w, h)| [w, h]).map_err(|e| e.to_string())
        });
        let size = size.map_err(|e| format!("{}: {e}; replace the picture", path.display()))?;
        if let Ok(mut known) = self.known.lock() {
            if known.len() >= MOST_REMEMBERED {
                known.clear();
            }
            known.insert(path.into(), size);
        }
        Ok(size)
    }

    /// The picture's place below the source, as one word that a file can have.
    pub fn word(&self, path: &Path) -> String {
        let root = self.roots.get(1).and_then(|root| path.strip_prefix(root).ok());
        let word = root.unwrap_or(path).with_extension("").to_string_lossy().into_owned();
        word.replace(['/', '\\', ' '], "-")
    }
}
