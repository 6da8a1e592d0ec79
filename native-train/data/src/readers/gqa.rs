//! GQA's questions: an object whose names are the questions' ids.
//!
//! <https://cs.stanford.edu/people/dorarad/gqa/download.html>: `train_balanced_questions.json` and
//! its like with `question`, `imageId`, `answer`; pictures are `images/IMAGEID.jpg`. The short
//! answer counts. Test questions have none and are faults.

use super::Reader;
use super::folder::Folder;
use super::json::{self, Entry, Id};
use super::sink::Sink;
use super::talk::{Talks, said};
use crate::error::DataError;
use serde::Deserialize;
use std::path::PathBuf;

/// See the module.
pub(super) struct Gqa;

#[derive(Deserialize)]
struct Question {
    question: String,
    #[serde(rename = "imageId")]
    image: Id,
    answer: Option<String>,
}

impl Reader for Gqa {
    fn name(&self) -> &'static str {
        "gqa"
    }
    fn reads(&self) -> &'static str {
        "GQA questions"
    }
    fn page(&self) -> &'static str {
        "https://cs.stanford.edu/people/dorarad/gqa/download.html"
    }
    fn finds(&self, folder: &Folder) -> bool {
        !files(folder).is_empty()
    }
    fn read(&self, folder: &Folder, sink: &mut Sink<'_>) -> Result<(), DataError> {
        let talks = Talks::open(folder)?;
        for path in files(folder) {
            json::entries(&path, |id, entry: Entry<Question>| {
                let talk = entry.and_then(|entry| {
                    let answer = entry.answer.ok_or("no answer; test questions have none")?;
                    let picture = talks.pictures.find_stem(&entry.image.to_string());
                    let mut talk = talks.begin(&id, picture)?;
                    talk.words(said(&entry.question), &answer);
                    Ok(talk)
                });
                sink.talk(&path, &id, talk)
            })?;
        }
        Ok(())
    }
}

fn files(folder: &Folder) -> Vec<PathBuf> {
    folder.json_with(&["\"imageId\"", "\"question\""])
}
