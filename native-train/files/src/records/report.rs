//! A record file checked from end to end.

use super::{DataError, Records, folder_of, load_depths, load_picture};
use rayon::prelude::*;
use refvlm_record::Record;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// Errors that are kept with their text; further ones are only counted.
const KEPT_ERRORS: usize = 1000;
/// Records whose pictures are decoded side by side.
const BATCH: usize = 64;

/// What a record file holds and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Good records.
    pub records: usize,
    /// Turns of good records.
    pub turns: usize,
    /// Prompts of good records.
    pub prompts: usize,
    /// Targets of good records.
    pub targets: usize,
    /// Turns per task name.
    pub tasks: BTreeMap<String, usize>,
    /// Records that are not good.
    pub bad: usize,
    /// The first of these: line and error.
    pub errors: Vec<(usize, String)>,
}

/// Reads every record of a file with its picture and distance maps.
///
/// # Errors
/// Only when the file itself cannot be read or holds no record; bad records are in the report.
pub fn check_file(path: &Path) -> Result<Report, DataError> {
    let mut report = Report::default();
    let mut ids = HashSet::new();
    let mut batch = Vec::new();
    let mut records = Records::open(path)?;
    loop {
        let next = records.next();
        let ended = next.is_none();
        match next {
            Some(Ok((line, record))) => batch.push((line, record)),
            Some(Err(DataError::Read { path, source })) => {
                return Err(DataError::Read { path, source });
            }
            Some(Err(error)) => report.failed(records.line, error.to_string()),
            None => {}
        }
        if batch.len() == BATCH || ended {
            let folder = folder_of(path);
            let problems: Vec<Option<String>> = batch
                .par_iter()
                .map(|(_, record)| files(folder, record).err().map(|e| e.to_string()))
                .collect();
            for ((line, record), problem) in batch.drain(..).zip(problems) {
                let twice = || DataError::Twice { id: record.id.clone() }.to_string();
                let fresh = ids.insert(record.id.clone());
                match problem.or_else(|| (!fresh).then(twice)) {
                    Some(problem) => report.failed(line, problem),
                    None => report.count(&record),
                }
            }
        }
        if ended && report.records + report.bad == 0 {
            return Err(DataError::None { path: path.into() });
        }
        if ended {
            report.errors.sort_by_key(|(line, _)| *line);
            return Ok(report);
        }
    }
}

fn files(folder: &Path, record: &Record) -> Result<(), DataError> {
    load_picture(folder, record)?;
    load_depths(folder, &mut record.clone())
}

impl Report {
    fn failed(&mut self, line: usize, error: String) {
        self.bad += 1;
        if self.errors.len() < KEPT_ERRORS {
            self.errors.push((line, error));
        }
    }

    fn count(&mut self, record: &Record) {
        self.records += 1;
        self.turns += record.turns.len();
        self.prompts += record.prompts.len();
        self.targets += record.targets.len();
        for turn in &record.turns {
            *self.tasks.entry(turn.task.name().into()).or_default() += 1;
        }
    }
}
