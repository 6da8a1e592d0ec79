//! Data sets as their authors publish them, each read by one small file that gives a
//! [`Reader`].
//!
//! [`READERS`] is the table of all; [`find`] says which of them a folder is for, [`Found::read`]
//! hands everything in it on, one picture or conversation at a time. [`mod@reference`] takes the
//! records of the original implementation, which are values and not folders.

mod clevr;
mod coco;
mod cvat;
mod depth;
mod flickr30k;
mod folder;
mod genome;
mod gqa;
mod grit;
mod json;
mod label_studio;
mod labelled;
mod labelme;
mod llava;
mod map;
mod osprey;
mod panoptic;
mod pickle;
mod polygon;
mod pope;
mod refcoco;
pub mod reference;
mod semantic;
mod sink;
mod talk;
mod voc;
mod vqa;
mod xml;
mod yolo;

pub(crate) use sink::Wanted;
pub use sink::{Conversation, Event, Item, Outcome};

use crate::error::DataError;
use folder::Folder;
use sink::Sink;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// How deep folders of sources may lie in each other.
const MAX_DEPTH: usize = 3;

/// A published layout and how it is read.
pub struct Reader {
    /// Its short name, by which a person chooses it.
    pub name: &'static str,
    /// What it reads, in a line.
    pub reads: &'static str,
    /// The page that describes the layout.
    pub page: &'static str,
    /// The files that hold the labels; none where the folder has another layout.
    files: fn(&Folder) -> Vec<PathBuf>,
    /// Hands everything in these files to the sink; what cannot be used is noted there. An error is
    /// a file that everything else depends on and that cannot be read or is not of the format.
    read: fn(&Folder, &[PathBuf], &mut Sink<'_>) -> Result<(), DataError>,
}

/// Every reader; of several that would take a folder, the first is used.
pub static READERS: &[&Reader] = &[
    // Has COCO's file beside its own, and the next one Pascal VOC's.
    &refcoco::READER,
    &flickr30k::READER,
    &coco::READER,
    &yolo::READER,
    &cvat::READER,
    &voc::READER,
    &labelme::READER,
    &label_studio::READER,
    &vqa::READER,
    &gqa::READER,
    &pope::READER,
    &osprey::READER,
    &llava::READER,
    &grit::READER,
    &genome::READER,
    &panoptic::READER,
    &clevr::READER,
    &semantic::READER,
    &depth::READER,
];

/// The reader of that name.
pub fn by_name(name: &str) -> Option<&'static Reader> {
    READERS.iter().copied().find(|reader| reader.name == name)
}

/// A folder with the reader that takes it.
pub struct Found {
    /// How it is read.
    pub reader: &'static Reader,
    folder: Folder,
    files: Vec<PathBuf>,
}

impl Found {
    fn of(folder: Folder, layout: Option<&str>) -> Result<Self, Folder> {
        let named = |reader: &&&Reader| layout.is_none_or(|name| name == reader.name);
        for reader in READERS.iter().filter(named) {
            let files = (reader.files)(&folder);
            if !files.is_empty() {
                return Ok(Self { reader, folder, files });
            }
        }
        Err(folder)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder.path
    }

    /// The source's name, which its records carry.
    pub fn name(&self) -> String {
        self.folder.name()
    }

    /// Keeps only files of labels whose name contains one of these; says whether any are left.
    pub(crate) fn only(&mut self, names: &[String]) -> bool {
        self.files.retain(|path| {
            let file = folder::name_of(path);
            names.iter().any(|name| file.contains(name.as_str()))
        });
        !self.files.is_empty()
    }

    /// Hands on everything in it, until `take` breaks.
    ///
    /// # Errors
    /// When the folder cannot be read as that layout. Entries that cannot be used are not errors,
    /// see [`Outcome`].
    pub fn read(
        &self,
        take: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Result<Outcome, DataError> {
        let mut outcome = Outcome::default();
        self.stream(&Wanted::ALL, &mut |_, event| match event {
            Ok(item) => {
                outcome.kept += 1;
                take(item)
            }
            Err(error) => {
                outcome.fault(error);
                ControlFlow::Continue(())
            }
        })?;
        Ok(outcome)
    }

    /// Hands on what the wanted entries become, with their numbers, until `take` breaks. Numbers
    /// count the source's entries from zero and are the same at every reading of the same files; an
    /// entry can become several events, which follow each other.
    ///
    /// # Errors
    /// As [`Found::read`].
    pub(crate) fn stream(
        &self,
        wanted: &Wanted<'_>,
        take: &mut dyn FnMut(u64, Event) -> ControlFlow<()>,
    ) -> Result<(), DataError> {
        match (self.reader.read)(&self.folder, &self.files, &mut Sink::new(wanted, take)) {
            Err(DataError::Stopped) => Ok(()),
            ended => ended,
        }
    }
}

/// The folder with its reader; none where no layout is known.
///
/// # Errors
/// When the folder cannot be listed.
pub fn find(folder: &Path) -> Result<Option<Found>, DataError> {
    Ok(Found::of(Folder::open(folder)?, None).ok())
}

/// The sources in a folder: itself, or those below it, by name.
///
/// # Errors
/// When there is none, or a folder cannot be listed.
pub fn sources(folder: &Path) -> Result<Vec<Found>, DataError> {
    sources_of(folder, None)
}

/// [`sources`], of one layout only where it is named.
pub(crate) fn sources_of(folder: &Path, layout: Option<&str>) -> Result<Vec<Found>, DataError> {
    let mut found = Vec::new();
    search(folder, layout, MAX_DEPTH, &mut found)?;
    if found.is_empty() {
        let known: Vec<&str> = READERS.iter().map(|reader| reader.name).collect();
        return Err(DataError::NoSource { path: folder.into(), known: known.join(", ") });
    }
    Ok(found)
}

fn search(
    path: &Path,
    layout: Option<&str>,
    depth: usize,
    found: &mut Vec<Found>,
) -> Result<(), DataError> {
    match (Found::of(Folder::open(path)?, layout), depth) {
        (Ok(source), _) => {
            found.push(source);
            Ok(())
        }
        (Err(_), 0) => Ok(()),
        (Err(folder), _) => {
            folder.folders().try_for_each(|folder| search(folder, layout, depth - 1, found))
        }
    }
}

/// Pictures in a folder and below it, sorted.
pub(crate) fn pictures_below(path: &Path) -> Vec<PathBuf> {
    let mut files = folder::below(path, MAX_DEPTH);
    files.retain(|path| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        ending.is_some_and(|ending| folder::PICTURE_ENDINGS.contains(&ending.as_str()))
    });
    files
}
