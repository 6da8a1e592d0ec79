//! From an entry of a source to records.

use super::same::Same;
use super::stream::Entry;
use crate::border::{Split, fnv, mixed, unit};
use crate::bounded::read_bounded;
use crate::dialogues::{DialogueOptions, dialogues};
use crate::error::DataError;
use crate::photo::{MAX_FILE_BYTES, Photo};
use crate::readers::{Conversation, Item};
use crate::recipe::{Pictures, Recipe, Side, SourceRecipe};
use crate::split;
use image::metadata::Orientation;
use image::{ImageDecoder, ImageError, ImageFormat, ImageReader};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use refvlm_record::{AnswerPart, QuestionPart, Record, Turn};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A record with what belongs to it.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The record; `image.path` is the name that the picture has in a folder of records.
    pub record: Record,
    /// The picture's file.
    pub picture: PathBuf,
    /// The files of the targets' distance maps, in the order of the targets that have one.
    pub depths: Vec<PathBuf>,
    /// The picture's file, where the recipe wants it inside.
    pub inside: Option<PictureFile>,
    /// What the picture is recognised by, where that is asked.
    pub picture_hash: Option<u64>,
}

/// A picture as it goes into a shard.
#[derive(Debug, Clone)]
pub struct PictureFile {
    /// The usual ending of its format.
    pub ending: &'static str,
    /// The file's bytes.
    pub bytes: Arc<Vec<u8>>,
}

impl PictureFile {
    /// The file as it is. One that is to be turned is stored upright only in the eyes of programs
    /// that know how: its labels mean the pixels as they are stored, and so they are stored anew.
    fn of(bytes: Vec<u8>, [width, height]: [u32; 2], path: &Path) -> Result<Self, DataError> {
        let bad = |e: ImageError| DataError::Picture { path: path.into(), problem: e.to_string() };
        let reader = ImageReader::new(Cursor::new(&bytes)).with_guessed_format();
        let reader = reader.map_err(|e| bad(e.into()))?;
        let ending = match reader.format() {
            Some(ImageFormat::Jpeg) => "jpg",
            Some(format) => format.extensions_str().first().copied().unwrap_or("png"),
            None => "png",
        };
        let mut decoder = reader.into_decoder().map_err(bad)?;
        let (found_width, found_height) = decoder.dimensions();
        if [found_width, found_height] != [width, height] {
            let path = path.into();
            return Err(DataError::Size { path, found_width, found_height, width, height });
        }
        let turned = decoder.orientation().map_err(bad)? != Orientation::NoTransforms;
        drop(decoder);
        if !turned {
            return Ok(Self { ending, bytes: Arc::new(bytes) });
        }
        let mut png = Cursor::new(Vec::new());
        let image = crate::photo::decoded(&bytes, path)?;
        image.to_rgb8().write_to(&mut png, ImageFormat::Png).map_err(bad)?;
        Ok(Self { ending: "png", bytes: Arc::new(png.into_inner()) })
    }
}

/// What an entry became.
pub(super) struct Made {
    /// At least one, or why there is none.
    pub samples: Result<Vec<Sample>, String>,
    /// What was wrong with it.
    pub faults: Vec<DataError>,
}

/// Makes records of the entries of one source.
pub(super) struct Maker<'a> {
    recipe: &'a Recipe,
    source: &'a SourceRecipe,
    options: DialogueOptions,
    same: &'a Same<'a>,
}

type Reason = String;

impl<'a> Maker<'a> {
    pub fn new(recipe: &'a Recipe, source: usize, same: &'a Same<'a>) -> Option<Self> {
        let source = recipe.sources.get(source)?;
        let options =
            DialogueOptions { wordings: source.wordings.into(), ..source.dialogues.clone() };
        Some(Self { recipe, source, options, same })
    }

    pub fn make(&self, entry: Entry) -> Made {
        let Entry { round, items, mut faults, .. } = entry;
        let mut reason = String::from("faulty");
        let mut samples = Vec::new();
        for item in items {
            let made = match item {
                Item::Photo(photo) => self.of_photo(photo, round),
                Item::Conversation(told) => self.of_conversation(told, round),
            };
            match made.and_then(|made| self.with_picture(made, &mut faults)) {
                Ok(mut made) => samples.append(&mut made),
                Err(why) => reason = why,
            }
        }
        Made { samples: if samples.is_empty() { Err(reason) } else { Ok(samples) }, faults }
    }

    fn of_photo(&self, photo: Photo, round: u32) -> Result<Vec<Sample>, Reason> {
        self.side(split::of(&photo))?;
        let copies = 0..self.source.per_picture;
        let mut records: Vec<Record> = Vec::new();
        for copy in copies {
            let mut rng = ChaCha8Rng::seed_from_u64(
                self.recipe.seed ^ fnv(&photo.source.name) ^ fnv(&photo.stem()),
            );
            rng.set_stream(u64::from(round) << 32 | u64::from(copy));
            let Some(dialogue) = dialogues(&photo, &mut rng, &self.options) else { continue };
            let mut record = dialogue.record;
            if (round, copy) != (0, 0) {
                record.id = format!("{}-{round}-{copy}", record.id);
            }
            records.push(record);
        }
        if records.is_empty() {
            return Err("nothing to ask".into());
        }
        let sample = |record| Sample {
            record,
            picture: photo.path.clone(),
            depths: Vec::new(),
            inside: None,
            picture_hash: None,
        };
        self.filtered(records.into_iter().map(sample).collect())
    }

