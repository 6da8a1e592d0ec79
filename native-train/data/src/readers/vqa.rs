//! VQAv2 and OK-VQA: questions in one file, answers in another.
//!
//! <https://visualqa.org/download.html>, <https://okvqa.allenai.org/download.html>:
//! `*_questions.json` has `questions` (`image_id`, `question`, `question_id`), `*_annotations.json`
//! has `annotations` (`question_id`, ten `answers`; VQAv2 says `multiple_choice_answer`, the most
//! frequent one). Pictures are `COCO_SUBTYPE_NUMBER.jpg` with twelve digits. The answer is the most
//! frequent one. The answers are held in memory, the questions are not.

use super::Reader;
use super::folder::{Folder, name_of};
use super::json::{self, Id, Within};
use super::sink::Sink;
use super::talk::{Talk, Talks};
use crate::error::DataError;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Question {
    image_id: Id,
    question: String,
    question_id: Id,
}

#[derive(Deserialize)]
struct Annotation {
    question_id: Id,
    multiple_choice_answer: Option<String>,
    #[serde(default)]
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    answer: String,
}

impl Annotation {
    fn answer(&self) -> Option<String> {
        if self.multiple_choice_answer.is_some() {
            return self.multiple_choice_answer.clone();
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for answer in &self.answers {
            *counts.entry(&answer.answer).or_default() += 1;
        }
        // Of equally frequent ones the first by letters.
        let most = counts.into_iter().rev().max_by_key(|(_, count)| *count);
        most.map(|(answer, _)| answer.into())
    }
}

pub(super) static READER: Reader = Reader {
    name: "vqa",
    reads: "VQAv2, OK-VQA: questions with the most frequent answer",
    page: "https://visualqa.org/download.html",
    files,
    read,
};

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    let talks = Talks::open(folder, sink.wanted)?;
    files.iter().try_for_each(|questions| match answers_of(folder, questions) {
        Some(answers) => read_pair(&talks, questions, &answers, sink),
        None => Ok(()),
    })
}

/// Questions that have answers.
fn files(folder: &Folder) -> Vec<PathBuf> {
    let mut questions = folder.named(|name| name.ends_with("_questions.json"));
    questions.retain(|path| answers_of(folder, path).is_some());
    questions
}

/// The names differ in the last word, and in `OpenEnded_`.
fn answers_of(folder: &Folder, questions: &Path) -> Option<PathBuf> {
    let key = |name: &str, end: &str| Some(name.strip_suffix(end)?.replace("OpenEnded_", ""));
    let wanted = key(&name_of(questions), "_questions.json")?;
    folder.named(|name| key(name, "_annotations.json").as_ref() == Some(&wanted)).into_iter().next()
}

fn read_pair(
    talks: &Talks,
    path: &Path,
    answers: &Path,
    sink: &mut Sink<'_>,
) -> Result<(), DataError> {
    let mut known: HashMap<Id, String> = HashMap::new();
    let mut bad: Vec<(String, String)> = Vec::new();
    json::each(answers, Within::Field("annotations"), &mut |place, part| {
        match part.read().map(|entry: Annotation| (entry.answer(), entry.question_id)) {
            Ok((Some(answer), id)) => drop(known.insert(id, answer)),
            Ok((None, _)) => bad.push((place.into(), "no answer; add one".into())),
            Err(problem) => bad.push((place.into(), problem)),
        }
        Ok(())
    })?;
    for (place, problem) in bad {
        sink.unusable(answers, &place, &problem)?;
    }
    // `v2_mscoco_train2014_annotations.json`
    let name = name_of(answers);
    let subtype = name.rsplit('_').nth(1).unwrap_or_default();
    json::each(path, Within::Field("questions"), &mut |place, part| {
        let Some(entry) = sink.entry() else { return Ok(()) };
        let made = part.read().and_then(|question: Question| {
            let answer = known.remove(&question.question_id);
            let answer = answer.ok_or("no answer has its question_id, or one before had it")?;
            talk(talks, subtype, &question, &answer)
        });
        sink.talk(entry, path, place, made)
    })
}

fn talk(talks: &Talks, subtype: &str, entry: &Question, answer: &str) -> Result<Talk, String> {
    let number = format!("{:0>12}", entry.image_id.to_string());
    let pictures = &talks.pictures;
    let picture = pictures.find_stem(&format!("COCO_{subtype}_{number}"));
    let picture = picture.or_else(|e| pictures.find_stem(&number).map_err(|_| e));
    let mut talk = talks.begin(&entry.question_id.to_string(), picture)?;
    talk.short(&entry.question, answer);
    Ok(talk)
}
