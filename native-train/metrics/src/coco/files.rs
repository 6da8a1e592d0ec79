//! COCO's files: the truth of a data set, and what a model found, checked before it is scored.

use super::detection::{Found, Picture};
use super::region::Region;
use super::shape::{Joints, Shape, Truth};
use crate::json::{FileError, parse};
use crate::within;
use refvlm_record::{Rle, coco};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::{self, Formatter};

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `bbox`.
    Boxes,
    /// `segmentation`.
    Masks,
    /// `keypoints`.
    Keypoints,
}

/// A data set with what was found in it, by picture.
#[derive(Debug, Clone)]
pub enum Pictures {
    /// Boxes.
    Boxes(Vec<Picture<[f64; 4]>>),
    /// Masks.
    Masks(Vec<Picture<Region>>),
    /// Joints.
    Keypoints(Vec<Picture<Joints>>),
}

/// The truth, as COCO writes it.
#[derive(Debug, Deserialize)]
struct TruthFile {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Debug, Deserialize)]
struct Image {
    id: i64,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
}

#[derive(Debug, Deserialize)]
struct Category {
    id: u64,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Annotation {
    id: i64,
    image_id: i64,
    category_id: u64,
    area: Option<f64>,
    #[serde(default)]
    iscrowd: u8,
    num_keypoints: Option<u32>,
    bbox: Option<Vec<f64>>,
    segmentation: Option<Segmentation>,
    keypoints: Option<Vec<f64>>,
}

#[derive(Debug, Deserialize)]
struct Prediction {
    image_id: i64,
    category_id: u64,
    score: f64,
    bbox: Option<Vec<f64>>,
    segmentation: Option<Segmentation>,
    keypoints: Option<Vec<f64>>,
}

/// The shapes that an annotation or a result is given in.
#[derive(Clone, Copy)]
struct Outline<'a> {
    bbox: Option<&'a [f64]>,
    segmentation: Option<&'a Segmentation>,
    keypoints: Option<&'a [f64]>,
}

impl Annotation {
    fn outline(&self) -> Outline<'_> {
        Outline {
            bbox: self.bbox.as_deref(),
            segmentation: self.segmentation.as_ref(),
            keypoints: self.keypoints.as_deref(),
        }
    }
}

impl Prediction {
    fn outline(&self) -> Outline<'_> {
        Outline {
            bbox: self.bbox.as_deref(),
            segmentation: self.segmentation.as_ref(),
            keypoints: self.keypoints.as_deref(),
        }
    }
}

#[derive(Debug)]
enum Segmentation {
    Polygons(Vec<Vec<f64>>),
    Rle(Rle),
}

