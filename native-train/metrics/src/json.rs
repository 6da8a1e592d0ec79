//! Files of strangers as JSON: a fault is named by its place, by what stands there and by what is
//! expected.

use refvlm_record::json;
use serde::Deserialize;

/// What is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct FileError {
    /// The entry, for example `prediction 3 (image 42)`.
    pub place: String,
    /// The fault and its remedy.
    pub what: String,
}

/// Reads a whole file. `place` names it, and `form` says what it must hold; entries of a list are
/// called `entry` and counted from one.
///
/// # Errors
/// When the bytes are not JSON, or JSON of another form.
pub fn parse<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    place: &str,
    entry: &str,
    form: &str,
) -> Result<T, FileError> {
    let fault = |what: String| FileError { place: place.into(), what };
    let bytes = json::plain(bytes).map_err(|what| fault(what.into()))?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(fault(format!("the file is empty: it must hold {form}")));
    }
    serde_json::from_slice(bytes).map_err(|error| explain(bytes, &error, place, entry, form))
}

/// The fault of bytes that serde refused.
fn explain(
    bytes: &[u8],
    error: &serde_json::Error,
    place: &str,
    entry: &str,
    form: &str,
) -> FileError {
    let path = path_to(&bytes[..offset(bytes, error)]);
    let (number, path) = match path.split_first() {
        Some((Segment::Item(number), rest)) => (Some(number), rest),
        _ => (None, path.as_slice()),
    };
    let mut place = number.map_or(place.to_string(), |number| format!("{entry} {}", number + 1));
    for (at, segment) in path.iter().enumerate() {
        place += &match segment {
            Segment::Item(number) => format!("[{number}]"),
            Segment::Key(key) if at == 0 => format!(", {key}"),
            Segment::Key(key) => format!(".{key}"),
        };
    }
    let what = match error.classify() {
        serde_json::error::Category::Eof => {
            format!("the text ends too early: it must hold {form}; get the file again")
        }
        serde_json::error::Category::Syntax => match std::str::from_utf8(bytes) {
            Ok(text) => json::syntax(text, error),
            Err(e) => format!("{e}: save the file as UTF-8"),
        },
        _ => format!("{}: it must hold {form}", words(error)),
    };
    FileError { place, what }
}

/// A step from the whole to a part.
#[derive(Debug, PartialEq)]
enum Segment {
    /// Of a list, counted from zero.
    Item(usize),
    /// Of an object.
    Key(String),
}

/// How many bytes serde had read when it stopped.
fn offset(bytes: &[u8], error: &serde_json::Error) -> usize {
    let rows = bytes.split_inclusive(|&byte| byte == b'\n');
    let before: usize = rows.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    (before + error.column()).min(bytes.len())
}

/// Where a reader is that has read these bytes of a JSON text. A bracket at the end belongs to the
/// place it stands at: serde names a fault of a list or an object at one of its brackets.
fn path_to(read: &[u8]) -> Vec<Segment> {
    let mut path = Vec::new();
    let (mut at, mut last_text) = (0, String::new());
    while let Some(&byte) = read.get(at) {
        at += 1;
        let ends = at == read.len();
        match byte {
            b'"' => {
                let start = at;
                while read.get(at).is_some_and(|&byte| byte != b'"') {
                    at += 1 + usize::from(read[at] == b'\\');
                }
                last_text = String::from_utf8_lossy(read.get(start..at).unwrap_or(&[])).into();
                at += 1;
            }
            b'[' if !ends => path.push(Segment::Item(0)),
            b'{' if !ends => path.push(Segment::Key(String::new())),
            b']' | b'}' => drop(path.pop()),
            b',' => {
                if let Some(Segment::Item(number)) = path.last_mut() {
                    *number += 1;
                }
            }
            b':' => {
                if let Some(Segment::Key(key)) = path.last_mut() {
                    *key = std::mem::take(&mut last_text);
                }
            }
            _ => {}
        }
    }
    path.retain(|segment| *segment != Segment::Key(String::new()));
    path
}

/// What serde says of a value, without the place (which is named already) and without Rust's names
/// of types.
pub(crate) fn words(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    if let Some(at) = text.rfind(" at line ") {
        text.truncate(at);
    }
    let names = [
        ("expected i64", "a whole number is expected"),
        ("expected u8", "0 or 1 is expected"),
        ("expected u32", "a whole number from 0 on is expected"),
        ("expected u64", "a whole number from 0 on is expected"),
        ("expected f64", "a number is expected"),
        ("expected a string", "a text is expected"),
        ("expected a sequence", "a list is expected"),
        ("expected a map", "an object is expected"),
    ];
    for (ours, plain) in names {
        if let Some(start) = text.strip_suffix(ours) {
            text = format!("{start}{plain}");
        }
    }
    for start in ["invalid type: ", "invalid value: "] {
        text = text.strip_prefix(start).map_or(text.clone(), str::to_string);
    }
    let shown = [("map, ", "an object stands here; "), ("sequence, ", "a list stands here; ")];
    for (theirs, plain) in shown {
        text = text.strip_prefix(theirs).map_or(text.clone(), |rest| format!("{plain}{rest}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Entry {
        id: i64,
        size: Option<Vec<f64>>,
    }

    #[test]
    fn a_fault_has_its_place() {
        let told = |text: &str| {
            let read: Result<Vec<Entry>, _> =
                parse(text.as_bytes(), "the file", "entry", "a list of entries");
            read.unwrap_err().to_string()
        };
        let faults = [
            (r#"[{"id": 1}, {"id": "a, b\"]"}]"#, "entry 2, id: string \"a, b\\\"]\", a whole"),
            (r#"[{"id": 1, "size": [1, 2, true]}]"#, "entry 1, size[2]: boolean `true`, a number"),
            ("[{\"id\": 1},\n {\"id\": NaN}]", "entry 2, id: no JSON from line 2, column 9"),
            (r#"[{"id": 1}, {"size": [1]}]"#, "entry 2: missing field `id`"),
            (r#"{"id": 1}"#, "the file: an object stands here; a list is expected"),
            (r#"[{"id": 1}, {"id": 2"#, "entry 2, id: the text ends too early"),
            ("\u{feff} ", "the file is empty"),
            ("\u{1f}", "the file: no JSON"),
        ];
        for (text, words) in faults {
            let told = told(text);
            assert!(told.contains(words), "{text}: {told}");
        }
        let read: Vec<Entry> = parse(b"\xEF\xBB\xBF[{\"id\": 1}]", "", "", "").unwrap();
        assert_eq!(read.len(), 1);
    }
}
