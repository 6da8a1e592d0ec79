//! What an evaluation asked and found in COCO's files, which other tools read: each question is a
//! picture of its own, each phrase a category.

use crate::metrics::{Answer, normalised};
use refvlm_files::output::{OutputError, Staging};
use refvlm_metrics::coco::files::{Kind, Pictures, read};
use refvlm_metrics::json::FileError;
use refvlm_model::event::Shape;
use refvlm_record::coco::{COUNT, JOINTS, SKELETON};
use refvlm_record::{AnswerPart, Record, Rle, Target, Turn, Unit};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The kinds of shapes that COCO has files for, with their names.
pub const KINDS: [(&str, Kind); 3] =
    [("boxes", Kind::Boxes), ("masks", Kind::Masks), ("keypoints", Kind::Keypoints)];

/// The objects of one question.
#[derive(Debug, Clone)]
struct Question {
    name: String,
    file: String,
    size: [u32; 2],
    truths: Vec<(Kind, String, Target)>,
    found: Vec<(Kind, String, f32, Shape)>,
}

/// The objects of all questions.
#[derive(Debug, Clone, Default)]
pub struct Questions(Vec<Question>);

/// The files of one kind of shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Files {
    /// What is there: an object with images, annotations and categories.
    pub truth: Value,
    /// What was found: a list of results.
    pub found: Value,
}

/// The kind that a unit's shapes have; depth has none.
fn kind_of(unit: Unit) -> Option<Kind> {
    match unit {
        Unit::Box => Some(Kind::Boxes),
        Unit::Mask => Some(Kind::Masks),
        Unit::Keypoint => Some(Kind::Keypoints),
        Unit::Depth => None,
    }
}