/// A list is read as polygons and an object as run lengths, so that a fault inside has a place.
impl<'de> Deserialize<'de> for Segmentation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Segmentation;

            fn expecting(&self, f: &mut Formatter) -> fmt::Result {
                f.write_str("polygons [[x, y, ...], ...] or run lengths {\"size\", \"counts\"}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Segmentation, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(seq))
                    .map(Segmentation::Polygons)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Segmentation, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(map)).map(Segmentation::Rle)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

const TRUTH_FORM: &str = "an object with images, annotations and categories, as COCO describes it";

/// The names of the truth's categories by their ids.
///
/// # Errors
/// When the file is no JSON of this form.
pub fn names(truth: &[u8]) -> Result<BTreeMap<u64, String>, FileError> {
    let truth: TruthFile = parse(truth, "the truth", "entry", TRUTH_FORM)?;
    Ok(truth.categories.into_iter().filter_map(|c| Some((c.id, c.name?))).collect())
}

/// Reads what was found and the truth, and puts them side by side; both as the bytes of a file.
///
/// # Errors
/// When a file is no JSON of this form, an id is unknown or used twice, a shape is missing or
/// damaged, or a mask has not the size of its picture.
pub fn read(kind: Kind, predictions: &[u8], truth: &[u8]) -> Result<Pictures, FileError> {
    let truth: TruthFile = parse(truth, "the truth", "entry", TRUTH_FORM)?;
    let form = "a list of results, as COCO describes it";
    let found: Vec<Prediction> = parse(predictions, "the predictions", "prediction", form)?;
    let sizes = sizes(&truth)?;
    let size = |image: i64| sizes.get(&image).copied().unwrap_or_default();
    Ok(match kind {
        Kind::Boxes => Pictures::Boxes(side_by_side(&truth, found, |outline, _| boxed(outline))?),
        Kind::Masks => Pictures::Masks(side_by_side(&truth, found, |outline, image| {
            mask(outline, size(image))
        })?),
        Kind::Keypoints => {
            Pictures::Keypoints(side_by_side(&truth, found, |outline, _| joints(outline))?)
        }
    })
}

/// Width and height of each picture.
fn sizes(truth: &TruthFile) -> Result<HashMap<i64, [u32; 2]>, FileError> {
    let mut sizes = HashMap::new();
    for image in &truth.images {
        if sizes.insert(image.id, [image.width, image.height]).is_some() {
            let what = "the id is used twice: give each image its own".into();
            return Err(FileError { place: format!("image {} of the truth", image.id), what });
        }
    }
    Ok(sizes)
}

/// The objects of each picture, in the order of the files.
fn side_by_side<S: Shape>(
    truth: &TruthFile,
    predictions: Vec<Prediction>,
    shape: impl Fn(Outline, i64) -> Result<S, String>,
) -> Result<Vec<Picture<S>>, FileError> {
    let mut pictures: Vec<Picture<S>> = truth
        .images
        .iter()
        .map(|image| Picture { id: image.id, truths: Vec::new(), found: Vec::new() })
        .collect();
    let places: HashMap<i64, usize> = pictures.iter().map(|p| p.id).zip(0..).collect();
    let mut categories = HashSet::new();
    if let Some(twice) = truth.categories.iter().find(|c| !categories.insert(c.id)) {
        let what = "the id is used twice: give each category its own".into();
        return Err(FileError { place: format!("category {} of the truth", twice.id), what });
    }
    let known =
        |image: i64, category: u64| match (places.get(&image), categories.contains(&category)) {
            (None, _) => {
                Err(format!("image_id {image} is not in the truth: score what belongs to it"))
            }
            (_, false) => Err(format!(
                "category_id {category} is not among the truth's categories: correct it, or list it"
            )),
            (Some(&at), true) => Ok(at),
        };
    let mut ids = HashSet::new();
    for annotation in &truth.annotations {
        let place = || format!("annotation {} of the truth", annotation.id);
        let fault = |what: String| FileError { place: place(), what };
        if !ids.insert(annotation.id) {
            return Err(fault("the id is used twice: give each annotation its own".into()));
        }
        let at = known(annotation.image_id, annotation.category_id).map_err(fault)?;
        let outline = annotation.outline();
        let shape = shape(outline, annotation.image_id).map_err(fault)?;
        shape.check().map_err(|e| fault(e.to_string()))?;
        let area =
            annotation.area.ok_or_else(|| fault("area is missing: write it in px".into()))?;
        within("area", area, (0.0, f64::MAX), "0 or more").map_err(|e| fault(e.to_string()))?;
        pictures[at].truths.push(Truth {
            category: annotation.category_id,
            shape,
            area,
            crowd: annotation.iscrowd != 0,
            ignore: outline.keypoints.is_some() && annotation.num_keypoints == Some(0),
        });
    }
    // pycocotools decides by the first result where areas come from.
    let by_box =
        predictions.first().is_some_and(|p| p.bbox.as_ref().is_some_and(|b| !b.is_empty()));
    for (number, prediction) in (1..).zip(predictions) {
        let Prediction { image_id, category_id, score, .. } = prediction;
        let outline = prediction.outline();
        let fault =
            |what| FileError { place: format!("prediction {number} (image {image_id})"), what };
        let at = known(image_id, category_id).map_err(fault)?;
        let shape = shape(outline, image_id).map_err(fault)?;
        shape.check().map_err(|e| fault(e.to_string()))?;
        let area = if by_box {
            let [_, _, width, height] = boxed(outline).map_err(fault)?;
            width * height
        } else {
            area(outline).map_err(fault)?
        };
        pictures[at].found.push(Found { category: category_id, shape, score, area });
    }
    Ok(pictures)
}

/// The area of a result without a box.
fn area(outline: Outline) -> Result<f64, String> {
    if let Some(Segmentation::Rle(rle)) = outline.segmentation {
        return Region::from_rle(rle).map(|region| region.area() as f64).map_err(|e| e.to_string());
    }
    let joints = joints(outline)?;
    Ok(joints.bounds[2] * joints.bounds[3])
}

fn boxed(outline: Outline) -> Result<[f64; 4], String> {
    let given = outline.bbox.ok_or("bbox is missing: write [x, y, width, height]")?;
    <[f64; 4]>::try_from(given)
        .map_err(|_| format!("bbox has {} numbers: write [x, y, width, height]", given.len()))
}

fn mask(outline: Outline, [width, height]: [u32; 2]) -> Result<Region, String> {
    let region = match outline.segmentation {
        None => return Err("segmentation is missing: write run lengths or polygons".into()),
        _ if width == 0 || height == 0 => {
            return Err("the truth's image has no width and height: write them in px".into());
        }
        Some(Segmentation::Polygons(list)) => Region::from_polygons(list, width, height),
        Some(Segmentation::Rle(rle)) => Region::from_rle(rle),
    };
    let region = region.map_err(|e| e.to_string())?;
    if region.size() == [width, height] {
        return Ok(region);
    }
    let [w, h] = region.size();
    Err(format!("the mask is {w}x{h} px, the picture {width}x{height}: encode it at that size"))
}

/// Joints; without a box, the one around all of them.
fn joints(outline: Outline) -> Result<Joints, String> {
    let given = outline.keypoints.ok_or("keypoints are missing: write x, y, v of each")?;
    let mut points = [[0.0; 3]; coco::COUNT];
    if given.len() != points.len() * 3 {
        let wanted = points.len() * 3;
        return Err(format!("keypoints have {} numbers: {wanted} are needed", given.len()));
    }
    for (point, numbers) in points.iter_mut().zip(given.chunks_exact(3)) {
        point.copy_from_slice(numbers);
    }
    let bounds = match outline.bbox {
        Some(given) if !given.is_empty() => boxed(outline)?,
        _ => {
            let ends = |axis: usize| {
                let values = points.iter().map(|point| point[axis]);
                [values.clone().fold(f64::MAX, f64::min), values.fold(f64::MIN, f64::max)]
            };
            let [[x0, x1], [y0, y1]] = [ends(0), ends(1)];
            [x0, y0, x1 - x0, y1 - y0]
        }
    };
    Ok(Joints { points, bounds })
}
