//! POPE: a question about presence per line.
//!
//! <https://github.com/RUCAIBox/POPE>, `output/coco/coco_pope_*.json`: JSON Lines with
//! `question_id`, `image`, `text`, `label` (`yes` or `no`). Ids begin anew in each file.

use super::Reader;
use super::folder::{Folder, stem_of};
use super::json::{Id, Within};
use super::sink::Sink;
use super::talk;
use crate::error::DataError;
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Question {
    question_id: Id,
    image: String,
    text: String,
    label: String,
}

pub(super) static READER: Reader = Reader {
    name: "pope",
    reads: "POPE: yes or no about what is there",
    page: "https://github.com/RUCAIBox/POPE",
    files,
    read,
};

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    talk::each(folder, files, Within::List, sink, |talks, path, _, entry: Question| {
        if !["yes", "no"].contains(&entry.label.as_str()) {
            return Err(format!("label '{}' is neither yes nor no", entry.label));
        }
        let id = format!("{}-{}", stem_of(path), entry.question_id);
        let mut talk = talks.begin(&id, talks.pictures.find(&entry.image))?;
        talk.short(&entry.text, &entry.label);
        Ok(talk)
    })
}

fn files(folder: &Folder) -> Vec<PathBuf> {
    folder.json_with(&["\"question_id\"", "\"image\"", "\"text\"", "\"label\""])
}
