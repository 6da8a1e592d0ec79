//! Data sets as their authors publish them, each read by one small file behind [`Reader`].
//!
//! [`READERS`] is the table of all; [`find`] says which of them a folder is for, [`read`] hands
//! everything in it on, one picture or conversation at a time. [`mod@reference`] takes the records
//! of the original implementation, which are values and no folders.

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

pub use folder::Folder;
pub use sink::{Conversation, Item, Outcome, Sink};

use crate::error::DataError;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// How deep folders of sources may lie in each other.
const MAX_DEPTH: usize = 3;

/// Reads one published layout.
pub trait Reader: Sync {
    /// Its short name, by which a person chooses it.
    fn name(&self) -> &'static str;
    /// What it reads, in a line.
    fn reads(&self) -> &'static str;
    /// The page that describes the layout.
    fn page(&self) -> &'static str;
    /// Whether the folder has this layout.
    fn finds(&self, folder: &Folder) -> bool;
    /// Hands everything in the folder to the sink; what cannot be used is noted there.
    ///
    /// # Errors
    /// When a file that everything else depends on cannot be read or is not of the format.
    fn read(&self, folder: &Folder, sink: &mut Sink<'_>) -> Result<(), DataError>;
}

/// Every reader; of several that would take a folder, the first is used.
pub static READERS: &[&dyn Reader] = &[
    // Has COCO's file beside its own.
    &refcoco::RefCoco,
    &coco::Coco,
    &yolo::Yolo,
    &cvat::Cvat,
    &voc::Voc,
    &labelme::LabelMe,
    &label_studio::LabelStudio,
    &vqa::Vqa,
    &gqa::Gqa,
    &pope::Pope,
    &osprey::Osprey,
    &llava::Llava,
    &grit::Grit,
];

/// The reader for a folder; none where no layout is known.
///
/// # Errors
/// When the folder cannot be listed.
pub fn find(folder: &Path) -> Result<Option<&'static dyn Reader>, DataError> {
    let folder = Folder::open(folder)?;
    Ok(READERS.iter().copied().find(|reader| reader.finds(&folder)))
}

/// The reader of that name.
pub fn by_name(name: &str) -> Option<&'static dyn Reader> {
    READERS.iter().copied().find(|reader| reader.name() == name)
}

/// The sources in a folder: itself, or those below it, by name.
///
/// # Errors
/// When there is none, or a folder cannot be listed.
pub fn sources(folder: &Path) -> Result<Vec<(PathBuf, &'static dyn Reader)>, DataError> {
    let mut found = Vec::new();
    search(folder, MAX_DEPTH, &mut found)?;
    if found.is_empty() {
        let known: Vec<&str> = READERS.iter().map(|reader| reader.name()).collect();
        return Err(DataError::NoSource { path: folder.into(), known: known.join(", ") });
    }
    Ok(found)
}

fn search(
    path: &Path,
    depth: usize,
    found: &mut Vec<(PathBuf, &'static dyn Reader)>,
) -> Result<(), DataError> {
    let folder = Folder::open(path)?;
    if let Some(reader) = READERS.iter().copied().find(|reader| reader.finds(&folder)) {
        found.push((path.into(), reader));
        return Ok(());
    }
    match depth {
        0 => Ok(()),
        _ => folder.folders().try_for_each(|folder| search(folder, depth - 1, found)),
    }
}

/// Reads one source to its end, or until `take` breaks.
///
/// # Errors
/// When the folder cannot be read as that layout. Entries that cannot be used are no error, see
/// [`Outcome`].
pub fn read(
    folder: &Path,
    reader: &dyn Reader,
    take: &mut dyn FnMut(Item) -> ControlFlow<()>,
) -> Result<Outcome, DataError> {
    let mut sink = Sink::new(take);
    match reader.read(&Folder::open(folder)?, &mut sink) {
        Ok(()) | Err(DataError::Stopped) => Ok(sink.outcome()),
        Err(error) => Err(error),
    }
}