impl Questions {
    /// Takes a question (`name`) that a record's `turn` asks, with its answer.
    pub(crate) fn add(&mut self, name: &str, record: &Record, turn: &Turn, answer: &Answer) {
        let mut truths = Vec::new();
        for part in &turn.answer {
            let AnswerPart::Triplet { concept, unit, targets } = part else { continue };
            let Some(kind) = kind_of(*unit) else { continue };
            let targets = targets.iter().filter_map(|&index| record.targets.get(index));
            truths.extend(targets.map(|target| (kind, normalised(concept), target.clone())));
        }
        let mut found = Vec::new();
        for triplet in &answer.triplets {
            let Some(kind) = kind_of(triplet.unit) else { continue };
            let shapes = triplet.shapes.iter().cloned();
            found.extend(shapes.map(|(sure, s)| (kind, normalised(&triplet.concept), sure, s)));
        }
        if !truths.is_empty() || !found.is_empty() {
            let (name, file) = (name.to_string(), record.image.path.clone());
            let size = [record.image.width, record.image.height];
            self.0.push(Question { name, file, size, truths, found });
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Names of the categories of a kind, by their ids.
    pub fn names(&self, kind: Kind) -> BTreeMap<u64, String> {
        let mut names = BTreeSet::new();
        for question in &self.0 {
            names.extend(question.truths.iter().filter(|t| t.0 == kind).map(|t| t.1.as_str()));
            names.extend(question.found.iter().filter(|f| f.0 == kind).map(|f| f.1.as_str()));
        }
        (1..).zip(names.into_iter().map(str::to_string)).collect()
    }

    /// The files of a kind; none where nothing of it was asked or found.
    pub fn files(&self, kind: Kind) -> Option<Files> {
        let names = self.names(kind);
        let ids: BTreeMap<&str, u64> =
            names.iter().map(|(id, name)| (name.as_str(), *id)).collect();
        let id = |name: &str| ids.get(name).copied().unwrap_or_default();
        let (mut images, mut annotations, mut results) = (Vec::new(), Vec::new(), Vec::new());
        for (number, question) in (1..).zip(&self.0) {
            let mut asked = false;
            for (_, name, target) in question.truths.iter().filter(|truth| truth.0 == kind) {
                let Some(mut entry) = annotation(kind, target) else { continue };
                entry["id"] = json!(annotations.len() + 1);
                entry["image_id"] = json!(number);
                entry["category_id"] = json!(id(name));
                annotations.push(entry);
                asked = true;
            }
            for (_, name, sure, shape) in question.found.iter().filter(|found| found.0 == kind) {
                let Some(mut entry) = result(shape) else { continue };
                entry["image_id"] = json!(number);
                entry["category_id"] = json!(id(name));
                entry["score"] = json!(sure);
                results.push(entry);
                asked = true;
            }
            if asked {
                let [width, height] = question.size;
                images.push(json!({
                    "id": number, "file_name": question.file, "width": width, "height": height,
                    "question": question.name,
                }));
            }
        }
        let categories = names.iter().map(|(id, name)| match kind {
            Kind::Keypoints => {
                json!({"id": id, "name": name, "keypoints": JOINTS, "skeleton": SKELETON})
            }
            _ => json!({"id": id, "name": name}),
        });
        let categories: Vec<Value> = categories.collect();
        let truth = json!({"images": images, "annotations": annotations, "categories": categories});
        (!images.is_empty()).then_some(Files { truth, found: Value::Array(results) })
    }

    /// The objects of a kind as metrics take them; none where there are none.
    ///
    /// # Errors
    /// When a shape is damaged.
    pub fn pictures(&self, kind: Kind) -> Result<Option<Pictures>, FileError> {
        let Some(files) = self.files(kind) else { return Ok(None) };
        let [truth, found] = [&files.truth, &files.found].map(|value| value.to_string());
        read(kind, found.as_bytes(), truth.as_bytes()).map(Some)
    }

    /// Writes `boxes.json` (results) and `boxes-truth.json` into a folder, and so for masks and
    /// keypoints, of each kind that occurs. Returns the names of the files of results.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Vec<String>, OutputError> {
        let staging = Staging::begin(folder)?;
        let mut names = Vec::new();
        for (name, kind) in KINDS {
            let Some(files) = self.files(kind) else { continue };
            for (file, value) in [
                (format!("{name}.json"), &files.found),
                (format!("{name}-truth.json"), &files.truth),
            ] {
                fs::write(staging.path().join(file), value.to_string())
                    .map_err(|source| OutputError::Write { path: folder.into(), source })?;
            }
            names.push(format!("{name}.json"));
        }
        staging.finish()?;
        Ok(names)
    }
}

/// A number in px as people write it, exact to a thousandth.
fn px(value: f32) -> f64 {
    (f64::from(value) * 1000.0).round() / 1000.0
}

fn area(rle: &Rle) -> Option<f64> {
    rle.to_mask().ok().map(|mask| mask.area() as f64)
}

/// The shape of a true object, with its area: of the mask where there is one, else of the box.
fn annotation(kind: Kind, target: &Target) -> Option<Value> {
    let mask = target.mask.as_ref();
    let bounds = || {
        let mask = mask?.to_mask().ok()?;
        Some(mask.bounds().unwrap_or_default().map(|side| side as f32))
    };
    let bbox = target.bbox.or_else(bounds)?;
    let area = mask.and_then(area).unwrap_or_else(|| f64::from(bbox[2]) * f64::from(bbox[3]));
    let mut entry = json!({"bbox": bbox.map(px), "area": area, "iscrowd": 0});
    match kind {
        Kind::Boxes => {}
        Kind::Masks => entry["segmentation"] = json!(mask?.compressed()),
        Kind::Keypoints => {
            let joints = target.keypoints.as_ref().filter(|joints| joints.len() == COUNT)?;
            entry["num_keypoints"] = json!(joints.iter().filter(|joint| joint[2] > 0.0).count());
            entry["keypoints"] = json!(joints.iter().flatten().map(|&v| px(v)).collect::<Vec<_>>());
        }
    }
    Some(entry)
}

/// The shape of a found object.
fn result(shape: &Shape) -> Option<Value> {
    match shape {
        Shape::Box { bbox } => Some(json!({"bbox": bbox.map(px)})),
        Shape::Mask { mask, .. } => Some(json!({"segmentation": mask.compressed()})),
        Shape::Keypoint { keypoints, .. } if keypoints.len() == COUNT => {
            let numbers: Vec<f64> = keypoints.iter().flatten().map(|&v| px(v)).collect();
            Some(json!({"keypoints": numbers}))
        }
        _ => None,
    }
}
