//! The way out: photos and records as COCO, YOLO, LabelMe or LLaVA files.
//!
//! What a format cannot say is counted in [`Converted::lost`]; nothing goes without a word.

mod trace;

use crate::error::DataError;
use crate::photo::{Joints, Photo, Thing};
use crate::sources::Source;
use refvlm_files::files::write_atomic;
use refvlm_record::{AnswerPart, QuestionPart, Record};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A format to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `instances.json` and `captions.json`, masks as run lengths.
    Coco,
    /// `data.yaml` and a line per thing: a polygon where it has a mask, else a box.
    Yolo,
    /// `data.yaml` and a line per thing: box and joints.
    YoloPose,
    /// A file of JSON per picture.
    LabelMe,
    /// `conversations.json`.
    Llava,
}

/// What became of what was given.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// Pictures, or conversations for LLaVA.
    pub written: usize,
    /// What the format cannot say, and how often.
    pub lost: BTreeMap<&'static str, usize>,
}

impl fmt::Display for Converted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} written", self.written)?;
        self.lost.iter().try_for_each(|(what, count)| write!(f, "; lost: {count} {what}"))
    }
}

/// Gathers pictures with what is known of them, and writes them.
#[derive(Debug, Default)]
pub struct Converter {
    photos: Vec<Photo>,
    /// Conversations by the photo they are about.
    talks: Vec<(usize, Record)>,
    index: HashMap<PathBuf, usize>,
    lost: BTreeMap<&'static str, usize>,
}

impl Converter {
    /// Takes a photo.
    pub fn photo(&mut self, photo: Photo) {
        match self.index.get(&photo.path).and_then(|&at| self.photos.get_mut(at)) {
            Some(known) => {
                let new = photo.things.into_iter().filter(|thing| !known.things.contains(thing));
                let new: Vec<Thing> = new.collect();
                known.things.extend(new);
                known.captions.extend(photo.captions);
            }
            None => {
                self.index.insert(photo.path.clone(), self.photos.len());
                self.photos.push(photo);
            }
        }
    }

    /// Takes a record whose picture is the file `picture`. Records about one picture are joined.
    pub fn record(&mut self, record: Record, picture: &Path) {
        let mut names = vec![None; record.targets.len()];
        for part in record.turns.iter().flat_map(|turn| &turn.answer) {
            let AnswerPart::Triplet { concept, targets, .. } = part else { continue };
            for &target in targets {
                if let Some(name) = names.get_mut(target) {
                    *name = Some(concept.clone());
                }
            }
        }
        let mut things = Vec::new();
        for (target, name) in record.targets.iter().zip(names) {
            *self.lost.entry("depth maps").or_default() += usize::from(target.depth.is_some());
            let bounds =
                || target.mask.as_ref()?.to_mask().ok()?.bounds().map(|b| b.map(|v| v as f32));
            let Some(bbox) = target.bbox.or_else(bounds) else { continue };
            let joints: Option<Joints> =
                target.keypoints.as_ref().and_then(|rows| rows.as_slice().try_into().ok());
            let mask = target.mask.clone();
            let category = name.clone().unwrap_or_else(|| "object".into());
            things.push(Thing { category, name, bbox, mask, joints, crowd: false, kept: 1.0 });
        }
        self.photo(Photo {
            source: Arc::new(Source::known(&record.source)),
            id: record.id.clone(),
            path: picture.into(),
            width: record.image.width,
            height: record.image.height,
            licence: record.licence.clone(),
            things,
            captions: Vec::new(),
            complete: false,
            complete_for: Arc::new(BTreeSet::new()),
        });
        if let Some(&at) = self.index.get(picture) {
            self.talks.push((at, record));
        }
    }

    /// Writes everything into `out`, which must be an empty folder, with copies of the pictures in
    /// `images`.
    ///
    /// # Errors
    /// When a picture cannot be copied or a file not be written.
    pub fn write(mut self, format: Format, out: &Path) -> Result<Converted, DataError> {
        let names = self.copy_pictures(out)?;
        let written = match format {
            Format::Llava => self.llava(out, &names)?,
            _ => {
                let turns: usize = self.talks.iter().map(|(_, record)| record.turns.len()).sum();
                let prompts = self.talks.iter().map(|(_, record)| record.prompts.len()).sum();
                self.lose("turns", turns);
                self.lose("prompts", prompts);
                match format {
                    Format::Coco => self.coco(out, &names)?,
                    Format::LabelMe => self.labelme(out, &names)?,
                    _ => self.yolo(out, &names, format == Format::YoloPose)?,
                }
                self.photos.len()
            }
        };
        self.lost.retain(|_, count| *count > 0);
        Ok(Converted { written, lost: self.lost })
    }

