//! What readers hand on, and what they leave out.

use crate::error::DataError;
use crate::photo::Photo;
use refvlm_record::Record;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Faults that are kept with their text; the rest are counted.
const MOST_FAULTS: usize = 10_000;

/// Something that a source holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A picture with what is labelled in it.
    Photo(Photo),
    /// A picture with questions and answers.
    Conversation(Conversation),
}

/// Questions and answers about a picture, as the source has them.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// The record; `image.path` is the name that the picture is to have below the record file.
    pub record: Record,
    /// The picture's file in the source.
    pub picture: PathBuf,
}

/// Takes what a reader finds, one after the other. Every entry of a source ends here as kept or
/// as dropped with its reason.
pub struct Sink<'a> {
    take: &'a mut dyn FnMut(Item) -> ControlFlow<()>,
    faults: Vec<DataError>,
    kept: usize,
    dropped: usize,
}

/// What became of a source's entries.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Photos and conversations that were handed on.
    pub kept: usize,
    /// Entries that were left out.
    pub dropped: usize,
    /// Why, with place and remedy, for the first ten thousand of them.
    pub faults: Vec<DataError>,
}

impl<'a> Sink<'a> {
    /// A sink that hands everything to `take`, which ends the reading by breaking.
    pub fn new(take: &'a mut dyn FnMut(Item) -> ControlFlow<()>) -> Self {
        Self { take, faults: Vec::new(), kept: 0, dropped: 0 }
    }

    /// What became of the entries so far.
    pub fn outcome(self) -> Outcome {
        Outcome { kept: self.kept, dropped: self.dropped, faults: self.faults }
    }

    pub(crate) fn photo(&mut self, photo: Photo) -> Result<(), DataError> {
        self.keep(Item::Photo(photo))
    }

    /// Hands a conversation on if its record is sound, else notes what is wrong with it.
    pub(crate) fn conversation(
        &mut self,
        file: &Path,
        place: &str,
        conversation: Conversation,
    ) -> Result<(), DataError> {
        match conversation.record.check() {
            Ok(()) => self.keep(Item::Conversation(conversation)),
            Err(e) => {
                self.fault(file, place.into(), e.to_string());
                Ok(())
            }
        }
    }

    fn keep(&mut self, item: Item) -> Result<(), DataError> {
        self.kept += 1;
        match (self.take)(item) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(DataError::Stopped),
        }
    }

    /// Notes an entry that is left out.
    pub(crate) fn fault(&mut self, file: &Path, place: String, problem: String) {
        self.error(DataError::Entry { path: file.into(), place, problem });
    }

    /// Notes a file that is left out.
    pub(crate) fn error(&mut self, error: DataError) {
        self.dropped += 1;
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(error);
        }
    }
}
