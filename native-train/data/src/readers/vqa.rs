//! VQAv2 and OK-VQA: questions in one file, answers in another.
//!
//! <https://visualqa.org/download.html>, <https://okvqa.allenai.org/download.html>:
//! `*_questions.json` has `questions` (`image_id`, `question`, `question_id`), `*_annotations.json`
//! has `annotations` (`question_id`, ten `answers`; VQAv2 says `multiple_choice_answer`, the most
//! frequent one). Pictures are `COCO_SUBTYPE_NUMBER.jpg` with twelve digits. The answer is the most
//! frequent one. The answers are held in memory, the questions are not.

use super::Reader;
use super::folder::{Folder, name_of};
use super::json::{self, Entry, Id};
use super::sink::Sink;
use super::talk::{Talk, Talks, said};
use crate::error::DataError;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// See the module.
pub(super) struct Vqa;

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

impl Reader for Vqa {
    fn name(&self) -> &'static str {
        "vqa"
    }
    fn reads(&self) -> &'static str {
        "VQAv2, OK-VQA: questions with the most frequent answer"
    }
    fn page(&self) -> &'static str {
        "https://visualqa.org/download.html"
    }
    fn finds(&self, folder: &Folder) -> bool {
        !pairs(folder).is_empty()
    }
    fn read(&self, folder: &Folder, sink: &mut Sink<'_>) -> Result<(), DataError> {
        let talks = Talks::open(folder)?;
        pairs(folder).iter().try_for_each(|pair| read(&talks, pair, sink))
    }
}

/// Files of questions with their answers: the names differ in the last word, and in `OpenEnded_`.
fn pairs(folder: &Folder) -> Vec<(PathBuf, PathBuf)> {
    let key = |path: &Path, end: &str| name_of(path).replace("OpenEnded_", "").replace(end, "");
    let answers = folder.named(|name| name.ends_with("_annotations.json"));
    let questions = folder.named(|name| name.ends_with("_questions.json"));
    let pair = |questions: PathBuf| {
        let wanted = key(&questions, "_questions.json");
        let found = answers.iter().find(|path| key(path, "_annotations.json") == wanted);
        Some((questions, found?.clone()))
    };
    questions.into_iter().filter_map(pair).collect()
}

fn read(
    talks: &Talks,
    (path, answers): &(PathBuf, PathBuf),
    sink: &mut Sink<'_>,
) -> Result<(), DataError> {
    let mut known: HashMap<Id, String> = HashMap::new();
    json::each(answers, Some("annotations"), |place, entry: Entry<Annotation>| {
        match entry.map(|entry| (entry.answer(), entry.question_id)) {
            Ok((Some(answer), id)) => drop(known.insert(id, answer)),
            Ok((None, _)) => sink.fault(answers, place, "no answer; add one".into()),
            Err(problem) => sink.fault(answers, place, problem),
        }
        Ok(())
    })?;
    // `v2_mscoco_train2014_annotations.json`
    let name = name_of(answers);
    let subtype = name.rsplit('_').nth(1).unwrap_or_default().to_string();
    json::each(path, Some("questions"), |place, entry: Entry<Question>| {
        let made = entry.and_then(|entry| {
            let answer = known.remove(&entry.question_id);
            let answer = answer.ok_or("no answer has its question_id, or one before had it")?;
            talk(talks, &subtype, &entry, &answer)
        });
        sink.talk(path, &place, made)
    })
}

fn talk(talks: &Talks, subtype: &str, entry: &Question, answer: &str) -> Result<Talk, String> {
    let number = format!("{:0>12}", entry.image_id.to_string());
    let pictures = &talks.pictures;
    let picture = pictures.find_stem(&format!("COCO_{subtype}_{number}"));
    let picture = picture.or_else(|e| pictures.find_stem(&number).map_err(|_| e));
    let mut talk = talks.begin(&entry.question_id.to_string(), picture)?;
    talk.words(said(&entry.question), answer);
    Ok(talk)
}
