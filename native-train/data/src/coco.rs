//! Folders in COCO format: `instances.json`, and where there are some `captions.json` and
//! `person_keypoints.json`, beside the pictures (in `images/` or next to the file).

mod file;
mod shape;

use crate::bounded::read_bounded;
use crate::error::DataError;
use crate::photo::{Joints, Photo, Thing};
use crate::sources::Source;
use file::{Annotation, File, Id, Segmentation};
use rayon::prelude::*;
use refvlm_record::{MAX_SIDE_PX, Rle};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Largest annotation file: COCO's own of 118,000 pictures has 470 MB.
pub const MAX_JSON_BYTES: u64 = 2 << 30;
/// How deep folders of sources may lie in each other.
const MAX_DEPTH: usize = 3;
/// Least side of a box in px: below, nothing can be seen.
const LEAST_SIDE_PX: f32 = 1.0;

/// Photos of one or more sources.
#[derive(Debug, Default)]
pub struct Collection {
    /// Every usable photo, by source and in the order of its file.
    pub photos: Vec<Photo>,
    /// Entries that were left out, each with its place and the remedy. A photo with a faulty
    /// entry stays, but counts as complete for nothing any more.
    pub faults: Vec<DataError>,
}

impl Collection {
    /// Reads a source (a folder that holds `instances.json`), or every source in a folder, by
    /// name. Pictures are only looked for, not decoded.
    ///
    /// # Errors
    /// When there is no source, or a file cannot be read or is not of the format. Entries that
    /// cannot be used are no error, see [`Collection::faults`].
    pub fn open(folder: &Path) -> Result<Self, DataError> {
        let mut found = Vec::new();
        find_sources(folder, MAX_DEPTH, &mut found)?;
        if found.is_empty() {
            return Err(DataError::NoSource { path: folder.into() });
        }
        let mut all = Self::default();
        for folder in found {
            let one = open_source(&folder)?;
            all.photos.extend(one.photos);
            all.faults.extend(one.faults);
        }
        Ok(all)
    }
}

fn find_sources(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), DataError> {
    if folder.join("instances.json").is_file() {
        found.push(folder.into());
        return Ok(());
    }
    if depth == 0 {
        return Ok(());
    }
    let failed = |source| DataError::Read { path: folder.into(), source };
    let mut inner = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            inner.push(path);
        }
    }
    inner.sort();
    inner.iter().try_for_each(|folder| find_sources(folder, depth - 1, found))
}

fn read(path: &Path) -> Result<File, DataError> {
    let bytes = read_bounded(path, MAX_JSON_BYTES)?;
    serde_json::from_slice(&bytes)
        .map_err(|e| DataError::Json { path: path.into(), problem: e.to_string() })
}

fn read_if_there(path: &Path) -> Result<File, DataError> {
    if path.is_file() { read(path) } else { Ok(File::default()) }
}

fn open_source(folder: &Path) -> Result<Collection, DataError> {
    let path = folder.join("instances.json");
    let instances = read(&path)?;
    let captions_path = folder.join("captions.json");
    let captions = read_if_there(&captions_path)?;
    let poses_path = folder.join("person_keypoints.json");
    let poses = read_if_there(&poses_path)?;

    let resolved = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.into());
    let name = resolved.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let mut source = Source::open(&name, folder)?;
    let mut categories: HashMap<&Id, &str> = HashMap::new();
    for category in &instances.categories {
        categories.insert(&category.id, &category.name);
    }
    let nouns: BTreeSet<String> =
        categories.values().filter_map(|category| source.noun(category)).collect();
    source.nouns = nouns.into_iter().collect();
    let source = Arc::new(source);

    let mut reading = Reading { path: &path, faults: Vec::new() };
    let (mut photos, index) = reading.photos(folder, &instances, &source);
    let posed: HashMap<&Id, &Annotation> =
        poses.annotations.iter().filter_map(|a| Some((a.id.as_ref()?, a))).collect();
    let made: Vec<Made> = instances
        .annotations
        .par_iter()
        .enumerate()
        .map(|(k, annotation)| {
            let place = || place("annotations", k, annotation.id.as_ref());
            let fault = |problem: String| (place(), problem);
            let image = annotation.image_id.as_ref().and_then(|id| index.get(id)).copied();
            let image = image.ok_or_else(|| {
                (None, fault("image_id names no usable picture; correct or remove it".into()))
            })?;
            let photo = &photos[image];
            let category = annotation.category_id.as_ref().and_then(|id| categories.get(id));
            let joints = annotation.id.as_ref().and_then(|id| posed.get(id));
            let thing = match category {
                Some(category) => thing(annotation, joints.copied(), category, photo),
                None => Err("category_id names no category; correct or add it".into()),
            };
            thing.map(|thing| (image, thing)).map_err(|problem| (Some(image), fault(problem)))
        })
        .collect();
    let mut seen = HashSet::new();
    for (k, (made, annotation)) in made.into_iter().zip(&instances.annotations).enumerate() {
        let made = match &annotation.id {
            Some(id) if !seen.insert(id) => {
                let problem = "its id was there before; give each entry its own".to_string();
                let image = annotation.image_id.as_ref().and_then(|id| index.get(id)).copied();
                Err((image, (place("annotations", k, Some(id)), problem)))
            }
            _ => made,
        };
        match made {
            Ok((image, thing)) => photos[image].things.push(thing),
            Err((image, (place, problem))) => {
                if let Some(photo) = image.and_then(|image| photos.get_mut(image)) {
                    photo.complete = false;
                    photo.complete_for = Arc::default();
                }
                reading.fault(place, problem);
            }
        }
    }
    let mut reading = Reading { path: &captions_path, ..reading };
    reading.captions(&captions, &index, &mut photos);
    Ok(Collection { photos, faults: reading.faults })
}

