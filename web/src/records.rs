//! Records that a page hands over.

use refvlm_record::{Record, RecordError};

/// What is wrong with a text of records.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RecordsError {
    /// One record is broken.
    #[error("line {line}: {source}")]
    Record {
        /// Counted from 1.
        line: usize,
        /// The damage.
        source: RecordError,
    },
    /// Nothing to check.
    #[error("no record found; give one JSON object per line")]
    Empty,
}

/// Checks records in JSON Lines; blank lines are skipped.
///
/// # Errors
/// The first broken record, or that there is none.
pub fn check_records(json_lines: &str) -> Result<(), RecordsError> {
    let mut found = false;
    for (index, text) in json_lines.lines().enumerate() {
        if text.trim().is_empty() {
            continue;
        }
        Record::from_json(text)
            .map_err(|source| RecordsError::Record { line: index + 1, source })?;
        found = true;
    }
    if found { Ok(()) } else { Err(RecordsError::Empty) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"id":"a","source":"test","licence":"CC0-1.0",
        "image":{"path":"a.png","width":8,"height":8},"targets":[],"prompts":[],
        "turns":[{"task":"vqa","question":["what?"],"answer":["a dog"]}]}"#;

    fn good() -> String {
        GOOD.replace('\n', " ")
    }

    #[test]
    fn sound_records_pass() {
        assert_eq!(check_records(&format!("{}\n\n{}\n", good(), good())), Ok(()));
    }

    #[test]
    fn the_error_names_the_line() {
        let broken = good().replace("\"width\":8", "\"width\":0");
        let error = check_records(&format!("{}\n{broken}", good())).unwrap_err();
        assert!(matches!(error, RecordsError::Record { line: 2, .. }), "{error}");
    }

    #[test]
    fn an_empty_text_is_not_taken_for_a_sound_one() {
        assert_eq!(check_records(" \n"), Err(RecordsError::Empty));
    }
}
