//! A file of answers, one line each: what `refvlm score` reads, and from which an evaluation that
//! was ended goes on.

use crate::metrics::Answer;
use refvlm_model::event::Timings;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use thiserror::Error;

/// Why a file of answers cannot be used.
#[derive(Debug, Error)]
pub enum AnswersError {
    /// The file cannot be read or written.
    #[error("{path}: {source}: check free space and permissions", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The underlying I/O error.
        source: io::Error,
    },
    /// A line is no answer.
    #[error(
        "{path}:{line}: not an answer that `refvlm eval` wrote: {problem}: name another file, or \
         take the line out to ask again",
        path = path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, from one.
        line: usize,
        /// What is wrong with it.
        problem: serde_json::Error,
    },
    /// A line is of another model.
    #[error(
        "{path}:{line}: another model ({found}) gave this answer: name another file for this one",
        path = path.display()
    )]
    Model {
        /// The file.
        path: PathBuf,
        /// Number of the line, from one.
        line: usize,
        /// What the line says of its model.
        found: String,
    },
}

/// An answer with what it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The record's id, with `#2` behind it for the second turn and so on, and the kind of question.
    pub id: String,
    /// Which model gave it; set when it is written.
    #[serde(default)]
    pub model: String,
    /// The kind of question.
    pub kind: String,
    /// The words as a person reads them.
    pub answer: String,
    /// The answer with what it found.
    pub given: Answer,
    /// How long it took; none where it broke off.
    pub timings: Option<Timings>,
}

/// The file, and what stood in it when it was opened.
#[derive(Debug)]
pub struct AnswerFile {
    path: PathBuf,
    model: String,
    known: HashMap<String, Said>,
    file: Mutex<File>,
}

impl AnswerFile {
    /// An empty file in the place of whatever is there, for the answers of the model that is called
    /// `model`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path, model: &str) -> Result<Self, AnswersError> {
        let file = File::create(path).map_err(failed(path))?;
        Ok(Self::of(path, model, HashMap::new(), file))
    }

    fn of(path: &Path, model: &str, known: HashMap<String, Said>, file: File) -> Self {
        Self { path: path.into(), model: model.into(), known, file: Mutex::new(file) }
    }

    /// Goes on with the file where it is there. A last line without an end was being written when
    /// the evaluation was ended; it is taken off.
    ///
    /// # Errors
    /// When it cannot be read and written, or holds something else or answers of another model.
    pub fn resume(path: &Path, model: &str) -> Result<Self, AnswersError> {
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false).open(path);
        let mut file = opened.map_err(failed(path))?;
        let mut known = HashMap::new();
        let (mut whole, mut bytes) = (0, Vec::new());
        let mut reader = BufReader::new(&file);
        for line in 1.. {
            bytes.clear();
            let length = reader.read_until(b'\n', &mut bytes).map_err(failed(path))?;
            if length == 0 || bytes.last() != Some(&b'\n') {
                break;
            }
            let said: Said = serde_json::from_slice(&bytes)
                .map_err(|problem| AnswersError::Line { path: path.into(), line, problem })?;
            if said.model != model {
                return Err(AnswersError::Model { path: path.into(), line, found: said.model });
            }
            known.insert(said.id.clone(), said);
            whole += length as u64;
        }
        drop(reader);
        file.set_len(whole).map_err(failed(path))?;
        file.seek(SeekFrom::End(0)).map_err(failed(path))?;
        Ok(Self::of(path, model, known, file))
    }

    /// Answers that stood in the file.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// The answer of this id, where one stood in the file.
    pub(crate) fn get(&self, id: &str) -> Option<&Said> {
        self.known.get(id)
    }

    /// Adds an answer of the file's model, whole or not at all as far as the system can tell.
    pub(crate) fn put(&self, said: &mut Said) -> Result<(), AnswersError> {
        said.model.clone_from(&self.model);
        let mut line =
            serde_json::to_vec(said).map_err(|e| failed(&self.path)(io::Error::other(e)))?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).map_err(failed(&self.path))
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> AnswersError {
    let path = path.to_path_buf();
    move |source| AnswersError::File { path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_helpers::Folder;

    fn said(id: &str) -> Said {
        let given = Answer { text: "two".into(), ..Answer::default() };
        Said {
            id: id.into(),
            model: String::new(),
            kind: "vqa".into(),
            answer: "two".into(),
            given,
            timings: None,
        }
    }

    #[test]
    fn what_stands_there_is_known_and_half_a_line_is_taken_off() {
        let folder = Folder::new("answers");
        let path = folder.0.join("a.jsonl");
        let file = AnswerFile::create(&path, "m").unwrap();
        file.put(&mut said("a")).unwrap();
        file.put(&mut said("b")).unwrap();
        drop(file);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();

        let file = AnswerFile::resume(&path, "m").unwrap();
        assert_eq!(file.known(), 1);
        assert_eq!(file.get("a").unwrap().given, said("a").given);
        assert!(file.get("b").is_none());
        file.put(&mut said("b")).unwrap();
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn another_model_or_another_file_is_refused() {
        let folder = Folder::new("other-answers");
        let path = folder.0.join("a.jsonl");
        AnswerFile::create(&path, "m").unwrap().put(&mut said("a")).unwrap();
        let error = AnswerFile::resume(&path, "n").unwrap_err().to_string();
        assert!(error.contains("a.jsonl:1: another model (m)"), "{error}");
        std::fs::write(&path, "{}\n").unwrap();
        let error = AnswerFile::resume(&path, "m").unwrap_err().to_string();
        assert!(error.contains("missing field `id`"), "{error}");
        assert!(matches!(AnswerFile::resume(&folder.0, "m"), Err(AnswersError::File { .. })));
    }
}
