//! What is known of sources and words, from `sources.json`: terms, what is labelled completely,
//! how categories are called in everyday words, and which words may mean the same thing.

use crate::border::Rule;
use crate::bounded::read_bounded;
use crate::error::DataError;

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

const TABLE: &str = include_str!("../sources.json");

/// Stands for every category of the source.
const EVERY: &str = "*";

/// A collection of photos that were labelled together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The folder's name.
    pub name: String,
    /// Terms of labels and pictures; empty where nothing is known.
    pub licence: String,
    /// Every everyday noun that its labels use, sorted.
    pub nouns: Vec<String>,
    facts: Facts,
}

/// What the table, or `source.json` beside the labels, says of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Facts {
    licence: String,
    /// Everything that people would list is labelled.
    complete: bool,
    /// File names without ending of which the same holds where it does not hold for the source.
    complete_pictures: Vec<String>,
    /// Nouns of which every instance is labelled.
    complete_for: Vec<String>,
    not_complete_for: Vec<String>,
    /// Categories that are no names.
    nameless: Vec<String>,
    /// Nouns of stuff and parts, which are neither counted nor listed in a caption.
    uncounted: Vec<String>,
    nouns: BTreeMap<String, Word>,
    split: Rule,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Word {
    /// The everyday noun where it is not the category's name.
    noun: Option<String>,
    /// Other nouns for the same.
    also: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    nouns: BTreeMap<String, Word>,
    groups: BTreeMap<String, Vec<String>>,
    related: Vec<Vec<String>>,
    sources: BTreeMap<String, Facts>,
}

/// A test holds that the table can be read.
static KNOWN: LazyLock<Table> = LazyLock::new(|| serde_json::from_str(TABLE).unwrap_or_default());

impl Source {
    /// The source of that name, with what `source.json` in `folder` says of it where there is one,
    /// else what the table says, else nothing: then nothing counts as complete.
    pub(crate) fn open(name: &str, folder: &Path) -> Result<Self, DataError> {
        let own = folder.join("source.json");
        let facts = if own.is_file() {
            let bytes = read_bounded(&own, 1 << 20)?;
            serde_json::from_slice(&bytes)
                .map_err(|e| DataError::Json { path: own, problem: e.to_string() })?
        } else {
            return Ok(Self::known(name));
        };
        Ok(Self::of(name, facts))
    }

    /// The source of that name with what the table says of it.
    pub(crate) fn known(name: &str) -> Self {
        Self::of(name, KNOWN.sources.get(name).cloned().unwrap_or_default())
    }

    fn of(name: &str, facts: Facts) -> Self {
        Self { name: name.into(), licence: facts.licence.clone(), nouns: Vec::new(), facts }
    }

    /// The everyday noun of a category, singular; none where the category is no name.
    pub fn noun(&self, category: &str) -> Option<String> {
        if self.facts.nameless.iter().any(|name| name == category) {
            return None;
        }
        let plain = plain(category);
        if plain.is_empty() {
            return None;
        }
        let word = self.facts.nouns.get(&plain).or_else(|| KNOWN.nouns.get(&plain));
        Some(word.and_then(|word| word.noun.clone()).unwrap_or(plain))
    }

    /// Other nouns for the same.
    pub fn also(&self, noun: &str) -> &[String] {
        let named = |(category, word): &(&String, &Word)| {
            word.noun.as_deref().unwrap_or(category.as_str()) == noun
        };
        let own = self.facts.nouns.iter().find(named);
        own.or_else(|| KNOWN.nouns.iter().find(named)).map_or(&[], |(_, word)| &word.also)
    }

    /// Whether everything that people would list is labelled in the picture with this file name
    /// (without ending).
    pub(crate) fn complete(&self, stem: &str) -> bool {
        self.facts.complete || self.facts.complete_pictures.iter().any(|known| known == stem)
    }

