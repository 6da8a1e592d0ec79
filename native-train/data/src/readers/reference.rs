//! Records of the original implementation, whose answers are strings with placeholders.
//!
//! They become [`Exchange`](refvlm_record::exchange::Exchange)s once it is sure that each
//! placeholder has its target and each target its placeholder; what the original accepts without a
//! meaning is refused here.

mod record;
mod turn;

pub use record::{Kind, Preparation, ReferenceError, ReferenceTurn};

use record::{Raw, TaskEntry};
use refvlm_record::exchange::Command;
use serde::Deserialize;
use serde_json::Value;
use turn::Reader;

/// Reads a record.
///
/// # Errors
/// The first thing that keeps it from having one meaning.
pub fn read(record: &Value, how: Preparation) -> Result<Vec<ReferenceTurn>, ReferenceError> {
    let raw = Raw::deserialize(record).map_err(|e| ReferenceError::Json(e.to_string()))?;
    let reader = Reader {
        how,
        input: kinds(&raw.map_placeholders.input)?,
        output: kinds(&raw.map_placeholders.output)?,
        targets: &raw.target,
    };
    let (mut tasks, mut turns) = (Vec::new(), Vec::new());
    let mut messages = raw.conversations.iter().enumerate().peekable();
    while let Some((at, message)) = messages.next() {
        match message.from.as_str() {
            "system" => {
                let entries = Vec::<TaskEntry>::deserialize(&message.value);
                let entries = entries.map_err(|e| ReferenceError::Json(e.to_string()))?;
                tasks.extend(entries.into_iter().map(TaskEntry::command));
            }
            "human" => match messages.next() {
                Some((_, answer)) if answer.from == "gpt" => turns.push((message, answer)),
                Some((_, other)) if !matches!(other.from.as_str(), "human" | "system") => {
                    return Err(ReferenceError::Speaker(other.from.clone()));
                }
                _ => return Err(ReferenceError::Order { message: at }),
            },
            // A greeting before the first question belongs to no turn.
            "gpt" if turns.is_empty() => {}
            "gpt" => return Err(ReferenceError::Order { message: at }),
            other => return Err(ReferenceError::Speaker(other.into())),
        }
    }
    let commands: Vec<Option<Command>> = match how {
        Preparation::Stage1 => turns.iter().map(|_| None).collect(),
        _ if tasks.len() != turns.len() => {
            return Err(ReferenceError::Turns { turns: turns.len(), tasks: tasks.len() });
        }
        _ => tasks.into_iter().map(|task| task.map(Some)).collect::<Result<_, _>>()?,
    };
    let turns = turns.into_iter().zip(commands);
    turns.map(|((question, answer), command)| reader.turn(question, answer, command)).collect()
}

fn kinds(placeholders: &[String]) -> Result<Vec<Kind>, ReferenceError> {
    let find = |name: &String| Kind::ALL.into_iter().find(|kind| kind.placeholder() == name);
    let unknown =
        |name: &String| ReferenceError::Unknown { what: "placeholder", name: name.clone() };
    placeholders.iter().map(|name| find(name).ok_or_else(|| unknown(name))).collect()
}
