//! RefCOCO, RefCOCO+, RefCOCOg and gRefCOCO: expressions that mean things of COCO's pictures.
//!
//! <https://github.com/lichengunc/refer> (`README.md` at 04a194c): `instances.json` as in COCO, and
//! `refs(SPLITTER).p`, a pickle of `ref_id`, `ann_id`, `image_id`, `split` and `sentences`, each
//! with `sent`. <https://github.com/henghuiding/gRefCOCO> (`grefexp_coco_format.py` at b4b1e55):
//! `grefs(unc).json`, where `ann_id` is a list, `[-1]` for nothing. Of several splitters `unc` or
//! `umd` counts, else the last by name. Each sentence asks for box and mask; the published split
//! stands behind the record's source, as in `refcoco:testA`.

use super::Reader;
use super::coco::file::{Annotation, File};
use super::folder::{Folder, name_of};
use super::json::{self, Entry, Id, Part, Within};
use super::labelled::{clipped, mask};
use super::pickle;
use super::sink::Sink;
use super::talk::{Talk, Talks};
use crate::MAX_JSON_BYTES;
use crate::error::DataError;
use crate::wording::{Family, Values};
use refvlm_record::{AnswerPart, Target, Task, Unit};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use std::path::PathBuf;

/// COCO's file.
const INSTANCES: &str = "instances.json";

#[derive(Deserialize)]
struct Ref {
    ref_id: Id,
    ann_id: OneOrMore,
    image_id: Id,
    #[serde(default)]
    split: String,
    sentences: Vec<Sentence>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(Id),
    More(Vec<Id>),
}

#[derive(Deserialize)]
struct Sentence {
    sent: String,
}

/// The instances by their ids.
struct Known<'f> {
    pictures: HashMap<&'f Id, &'f str>,
    things: HashMap<&'f Id, &'f Annotation>,
    names: HashMap<&'f Id, &'f str>,
}

pub(super) static READER: Reader = Reader {
    name: "refcoco",
    reads: "RefCOCO, RefCOCO+, RefCOCOg, gRefCOCO: boxes and masks of expressions",
    page: "https://github.com/lichengunc/refer",
    files,
    read,
};

/// The file of expressions, where COCO's file stands beside it.
fn files(folder: &Folder) -> Vec<PathBuf> {
    let is = |name: &str| {
        (name.starts_with("refs(") && name.ends_with(").p"))
            || (name.starts_with("grefs(") && name.ends_with(").json"))
    };
    let all = if folder.has(INSTANCES) { folder.named(is) } else { Vec::new() };
    let usual = |path: &&PathBuf| ["(unc)", "(umd)"].iter().any(|s| name_of(path).contains(s));
    all.iter().find(usual).or(all.last()).cloned().into_iter().collect()
}

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    let Some(path) = files.first() else { return Ok(()) };
    let file: File = json::whole(&folder.path.join(INSTANCES), MAX_JSON_BYTES)?;
    let known = Known {
        pictures: file.images.iter().map(|image| (&image.id, image.name())).collect(),
        things: file.annotations.iter().filter_map(|a| Some((a.id.as_ref()?, a))).collect(),
        names: file.categories.iter().map(|c| (&c.id, c.name.as_str())).collect(),
    };
    let talks = Talks::open(folder, sink.wanted)?;
    let mut take = |place: &str, part: Part<'_>| {
        let Some(entry) = sink.entry() else { return Ok(()) };
        let told: Entry<Ref> = part.read();
        let id = told.as_ref().map(|told| format!(" (ref_id {})", told.ref_id));
        let place = format!("{place}{}", id.unwrap_or_default());
        sink.talk(entry, path, &place, told.and_then(|told| talk(&talks, &known, told)))
    };
    if path.extension().is_some_and(|ending| ending == "json") {
        return json::each(path, Within::List, &mut take);
    }
    let Value::Array(entries) = pickle::read(path)? else {
        let problem = "the pickle is not a list of refs".into();
        return Err(DataError::Format { path: path.clone(), problem });
    };
    let mut entries = entries.into_iter().enumerate();
    entries.try_for_each(|(k, entry)| take(&format!("[{k}]"), Part::Value(entry)))
}

fn talk(talks: &Talks, known: &Known<'_>, entry: Ref) -> Result<Talk, String> {
    let name = known.pictures.get(&entry.image_id).ok_or("image_id is not in instances.json")?;
    let mut talk = talks.begin(&entry.ref_id.to_string(), talks.pictures.find(name))?;
    talk.published(&entry.split);
    let ids = match entry.ann_id {
        OneOrMore::One(id) => vec![id],
        OneOrMore::More(ids) => ids,
    };
    let (mut targets, mut masked, mut noun) = (Vec::new(), true, None);
    for id in ids.iter().filter(|id| **id != Id::Number(-1)) {
        let thing = known.things.get(id).ok_or("ann_id is not in instances.json")?;
        let outline = thing.segmentation.clone().map(|s| s.outline()).transpose()?;
        let mask = mask(outline, talk.size())?.map(|(rle, _)| rle);
        let bbox = thing.bbox.as_deref().and_then(|bbox| bbox.try_into().ok());
        let bbox = Some(clipped(bbox.ok_or("its bbox has not 4 numbers")?, talk.size())?);
        masked &= mask.is_some();
        let category = thing.category_id.as_ref().and_then(|id| known.names.get(id)).copied();
        noun = category.filter(|name| noun.is_none_or(|known| known == *name)).or(Some("object"));
        targets.push(talk.target(Target { bbox, mask, ..Target::default() }));
    }
    for sentence in &entry.sentences {
        let thing = sentence.sent.trim();
        for (family, task, unit) in [
            (Family::ReferBox, Task::GroundingDetection, Unit::Box),
            (Family::ReferMask, Task::GroundingSegmentation, Unit::Mask),
        ] {
            if unit == Unit::Mask && !masked {
                continue;
            }
            let values = Values { thing, ..Values::default() };
            let question = talk.ask(family, &values);
            let answer = match noun {
                Some(noun) => {
                    let (concept, targets) = (noun.to_string(), targets.clone());
                    vec![
                        AnswerPart::Triplet { concept, unit, targets },
                        AnswerPart::Text(".".into()),
                    ]
                }
                None => vec![AnswerPart::Text("There is nothing like that in the picture.".into())],
            };
            talk.turn(task, question, answer);
        }
    }
    Ok(talk)
}
