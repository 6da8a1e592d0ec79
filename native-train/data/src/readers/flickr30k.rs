//! Flickr30k Entities: five captions of a picture, whose phrases have boxes.
//!
//! <https://github.com/BryanPlummer/flickr30k_entities>: `Sentences/ID.txt` has a caption per line,
//! `[/EN#CHAIN/type Two men] talk`; `Annotations/ID.xml` has `object`s with the `name`s of their
//! chains and a `bndbox`, counted from one, both ends included. Chains without a box (`nobndbox`,
//! scenes, chain 0) are words. `train.txt`, `val.txt` and `test.txt` beside them list ids.

use super::Reader;
use super::folder::{Folder, below, stem_of};
use super::sink::Sink;
use super::talk::{Talk, Talks, phrases};
use super::xml::{self, Element};
use crate::bounded::read_bounded;
use crate::error::DataError;
use crate::wording::{Family, Values};
use refvlm_record::{AnswerPart, Task, Unit};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// Longest file of sentences or ids.
const MAX_BYTES: u64 = 16 << 20;
const OPEN: &str = "[/EN#";

pub(super) static READER: Reader = Reader {
    name: "flickr30k",
    reads: "Flickr30k Entities: captions with boxes on phrases",
    page: "https://github.com/BryanPlummer/flickr30k_entities",
    files,
    read,
};

fn files(folder: &Folder) -> Vec<PathBuf> {
    let mut files = match folder.has("Annotations") {
        true => below(&folder.path.join("Sentences"), 0),
        false => Vec::new(),
    };
    files.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    files
}

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    let talks = Talks::open(folder, sink.wanted)?;
    let mut parts = HashMap::new();
    for part in ["train", "val", "test"] {
        let path = folder.path.join(part).with_extension("txt");
        if path.is_file() {
            let ids = text(&path)?;
            parts.extend(ids.lines().map(|id| (id.trim().to_string(), part)));
        }
    }
    for path in files {
        let id = stem_of(path);
        let sentences = text(path)?;
        let boxes = Boxes { file: folder.path.join(format!("Annotations/{id}.xml")), read: None };
        let mut boxes = boxes;
        for (k, sentence) in sentences.lines().enumerate() {
            let Some(entry) = sink.entry() else { continue };
            let talk = boxes.get().and_then(|boxes| {
                let mut talk = talks.begin(&format!("{id}-{k}"), talks.pictures.find_stem(&id))?;
                talk.published(parts.get(&id).copied().unwrap_or_default());
                tell(&mut talk, sentence, boxes)?;
                Ok(talk)
            });
            sink.talk(entry, path, &format!("line {}", k + 1), talk)?;
        }
    }
    Ok(())
}

fn text(path: &Path) -> Result<String, DataError> {
    Ok(String::from_utf8_lossy(&read_bounded(path, MAX_BYTES)?).into_owned())
}

type Chains = HashMap<String, Vec<[f64; 4]>>;

/// The boxes of a picture's chains, read when the first sentence asks for them.
struct Boxes {
    file: PathBuf,
    read: Option<Result<Chains, String>>,
}

impl Boxes {
    fn get(&mut self) -> Result<&Chains, String> {
        let read = || xml::one(&self.file, "annotation").map(chains).map_err(|e| e.to_string());
        self.read.get_or_insert_with(read).as_ref().map_err(String::clone)
    }
}

fn chains(root: Element) -> Chains {
    let mut chains: Chains = HashMap::new();
    for object in root.all("object") {
        let corner = |name| object.child("bndbox").and_then(|bndbox| bndbox.number_of(name));
        let corners = [corner("xmin"), corner("ymin"), corner("xmax"), corner("ymax")];
        let [Some(x0), Some(y0), Some(x1), Some(y1)] = corners else { continue };
        for name in object.all("name") {
            let boxes = chains.entry(name.text.trim().into()).or_default();
            boxes.push([x0 - 1.0, y0 - 1.0, x1 - x0 + 1.0, y1 - y0 + 1.0]);
        }
    }
    chains
}

fn tell(talk: &mut Talk, sentence: &str, chains: &Chains) -> Result<(), String> {
    let mut text = String::new();
    let mut spans: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    let mut pieces = sentence.trim().split(OPEN);
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (tag, rest) = piece.split_once(' ').ok_or("a tag without a phrase")?;
        let (phrase, rest) = rest.split_once(']').ok_or("a phrase without its bracket")?;
        let chain = tag.split('/').next().unwrap_or_default();
        let boxes = chains.get(chain).into_iter().flatten();
        let targets = boxes.map(|bbox| talk.boxed(*bbox)).collect::<Result<Vec<_>, _>>()?;
        spans.insert((text.len(), text.len() + phrase.len()), targets);
        text.push_str(phrase);
        text.push_str(rest);
    }
    // The corpus is cut into words: `a dog , running .`
    match phrases(&text, spans, Unit::Box) {
        Some(mut answer) => {
            for part in &mut answer {
                if let AnswerPart::Text(text) = part {
                    *text = joined(text);
                }
            }
            let question = talk.ask(Family::CaptionBoxes, &Values::default());
            talk.turn(Task::GcgDetection, question, answer);
        }
        None => {
            let question = talk.ask(Family::Caption, &Values::default());
            talk.words(question, &joined(&text));
        }
    }
    Ok(())
}

/// Without the spaces before commas and stops.
fn joined(text: &str) -> String {
    text.replace(" ,", ",").replace(" .", ".").replace(" 's", "'s")
}
