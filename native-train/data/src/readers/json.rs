//! JSON that is read one entry after the other, so that a file of any length needs the memory of
//! one entry. A bad entry is handed on as an error, and reading goes on after it.

use crate::error::DataError;
use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Largest file that is read entry by entry.
const MAX_STREAM_BYTES: u64 = 64 << 30;
/// Longest line of a JSON Lines file.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// Numbers in most files, words in some.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(untagged)]
pub(crate) enum Id {
    /// `17`
    Number(i64),
    /// `"17"` or any other word.
    Text(String),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Number(number) => write!(f, "{number}"),
            Id::Text(text) => f.write_str(text),
        }
    }
}

/// An entry, or why it is none.
pub(crate) type Entry<T> = Result<T, String>;

/// Where the entries of a file stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Within {
    /// The file is a list, JSON Lines or a single object.
    List,
    /// The file is an object with a list under this name.
    Field(&'static str),
    /// The file is an object whose names are the entries' places.
    Object,
}

/// An entry that is not yet of any form.
pub(crate) enum Part<'a> {
    /// Of a list or an object.
    Value(Value),
    /// Of JSON Lines.
    Line(&'a [u8]),
    /// A line that is too long to be read.
    Long,
}

impl Part<'_> {
    /// The entry in the form of `T`.
    pub fn read<T: DeserializeOwned>(self) -> Entry<T> {
        match self {
            Part::Value(value) => T::deserialize(value)
                .map_err(|e| format!("{e}; see the format's page and export it again")),
            Part::Line(line) => {
                serde_json::from_slice(line).map_err(|e| format!("{e}; each line holds one object"))
            }
            Part::Long => Err(format!("longer than {} MiB; split it", MAX_LINE_BYTES >> 20)),
        }
    }
}

type Take<'a> = &'a mut dyn FnMut(&str, Part<'_>) -> Result<(), DataError>;

/// Each entry of a file with its place.
///
/// # Errors
/// When the file cannot be read or is not of the form, or as `take` says.
pub(crate) fn each(path: &Path, within: Within, take: Take<'_>) -> Result<(), DataError> {
    let mut reader = open(path)?;
    if within == Within::List {
        match form(&mut reader, path)? {
            Form::List => {}
            Form::Lines => return lines(path, reader, take),
            Form::One => return take("object", Part::Value(whole(path, MAX_LINE_BYTES)?)),
        }
    }
    values(path, reader, within, take)
}

/// A whole file, for what is short.
///
/// # Errors
/// When it cannot be read, is longer than `limit` bytes or not of the form.
pub(crate) fn whole<T: DeserializeOwned>(path: &Path, limit: u64) -> Result<T, DataError> {
    let bytes = crate::bounded::read_bounded(path, limit)?;
    serde_json::from_slice(without_mark(&bytes)).map_err(|e| bad(path, e.to_string()))
}

/// Without the byte order mark that some editors write.
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn bad(path: &Path, problem: String) -> DataError {
    DataError::Json { path: path.into(), problem }
}

type Bytes = BufReader<std::io::Take<File>>;

fn open(path: &Path) -> Result<Bytes, DataError> {
    let failed = |source| DataError::Read { path: path.into(), source };
    let file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    if bytes > MAX_STREAM_BYTES {
        return Err(DataError::TooLarge { path: path.into(), bytes, limit: MAX_STREAM_BYTES });
    }
    let mut reader = BufReader::with_capacity(1 << 18, file.take(MAX_STREAM_BYTES));
    if reader.fill_buf().map_err(failed)?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    Ok(reader)
}

/// How entries stand in a file without a name above them.
enum Form {
    List,
    Lines,
    /// One object, spread over lines.
    One,
}

fn form(reader: &mut Bytes, path: &Path) -> Result<Form, DataError> {
    let seen = reader.fill_buf().map_err(|source| DataError::Read { path: path.into(), source })?;
    let seen = seen.trim_ascii_start();
    let first = seen.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(match (seen.first(), first.trim_ascii()) {
        (Some(b'['), _) => Form::List,
        (_, b"{") => Form::One,
        _ => Form::Lines,
    })
}

fn lines(path: &Path, mut reader: Bytes, take: Take<'_>) -> Result<(), DataError> {
    let failed = |source| DataError::Read { path: path.into(), source };
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if (&mut reader).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).map_err(failed)? == 0 {
            break;
        }
        let place = format!("line {number}");
        if line.len() as u64 == MAX_LINE_BYTES {
            reader.skip_until(b'\n').map_err(failed)?;
            take(&place, Part::Long)?;
        } else if !line.trim_ascii().is_empty() {
            take(&place, Part::Line(&line))?;
        }
    }
    Ok(())
}

fn values(path: &Path, reader: Bytes, within: Within, take: Take<'_>) -> Result<(), DataError> {
    let (mut ended, mut found) = (None, false);
    let seed = Walk { within, name: "", take, ended: &mut ended, found: &mut found };
    let walked = seed.deserialize(&mut serde_json::Deserializer::from_reader(reader));
    match (ended, walked, within) {
        (Some(error), ..) => Err(error),
        (None, Err(e), _) => Err(bad(path, e.to_string())),
        (None, Ok(()), Within::Field(field)) if !found => {
            Err(bad(path, format!("there is no list under \"{field}\"")))
        }
        (None, Ok(()), _) => Ok(()),
    }
}

/// Goes through the list or object, and keeps nothing of it.
struct Walk<'a, 'b> {
    within: Within,
    name: &'a str,
    take: Take<'b>,
    /// What `take` ended it with.
    ended: &'a mut Option<DataError>,
    found: &'a mut bool,
}

impl Walk<'_, '_> {
    fn give<E: Error>(&mut self, place: &str, value: Value) -> Result<(), E> {
        (self.take)(place, Part::Value(value)).map_err(|error| {
            *self.ended = Some(error);
            E::custom("ended")
        })
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.within {
            Within::List => deserializer.deserialize_seq(self),
            Within::Field(_) | Within::Object => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.within == Within::List { "a list" } else { "an object" })
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        *self.found = true;
        let mut k = 0;
        while let Some(value) = list.next_element()? {
            self.give(&format!("{}[{k}]", self.name), value)?;
            k += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match self.within {
                Within::Object => {
                    let value = map.next_value()?;
                    self.give(&name, value)?;
                }
                Within::Field(field) if field == name => {
                    let Walk { take, ended, found, .. } = &mut self;
                    let (take, within): (Take<'_>, _) = (*take, Within::List);
                    map.next_value_seed(Walk { within, name: &name, take, ended, found })?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}