    fn of_conversation(&self, told: Conversation, round: u32) -> Result<Vec<Sample>, Reason> {
        let Conversation { mut record, picture, depths } = told;
        let (source, part) = record.source.split_once(':').unwrap_or((&record.source, ""));
        let parts = &self.source.parts;
        if !parts.is_empty() && !part.is_empty() && !parts.iter().any(|known| known == part) {
            return Err("of another part".into());
        }
        let stem = picture.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
        self.side(split::of_name(source, &stem))?;
        let seed = self.recipe.seed ^ fnv(&record.id) ^ mixed(round.into());
        let mut number = 0;
        record.turns.retain(|turn| {
            number += 1;
            let share = self.source.tasks.get(&turn.task).copied().unwrap_or(1.0);
            share >= 1.0 || unit(mixed(seed ^ mixed(number))) < share
        });
        if record.turns.is_empty() {
            return Err("not drawn by its task".into());
        }
        if round > 0 {
            record.id = format!("{}-{round}", record.id);
        }
        let (inside, picture_hash) = (None, None);
        self.filtered(vec![Sample { record, picture, depths, inside, picture_hash }])
    }

    fn side(&self, side: Split) -> Result<(), Reason> {
        match (self.source.split, side) {
            (Side::All, _) | (Side::Train, Split::Train) => Ok(()),
            (Side::Validation, Split::Validation) => Ok(()),
            _ => Err("on the other side of the border".into()),
        }
    }

    fn filtered(&self, samples: Vec<Sample>) -> Result<Vec<Sample>, Reason> {
        let filters = &self.source.filters;
        let mut reason = Reason::new();
        let mut kept = Vec::new();
        for mut sample in samples {
            let record = &mut sample.record;
            let turns = record.turns.len();
            record.turns.retain(|turn| {
                words(turn) <= filters.max_words && targets(turn) <= filters.max_targets
            });
            record.turns.truncate(filters.max_turns);
            let side = record.image.width.min(record.image.height);
            if side < filters.min_side_px {
                reason = "picture too small".into();
            } else if !filters.licences.is_empty() && !filters.licences.contains(&record.licence) {
                reason = "of another licence".into();
            } else if record.turns.is_empty() {
                reason = "turns too long".into();
            } else {
                if record.turns.len() < turns {
                    prune(&mut sample);
                }
                kept.push(sample);
            }
        }
        if kept.is_empty() { Err(reason) } else { Ok(kept) }
    }

    /// Reads pictures where they are wanted. All records of an item are about one.
    fn with_picture(
        &self,
        mut samples: Vec<Sample>,
        faults: &mut Vec<DataError>,
    ) -> Result<Vec<Sample>, Reason> {
        let inside = self.recipe.shards.pictures == Pictures::Inside;
        if !inside && !self.same.asked() {
            return Ok(samples);
        }
        let Some(path) = samples.first().map(|sample| sample.picture.clone()) else {
            return Ok(samples);
        };
        let read = read_bounded(&path, MAX_FILE_BYTES).and_then(|bytes| {
            let asked = self.same.asked();
            let hash = asked.then(|| self.same.hash(&bytes, &path)).transpose()?;
            let size = samples.first().map(|sample| &sample.record.image);
            let size = size.map_or([0, 0], |image| [image.width, image.height]);
            let file = inside.then(|| PictureFile::of(bytes, size, &path)).transpose()?;
            Ok((file, hash))
        });
        let (file, hash) = read.map_err(|error| {
            faults.push(error);
            String::from("faulty")
        })?;
        if let Some(name) = hash.and_then(|hash| self.same.evaluation(hash)) {
            return Err(format!("its picture is in {name}"));
        }
        for sample in &mut samples {
            sample.inside.clone_from(&file);
            sample.picture_hash = hash;
        }
        Ok(samples)
    }
}

fn words(turn: &Turn) -> usize {
    let count = |part: &AnswerPart| match part {
        AnswerPart::Text(text) | AnswerPart::Triplet { concept: text, .. } => {
            text.split_whitespace().count()
        }
    };
    turn.answer.iter().map(count).sum()
}

fn targets(turn: &Turn) -> usize {
    let count = |part: &AnswerPart| match part {
        AnswerPart::Text(_) => 0,
        AnswerPart::Triplet { targets, .. } => targets.len(),
    };
    turn.answer.iter().map(count).max().unwrap_or(0)
}

