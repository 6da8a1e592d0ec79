//! From labels as they stand in a file to photos: the picture is found, every shape is checked
//! and cut to it. What all readers of labels share.

use super::folder::{Folder, Pictures, stem_of};
use super::json::{self, Within};
use super::polygon;
use super::sink::{Event, Item, Sink};
use crate::error::DataError;
use crate::photo::{Joints, Photo, Thing};
use crate::sources::Source;
use rayon::prelude::*;
use refvlm_record::{MAX_SIDE_PX, Mask, Rle};
use serde::de::DeserializeOwned;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Least side of a box in px: below, nothing can be seen.
const LEAST_SIDE_PX: f32 = 1.0;
/// Pictures whose masks are drawn side by side.
const BATCH: usize = 64;

/// A picture and its labels, not yet checked.
#[derive(Debug, Default)]
pub(crate) struct Labelled {
    /// The number of the source's entry.
    pub entry: u64,
    /// The file that says so, for faults.
    pub file: PathBuf,
    /// Where in the file.
    pub place: String,
    /// The picture's id in the source.
    pub id: String,
    /// The picture: its file, or why there is none.
    pub picture: Option<Result<PathBuf, String>>,
    /// Columns and rows; from the picture's file where the source has none.
    pub size: Option<[u32; 2]>,
    /// The picture's licence where it has one of its own.
    pub licence: Option<String>,
    /// Sentences about it.
    pub captions: Vec<String>,
    /// What is labelled, or what is wrong with a label.
    pub shapes: Shapes,
}

/// Labels with their places in the file; or what is wrong with them.
pub(crate) type Shapes = Vec<(String, Result<Shape, String>)>;

/// A label, not yet checked; px.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// Category in the source.
    pub category: String,
    /// Left, top, width, height.
    pub bbox: Option<Vec<f64>>,
    /// Its pixels.
    pub outline: Option<Outline>,
    /// 17 times x, y, v.
    pub joints: Option<Vec<f64>>,
    /// Several in one.
    pub crowd: bool,
}

/// The ways in which files give pixels.
#[derive(Debug)]
pub(crate) enum Outline {
    /// `[x, y, x, y, ...]` each, joined.
    Polygons(Vec<Vec<f64>>),
    /// Run lengths.
    Runs(Rle),
    /// Pixels.
    Pixels(Mask),
}

/// What comes of an entry when those before it are done.
enum Waiting {
    Photo(Box<(Labelled, Photo)>),
    Fault(u64, DataError),
}

/// Makes photos of a source.
pub(crate) struct Photos {
    source: Arc<Source>,
    pictures: Arc<Pictures>,
    seen: HashSet<PathBuf>,
    complete_for: HashMap<Vec<String>, Arc<BTreeSet<String>>>,
    waiting: Vec<Waiting>,
}

impl Photos {
    /// The photos of a folder; `categories` is asked for all names that the labels use, and told
    /// whether anything is known of their completeness, without which nobody needs them.
    pub fn open(
        folder: &Folder,
        categories: impl FnOnce(bool) -> Result<BTreeSet<String>, DataError>,
    ) -> Result<Self, DataError> {
        let mut source = Source::open(&folder.name(), &folder.path)?;
        let categories = categories(source.vouches())?;
        let nouns: BTreeSet<String> =
            categories.iter().filter_map(|category| source.noun(category)).collect();
        source.nouns = nouns.into_iter().collect();
        Ok(Self {
            source: Arc::new(source),
            pictures: Arc::new(folder.pictures()),
            seen: HashSet::new(),
            complete_for: HashMap::new(),
            waiting: Vec::new(),
        })
    }

    /// Where the source's pictures are.
    pub fn pictures(&self) -> Arc<Pictures> {
        self.pictures.clone()
    }

    /// Takes a picture; [`Photos::finish`] must follow the last.
    pub fn add(&mut self, labelled: Labelled, sink: &mut Sink<'_>) -> Result<(), DataError> {
        match self.begin(&labelled) {
            Ok(photo) => self.wait(Waiting::Photo(Box::new((labelled, photo))), sink),
            Err(problem) => {
                let (path, place) = (labelled.file, labelled.place);
                self.fail(labelled.entry, DataError::Entry { path, place, problem }, sink)
            }
        }
    }

