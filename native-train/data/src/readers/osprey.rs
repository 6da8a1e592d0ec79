//! Osprey-724K: conversations about regions, and descriptions of them.
//!
//! <https://huggingface.co/datasets/AntGroup-MI/Osprey-724K>, read by
//! `osprey/datasets/osprey_724k.py` of CircleRadon/Osprey at 0bfa5d5: a list of `file_name`,
//! `annotation` (each a `segmentation` in COCO's forms) and either `conversations`, where
//! `<regionN>` means the N-th, or `description`, `<regionN>: text` for each. `file_name` may begin
//! with `COCO_train2014_`. Tags in answers lose their brackets, for answers have no prompts.

use super::Reader;
use super::coco::file::Segmentation;
use super::folder::Folder;
use super::json::Within;
use super::labelled;
use super::llava::{Message, pairs};
use super::sink::Sink;
use super::talk::{self, Talk, Talks};
use crate::error::DataError;
use refvlm_record::{Prompt, QuestionPart};
use serde::Deserialize;
use std::path::PathBuf;

const TAG: &str = "<region";

#[derive(Deserialize)]
struct Told {
    file_name: String,
    annotation: Vec<Region>,
    #[serde(default)]
    conversations: Vec<Message>,
    #[serde(default)]
    description: Vec<String>,
}

#[derive(Deserialize)]
struct Region {
    segmentation: Segmentation,
}

pub(super) static READER: Reader = Reader {
    name: "osprey",
    reads: "Osprey-724K: conversations about masks, descriptions of masks",
    page: "https://huggingface.co/datasets/AntGroup-MI/Osprey-724K",
    files,
    read,
};

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    talk::each(folder, files, Within::List, sink, |talks, path, place, told| {
        let place = place.trim_matches(['[', ']']);
        talk(talks, told, &format!("{}-{place}", talks.pictures.word(path)))
    })
}

fn files(folder: &Folder) -> Vec<PathBuf> {
    folder.json_with(&["\"annotation\"", "\"segmentation\"", "\"file_name\""])
}

fn talk(talks: &Talks, told: Told, id: &str) -> Result<Talk, String> {
    let short = told.file_name.rsplit('_').next().unwrap_or_default();
    let pictures = &talks.pictures;
    let picture = pictures.find(&told.file_name).or_else(|e| pictures.find(short).map_err(|_| e));
    let mut talk = talks.begin(id, picture)?;
    for (k, region) in told.annotation.into_iter().enumerate() {
        let mask = labelled::mask(Some(region.segmentation.outline()?), talk.size())?;
        let (mask, _) = mask.ok_or_else(|| format!("region {} is empty; remove it", k + 1))?;
        talk.prompt(Prompt::Mask { mask });
    }
    for (question, answer) in pairs(&told.conversations)? {
        talk.words(question_parts(question), &answer.replace(['<', '>'], ""));
    }
    for text in &told.description {
        let found = text.strip_prefix(TAG).and_then(|rest| rest.split_once(">:"));
        let (number, text) = found.ok_or("a description does not begin with <regionN>:")?;
        let question = format!("Describe {TAG}{number}> in detail.");
        talk.words(question_parts(&question), text);
    }
    Ok(talk)
}

/// Words, and prompts where `<regionN>` stands; N counts from one.
fn question_parts(text: &str) -> Vec<QuestionPart> {
    let mut parts = Vec::new();
    let mut pieces = text.split(TAG);
    parts.extend(pieces.next().map(|text| QuestionPart::Text(text.into())));
    for piece in pieces {
        match piece.split_once('>').and_then(|(n, rest)| Some((n.parse::<usize>().ok()?, rest))) {
            Some((number, rest)) => {
                let prompt = number.wrapping_sub(1);
                parts.extend([QuestionPart::Prompt { prompt }, QuestionPart::Text(rest.into())]);
            }
            None => parts.push(QuestionPart::Text(piece.into())),
        }
    }
    parts.retain(|part| !matches!(part, QuestionPart::Text(text) if text.is_empty()));
    parts
}
