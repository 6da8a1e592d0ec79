//! Data sets as their authors publish them, each read by one small file that gives a
//! [`Reader`].
//!
//! [`READERS`] is the table of all; [`find`] says which of them a folder is for, [`Found::read`]
//! hands everything in it on, one picture or conversation at a time. [`mod@reference`] takes the
//! records of the original implementation, which are values and not folders.

mod coco;
mod cvat;
mod folder;
mod gqa;
mod grit;
mod json;
mod label_studio;
mod labelled;
mod labelme;
mod llava;
mod osprey;
mod pickle;
mod polygon;
mod pope;
mod refcoco;
pub mod reference;
mod sink;
mod talk;
mod voc;
mod vqa;
mod xml;
mod yolo;

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
    // Has COCO's file beside its own.
    &refcoco::READER,
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
    fn of(folder: Folder) -> Result<Self, Folder> {
        for reader in READERS {
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
        self.stream(&|_| true, &mut |_, event| match event {
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

    /// Hands on what the entries that `wants` names by their numbers become, with these numbers,
    /// until `take` breaks. Numbers count the source's entries from zero and are the same at every
    /// reading of the same files; an entry can become several events.
    ///
    /// # Errors
    /// As [`Found::read`].
    pub fn stream(
        &self,
        wants: &dyn Fn(u64) -> bool,
        take: &mut dyn FnMut(u64, Event) -> ControlFlow<()>,
    ) -> Result<(), DataError> {
        match (self.reader.read)(&self.folder, &self.files, &mut Sink::new(wants, take)) {
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
    Ok(Found::of(Folder::open(folder)?).ok())
}

/// The sources in a folder: itself, or those below it, by name.
///
/// # Errors
/// When there is none, or a folder cannot be listed.
pub fn sources(folder: &Path) -> Result<Vec<Found>, DataError> {
    let mut found = Vec::new();
    search(folder, MAX_DEPTH, &mut found)?;
    if found.is_empty() {
        let known: Vec<&str> = READERS.iter().map(|reader| reader.name).collect();
        return Err(DataError::NoSource { path: folder.into(), known: known.join(", ") });
    }
    Ok(found)
}

fn search(path: &Path, depth: usize, found: &mut Vec<Found>) -> Result<(), DataError> {
    match (Found::of(Folder::open(path)?), depth) {
        (Ok(source), _) => {
            found.push(source);
            Ok(())
        }
        (Err(_), 0) => Ok(()),
        (Err(folder), _) => {
            folder.folders().try_for_each(|folder| search(folder, depth - 1, found))
        }
    }
}
