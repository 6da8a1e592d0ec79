//! COCO and what has its form: instances, joints and captions.
//!
//! <https://cocodataset.org/#format-data>. Three layouts: COCO's own download
//! (`annotations/instances_SPLIT.json`, `person_keypoints_SPLIT.json`, `captions_SPLIT.json` and a
//! folder of pictures per split; COCO-ReM, LVIS and NoCaps lie alike), exports of Roboflow
//! (`_annotations.coco.json` beside the pictures) and of Label Studio (`result.json`), and our own
//! (`instances.json`, `captions.json`, `person_keypoints.json` and `images`).

pub(crate) mod file;

use super::Reader;
use super::folder::{Folder, name_of};
use super::json::{self, Id};
use super::labelled::{Labelled, Photos, Shape, Shapes};
use super::sink::Sink;
use crate::MAX_JSON_BYTES;
use crate::error::DataError;
use file::{Annotation, File};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

pub(super) static READER: Reader = Reader {
    name: "coco",
    reads: "COCO instances, joints and captions; LVIS, NoCaps; exports of Roboflow",
    page: "https://cocodataset.org/#format-data",
    files,
    read,
};

fn files(folder: &Folder) -> Vec<PathBuf> {
    let files = folder.named(|name| name.ends_with(".json"));
    let mut splits = splits(&files);
    let result = Path::new("result.json");
    let other = |path: &Path| {
        path.ends_with(result) && !folder.json_with(&["\"images\""]).contains(&path.to_path_buf())
    };
    splits.retain(|_, files| !files.instances.as_deref().is_some_and(other));
    // `instances.json` is the one that makes the folder a source of ours.
    splits.retain(|split, files| !split.is_empty() || files.instances.is_some());
    splits.into_values().flat_map(|f| [f.instances, f.joints, f.captions]).flatten().collect()
}

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    splits(files).values().try_for_each(|files| read_split(folder, files, sink))
}

/// The files of one split.
#[derive(Default)]
struct Files {
    instances: Option<PathBuf>,
    joints: Option<PathBuf>,
    captions: Option<PathBuf>,
}

fn splits(files: &[PathBuf]) -> BTreeMap<String, Files> {
    let mut splits: BTreeMap<String, Files> = BTreeMap::new();
    for path in files {
        let name = name_of(path);
        let name = name.trim_end_matches(".json");
        let begins = |start: &str| name.strip_prefix(start).map(|rest| rest.to_string());
        let path = Some(path.clone());
        if let Some(split) = begins("person_keypoints") {
            splits.entry(split).or_default().joints = path;
        } else if let Some(split) = begins("captions") {
            splits.entry(split).or_default().captions = path;
        } else if let Some(split) = begins("instances").or_else(|| begins("lvis_v")) {
            splits.entry(split).or_default().instances = path;
        } else if name == "_annotations.coco" || name == "result" {
            splits.entry(name.into()).or_default().instances = path;
        } else if name.starts_with("nocaps") {
            splits.entry(name.into()).or_default().captions = path;
        }
    }
    splits
}

fn read_if_there(path: Option<&PathBuf>) -> Result<File, DataError> {
    path.map_or_else(|| Ok(File::default()), |path| json::whole(path, MAX_JSON_BYTES))
}

fn place(list: &str, k: usize, id: Option<&Id>) -> String {
    id.map_or_else(|| format!("{list}[{k}]"), |id| format!("{list}[{k}] (id {id})"))
}

fn read_split(folder: &Folder, files: &Files, sink: &mut Sink<'_>) -> Result<(), DataError> {
    let main = files.instances.as_ref().or(files.joints.as_ref()).or(files.captions.as_ref());
    let Some(path) = main else { return Ok(()) };
    let mut instances: File = json::whole(path, MAX_JSON_BYTES)?;
    let captions = match main == files.captions.as_ref() {
        true => File { annotations: std::mem::take(&mut instances.annotations), ..File::default() },
        false => read_if_there(files.captions.as_ref())?,
    };
    let joints = read_if_there(files.joints.as_ref().filter(|_| main != files.joints.as_ref()))?;
    let mut joints: HashMap<Id, Vec<f64>> =
        joints.annotations.into_iter().filter_map(|a| Some((a.id?, a.keypoints?))).collect();
    let categories: HashMap<&Id, &str> =
        instances.categories.iter().map(|c| (&c.id, c.name.as_str())).collect();
    let mut photos =
        Photos::open(folder, |_| Ok(categories.values().map(|name| (*name).into()).collect()))?;

    let mut order: HashMap<&Id, usize> = HashMap::new();
    for (k, entry) in instances.images.iter().enumerate() {
        if order.contains_key(&entry.id) {
            let place = place("images", k, Some(&entry.id));
            sink.unusable(path, &place, "its id was there before; give each picture its own")?;
        } else {
            order.insert(&entry.id, k);
        }
    }
    let mut shapes: HashMap<usize, Shapes> = HashMap::new();
    let mut seen = HashSet::new();
    for (k, annotation) in instances.annotations.into_iter().enumerate() {
        let place = place("annotations", k, annotation.id.as_ref());
        let image = annotation.image_id.as_ref().and_then(|id| order.get(id));
        let Some(image) = image else {
            let problem = "image_id names no usable picture; correct or remove it";
            sink.unusable(path, &place, problem)?;
            continue;
        };
        let again = annotation.id.clone().is_some_and(|id| !seen.insert(id));
        let category = annotation.category_id.as_ref().and_then(|id| categories.get(id));
        let posed = annotation.id.as_ref().and_then(|id| joints.remove(id));
        let shape = match category {
            _ if again => Err("its id was there before; give each entry its own".into()),
            Some(category) => shape(annotation, posed, category),
            None => Err("category_id names no category; correct or add it".into()),
        };
        shapes.entry(*image).or_default().push((place, shape));
    }
    let mut said: HashMap<usize, Vec<String>> = HashMap::new();
    for annotation in captions.annotations {
        // A caption file lists its own pictures; captions of others than ours are passed over.
        let image = annotation.image_id.as_ref().and_then(|id| order.get(id));
        let Some(image) = image else { continue };
        said.entry(*image).or_default().push(annotation.caption.unwrap_or_default());
    }
    let licences: HashMap<&Id, &str> =
        instances.licenses.iter().filter_map(|l| Some((&l.id, l.name.as_deref()?))).collect();
    let pictures = photos.pictures();
    for (k, entry) in instances.images.iter().enumerate() {
        if order.get(&entry.id) != Some(&k) {
            continue;
        }
        let Some(number) = sink.entry() else { continue };
        let licence = entry.license.as_ref().and_then(|id| licences.get(id));
        let labelled = Labelled {
            entry: number,
            file: path.clone(),
            place: place("images", k, Some(&entry.id)),
            id: entry.id.to_string(),
            picture: Some(pictures.find(entry.name())),
            size: Some([entry.width.unwrap_or(0), entry.height.unwrap_or(0)]),
            licence: licence.map(|name| (*name).into()),
            captions: said.remove(&k).unwrap_or_default(),
            shapes: shapes.remove(&k).unwrap_or_default(),
        };
        photos.add(labelled, sink)?;
    }
    photos.finish(sink)
}

fn shape(annotation: Annotation, posed: Option<Vec<f64>>, category: &str) -> Result<Shape, String> {
    Ok(Shape {
        category: category.into(),
        bbox: annotation.bbox,
        outline: annotation.segmentation.map(|s| s.outline()).transpose()?,
        joints: posed.or(annotation.keypoints),
        crowd: annotation.iscrowd.unwrap_or(0) != 0,
    })
}