type Place = (String, String);
type Made = Result<(usize, Thing), (Option<usize>, Place)>;

fn place(list: &str, k: usize, id: Option<&Id>) -> String {
    id.map_or_else(|| format!("{list}[{k}]"), |id| format!("{list}[{k}] (id {id})"))
}

struct Reading<'a> {
    path: &'a Path,
    faults: Vec<DataError>,
}

impl Reading<'_> {
    fn fault(&mut self, place: String, problem: String) {
        self.faults.push(DataError::Entry { path: self.path.into(), place, problem });
    }

    /// The usable pictures and where each id stands among them.
    fn photos<'f>(
        &mut self,
        folder: &Path,
        file: &'f File,
        source: &Arc<Source>,
    ) -> (Vec<Photo>, HashMap<&'f Id, usize>) {
        let licences: HashMap<&Id, &str> =
            file.licenses.iter().filter_map(|l| Some((&l.id, l.name.as_deref()?))).collect();
        let (mut photos, mut index) = (Vec::new(), HashMap::new());
        let mut known: HashMap<Vec<&String>, Arc<BTreeSet<String>>> = HashMap::new();
        for (k, entry) in file.images.iter().enumerate() {
            let place = || place("images", k, Some(&entry.id));
            if index.contains_key(&entry.id) {
                self.fault(place(), "its id was there before; give each picture its own".into());
                continue;
            }
            let sides = 1..=MAX_SIDE_PX;
            let (width, height) = (entry.width.unwrap_or(0), entry.height.unwrap_or(0));
            if !sides.contains(&width) || !sides.contains(&height) {
                let problem =
                    format!("{width}x{height} px; width and height must be 1..={MAX_SIDE_PX}");
                self.fault(place(), problem);
                continue;
            }
            let Some(path) = picture_path(folder, entry.file_name.as_deref().unwrap_or_default())
            else {
                let name = entry.file_name.as_deref().unwrap_or_default();
                let problem = format!(
                    "no picture '{name}' in {} or its images/; restore it or remove the entry",
                    folder.display()
                );
                self.fault(place(), problem);
                continue;
            };
            let stem = path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into());
            let list: Vec<&String> = source.complete_for(&stem).collect();
            let complete_for = known
                .entry(list)
                .or_insert_with_key(|list| Arc::new(list.iter().map(|n| (*n).clone()).collect()))
                .clone();
            let licence = entry.license.as_ref().and_then(|id| licences.get(id));
            index.insert(&entry.id, photos.len());
            photos.push(Photo {
                source: source.clone(),
                id: entry.id.to_string(),
                complete: source.complete(&stem),
                complete_for,
                path,
                width,
                height,
                licence: licence.map_or_else(|| source.licence.clone(), |name| (*name).into()),
                things: Vec::new(),
                captions: Vec::new(),
            });
        }
        (photos, index)
    }

    fn captions(&mut self, file: &File, index: &HashMap<&Id, usize>, photos: &mut [Photo]) {
        // A caption file lists its own pictures; captions of others than ours are passed over.
        for (k, annotation) in file.annotations.iter().enumerate() {
            let image = annotation.image_id.as_ref().and_then(|id| index.get(id));
            let Some(photo) = image.and_then(|&image| photos.get_mut(image)) else { continue };
            match annotation.caption.as_deref().and_then(sentence) {
                Some(caption) => photo.captions.push(caption),
                None => {
                    let problem = "no sentence of at most 300 letters; shorten or remove it";
                    self.fault(place("annotations", k, annotation.id.as_ref()), problem.into());
                }
            }
        }
    }
}

/// Single spaces, a capital first and one full stop last; none for what is no sentence.
fn sentence(caption: &str) -> Option<String> {
    let words: Vec<&str> = caption.split_whitespace().collect();
    let text = words.join(" ");
    let text = text.trim_end_matches(['.', ' ', '"', ',']).trim_start_matches(['"', ' ']);
    let spoken = text.len() <= 300 && words.len() >= 3 && !text.contains(['<', '>', '{', '[']);
    spoken.then(|| format!("{}.", crate::english::capitalised(text)))
}

