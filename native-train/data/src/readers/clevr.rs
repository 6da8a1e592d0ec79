//! CLEVR's questions about drawn solids.
//!
//! <https://cs.stanford.edu/people/jcjohns/clevr/>: `questions/CLEVR_SPLIT_questions.json` with
//! `questions` (`question_index`, `image_filename`, `split`, `question`, `answer`), pictures in
//! `images/SPLIT`. Test questions have no answer and are faults.

use super::Reader;
use super::folder::{Folder, below, name_of};
use super::json::{Id, Within};
use super::sink::Sink;
use super::talk;
use crate::error::DataError;
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Question {
    question_index: Id,
    image_filename: String,
    #[serde(default)]
    split: String,
    question: String,
    answer: Option<String>,
}

pub(super) static READER: Reader = Reader {
    name: "clevr",
    reads: "CLEVR questions",
    page: "https://cs.stanford.edu/people/jcjohns/clevr/",
    files,
    read,
};

fn files(folder: &Folder) -> Vec<PathBuf> {
    let mut files = below(&folder.path.join("questions"), 0);
    let is = |name: &str| name.starts_with("CLEVR") && name.ends_with("_questions.json");
    files.retain(|path| is(&name_of(path)));
    files
}

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    let within = Within::Field("questions");
    talk::each(folder, files, within, sink, |talks, _, _, entry: Question| {
        let answer = entry.answer.ok_or("no answer; test questions have none")?;
        let id = format!("{}-{}", entry.split, entry.question_index);
        let picture = talks.pictures.find(&format!("{}/{}", entry.split, entry.image_filename));
        let picture = picture.or_else(|_| talks.pictures.find(&entry.image_filename));
        let mut talk = talks.begin(&id, picture)?;
        talk.published(&entry.split);
        talk.short(&entry.question, &answer);
        Ok(talk)
    })
}
