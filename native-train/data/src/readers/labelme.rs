//! LabelMe: a file of JSON for each picture.
//!
//! <https://github.com/wkentaro/labelme>, `labelme/label_file.py` and `labelme/shape.py`: `shapes`
//! with `label`, `points` in px and `shape_type`. Shapes of one `group_id` and label are parts of
//! one thing; a label that ends in `-N` is left as it is. Points and lines have no area and are
//! named as faults, as are masks, which hold a PNG as text.

use super::Reader;
use super::folder::{Folder, Pictures, stem_of};
use super::json::{self, Id};
use super::labelled::{Labelled, Outline, Shape, Shapes, per_file};
use super::sink::Sink;
use crate::error::DataError;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Largest file: LabelMe puts the picture inside unless told not to.
const MAX_BYTES: u64 = 256 << 20;
/// Corners of the polygon that stands for a circle.
const CIRCLE: usize = 64;

#[derive(Deserialize)]
struct File {
    shapes: Vec<Drawn>,
    #[serde(rename = "imagePath")]
    path: Option<String>,
    #[serde(rename = "imageWidth")]
    width: Option<u32>,
    #[serde(rename = "imageHeight")]
    height: Option<u32>,
}

#[derive(Deserialize)]
struct Drawn {
    label: String,
    points: Vec<[f64; 2]>,
    shape_type: Option<String>,
    group_id: Option<Id>,
}

pub(super) static READER: Reader = Reader {
    name: "labelme",
    reads: "LabelMe JSON: polygons, rectangles, circles, groups",
    page: "https://github.com/wkentaro/labelme",
    files,
    read,
};

fn files(folder: &Folder) -> Vec<PathBuf> {
    match folder.json_with(&["\"shapes\"", "\"points\"", "\"label\""]).is_empty() {
        true => Vec::new(),
        false => folder.named(|name| name.ends_with(".json")),
    }
}

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    per_file(folder, files, sink, labelled)
}

fn labelled(path: &Path, pictures: &Pictures) -> Result<Labelled, DataError> {
    let file: File = json::whole(path, MAX_BYTES)?;
    // Its path is relative to the file and may lead out of the folder: the name is enough.
    let name = file.path.unwrap_or_default().replace('\\', "/");
    let name = name.rsplit('/').next().unwrap_or_default();
    let picture =
        pictures.find(name).or_else(|e| pictures.find_stem(&stem_of(path)).map_err(|_| e));
    let mut shapes: Shapes = Vec::new();
    let mut groups: HashMap<(Id, String), usize> = HashMap::new();
    for (k, drawn) in file.shapes.into_iter().enumerate() {
        let place = format!("shapes[{k}] ({})", drawn.label);
        let group = drawn.group_id.clone().map(|id| (id, drawn.label.clone()));
        let first = group.as_ref().and_then(|group| groups.get(group)).copied();
        let shape = shape(drawn);
        if let (Some(Shape { outline: Some(Outline::Polygons(more)), .. }), Some(first)) =
            (shape.as_ref().ok(), first)
            && let Some((_, Ok(Shape { outline: Some(Outline::Polygons(parts)), .. }))) =
                shapes.get_mut(first)
        {
            parts.extend(more.iter().cloned());
            continue;
        }
        if let (Some(group), Ok(_)) = (group, &shape) {
            groups.insert(group, shapes.len());
        }
        shapes.push((place, shape));
    }
    Ok(Labelled {
        file: path.into(),
        place: "imagePath".into(),
        id: stem_of(path),
        picture: Some(picture),
        size: file.width.zip(file.height).map(|(w, h)| [w, h]),
        shapes,
        ..Labelled::default()
    })
}

fn shape(drawn: Drawn) -> Result<Shape, String> {
    let category = drawn.label;
    match (drawn.shape_type.as_deref().unwrap_or("polygon"), drawn.points.as_slice()) {
        ("polygon", points) => {
            let outline = Some(Outline::Polygons(vec![points.concat()]));
            Ok(Shape { category, outline, ..Shape::default() })
        }
        ("rectangle", &[[ax, ay], [bx, by]]) => {
            let bbox = vec![ax.min(bx), ay.min(by), (bx - ax).abs(), (by - ay).abs()];
            Ok(Shape { category, bbox: Some(bbox), ..Shape::default() })
        }
        ("circle", &[[cx, cy], [ex, ey]]) => {
            let radius = (ex - cx).hypot(ey - cy);
            let corner = |k: usize| {
                let angle = k as f64 / CIRCLE as f64 * std::f64::consts::TAU;
                [cx + radius * angle.cos(), cy + radius * angle.sin()]
            };
            let outline = Some(Outline::Polygons(vec![(0..CIRCLE).flat_map(corner).collect()]));
            Ok(Shape { category, outline, ..Shape::default() })
        }
        (kind, points) => Err(format!(
            "{kind} of {} points; polygons, rectangles and circles can be read",
            points.len()
        )),
    }
}
