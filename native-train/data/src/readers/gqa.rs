//! GQA's questions: an object whose names are the questions' ids.
//!
//! <https://cs.stanford.edu/people/dorarad/gqa/download.html>: `train_balanced_questions.json` and
//! its like with `question`, `imageId`, `answer`; pictures are `images/IMAGEID.jpg`. The short
//! answer counts. Test questions have none and are faults.

use super::Reader;
use super::folder::Folder;
use super::json::{Id, Within};
use super::sink::Sink;
use super::talk;
use crate::error::DataError;
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Question {
    question: String,
    #[serde(rename = "imageId")]
    image: Id,
    answer: Option<String>,
}

pub(super) static READER: Reader = Reader {
    name: "gqa",
    reads: "GQA questions",
    page: "https://cs.stanford.edu/people/dorarad/gqa/download.html",
    files,
    read,
};

fn files(folder: &Folder) -> Vec<PathBuf> {
    folder.json_with(&["\"imageId\"", "\"question\""])
}

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    talk::each(folder, files, Within::Object, sink, |talks, _, id, entry: Question| {
        let answer = entry.answer.ok_or("no answer; test questions have none")?;
        let mut talk = talks.begin(id, talks.pictures.find_stem(&entry.image.to_string()))?;
        talk.short(&entry.question, &answer);
        Ok(talk)
    })
}
