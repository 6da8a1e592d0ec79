//! A configuration file as a table: what it extends, with what the command line sets.

use super::ConfigFileError;
use refvlm_data::{nearest, with_nearest};
use serde::de::DeserializeOwned;
use std::path::Path;
use std::str::FromStr;
use toml::{Table, Value};

/// The key by which a file names another whose values it starts from.
const EXTENDS: &str = "extends";

/// Files that extend each other, at most.
const MOST_EXTENDED: usize = 8;

/// A value of the command line that stands in place of the file's: `train.loop.optim.lr=2e-5`.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    text: String,
    value: Table,
}

impl FromStr for Setting {
    type Err = String;

    /// Reads a key with dots and a value of TOML.
    fn from_str(text: &str) -> Result<Self, String> {
        let example = "write KEY=VALUE, as train.loop.optim.lr=2e-5 or tower='pinned:NAME'";
        if !text.contains('=') || text.contains('\n') {
            return Err(format!("a key and a value are needed; {example}"));
        }
        match text.parse::<Table>() {
            Ok(value) => Ok(Self { text: text.into(), value }),
            Err(e) => Err(format!("{}; {example}", e.message())),
        }
    }
}

impl Setting {
    /// The keys on the way to the value.
    fn path(&self) -> Vec<&str> {
        let (mut keys, mut table) = (Vec::new(), &self.value);
        // The line has one key and one value, so each table of the way has one entry; the value may
        // be a table itself, which then has several or none.
        while let (1, Some((key, value))) = (table.len(), table.iter().next()) {
            keys.push(key.as_str());
            let Value::Table(inner) = value else { break };
            table = inner;
        }
        keys
    }
}

/// The table of a file, over what it extends.
///
/// # Errors
/// When a file cannot be read or is not TOML, or files extend each other in a circle.
pub(super) fn read(path: &Path) -> Result<Table, ConfigFileError> {
    let mut layers = Vec::new();
    let mut next = Some(path.to_path_buf());
    while let Some(path) = next {
        let name = path.display().to_string();
        let failed = |problem: &str| ConfigFileError::text(&path, problem);
        if layers.len() == MOST_EXTENDED {
            let problem = format!("{MOST_EXTENDED} files extend each other; remove the circle");
            return Err(failed(&problem));
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|source| ConfigFileError::File { path: name, source })?;
        let mut table: Table = text.parse().map_err(|e: toml::de::Error| failed(&e.to_string()))?;
        next = match table.remove(EXTENDS) {
            Some(Value::String(other)) => {
                Some(path.parent().map_or_else(|| other.clone().into(), |dir| dir.join(&other)))
            }
            Some(_) => return Err(failed("extends: name a file, as extends = \"base.toml\"")),
            None => None,
        };
        layers.push(table);
    }
    let mut table = layers.pop().unwrap_or_default();
    for layer in layers.into_iter().rev() {
        replace(&mut table, layer);
    }
    Ok(table)
}

/// Puts the settings in place.
pub(super) fn set(table: &mut Table, settings: &[Setting]) {
    for setting in settings {
        replace(table, setting.value.clone());
    }
}

/// Puts the values of one table over those of another, table by table.
fn replace(table: &mut Table, by: Table) {
    for (key, value) in by {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(by)) => replace(inner, by),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}

/// What is wrong with the text of a file by itself, with its line; none where it is what the file
/// extends or what the command line sets that is wrong.
pub(super) fn located<T: DeserializeOwned>(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let error = toml::from_str::<T>(&text).err()?;
    // What is missing stands elsewhere, and so may what a key of this table stands for.
    let elsewhere = error.message().starts_with("missing") || error.message().contains(EXTENDS);
    (!elsewhere).then(|| error.to_string())
}

/// The message of a parser, with what a person more likely meant: a field that it lists, or the
/// place where the end of a setting's key stands in the file.
pub(super) fn advised(message: &str, table: &Table, settings: &[Setting]) -> String {
    let message = with_nearest(message);
    if message.contains("did you mean") {
        return message;
    }
    for setting in settings {
        let path = setting.path();
        let Some((last, first)) = path.split_last() else { continue };
        let mut places = Vec::new();
        find(table, &mut Vec::new(), last, &mut places);
        // The setting itself is in the table.
        let own = path.join(".");
        places.retain(|place| *place != own);
        let fits = |place: &&String| {
            let mut parts = place.split('.');
            first.iter().all(|key| parts.any(|part| part == *key))
        };
        if let Some(place) = places.iter().find(fits) {
            return format!("{message}; --set {}: did you mean `{place}`?", setting.text);
        }
    }
    message
}

/// Every place of the table that ends in this key.
fn find<'a>(table: &'a Table, path: &mut Vec<&'a str>, key: &str, found: &mut Vec<String>) {
    for (name, value) in table {
        path.push(name);
        if name == key {
            found.push(path.join("."));
        }
        if let Value::Table(inner) = value {
            find(inner, path, key, found);
        }
        path.pop();
    }
}

/// What is wrong with a key that nothing reads; `known` is the file as it was read.
pub(super) fn unknown(key: &str, known: &Table) -> String {
    let (parents, name) = key.rsplit_once('.').unwrap_or(("", key));
    let table = parents
        .split('.')
        .filter(|part| !part.is_empty())
        .try_fold(known, |table, part| table.get(part).and_then(Value::as_table));
    let near = table.and_then(|table| nearest(name, table.keys().map(String::as_str)));
    match near {
        Some(near) => format!("unknown key `{key}`; did you mean `{near}`?"),
        None => format!("unknown key `{key}`; correct or remove it"),
    }
}
