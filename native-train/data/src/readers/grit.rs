//! GRIT: captions of which phrases have boxes.
//!
//! <https://huggingface.co/datasets/zzliang/GRIT>: for each picture `key`, `caption`,
//! `noun_chunks` and `ref_exps`, lists of `[start, end, x1, y1, x2, y2, score]` where start and end
//! count letters of the caption and corners are shares of the sides. A file of JSON per picture, as
//! img2dataset writes them, or JSON Lines. The caption is asked for with boxes on its noun chunks
//! and without; expressions are looked for, and those of one box are asked for by it. Chunks within
//! others and those that leave the caption are left out.

use super::Reader;
use super::folder::Folder;
use super::json::{Id, Within};
use super::sink::Sink;
use super::talk::{self, Talk, Talks, phrases};
use crate::error::DataError;
use crate::wording::{Family, Values};
use refvlm_record::{AnswerPart, Task, Unit};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Told {
    key: Id,
    caption: String,
    noun_chunks: Vec<[f64; 7]>,
    #[serde(default)]
    ref_exps: Vec<[f64; 7]>,
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
    let mut letters: Vec<usize> = told.caption.char_indices().map(|(byte, _)| byte).collect();
    letters.push(told.caption.len());
    let spans = spans(&mut talk, &letters, told.noun_chunks);
    let answer = phrases(&told.caption, spans, Unit::Box)
        .ok_or("no noun chunk with a box in the caption; remove it")?;
    let question = talk.ask(Family::CaptionBoxes, &Values::default());
    talk.turn(Task::GcgDetection, question, answer);
    let question = talk.ask(Family::Caption, &Values::default());
    talk.words(question, &told.caption);
    for ((start, end), targets) in self::spans(&mut talk, &letters, told.ref_exps) {
        let thing = told.caption.get(start..end).unwrap_or_default().trim();
        if thing.is_empty() {
            continue;
        }
        if let [target] = targets[..] {
            let prompt = talk.prompt_at(target);
            let question = talk.ask(Family::RegionCaption, &Values { prompt, ..Values::default() });
            talk.words(question, thing);
        }
        let question = talk.ask(Family::ReferBox, &Values { thing, ..Values::default() });
        let triplet = AnswerPart::Triplet { concept: thing.into(), unit: Unit::Box, targets };
        talk.turn(Task::GroundingDetection, question, vec![triplet, AnswerPart::Text(".".into())]);
    }
    Ok(talk)
}

/// Boxes by the bytes of their words; boxes of the same words belong together.
fn spans(
    talk: &mut Talk,
    letters: &[usize],
    chunks: Vec<[f64; 7]>,
) -> BTreeMap<(usize, usize), Vec<usize>> {
    let [width, height] = talk.size().map(f64::from);
    let mut spans: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for [start, end, x0, y0, x1, y1, _] in chunks {
        let byte = |letter: f64| letters.get(letter.max(0.0) as usize).copied();
        let Some(span) = byte(start).zip(byte(end)).filter(|(start, end)| start < end) else {
            continue;
        };
        let bbox = [x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height];
        let Ok(target) = talk.boxed(bbox) else { continue };
        spans.entry(span).or_default().push(target);
    }
    spans
}
