//! Maps of classes: ADE20K, Cityscapes, Pascal VOC's segmentation.
//!
//! - ADE20K, <https://github.com/CSAILVision/sceneparsing>: `objectInfo150.txt` (columns with tabs,
//!   of which the first is the number and the last the names), `annotations/SPLIT/NAME.png` with 0
//!   for nothing, `images/SPLIT/NAME.jpg`. A class is one shape, however many things it is.
//! - Cityscapes, <https://github.com/mcordts/cityscapesScripts>:
//!   `gtFine/SPLIT/CITY/NAME_gtFine_instanceIds.png` of 16 bits, `leftImg8bit/.../NAME_leftImg8bit.png`.
//!   Numbers from 1000 on are things, divided by 1000 their class; below, a class of things is a
//!   crowd (`helpers/labels.py` lists the classes).
//! - Pascal VOC, <http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/index.html>:
//!   `SegmentationObject` and `SegmentationClass` in the palette of the kit, 255 is the border.

use super::Reader;
use super::folder::{Folder, Pictures, below, name_of, stem_of};
use super::labelled::{Labelled, Shapes, per_file};
use super::map::{Map, Meaning};
use super::sink::Sink;
use crate::bounded::read_bounded;
use crate::error::DataError;
use refvlm_record::Mask;
use std::path::{Path, PathBuf};

const ADE: &str = "objectInfo150.txt";
const CITY: &str = "_gtFine_instanceIds.png";
const VOC: &str = "SegmentationObject";
/// Classes of Cityscapes from number 7 on.
const CITY_CLASSES: [&str; 27] = [
    "road",
    "sidewalk",
    "parking",
    "rail track",
    "building",
    "wall",
    "fence",
    "guard rail",
    "bridge",
    "tunnel",
    "pole",
    "polegroup",
    "traffic light",
    "traffic sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "caravan",
    "trailer",
    "train",
    "motorcycle",
    "bicycle",
];
/// The first class of things of Cityscapes.
const CITY_THINGS: u32 = 24;
/// Classes of Pascal VOC from number 1 on.
const VOC_CLASSES: [&str; 20] = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
];

pub(super) static READER: Reader = Reader {
    name: "semantic",
    reads: "ADE20K, Cityscapes, Pascal VOC: masks from maps of classes and things",
    page: "https://github.com/CSAILVision/sceneparsing",
    files,
    read,
};

fn files(folder: &Folder) -> Vec<PathBuf> {
    let (path, depth) = match () {
        _ if folder.has(ADE) => ("annotations", 1),
        _ if folder.has("gtFine") => ("gtFine", 2),
        _ if folder.has(VOC) && folder.has("SegmentationClass") => (VOC, 0),
        _ => return Vec::new(),
    };
    let mut files = below(&folder.path.join(path), depth);
    files.retain(|file| match path {
        "gtFine" => name_of(file).ends_with(CITY),
        _ => file.extension().is_some_and(|ending| ending == "png"),
    });
    files
}

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    let names = if folder.has(ADE) { ade_names(&folder.path.join(ADE))? } else { Vec::new() };
    per_file(folder, files, sink, |path, pictures| Ok(labelled(path, pictures, &names)))
}

/// The first of the names of each number from 1 on.
fn ade_names(path: &Path) -> Result<Vec<String>, DataError> {
    let bytes = read_bounded(path, 1 << 20)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().skip(1).filter_map(|line| line.split('\t').next_back());
    Ok(lines.map(|names| names.split(',').next().unwrap_or_default().trim().into()).collect())
}

fn labelled(path: &Path, pictures: &Pictures, ade: &[String]) -> Labelled {
    let name = name_of(path);
    let stem = name.strip_suffix(CITY).map_or_else(|| stem_of(path), String::from);
    let picture = match name.ends_with(CITY) {
        true => {
            let relative = path.iter().rev().skip(1).take(2).collect::<Vec<_>>();
            let folders: PathBuf = relative.into_iter().rev().collect();
            pictures.find(&folders.join(format!("{stem}_leftImg8bit.png")).to_string_lossy())
        }
        // Beside the map of the same name there is the picture, which is a JPEG.
        false => pictures.find_jpeg(&stem),
    };
    let map = Map::read(path, voc_number);
    let shapes = map.as_ref().map_err(Clone::clone).and_then(|map| shapes(map, path, ade));
    Labelled {
        file: path.into(),
        place: "map".into(),
        id: stem,
        picture: Some(map.as_ref().map_err(Clone::clone).and(picture)),
        size: map.ok().map(|map| map.size),
        shapes: shapes.unwrap_or_else(|problem| vec![("map".into(), Err(problem))]),
        ..Labelled::default()
    }
}

fn shapes(map: &Map, path: &Path, ade: &[String]) -> Result<Shapes, String> {
    if !ade.is_empty() {
        return Ok(map.shapes(|number| {
            let category = ade.get(number.checked_sub(1)? as usize)?.clone();
            Some(Meaning { category, crowd: false })
        }));
    }
    if name_of(path).ends_with(CITY) {
        return Ok(map.shapes(|number| {
            let class = if number < 1000 { number } else { number / 1000 };
            let category = CITY_CLASSES.get(class.checked_sub(7)? as usize)?;
            let crowd = number < 1000 && class >= CITY_THINGS;
            Some(Meaning { category: (*category).into(), crowd })
        }));
    }
    // The class of a thing is the class of its pixels.
    let name = path.file_name().ok_or("has no name")?;
    let class = path.parent().and_then(Path::parent).ok_or("has no folder")?;
    let classes = Map::read(&class.join("SegmentationClass").join(name), voc_number)?;
    let classes = classes.masks();
    let masks = map.masks();
    Ok(map.shapes(|number| {
        let mask = masks.get(&number).filter(|_| (1..255).contains(&number))?;
        let first = mask.pixels.iter().position(|pixel| *pixel != 0)?;
        let has = |class: &Mask| class.pixels.get(first).is_some_and(|pixel| *pixel != 0);
        let class = classes.iter().find(|(_, class)| has(class)).map(|(number, _)| *number)?;
        let category = VOC_CLASSES.get(class.checked_sub(1)? as usize)?;
        Some(Meaning { category: (*category).into(), crowd: false })
    }))
}

/// The number of a colour of the kit's palette: bits 0, 3, 6 of the number are the highest bits of
/// red, 1, 4, 7 those of green, 2 and 5 those of blue.
fn voc_number(colour: [u8; 3]) -> u32 {
    let bit = |channel: usize, bit: u32| u32::from(colour[channel] >> bit & 1);
    (0..3).fold(0, |number, k| {
        let bits = bit(0, 7 - k) | bit(1, 7 - k) << 1 | bit(2, 7 - k) << 2;
        number | bits << (3 * k)
    })
}