/// Where the picture is; none when it is missing or its name leaves the folder.
fn picture_path(folder: &Path, name: &str) -> Option<PathBuf> {
    let relative = Path::new(name);
    let inside = relative.components().all(|c| matches!(c, Component::Normal(_)));
    if name.is_empty() || !inside {
        return None;
    }
    [folder.join("images").join(relative), folder.join(relative)].into_iter().find(|p| p.is_file())
}

fn thing(
    annotation: &Annotation,
    posed: Option<&Annotation>,
    category: &str,
    photo: &Photo,
) -> Result<Thing, String> {
    let (width, height) = (photo.width, photo.height);
    let mask = mask(annotation.segmentation.as_ref(), [width, height])?;
    let bounds = mask.as_ref().map(|(_, bounds)| *bounds);
    let bbox = match (&annotation.bbox, bounds) {
        (Some(values), _) => {
            let &[x, y, w, h] = values.as_slice() else {
                return Err(format!("bbox has {} numbers; give x, y, width, height", values.len()));
            };
            clipped([x, y, w, h], [width, height])?
        }
        (None, Some(bounds)) => bounds,
        (None, None) => return Err("neither bbox nor segmentation; give one".into()),
    };
    let keypoints = posed.and_then(|p| p.keypoints.as_ref()).or(annotation.keypoints.as_ref());
    let joints = keypoints.map(|values| joints(values, [width, height])).transpose()?.flatten();
    Ok(Thing {
        category: category.into(),
        name: photo.source.noun(category),
        bbox,
        mask: mask.map(|(rle, _)| rle),
        joints,
        crowd: annotation.iscrowd.unwrap_or(0) != 0,
        kept: 1.0,
    })
}

fn clipped(bbox: [f64; 4], [width, height]: [u32; 2]) -> Result<[f32; 4], String> {
    let [x, y, w, h] = bbox;
    if !bbox.iter().all(|v| v.is_finite()) {
        return Err("bbox is not finite; correct it".into());
    }
    let (x0, x1) = (x.clamp(0.0, width.into()), (x + w).clamp(0.0, width.into()));
    let (y0, y1) = (y.clamp(0.0, height.into()), (y + h).clamp(0.0, height.into()));
    let inside = [x0, y0, x1 - x0, y1 - y0].map(|v| v as f32);
    if inside[2] < LEAST_SIDE_PX || inside[3] < LEAST_SIDE_PX {
        return Err(format!(
            "bbox [{x}, {y}, {w}, {h}] covers less than {LEAST_SIDE_PX} px of the picture of \
             {width}x{height} px; correct or remove it"
        ));
    }
    Ok(inside)
}

/// The mask with its bounds; `None` when it is missing or empty.
fn mask(
    segmentation: Option<&Segmentation>,
    [width, height]: [u32; 2],
) -> Result<Option<(Rle, [f32; 4])>, String> {
    let mask = match segmentation {
        None => return Ok(None),
        Some(Segmentation::Other(_)) => {
            return Err("segmentation is neither polygons nor run lengths; export it again".into());
        }
        Some(Segmentation::Polygons(polygons)) => shape::fill(polygons, width, height)?,
        Some(Segmentation::Runs(rle)) => {
            if rle.size != [height, width] {
                let [h, w] = rle.size;
                return Err(format!(
                    "mask of {w}x{h} px in a picture of {width}x{height}; export it again"
                ));
            }
            rle.to_mask().map_err(|e| e.to_string())?
        }
    };
    let bounds = mask.bounds().map(|bounds| bounds.map(|v| v as f32));
    Ok(bounds.map(|bounds| (mask.to_rle(), bounds)))
}

/// The joints; `None` when no joint is labelled.
fn joints(values: &[f64], [width, height]: [u32; 2]) -> Result<Option<Joints>, String> {
    if values.len() != 51 {
        return Err(format!("{} keypoint numbers; 17 times x, y, v are needed", values.len()));
    }
    let mut joints = [[0.0; 3]; 17];
    for (joint, values) in joints.iter_mut().zip(values.chunks_exact(3)) {
        let &[x, y, v] = values else { continue };
        if ![0.0, 1.0, 2.0].contains(&v) || !x.is_finite() || !y.is_finite() {
            return Err(format!("keypoint [{x}, {y}, {v}]; x and y must be finite, v 0, 1 or 2"));
        }
        let inside = (0.0..=width.into()).contains(&x) && (0.0..=height.into()).contains(&y);
        if v > 0.0 && inside {
            *joint = [x as f32, y as f32, v as f32];
        }
    }
    Ok(joints.iter().any(|joint| joint[2] > 0.0).then_some(joints))
}