    fn lose(&mut self, what: &'static str, count: usize) {
        *self.lost.entry(what).or_default() += count;
    }

    fn lose_things(&mut self, what: &'static str, test: impl Fn(&Thing) -> bool) {
        let count = self.photos.iter().flat_map(|photo| &photo.things).filter(|t| test(t)).count();
        self.lose(what, count);
    }

    /// Copies pictures under their own names, with a number before where two have the same.
    fn copy_pictures(&self, out: &Path) -> Result<Vec<String>, DataError> {
        let folder = out.join("images");
        std::fs::create_dir_all(&folder).map_err(|e| wrote(&folder, e))?;
        let (mut names, mut taken) = (Vec::new(), BTreeSet::new());
        for (k, photo) in self.photos.iter().enumerate() {
            let name = photo.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // The stem must be new too: labels are named after it.
            let name = if taken.contains(&photo.stem()) { format!("{k}-{name}") } else { name };
            taken.insert(photo.stem());
            let place = folder.join(&name);
            std::fs::copy(&photo.path, &place).map_err(|e| wrote(&place, e))?;
            names.push(name);
        }
        Ok(names)
    }

    fn categories(&self) -> Vec<String> {
        let things = self.photos.iter().flat_map(|photo| &photo.things);
        let set: BTreeSet<&String> = things.map(|thing| &thing.category).collect();
        set.into_iter().cloned().collect()
    }

    fn coco(&mut self, out: &Path, names: &[String]) -> Result<(), DataError> {
        let categories = self.categories();
        let licences: BTreeSet<&String> = self.photos.iter().map(|photo| &photo.licence).collect();
        let licences: Vec<&String> = licences.into_iter().filter(|l| !l.is_empty()).collect();
        let (mut images, mut annotations, mut captions) = (vec![], vec![], vec![]);
        for (k, (photo, name)) in self.photos.iter().zip(names).enumerate() {
            let licence = licences.iter().position(|known| **known == photo.licence);
            images.push(json!({
                "id": k, "file_name": name, "width": photo.width, "height": photo.height,
                "license": licence,
            }));
            for thing in &photo.things {
                let category = categories.binary_search(&thing.category).unwrap_or_default();
                let area = thing.decoded().map_or(thing.box_area(), |mask| mask.area() as f32);
                let mut entry = json!({
                    "id": annotations.len(), "image_id": k, "category_id": category,
                    "bbox": thing.bbox, "area": area, "iscrowd": u8::from(thing.crowd),
                });
                if let Some(mask) = &thing.mask {
                    entry["segmentation"] = json!(mask);
                }
                if let Some(joints) = &thing.joints {
                    entry["keypoints"] = json!(joints.concat());
                    entry["num_keypoints"] = json!(joints.iter().filter(|j| j[2] > 0.0).count());
                }
                annotations.push(entry);
            }
            for caption in &photo.captions {
                captions.push(json!({ "id": captions.len(), "image_id": k, "caption": caption }));
            }
        }
        let listed = |names: Vec<&String>| -> Vec<Value> {
            names.iter().enumerate().map(|(k, name)| json!({ "id": k, "name": name })).collect()
        };
        let licences = listed(licences);
        let file = json!({
            "licenses": licences, "categories": listed(categories.iter().collect()),
            "images": images, "annotations": annotations,
        });
        save(&out.join("instances.json"), &file)?;
        match captions.is_empty() {
            true => Ok(()),
            false => save(
                &out.join("captions.json"),
                &json!({ "images": images, "annotations": captions }),
            ),
        }
    }

    fn yolo(&mut self, out: &Path, names: &[String], pose: bool) -> Result<(), DataError> {
        self.lose_things("crowd marks", |thing| thing.crowd);
        match pose {
            true => self.lose_things("masks", |thing| thing.mask.is_some()),
            false => {
                self.lose_things("poses", |thing| thing.joints.is_some());
                self.lose_things("boxes that are not those of their masks", loose);
            }
        }
        self.lose("captions", self.photos.iter().map(|photo| photo.captions.len()).sum());
        let categories = self.categories();
        let labels = out.join("labels");
        std::fs::create_dir_all(&labels).map_err(|e| wrote(&labels, e))?;
        for (photo, name) in self.photos.iter().zip(names) {
            let mut text = String::new();
            for thing in &photo.things {
                let class = categories.binary_search(&thing.category).unwrap_or_default();
                let values = yolo_values(thing, [photo.width, photo.height], pose);
                text.push_str(&class.to_string());
                values.iter().for_each(|value| text.push_str(&format!(" {value}")));
                text.push('\n');
            }
            let path = labels.join(name).with_extension("txt");
            write_atomic(&path, text.as_bytes()).map_err(|e| wrote(&path, e))?;
        }
        let mut yaml = String::from("path: .\ntrain: images\nval: images\n");
        if pose {
            yaml.push_str("kpt_shape: [17, 3]\n");
        }
        yaml.push_str("names:\n");
        for (k, name) in categories.iter().enumerate() {
            // A text of JSON is one of YAML.
            yaml.push_str(&format!("  {k}: {}\n", Value::from(name.as_str())));
        }
        let path = out.join("data.yaml");
        write_atomic(&path, yaml.as_bytes()).map_err(|e| wrote(&path, e))
    }