/// Takes away targets and prompts that no turn is about any more.
fn prune(sample: &mut Sample) {
    let record = &mut sample.record;
    let answers = record.turns.iter().flat_map(|turn| &turn.answer);
    let meant = answers.flat_map(|part| match part {
        AnswerPart::Triplet { targets, .. } => targets.as_slice(),
        AnswerPart::Text(_) => &[],
    });
    let places = places(meant.copied(), record.targets.len());
    let mut depths = std::mem::take(&mut sample.depths).into_iter();
    let mut at = 0..;
    record.targets.retain(|target| {
        let kept = at.next().and_then(|k| *places.get::<usize>(k)?).is_some();
        let depth = target.depth.as_ref().and_then(|_| depths.next());
        sample.depths.extend(depth.filter(|_| kept));
        kept
    });
    let questions = record.turns.iter().flat_map(|turn| &turn.question);
    let shown = questions.filter_map(|part| match part {
        QuestionPart::Prompt { prompt } => Some(*prompt),
        QuestionPart::Text(_) => None,
    });
    let prompts = self::places(shown, record.prompts.len());
    let mut at = 0..;
    record.prompts.retain(|_| at.next().and_then(|k| *prompts.get::<usize>(k)?).is_some());
    let new =
        |places: &[Option<usize>], old: usize| places.get(old).copied().flatten().unwrap_or(old);
    for turn in &mut record.turns {
        for part in &mut turn.answer {
            if let AnswerPart::Triplet { targets, .. } = part {
                targets.iter_mut().for_each(|target| *target = new(&places, *target));
            }
        }
        for part in &mut turn.question {
            if let QuestionPart::Prompt { prompt } = part {
                *prompt = new(&prompts, *prompt);
            }
        }
    }
}

/// The new index of each of `count` things of which only the used ones stay.
fn places(used: impl Iterator<Item = usize>, count: usize) -> Vec<Option<usize>> {
    let mut places = vec![None; count];
    for used in used {
        if let Some(place) = places.get_mut(used) {
            *place = Some(0);
        }
    }
    for (new, place) in places.iter_mut().flatten().enumerate() {
        *place = new;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};
    use refvlm_record::{Task, Unit};

    /// A JPEG that is to be turned by a quarter, if an orientation is given.
    fn jpeg(orientation: Option<u8>) -> Vec<u8> {
        let image = RgbImage::from_fn(24, 16, |x, y| Rgb([(x * 10) as u8, (y * 15) as u8, 9]));
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
        let mut bytes = bytes.into_inner();
        if let Some(orientation) = orientation {
            let mut exif = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0".to_vec();
            exif.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]);
            bytes.splice(2..2, exif);
        }
        bytes
    }

    #[test]
    fn pictures_keep_their_bytes_unless_they_are_to_be_turned() {
        let path = Path::new("a.jpg");
        for plain in [None, Some(1)] {
            let file = PictureFile::of(jpeg(plain), [24, 16], path).unwrap();
            assert_eq!((file.ending, &*file.bytes), ("jpg", &jpeg(plain)));
        }
        let file = PictureFile::of(jpeg(Some(6)), [24, 16], path).unwrap();
        assert_eq!(file.ending, "png");
        let stored = crate::photo::decoded(&jpeg(None), path).unwrap().into_rgb8();
        assert_eq!(crate::photo::decoded(&file.bytes, path).unwrap().into_rgb8(), stored);
        let error = PictureFile::of(jpeg(None), [16, 24], path).unwrap_err().to_string();
        assert!(error.contains("24x16") && error.contains("16x24"), "{error}");
    }

    #[test]
    fn targets_and_prompts_of_turns_that_are_left_out_go_with_them() {
        let line = r#"{"id": "a", "image": {"path": "a.png", "width": 9, "height": 9},
            "targets": [{"box": [0, 0, 1, 1]}, {"box": [1, 0, 1, 1]}, {"box": [2, 0, 1, 1]}],
            "prompts": [{"kind": "point", "x": 0, "y": 0}, {"kind": "point", "x": 5, "y": 0}],
            "turns": [{"task": "grounding_detection", "question": [{"prompt": 1}],
                "answer": [{"concept": "dog", "unit": "box", "targets": [2, 0]}]}]}"#;
        let record = Record::from_json(line).unwrap();
        let (picture, depths) = (PathBuf::new(), Vec::new());
        let mut sample = Sample { record, picture, depths, inside: None, picture_hash: None };
        prune(&mut sample);
        let record = sample.record;
        record.check().unwrap();
        let lefts: Vec<f32> = record.targets.iter().map(|t| t.bbox.unwrap()[0]).collect();
        assert_eq!(lefts, [0.0, 2.0]);
        assert_eq!(record.prompts, [refvlm_record::Prompt::Point { x: 5.0, y: 0.0 }]);
        let turn = &record.turns[0];
        assert_eq!(turn.question, [QuestionPart::Prompt { prompt: 0 }]);
        let AnswerPart::Triplet { unit, targets, .. } = &turn.answer[0] else { panic!() };
        assert_eq!((turn.task, *unit, targets), (Task::GroundingDetection, Unit::Box, &vec![1, 0]));
    }
}
