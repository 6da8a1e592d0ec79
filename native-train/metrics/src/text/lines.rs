//! Answers as JSON Lines, `{"id": ..., "answer": ...}`, beside the truth: the same, or with
//! `answers` of several people.

use crate::coco::files::FileError;
use serde::Deserialize;
use std::collections::HashMap;

/// An answer and the true ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// What both files call the sample.
    pub id: String,
    /// What the model answered.
    pub answer: String,
    /// What is true, one or more.
    pub truths: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Line {
    id: Id,
    answer: Option<String>,
    answers: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Id {
    Number(i64),
    Text(String),
}

/// Reads answers and truth, in the order of the truth.
///
/// # Errors
/// When a line is no JSON of this form, an id is used twice, only one file has it, or a truth has
/// no answer.
pub fn read(predictions: &str, truth: &str) -> Result<Vec<Pair>, FileError> {
    let mut answers: HashMap<String, (usize, String)> = HashMap::new();
    for (number, line) in lines(predictions, "the predictions")? {
        let fault =
            |what: String| FileError { place: format!("line {number} of the predictions"), what };
        let answer = line.answer.ok_or_else(|| fault("answer is missing".into()))?;
        let id = name(line.id);
        if let Some((first, _)) = answers.get(&id) {
            return Err(fault(format!("id {id} stands in line {first}, too: keep one of them")));
        }
        answers.insert(id, (number, answer));
    }
    let mut pairs: Vec<Pair> = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (number, line) in lines(truth, "the truth")? {
        let fault = |what: String| FileError { place: format!("line {number} of the truth"), what };
        let truths = line.answers.unwrap_or_else(|| line.answer.into_iter().collect());
        let id = name(line.id);
        if truths.is_empty() {
            return Err(fault("it has neither answer nor answers: write one or more".into()));
        }
        if let Some(first) = seen.insert(id.clone(), number) {
            return Err(fault(format!("id {id} stands in line {first}, too: keep one of them")));
        }
        let Some((_, answer)) = answers.remove(&id) else {
            let what = format!(
                "the predictions have no id {id}: add it, with an empty answer if there is none"
            );
            return Err(fault(what));
        };
        pairs.push(Pair { id, answer, truths });
    }
    match answers.iter().min_by_key(|(_, (number, _))| *number) {
        None => Ok(pairs),
        Some((id, (number, _))) => Err(FileError {
            place: format!("line {number} of the predictions"),
            what: format!("id {id} is not in the truth: score what belongs to it"),
        }),
    }
}

fn name(id: Id) -> String {
    match id {
        Id::Number(number) => number.to_string(),
        Id::Text(text) => text,
    }
}

fn lines(text: &str, place: &str) -> Result<Vec<(usize, Line)>, FileError> {
    let form = r#"{"id": ..., "answer": "..."} in each line"#;
    let filled = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let parsed: Result<Vec<_>, FileError> = filled
        .map(|(number, line)| match serde_json::from_str(line) {
            Ok(line) => Ok((number, line)),
            Err(e) => {
                let (place, what) =
                    (format!("line {number} of {place}"), format!("{e}: write {form}"));
                Err(FileError { place, what })
            }
        })
        .collect();
    let parsed = parsed?;
    if parsed.is_empty() {
        let what = format!("the file is empty: write {form}");
        return Err(FileError { place: place.into(), what });
    }
    Ok(parsed)
}