    fn labelme(&mut self, out: &Path, names: &[String]) -> Result<(), DataError> {
        self.lose_things("crowd marks", |thing| thing.crowd);
        self.lose_things("poses", |thing| thing.joints.is_some());
        self.lose_things("boxes that are not those of their masks", loose);
        self.lose("captions", self.photos.iter().map(|photo| photo.captions.len()).sum());
        for (photo, name) in self.photos.iter().zip(names) {
            let shapes = photo.things.iter().map(|thing| {
                let [x, y, w, h] = thing.bbox;
                let (kind, points) = match thing.decoded() {
                    Some(mask) => ("polygon", json!(trace::polygon(&mask))),
                    None => ("rectangle", json!([[x, y], [x + w, y + h]])),
                };
                json!({ "label": thing.category, "points": points, "group_id": null,
                    "description": "", "shape_type": kind, "flags": {}, "mask": null })
            });
            let file = json!({
                "version": "5.5.0", "flags": {}, "shapes": shapes.collect::<Vec<_>>(),
                "imagePath": format!("images/{name}"), "imageData": null,
                "imageHeight": photo.height, "imageWidth": photo.width,
            });
            save(&out.join(Path::new(name).with_extension("json")), &file)?;
        }
        Ok(())
    }

    fn llava(&mut self, out: &Path, names: &[String]) -> Result<usize, DataError> {
        let mut told = Vec::new();
        let (mut pointing, mut places) = (0, 0);
        for (at, record) in &self.talks {
            let mut messages = Vec::new();
            for turn in &record.turns {
                if turn.question.iter().any(|part| matches!(part, QuestionPart::Prompt { .. })) {
                    pointing += 1;
                    continue;
                }
                let answer = turn.answer.iter().map(|part| match part {
                    AnswerPart::Text(text) => text.as_str(),
                    AnswerPart::Triplet { concept, targets, .. } => {
                        places += targets.len();
                        concept
                    }
                });
                let answer: String = answer.collect();
                let image = if messages.is_empty() { "<image>\n" } else { "" };
                let question = format!("{image}{}", Record::question_text(turn));
                messages.push(json!({ "from": "human", "value": question }));
                messages.push(json!({ "from": "gpt", "value": answer }));
            }
            if let (Some(name), false) = (names.get(*at), messages.is_empty()) {
                let image = format!("images/{name}");
                told.push(json!({ "id": record.id, "image": image, "conversations": messages }));
            }
        }
        self.lose("turns that point", pointing);
        self.lose("places of phrases", places);
        save(&out.join("conversations.json"), &json!(told))?;
        Ok(told.len())
    }
}

/// Whether the box says more than the mask does.
fn loose(thing: &Thing) -> bool {
    let bounds = thing.decoded().and_then(|mask| mask.bounds());
    bounds.is_some_and(|bounds| bounds.map(|v| v as f32) != thing.bbox)
}

/// The numbers behind the class, in shares of the sides.
fn yolo_values(thing: &Thing, size: [u32; 2], pose: bool) -> Vec<f64> {
    let [width, height] = size.map(f64::from);
    if let (false, Some(mask)) = (pose, thing.decoded()) {
        let corners = trace::polygon(&mask).into_iter();
        return corners.flat_map(|[x, y]| [f64::from(x) / width, f64::from(y) / height]).collect();
    }
    let [x, y, w, h] = thing.bbox.map(f64::from);
    let mut values = vec![(x + w / 2.0) / width, (y + h / 2.0) / height, w / width, h / height];
    if pose {
        let joints = thing.joints.unwrap_or_default().map(|joint| joint.map(f64::from));
        values.extend(joints.iter().flat_map(|[x, y, v]| [x / width, y / height, *v]));
    }
    values
}

fn wrote(path: &Path, source: std::io::Error) -> DataError {
    DataError::Write { path: path.into(), source }
}

fn save(path: &Path, value: &Value) -> Result<(), DataError> {
    write_atomic(path, value.to_string().as_bytes()).map_err(|e| wrote(path, e))
}
