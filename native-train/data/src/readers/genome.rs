//! Visual Genome: what regions show, where phrases are, and how two things relate.
//!
//! <https://homes.cs.washington.edu/~ranjay/visualgenome/api.html>: `image_data.json` lists
//! `image_id`, `width`, `height`; `region_descriptions.json` has for each picture `regions` with
//! `phrase`, `x`, `y`, `width`, `height`; `relationships.json` has `relationships` with `predicate`,
//! `subject` and `object` (`name` or `names`, `x`, `y`, `w`, `h`). Pictures are `ID.jpg` in `VG_100K`
//! and `VG_100K_2`. Its objects are labelled again and again, so nothing is counted or listed.

use super::Reader;
use super::folder::{Folder, name_of};
use super::json::{self, Id, Within};
use super::sink::Sink;
use super::talk::{Talk, Talks};
use crate::error::DataError;
use crate::wording::{Family, Values};
use refvlm_record::{AnswerPart, Task, Unit};
use serde::Deserialize;
use std::path::PathBuf;

/// Turns of a record.
const MOST_TURNS: usize = 8;

pub(super) static READER: Reader = Reader {
    name: "visual-genome",
    reads: "Visual Genome: captions of regions, boxes of phrases, relations",
    page: "https://homes.cs.washington.edu/~ranjay/visualgenome/api.html",
    files,
    read,
};

#[derive(Deserialize)]
struct Told {
    #[serde(alias = "id")]
    image_id: Id,
    #[serde(default)]
    regions: Vec<Region>,
    #[serde(default)]
    relationships: Vec<Relation>,
}

#[derive(Deserialize)]
struct Region {
    phrase: String,
    #[serde(flatten)]
    place: Place,
}

#[derive(Deserialize)]
struct Relation {
    predicate: String,
    subject: Place,
    object: Place,
}

#[derive(Deserialize)]
struct Place {
    x: f64,
    y: f64,
    #[serde(alias = "width")]
    w: f64,
    #[serde(alias = "height")]
    h: f64,
}

fn files(folder: &Folder) -> Vec<PathBuf> {
    let files = folder
        .named(|name| name.starts_with("region_descriptions") || name.starts_with("relationships"));
    files.into_iter().filter(|path| name_of(path).ends_with(".json")).collect()
}

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    let talks = Talks::open(folder, sink.wanted)?;
    for path in files {
        json::each(path, Within::List, &mut |place, part| {
            let Some(entry) = sink.entry() else { return Ok(()) };
            let told: Told = match part.read() {
                Ok(told) => told,
                Err(problem) => return sink.fault(entry, path, place, problem),
            };
            let id = told.image_id.to_string();
            let begin = |kind: &str, number: usize| {
                talks.begin(&format!("{id}-{kind}-{number}"), talks.pictures.find_stem(&id))
            };
            for (k, regions) in told.regions.chunks(MOST_TURNS / 2).enumerate() {
                let talk = begin("regions", k).and_then(|talk| of_regions(talk, regions));
                sink.talk(entry, path, place, talk)?;
            }
            for (k, relations) in told.relationships.chunks(MOST_TURNS).enumerate() {
                let talk = begin("relations", k).and_then(|talk| of_relations(talk, relations));
                sink.talk(entry, path, place, talk)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

impl Place {
    fn bbox(&self) -> [f64; 4] {
        [self.x, self.y, self.w, self.h]
    }
}

/// Each region is described, and its description is looked for.
fn of_regions(mut talk: Talk, regions: &[Region]) -> Result<Talk, String> {
    for region in regions {
        let phrase = region.phrase.split_whitespace().collect::<Vec<_>>().join(" ");
        let phrase = phrase.trim_end_matches('.');
        if phrase.is_empty() {
            return Err("a region without a phrase; remove it".into());
        }
        let target = talk.boxed(region.place.bbox())?;
        let prompt = talk.prompt_at(target);
        let question = talk.ask(Family::RegionCaption, &Values { prompt, ..Values::default() });
        talk.words(question, phrase);
        let question = talk.ask(Family::ReferBox, &Values { thing: phrase, ..Values::default() });
        let triplet =
            AnswerPart::Triplet { concept: phrase.into(), unit: Unit::Box, targets: vec![target] };
        talk.turn(Task::GroundingDetection, question, vec![triplet, AnswerPart::Text(".".into())]);
    }
    Ok(talk)
}

fn of_relations(mut talk: Talk, relations: &[Relation]) -> Result<Talk, String> {
    for relation in relations {
        let predicate = relation.predicate.to_lowercase();
        if predicate.trim().is_empty() {
            return Err("a relation without a predicate; remove it".into());
        }
        let (subject, object) =
            (talk.boxed(relation.subject.bbox())?, talk.boxed(relation.object.bbox())?);
        let (prompt, other) = (talk.prompt_at(subject), talk.prompt_at(object));
        let values = Values { prompt, other, ..Values::default() };
        let question = talk.ask(Family::Relation, &values);
        talk.words(question, &predicate);
    }
    Ok(talk)
}
