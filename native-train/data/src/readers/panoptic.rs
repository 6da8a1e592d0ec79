//! COCO panoptic: a map of numbers for each picture, and what each number is.
//!
//! <https://cocodataset.org/#format-data>, section 4: `panoptic_SPLIT.json` has `images`,
//! `categories` and `annotations` (`image_id`, `file_name`, `segments_info` with `id`,
//! `category_id`, `iscrowd`); the maps are PNG in a folder `panoptic_SPLIT`, where a pixel's number
//! is R + 256 G + 65536 B and 0 is nothing.

use super::Reader;
use super::folder::{Folder, stem_of};
use super::json::{self, Id, Within};
use super::labelled::{Labelled, Outline, Photos, Shape, Shapes};
use super::map::Map;
use super::sink::Sink;
use crate::error::DataError;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub(super) static READER: Reader = Reader {
    name: "coco-panoptic",
    reads: "COCO panoptic: masks of things and stuff",
    page: "https://cocodataset.org/#format-data",
    files,
    read,
};

#[derive(Deserialize)]
struct Picture {
    id: Id,
    file_name: String,
}

#[derive(Deserialize)]
struct Category {
    id: Id,
    name: String,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: Id,
    file_name: String,
    segments_info: Vec<Segment>,
}

#[derive(Deserialize)]
struct Segment {
    id: u32,
    category_id: Id,
    #[serde(default)]
    iscrowd: u8,
}

fn files(folder: &Folder) -> Vec<PathBuf> {
    folder.named(|name| name.starts_with("panoptic_") && name.ends_with(".json"))
}

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    files.iter().try_for_each(|path| read_split(folder, path, sink))
}

fn read_split(folder: &Folder, path: &Path, sink: &mut Sink<'_>) -> Result<(), DataError> {
    let mut names: HashMap<Id, String> = HashMap::new();
    json::each(path, Within::Field("categories"), &mut |_, part| {
        names.extend(part.read().ok().map(|category: Category| (category.id, category.name)));
        Ok(())
    })?;
    let mut pictures: HashMap<Id, String> = HashMap::new();
    json::each(path, Within::Field("images"), &mut |_, part| {
        pictures.extend(part.read().ok().map(|picture: Picture| (picture.id, picture.file_name)));
        Ok(())
    })?;
    let mut photos = Photos::open(folder, |_| Ok(names.values().cloned().collect()))?;
    let found = photos.pictures();
    json::each(path, Within::Field("annotations"), &mut |place, part| {
        let Some(entry) = sink.entry() else { return Ok(()) };
        let made = part.read().and_then(|told: Annotation| {
            let name = pictures.get(&told.image_id).ok_or("image_id names no picture")?;
            // Beside the pictures there are some of nearly the same names: the folder counts.
            let map = found.find(&format!("{}/{}", stem_of(path), told.file_name));
            let map = map.or_else(|_| found.find(&told.file_name))?;
            let map = Map::read(&map, |[r, g, b]| u32::from_le_bytes([r, g, b, 0]))?;
            Ok(Labelled {
                entry,
                file: path.into(),
                place: format!("{place} (image_id {})", told.image_id),
                id: told.image_id.to_string(),
                picture: Some(found.find(name)),
                size: Some(map.size),
                shapes: shapes(&map, &told.segments_info, &names),
                ..Labelled::default()
            })
        });
        match made {
            Ok(labelled) => photos.add(labelled, sink),
            Err(problem) => {
                let (path, place) = (path.into(), place.into());
                photos.fail(entry, DataError::Entry { path, place, problem }, sink)
            }
        }
    })?;
    photos.finish(sink)
}

fn shapes(map: &Map, segments: &[Segment], names: &HashMap<Id, String>) -> Shapes {
    let mut masks = map.masks();
    let mut shape = |segment: &Segment| {
        let category = names.get(&segment.category_id).ok_or("category_id names no category")?;
        let mask = masks.remove(&segment.id).ok_or("no pixel of the map has its number")?;
        let (outline, crowd) = (Some(Outline::Pixels(mask)), segment.iscrowd != 0);
        Ok(Shape { category: category.clone(), outline, crowd, ..Shape::default() })
    };
    segments.iter().map(|segment| (format!("segment {}", segment.id), shape(segment))).collect()
}
