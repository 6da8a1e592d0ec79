//! What readers hand on, and what they leave out.

use crate::error::DataError;
use crate::photo::Photo;
use crate::wording::WordingSet;
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
    /// The files of the targets' distance maps, in the order of the targets that have one.
    pub depths: Vec<PathBuf>,
}

/// What an entry of a source became: an item, or why it or a part of it is left out.
pub type Event = Result<Item, DataError>;

/// What is wanted of a source.
pub(crate) struct Wanted<'a> {
    /// Whether an entry is wanted, by its number. It is asked for each in order, once.
    pub wants: &'a dyn Fn(u64) -> bool,
    /// The words of questions that the source does not have.
    pub wordings: WordingSet,
    /// Seed of what is drawn.
    pub seed: u64,
}

impl Wanted<'static> {
    /// Everything, in the words of training.
    pub const ALL: Self = Self { wants: &|_| true, wordings: WordingSet::Training, seed: 0 };
}

/// Takes what a reader finds, one after the other, with the number of the entry it comes from.
pub(crate) struct Sink<'a> {
    /// What is wanted.
    pub wanted: &'a Wanted<'a>,
    take: &'a mut dyn FnMut(u64, Event) -> ControlFlow<()>,
    next: u64,
}

impl<'a> Sink<'a> {
    /// A sink that hands on what the wanted entries become; `take` ends the reading by breaking.
    pub fn new(
        wanted: &'a Wanted<'a>,
        take: &'a mut dyn FnMut(u64, Event) -> ControlFlow<()>,
    ) -> Self {
        Self { wanted, take, next: 0 }
    }

    /// The number of the next entry, or none where nobody wants it and it need not be made.
    pub fn entry(&mut self) -> Option<u64> {
        let entry = self.next;
        self.next += 1;
        (self.wanted.wants)(entry).then_some(entry)
    }

    /// Hands on what an entry became.
    ///
    /// # Errors
    /// When no more is wanted.
    pub fn put(&mut self, entry: u64, event: Event) -> Result<(), DataError> {
        match (self.take)(entry, event) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(DataError::Stopped),
        }
    }

    /// Notes an entry that is left out.
    ///
    /// # Errors
    /// When no more is wanted.
    pub fn fault(
        &mut self,
        entry: u64,
        file: &Path,
        place: &str,
        problem: String,
    ) -> Result<(), DataError> {
        let (path, place) = (file.into(), place.into());
        self.put(entry, Err(DataError::Entry { path, place, problem }))
    }

    /// Notes a part of a file that never becomes an item, as an entry of its own.
    ///
    /// # Errors
    /// When no more is wanted.
    pub fn unusable(&mut self, file: &Path, place: &str, problem: &str) -> Result<(), DataError> {
        match self.entry() {
            Some(entry) => self.fault(entry, file, place, problem.into()),
            None => Ok(()),
        }
    }
}

/// What became of a source's entries.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Photos and conversations that were handed on.
    pub kept: usize,
    /// Entries, or parts of entries, that were left out.
    pub dropped: usize,
    /// Why, with place and remedy, for the first ten thousand of them. Where there are more, the
    /// last fault says how many.
    pub faults: Vec<DataError>,
}

impl Outcome {
    pub(crate) fn fault(&mut self, error: DataError) {
        self.dropped += 1;
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(error);
        } else if let Some(DataError::Unlisted { count }) = self.faults.last_mut() {
            *count += 1;
        } else {
            self.faults.push(DataError::Unlisted { count: 1 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_that_are_not_listed_are_counted_in_the_last() {
        let mut outcome = Outcome::default();
        for _ in 0..MOST_FAULTS + 3 {
            outcome.fault(DataError::Stopped);
        }
        assert_eq!((outcome.dropped, outcome.faults.len()), (MOST_FAULTS + 3, MOST_FAULTS + 1));
        let last = outcome.faults.last().unwrap().to_string();
        assert!(last.contains("3 more"), "{last}");
    }
}
