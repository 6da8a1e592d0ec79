//! GRIT: captions of which phrases have boxes.
//!
//! <https://huggingface.co/datasets/zzliang/GRIT>: for each picture `key`, `caption`,
//! `noun_chunks` and `ref_exps`, lists of `[start, end, x1, y1, x2, y2, score]` where start and end
//! count letters of the caption and corners are shares of the sides. A file of JSON per picture, as
//! img2dataset writes them, or JSON Lines. The caption is asked for with boxes on its noun chunks;
//! chunks within others and those that leave the caption are left out.

use super::Reader;
use super::folder::Folder;
use super::json::{Id, Within};
use super::labelled::clipped;
use super::sink::Sink;
use super::talk::{self, Talk, Talks};
use crate::error::DataError;
use crate::wording::{Family, Values, WordingSet};
use refvlm_record::{AnswerPart, Target, Task, Unit};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Told {
    key: Id,
    caption: String,
    noun_chunks: Vec<[f64; 7]>,
}

pub(super) static READER: Reader = Reader {
    name: "grit",
    reads: "GRIT: captions with boxes on phrases",
    page: "https://huggingface.co/datasets/zzliang/GRIT",
    files,
    read,
};

fn files(folder: &Folder) -> Vec<PathBuf> {
    match folder.json_with(&["\"noun_chunks\"", "\"caption\""]).is_empty() {
        true => Vec::new(),
        // Only the beginnings of some were looked at.
        false => folder.named(|name| name.ends_with(".json") || name.ends_with(".jsonl")),
    }
}

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    talk::each(folder, files, Within::List, sink, |talks, _, _, told| talk(talks, told))
}

fn talk(talks: &Talks, told: Told) -> Result<Talk, String> {
    let key = told.key.to_string();
    let mut talk = talks.begin(&key, talks.pictures.find_stem(&key))?;
    let [width, height] = talk.size().map(f64::from);
    let letters: Vec<char> = told.caption.chars().collect();
    // Boxes of the same words belong together.
    let mut spans: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for [start, end, x0, y0, x1, y1, _] in told.noun_chunks {
        let bbox = [x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height];
        let Ok(bbox) = clipped(bbox, talk.size()) else { continue };
        let span = (start.max(0.0) as usize, end.max(0.0) as usize);
        if span.0 < span.1 && span.1 <= letters.len() {
            let target = talk.target(Target { bbox: Some(bbox), ..Target::default() });
            spans.entry(span).or_default().push(target);
        }
    }
    let text =
        |from: usize, to: usize| letters.iter().skip(from).take(to - from).collect::<String>();
    let (mut at, mut answer) = (0, Vec::new());
    for ((start, end), targets) in spans {
        if start < at {
            continue;
        }
        if start > at {
            answer.push(AnswerPart::Text(text(at, start)));
        }
        let concept = text(start, end);
        answer.push(AnswerPart::Triplet { concept, unit: Unit::Box, targets });
        at = end;
    }
    if at == 0 {
        return Err("no noun chunk with a box in the caption; remove it".into());
    }
    if at < letters.len() {
        answer.push(AnswerPart::Text(text(at, letters.len())));
    }
    let question =
        Family::CaptionBoxes.ask(WordingSet::Training, &Values::default(), &mut talk.rng);
    talk.turn(Task::GcgDetection, question, answer);
    Ok(talk)
}
