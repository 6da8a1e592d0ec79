//! What became of a source's entries while it is built: kept and dropped, with reasons, add up to
//! what was read.

use super::make::Sample;
use crate::error::DataError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Faults of a source that are kept with their text; the rest are counted.
const MOST_LISTED: usize = 100;

/// How far a build is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Draws of a source so far.
    pub draws: u64,
    /// The sources that are there, in the order of the recipe.
    pub sources: Vec<SourceState>,
}

/// How far a source is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceState {
    /// The source's name.
    pub name: String,
    /// The first entry that was not yet taken.
    pub position: u64,
    /// Whether it is used up.
    pub done: bool,
    /// What became of its entries.
    pub tally: Tally,
}

/// What became of the entries of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Entries.
    pub read: u64,
    /// Entries that became records.
    pub kept: u64,
    /// Entries that did not, by the reason.
    pub dropped: BTreeMap<String, u64>,
    /// Labels that were left out of entries that were kept.
    pub labels_left_out: u64,
    /// Records that entries became.
    pub records: u64,
    /// Their turns.
    pub turns: u64,
    /// The first hundred faults.
    pub faults: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} entries, of which {} became {} records with {} turns",
            self.read, self.kept, self.records, self.turns
        )?;
        for (reason, count) in &self.dropped {
            write!(f, "; left out: {count} {reason}")?;
        }
        match self.labels_left_out {
            0 => Ok(()),
            count => write!(f, "; of those kept, {count} labels were left out"),
        }
    }
}

impl Tally {
    pub(super) fn note(&mut self, faults: &[DataError]) {
        let room = MOST_LISTED.saturating_sub(self.faults.len());
        self.faults.extend(faults.iter().take(room).map(ToString::to_string));
    }

    pub(super) fn drop(&mut self, reason: &str) {
        self.read += 1;
        *self.dropped.entry(reason.into()).or_default() += 1;
    }

    pub(super) fn keep(&mut self, samples: &[Sample], faults: usize) {
        self.read += 1;
        self.kept += 1;
        self.labels_left_out += faults as u64;
        self.records += samples.len() as u64;
        self.turns += samples.iter().map(|sample| sample.record.turns.len() as u64).sum::<u64>();
    }

    /// Adds another part's.
    pub fn add(&mut self, other: &Tally) {
        self.read += other.read;
        self.kept += other.kept;
        for (reason, count) in &other.dropped {
            *self.dropped.entry(reason.clone()).or_default() += count;
        }
        self.labels_left_out += other.labels_left_out;
        self.records += other.records;
        self.turns += other.turns;
        let room = MOST_LISTED.saturating_sub(self.faults.len());
        self.faults.extend(other.faults.iter().take(room).cloned());
    }
}