    /// Notes an entry that is left out, behind those that wait.
    pub fn fail(
        &mut self,
        entry: u64,
        error: DataError,
        sink: &mut Sink<'_>,
    ) -> Result<(), DataError> {
        self.wait(Waiting::Fault(entry, error), sink)
    }

    fn wait(&mut self, entry: Waiting, sink: &mut Sink<'_>) -> Result<(), DataError> {
        self.waiting.push(entry);
        if self.waiting.len() >= BATCH { self.finish(sink) } else { Ok(()) }
    }

    /// Hands on what waits.
    pub fn finish(&mut self, sink: &mut Sink<'_>) -> Result<(), DataError> {
        let waiting = std::mem::take(&mut self.waiting);
        let made: Vec<Vec<(u64, Event)>> = waiting.into_par_iter().map(complete).collect();
        made.into_iter().flatten().try_for_each(|(entry, event)| sink.put(entry, event))
    }

    fn begin(&mut self, labelled: &Labelled) -> Result<Photo, String> {
        let path = labelled.picture.clone().ok_or("names no picture; add its file's name")??;
        let size = labelled.size.filter(|size| *size != [0, 0]);
        let [width, height] = match size {
            Some(size) => size,
            None => self.pictures.size(&path)?,
        };
        let sides = 1..=MAX_SIDE_PX;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(format!("{width}x{height} px; width and height must be 1..={MAX_SIDE_PX}"));
        }
        if !self.seen.insert(path.clone()) {
            return Err(format!("{} was labelled before; join the entries", path.display()));
        }
        let stem = stem_of(&path);
        let list: Vec<String> = self.source.complete_for(&stem).cloned().collect();
        let complete_for = self.complete_for.entry(list);
        let complete_for =
            complete_for.or_insert_with_key(|list| Arc::new(list.iter().cloned().collect()));
        Ok(Photo {
            source: self.source.clone(),
            id: labelled.id.clone(),
            complete: self.source.complete(&stem),
            complete_for: complete_for.clone(),
            path,
            width,
            height,
            licence: labelled.licence.clone().unwrap_or_else(|| self.source.licence.clone()),
            things: Vec::new(),
            captions: Vec::new(),
        })
    }
}

/// What is wrong with the labels, and the photo.
fn complete(waiting: Waiting) -> Vec<(u64, Event)> {
    let (labelled, mut photo) = match waiting {
        Waiting::Photo(photo) => *photo,
        Waiting::Fault(entry, error) => return vec![(entry, Err(error))],
    };
    let mut events: Vec<(u64, Event)> = Vec::new();
    let mut fault = |place: String, problem: String| {
        let path = labelled.file.clone();
        events.push((labelled.entry, Err(DataError::Entry { path, place, problem })));
    };
    for caption in labelled.captions {
        match sentence(&caption) {
            Some(caption) => photo.captions.push(caption),
            None => fault(
                format!("{}, caption", labelled.place),
                "not a sentence of at most 300 letters; shorten or remove it".into(),
            ),
        }
    }
    for (place, shape) in labelled.shapes {
        match shape.and_then(|shape| thing(shape, &photo)) {
            Ok(thing) => photo.things.push(thing),
            Err(problem) => {
                // A lost thing is a gap.
                photo.complete = false;
                photo.complete_for = Arc::default();
                fault(place, problem);
            }
        }
    }
    events.push((labelled.entry, Ok(Item::Photo(photo))));
    events
}

/// Single spaces, a capital first and one full stop last; none for what is no sentence.
fn sentence(caption: &str) -> Option<String> {
    let words: Vec<&str> = caption.split_whitespace().collect();
    let text = words.join(" ");
    let text = text.trim_end_matches(['.', ' ', '"', ',']).trim_start_matches(['"', ' ']);
    let spoken = text.len() <= 300 && words.len() >= 3 && !text.contains(['<', '>', '{', '[']);
    spoken.then(|| format!("{}.", crate::english::capitalised(text)))
}

