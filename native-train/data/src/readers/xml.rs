//! XML, one element of a wanted name after the other.

use crate::error::DataError;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use xml::ParserConfig;
use xml::reader::XmlEvent;

/// Longest file.
const MAX_BYTES: u64 = 4 << 30;
/// Elements within one wanted element.
const MAX_ELEMENTS: usize = 1 << 20;
/// How deep elements may lie in each other.
const MAX_DEPTH: usize = 64;

/// An element with everything in it.
#[derive(Debug, Default)]
pub(crate) struct Element {
    /// Its name, without a namespace.
    pub name: String,
    attributes: Vec<(String, String)>,
    /// Its own text.
    pub text: String,
    /// The elements in it.
    pub children: Vec<Element>,
}

impl Element {
    /// The first element of that name in it.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The elements of that name in it.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first element of that name in it.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    /// The number in the first element of that name in it.
    pub fn number_of(&self, name: &str) -> Option<f64> {
        self.text_of(name)?.parse().ok()
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The number that an attribute is.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.attribute(name)?.trim().parse().ok()
    }
}

/// Each element of that name, with all in it, in the order of the file.
///
/// # Errors
/// When the file cannot be read, is no XML or beyond the bounds, or as `take` says.
pub(crate) fn each(
    path: &Path,
    name: &str,
    mut take: impl FnMut(Element) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let failed = |source| DataError::Read { path: path.into(), source };
    let bad = |problem: String| DataError::Format { path: path.into(), problem };
    let file = File::open(path).map_err(failed)?;
    let config = ParserConfig::new().trim_whitespace(true).cdata_to_characters(true);
    let reader = config.create_reader(BufReader::new(file.take(MAX_BYTES)));
    let (mut open, mut count) = (Vec::<Element>::new(), 0);
    for event in reader {
        match event.map_err(|e| bad(e.to_string()))? {
            XmlEvent::StartElement { name: found, attributes, .. } => {
                if open.is_empty() && found.local_name != name {
                    continue;
                }
                count += 1;
                if open.len() >= MAX_DEPTH || count > MAX_ELEMENTS {
                    return Err(bad(format!("more than {MAX_ELEMENTS} elements in one {name}")));
                }
                let attributes =
                    attributes.into_iter().map(|a| (a.name.local_name, a.value)).collect();
                open.push(Element { name: found.local_name, attributes, ..Element::default() });
            }
            XmlEvent::Characters(text) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&text);
                }
            }
            XmlEvent::EndElement { .. } => match (open.pop(), open.last_mut()) {
                (Some(done), Some(around)) => around.children.push(done),
                (Some(done), None) => {
                    count = 0;
                    take(done)?;
                }
                (None, _) => {}
            },
            _ => {}
        }
    }
    Ok(())
}

/// The one element of that name in a short file.
///
/// # Errors
/// As [`each`], or when there is none.
pub(crate) fn one(path: &Path, name: &str) -> Result<Element, DataError> {
    let mut found = None;
    each(path, name, |element| {
        found.get_or_insert(element);
        Ok(())
    })?;
    found.ok_or_else(|| {
        let problem = format!("there is no element {name}");
        DataError::Format { path: path.into(), problem }
    })
}
