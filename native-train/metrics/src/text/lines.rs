//! Answers as JSON Lines, `{"id": ..., "answer": ...}`, beside the truth: the same, or with
//! `answers` of several people.

use crate::json::{FileError, parse};
use refvlm_record::json;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use std::collections::HashMap;
use std::fmt::{self, Formatter};

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

/// A sample's name: a text, or a whole number that is taken as its digits.
#[derive(Debug)]
struct Id(String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Id;

            fn expecting(&self, f: &mut Formatter) -> fmt::Result {
                f.write_str("a text or a whole number")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Id, E> {
                Ok(Id(number.to_string()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Id, E> {
                Ok(Id(number.to_string()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Id, E> {
                Ok(Id(text.into()))
            }
        }
        deserializer.deserialize_any(Name)
    }
}

/// Reads answers and truth, each the bytes of a file, in the order of the truth.
///
/// # Errors
/// When a file is not UTF-8, a line is not JSON of this form, an id is used twice, only one file has it, or a truth has
/// no answer.
pub fn read(predictions: &[u8], truth: &[u8]) -> Result<Vec<Pair>, FileError> {
    let mut answers: HashMap<String, (usize, String)> = HashMap::new();
    for (number, line) in lines(predictions, "the predictions")? {
        let fault =
            |what: String| FileError { place: format!("line {number} of the predictions"), what };
        let answer = line
            .answer
            .ok_or_else(|| fault("answer is missing: write a text, which may be empty".into()))?;
        let id = line.id.0;
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
        let id = line.id.0;
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

fn lines(bytes: &[u8], place: &str) -> Result<Vec<(usize, Line)>, FileError> {
    let form = r#"{"id": ..., "answer": "..."}"#;
    let fault = |what: String| FileError { place: place.into(), what };
    let bytes = json::plain(bytes).map_err(|what| fault(what.into()))?;
    let text = std::str::from_utf8(bytes).map_err(|e| fault(format!("{e}: save it as UTF-8")))?;
    let filled = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let parsed: Result<Vec<_>, FileError> = filled
        .map(|(number, line)| {
            let place = format!("line {number} of {place}");
            Ok((number, parse(line.trim_end().as_bytes(), &place, &place, form)?))
        })
        .collect();
    let parsed = parsed?;
    if parsed.is_empty() {
        return Err(fault(format!("the file is empty: write {form} in each line")));
    }
    Ok(parsed)
}
