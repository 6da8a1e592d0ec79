//! Records as an evaluation takes them: those of one picture together, turn by turn.

use refvlm_native::evaluate::{Sample, turns_of};
use refvlm_native::picture::Picture;
use refvlm_native::records::{DataError, load_depths, load_picture};
use refvlm_record::{Record, Task};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::iter::Peekable;
use std::path::Path;

/// Most records of one picture that are taken together, which bounds what waits in memory.
const MOST_TOGETHER: usize = 256;

/// Groups of records that follow each other and are of one picture; a damaged record alone. Answers
/// are told apart by their record's id, so a second record of an id is an error.
pub(super) struct Groups<I: Iterator> {
    records: Peekable<I>,
    ids: HashSet<String>,
}

impl<I: Iterator<Item = Result<(usize, Record), DataError>>> Groups<I> {
    pub(super) fn new(records: I) -> Self {
        Self { records: records.peekable(), ids: HashSet::new() }
    }
}

impl<I: Iterator<Item = Result<(usize, Record), DataError>>> Iterator for Groups<I> {
    type Item = Result<Vec<Record>, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = match self.records.next()? {
            Ok((_, record)) => record,
            Err(error) => return Some(Err(error)),
        };
        if !self.ids.insert(first.id.clone()) {
            return Some(Err(DataError::Twice { id: first.id }));
        }
        let mut group = vec![first];
        while group.len() < MOST_TOGETHER {
            let (image, ids) = (&group[0].image, &self.ids);
            let fits = |next: &Result<(usize, Record), DataError>| {
                let Ok((_, record)) = next else { return false };
                record.image == *image && !ids.contains(&record.id)
            };
            let Some(Ok((_, record))) = self.records.next_if(fits) else { break };
            self.ids.insert(record.id.clone());
            group.push(record);
        }
        Some(Ok(group))
    }
}

/// How a group is loaded.
pub(super) struct Load<'a> {
    /// The folder of the record file.
    pub folder: &'a Path,
    /// Tasks whose turns are asked; all where empty.
    pub tasks: Vec<Task>,
}

impl Load<'_> {
    /// The picture of a group, and its turns.
    pub(super) fn samples(
        &self,
        group: Result<Vec<Record>, DataError>,
    ) -> Result<(Picture, Vec<Sample>), DataError> {
        let records = group?;
        let Some(first) = records.first() else {
            return Err(DataError::None { path: self.folder.into() });
        };
        let picture = load_picture(self.folder, first)?;
        let mut samples = Vec::new();
        let wanted = |task| self.tasks.is_empty() || self.tasks.contains(&task);
        for mut record in records {
            load_depths(self.folder, &mut record)?;
            samples.extend(turns_of(record, wanted));
        }
        Ok((picture, samples))
    }
}

/// The tasks of these names.
pub(super) fn tasks_of(names: &[String]) -> Result<Vec<Task>, String> {
    let task = |name: &String| {
        Task::ALL.into_iter().find(|task| task.name() == name.trim()).ok_or_else(|| {
            let all: Vec<&str> = Task::ALL.iter().map(|task| task.name()).collect();
            format!("--tasks: there is no task {name}; these are: {}", all.join(", "))
        })
    };
    names.iter().map(task).collect()
}

/// Lines of a file, for a bar with the time that is left.
pub(super) fn line_count(path: &Path) -> Result<u64, DataError> {
    let failed = |source: io::Error| DataError::Read { path: path.into(), source };
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    let mut lines = 0;
    loop {
        let bytes = reader.fill_buf().map_err(failed)?;
        if bytes.is_empty() {
            return Ok(lines);
        }
        lines += bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let length = bytes.len();
        reader.consume(length);
    }
}
