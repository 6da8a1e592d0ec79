//! Photos of sources, all in memory.

use crate::error::DataError;
use crate::photo::Photo;
use crate::readers::{self, Item};
use std::ops::ControlFlow;
use std::path::Path;

/// Photos of one or more sources.
#[derive(Debug, Default)]
pub struct Collection {
    /// Every usable photo, by source and in the order of its files.
    pub photos: Vec<Photo>,
    /// Entries that were left out, with place and remedy. A photo with a faulty
    /// entry stays, but counts as complete for nothing any more.
    pub faults: Vec<DataError>,
    /// How many were left out; of a source with very many, not all are listed.
    pub dropped: usize,
    /// Conversations, which sources of questions have and which are passed over here:
    /// [`readers::Found::read`] hands them on.
    pub conversations: usize,
}

impl Collection {
    /// Reads a source in any layout of [`readers::READERS`], or every source in a folder, by
    /// name. Pictures are only looked for, not decoded.
    ///
    /// # Errors
    /// When there is no source, or a file cannot be read or is not of the format. Entries that
    /// cannot be used are no error, see [`Collection::faults`].
    pub fn open(folder: &Path) -> Result<Self, DataError> {
        let mut all = Self::default();
        for source in readers::sources(folder)? {
            let mut take = |item| {
                match item {
                    Item::Photo(photo) => all.photos.push(photo),
                    Item::Conversation(_) => all.conversations += 1,
                }
                ControlFlow::Continue(())
            };
            let outcome = source.read(&mut take)?;
            all.faults.extend(outcome.faults);
            all.dropped += outcome.dropped;
        }
        Ok(all)
    }
}
