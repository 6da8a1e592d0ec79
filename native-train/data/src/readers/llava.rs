//! LLaVA's conversations, in which ShareGPT4V, LCS-558K and many others are published too.
//!
//! <https://github.com/haotian-liu/LLaVA/blob/main/docs/Finetune_Custom_Data.md>: a list of `id`,
//! `image` and `conversations`, which `human` and `gpt` take turns in; `<image>` stands in the
//! first question. Text-only entries, several pictures and coordinates written as text are faults:
//! a record has one picture, and places are targets and prompts, never words.

use super::Reader;
use super::folder::Folder;
use super::json::{Id, Within};
use super::sink::Sink;
use super::talk::{self, Talk, Talks, said};
use crate::error::DataError;
use serde::Deserialize;
use std::path::PathBuf;

const IMAGE: &str = "<image>";

#[derive(Deserialize)]
struct Told {
    id: Option<Id>,
    image: Option<String>,
    conversations: Vec<Message>,
}

#[derive(Deserialize)]
pub(super) struct Message {
    pub from: String,
    pub value: String,
}

pub(super) static READER: Reader = Reader {
    name: "llava",
    reads: "LLaVA JSON: conversations; ShareGPT4V, LCS-558K",
    page: "https://github.com/haotian-liu/LLaVA/blob/main/docs/Finetune_Custom_Data.md",
    files,
    read,
};

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    talk::each(folder, files, Within::List, sink, |talks, _, place, told| talk(talks, told, place))
}

fn files(folder: &Folder) -> Vec<PathBuf> {
    folder.json_with(&["\"conversations\"", "\"from\"", "\"value\"", "\"image\""])
}

fn talk(talks: &Talks, told: Told, place: &str) -> Result<Talk, String> {
    let name = told.image.ok_or("no picture; entries of text alone cannot be used")?;
    // One id may stand on several entries: the place tells them apart.
    let place = place.trim_matches(['[', ']']).replace(' ', "-");
    let id = told.id.map_or(place.clone(), |id| format!("{id}-{place}"));
    let mut talk = talks.begin(&id, talks.pictures.find(&name))?;
    for (k, (question, answer)) in pairs(&told.conversations)?.into_iter().enumerate() {
        let pictures = question.matches(IMAGE).count() + answer.matches(IMAGE).count();
        if pictures > usize::from(k == 0) {
            return Err(format!("turn {k} has {pictures} times {IMAGE}; a record has one picture"));
        }
        if [question, answer].iter().any(|text| has_coordinates(text)) {
            return Err(format!("turn {k} has coordinates as text; use a source with boxes"));
        }
        talk.words(said(&question.replace(IMAGE, "")), answer);
    }
    Ok(talk)
}

/// Questions with their answers.
pub(super) fn pairs(messages: &[Message]) -> Result<Vec<(&str, &str)>, String> {
    let spoken: Vec<&Message> = messages.iter().filter(|m| m.from != "system").collect();
    spoken.chunks(2).map(pair).collect()
}

fn pair<'m>(pair: &[&'m Message]) -> Result<(&'m str, &'m str), String> {
    match pair {
        [q, a] if q.from == "human" && a.from == "gpt" => Ok((&q.value, &a.value)),
        _ => Err("human and gpt must take turns, human first; correct the order".into()),
    }
}

/// Whether four numbers stand in brackets: `[0.2, 0.31, 0.5, 0.64]`.
fn has_coordinates(text: &str) -> bool {
    let inside = text.split('[').skip(1).filter_map(|rest| rest.split_once(']'));
    inside.map(|(inside, _)| inside.split(',').map(|n| n.trim().parse::<f32>())).any(|numbers| {
        let numbers: Vec<_> = numbers.collect();
        numbers.len() == 4 && numbers.iter().all(Result::is_ok)
    })
}