    /// Whether every instance of some noun is labelled in some picture.
    pub(crate) fn vouches(&self) -> bool {
        !self.facts.complete_for.is_empty() || !self.facts.complete_pictures.is_empty()
    }

    /// The nouns of which every instance is labelled.
    pub(crate) fn complete_for(&self, stem: &str) -> impl Iterator<Item = &String> {
        let facts = &self.facts;
        let has = |list: &[String], noun: &str| list.iter().any(|known| known == noun);
        let every = has(&facts.complete_for, EVERY) || has(&facts.complete_pictures, stem);
        self.nouns.iter().filter(move |noun| {
            (every || has(&facts.complete_for, noun)) && !has(&facts.not_complete_for, noun)
        })
    }

    /// Whether the noun is stuff or a part, which is neither counted nor listed in a caption.
    pub(crate) fn uncounted(&self, noun: &str) -> bool {
        self.facts.uncounted.iter().any(|known| known == noun)
    }

    pub(crate) fn split_rule(&self) -> &Rule {
        &self.facts.split
    }
}

/// How the table wants the source of that name split.
pub(crate) fn split_rule(source: &str) -> &'static Rule {
    static HASH: Rule = Rule::Hash;
    KNOWN.sources.get(source).map_or(&HASH, |facts| &facts.split)
}

/// Lower case, words apart by single spaces.
fn plain(category: &str) -> String {
    category.replace('_', " ").to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every noun that the table knows, sorted: what something may be asked to be and is not.
pub(crate) fn known_nouns() -> &'static [String] {
    static NOUNS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let listed = KNOWN.groups.values().chain(&KNOWN.related).flatten();
        let mut nouns: Vec<String> = listed.cloned().collect();
        nouns.sort();
        nouns.dedup();
        nouns
    });
    &NOUNS
}

/// The groups with their members: `animal` with `dog`, `cat` and others.
pub(crate) fn groups() -> impl Iterator<Item = (&'static str, &'static [String])> {
    KNOWN.groups.iter().map(|(name, members)| (name.as_str(), members.as_slice()))
}

/// Whether some people would call the one the other.
pub(crate) fn related(a: &str, b: &str) -> bool {
    let holds = |set: &[String], noun: &str| set.iter().any(|member| member == noun);
    let grouped = |group: &str, noun: &str| KNOWN.groups.get(group).is_some_and(|g| holds(g, noun));
    let named = |a: &str, b: &str| KNOWN.nouns.get(a).is_some_and(|word| holds(&word.also, b));
    a == b
        || grouped(a, b)
        || grouped(b, a)
        || named(a, b)
        || named(b, a)
        || KNOWN.related.iter().any(|set| holds(set, a) && holds(set, b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read_and_names_what_it_lists() {
        let table: Table = serde_json::from_str(TABLE).unwrap();
        assert!(table.sources.values().all(|facts| !facts.licence.is_empty()));
        for (group, members) in &table.groups {
            assert!(!members.is_empty() && !members.contains(group), "{group}");
        }
        for set in &table.related {
            assert!(set.len() > 1, "{set:?}");
        }
    }

    #[test]
    fn categories_become_everyday_nouns() {
        let source = Source::open("somewhere", Path::new("nowhere")).unwrap();
        let noun = |category: &str| source.noun(category);
        assert_eq!(noun("people").as_deref(), Some("person"));
        assert_eq!(noun("Traffic_Light").as_deref(), Some("traffic light"));
        assert_eq!(noun("t-shirt").as_deref(), Some("t-shirt"));
        assert_eq!(noun("  "), None);
        assert_eq!(source.also("remote control"), ["remote"]);
        let regions = Source::open("bsds500", Path::new("nowhere")).unwrap();
        assert_eq!(regions.noun("region"), None);
    }

    #[test]
    fn what_may_be_called_the_other_is_related() {
        assert!(related("cup", "mug") && related("mug", "cup"));
        assert!(related("animal", "dog") && related("couch", "sofa"));
        assert!(!related("dog", "cat"));
    }
}