fn thing(shape: Shape, photo: &Photo) -> Result<Thing, String> {
    let size = [photo.width, photo.height];
    let mask = mask(shape.outline, size)?;
    let bounds = mask.as_ref().map(|(_, bounds)| *bounds);
    let bbox = match (&shape.bbox, bounds) {
        (Some(values), _) => {
            let &[x, y, w, h] = values.as_slice() else {
                return Err(format!("bbox has {} numbers; give x, y, width, height", values.len()));
            };
            clipped([x, y, w, h], size)?
        }
        (None, Some(bounds)) => bounds,
        (None, None) => return Err("neither bbox nor segmentation; give one".into()),
    };
    let joints = shape.joints.map(|values| joints(&values, size)).transpose()?.flatten();
    Ok(Thing {
        name: photo.source.noun(&shape.category),
        category: shape.category,
        bbox,
        mask: mask.map(|(rle, _)| rle),
        joints,
        crowd: shape.crowd,
        kept: 1.0,
    })
}

/// The part of a box `[x, y, w, h]` that lies in the picture.
pub(crate) fn clipped(bbox: [f64; 4], [width, height]: [u32; 2]) -> Result<[f32; 4], String> {
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
pub(crate) fn mask(
    outline: Option<Outline>,
    [width, height]: [u32; 2],
) -> Result<Option<(Rle, [f32; 4])>, String> {
    let mask = match outline {
        None => return Ok(None),
        Some(Outline::Polygons(polygons)) => polygon::fill(&polygons, width, height)?,
        Some(Outline::Pixels(mask)) => mask,
        Some(Outline::Runs(rle)) => {
            if rle.size != [height, width] {
                let [h, w] = rle.size;
                return Err(format!(
                    "mask of {w}x{h} px in a picture of {width}x{height}; export it again"
                ));
            }
            rle.to_mask().map_err(|e| e.to_string())?
        }
    };
    if [mask.width, mask.height] != [width, height] {
        let (w, h) = (mask.width, mask.height);
        return Err(format!("mask of {w}x{h} px in a picture of {width}x{height}; correct it"));
    }
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

/// For sources with an entry of JSON per picture: the labels that `make` makes of the pictures, the
/// file, the place in it and the entry. `names` says which categories the files use.
///
/// # Errors
/// When a file cannot be read or is not of the form.
pub(crate) fn each<T: DeserializeOwned>(
    folder: &Folder,
    files: &[PathBuf],
    within: Within,
    sink: &mut Sink<'_>,
    names: impl Fn(&[PathBuf]) -> Result<BTreeSet<String>, DataError>,
    make: impl Fn(&Pictures, &Path, &str, T) -> Labelled,
) -> Result<(), DataError> {
    let names = |vouched| if vouched { names(files) } else { Ok(BTreeSet::new()) };
    let mut photos = Photos::open(folder, names)?;
    let pictures = photos.pictures();
    for path in files {
        json::each(path, within, &mut |place, part| {
            let Some(entry) = sink.entry() else { return Ok(()) };
            match part.read() {
                Ok(told) => {
                    let labelled = make(&pictures, path, place, told);
                    photos.add(Labelled { entry, ..labelled }, sink)
                }
                Err(problem) => {
                    let (path, place) = (path.clone(), place.into());
                    photos.fail(entry, DataError::Entry { path, place, problem }, sink)
                }
            }
        })?;
    }
    photos.finish(sink)
}

/// For sources with a file per picture: labels from each of `files`; a file that cannot be read
/// is left out.
pub(crate) fn per_file(
    folder: &Folder,
    files: &[PathBuf],
    sink: &mut Sink<'_>,
    read: impl Fn(&Path, &Pictures) -> Result<Labelled, DataError>,
) -> Result<(), DataError> {
    let names = |vouched: bool| {
        if !vouched {
            return Ok(BTreeSet::new());
        }
        let pictures = folder.pictures();
        let labelled = files.iter().filter_map(|file| read(file, &pictures).ok());
        let shapes = labelled.flat_map(|labelled| labelled.shapes);
        Ok(shapes.filter_map(|(_, shape)| Some(shape.ok()?.category)).collect())
    };
    let mut photos = Photos::open(folder, names)?;
    let pictures = photos.pictures();
    for file in files {
        let Some(entry) = sink.entry() else { continue };
        match read(file, &pictures) {
            Ok(labelled) => photos.add(Labelled { entry, ..labelled }, sink)?,
            Err(error) => photos.fail(entry, error, sink)?,
        }
    }
    photos.finish(sink)
}
