//! YOLO: a line of text per thing, in shares of the picture's sides.
//!
//! <https://docs.ultralytics.com/datasets/detect/>, `/segment/` and `/pose/`: `data.yaml` with
//! `names` (and `kpt_shape` for poses), pictures in `.../images/...` and a file of the same name in
//! `.../labels/...`. A line has the class and a box (centre, width, height), or the class and the
//! corners of a polygon, or the class, a box and joints.

use super::Reader;
use super::folder::{Folder, Pictures, below, name_of, stem_of};
use super::json::without_mark;
use super::labelled::{Labelled, Outline, Photos, Shape};
use super::sink::Sink;
use crate::bounded::read_bounded;
use crate::error::DataError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Longest `data.yaml` or file of labels.
const MAX_BYTES: u64 = 16 << 20;
/// How deep pictures lie below the source.
const DEPTH: usize = 4;

#[derive(Deserialize)]
struct Facts {
    names: Names,
    kpt_shape: Option<[usize; 2]>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    List(Vec<String>),
    Map(BTreeMap<usize, String>),
}

impl Names {
    fn get(&self, class: usize) -> Option<&String> {
        match self {
            Names::List(names) => names.get(class),
            Names::Map(names) => names.get(&class),
        }
    }
    fn all(&self) -> Vec<&String> {
        match self {
            Names::List(names) => names.iter().collect(),
            Names::Map(names) => names.values().collect(),
        }
    }
}

pub(super) static READER: Reader = Reader {
    name: "yolo",
    reads: "YOLO with data.yaml: boxes, polygons, poses of 17 joints",
    page: "https://docs.ultralytics.com/datasets/detect/",
    files,
    read,
};

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    let Some(path) = files.first() else { return Ok(()) };
    let bytes = read_bounded(path, MAX_BYTES)?;
    let text = String::from_utf8_lossy(without_mark(&bytes));
    let facts: Facts = serde_saphyr::from_str(&text)
        .map_err(|e| DataError::Format { path: path.into(), problem: e.to_string() })?;
    let names = |_| Ok(facts.names.all().into_iter().cloned().collect());
    let mut photos = Photos::open(folder, names)?;
    let pictures = photos.pictures();
    let in_images = |path: &PathBuf| path.iter().any(|part| part == "images");
    for picture in below(&folder.path, DEPTH).into_iter().filter(in_images) {
        let Some(entry) = sink.entry() else { continue };
        match labelled(&picture, &facts, &pictures) {
            Ok(labelled) => photos.add(Labelled { entry, ..labelled }, sink)?,
            Err(error) => photos.fail(entry, error, sink)?,
        }
    }
    photos.finish(sink)
}

/// `data.yaml`, or the one other YAML that lists names.
fn files(folder: &Folder) -> Vec<PathBuf> {
    let yaml = |path: &&Path| name_of(path).ends_with(".yaml") || name_of(path).ends_with(".yml");
    let named = |path: &Path| {
        let bytes = read_bounded(path, MAX_BYTES).unwrap_or_default();
        String::from_utf8_lossy(without_mark(&bytes)).lines().any(|line| line.starts_with("names:"))
    };
    let found = folder.files().filter(yaml).find(|path| named(path));
    found.map(Path::to_path_buf).into_iter().collect()
}

fn labelled(picture: &Path, facts: &Facts, pictures: &Pictures) -> Result<Labelled, DataError> {
    // The last `images` becomes `labels`, as the trainer does it.
    let parts: Vec<_> = picture.iter().collect();
    let last = parts.iter().rposition(|part| *part == "images");
    let swapped = parts.iter().enumerate();
    let swapped = swapped.map(|(k, part)| if Some(k) == last { "labels".as_ref() } else { *part });
    let file = swapped.collect::<PathBuf>().with_extension("txt");
    // A picture without a file has nothing in it.
    let bytes = if file.is_file() { read_bounded(&file, MAX_BYTES)? } else { Vec::new() };
    let text = String::from_utf8_lossy(without_mark(&bytes)).into_owned();
    let size = pictures.size(picture);
    let side = size.clone().unwrap_or([1, 1]).map(f64::from);
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let shapes =
        lines.map(|(k, line)| (format!("line {}", k + 1), shape(line, facts, side))).collect();
    Ok(Labelled {
        file,
        place: "picture".into(),
        id: stem_of(picture),
        picture: Some(size.as_ref().map(|_| picture.to_path_buf()).map_err(Clone::clone)),
        size: size.ok(),
        shapes,
        ..Labelled::default()
    })
}

fn shape(line: &str, facts: &Facts, [width, height]: [f64; 2]) -> Result<Shape, String> {
    let numbers: Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
    let numbers = numbers.map_err(|_| format!("'{line}' is not a line of numbers"))?;
    let (class, values) = numbers.split_first().ok_or("is empty")?;
    let name = facts.names.get(*class as usize).filter(|_| *class >= 0.0 && class.fract() == 0.0);
    let category = name.ok_or_else(|| format!("class {class} has no name in data.yaml"))?.clone();
    let place = |pair: &[f64]| [pair[0] * width, pair[1] * height];
    let bbox = |x: f64, y: f64, w: f64, h: f64| {
        Some(vec![(x - w / 2.0) * width, (y - h / 2.0) * height, w * width, h * height])
    };
    match (values, facts.kpt_shape) {
        (&[x, y, w, h], _) => Ok(Shape { category, bbox: bbox(x, y, w, h), ..Shape::default() }),
        (&[x, y, w, h, ref joints @ ..], Some([17, dims @ (2 | 3)]))
            if joints.len() == 17 * dims =>
        {
            let joints = joints.chunks_exact(dims).flat_map(|joint| {
                let [x, y] = place(joint);
                // Without a visibility, the corner of the picture means "not labelled".
                let seen = if joint[0] == 0.0 && joint[1] == 0.0 { 0.0 } else { 2.0 };
                [x, y, joint.get(2).copied().unwrap_or(seen)]
            });
            let joints = Some(joints.collect());
            Ok(Shape { category, bbox: bbox(x, y, w, h), joints, ..Shape::default() })
        }
        (_, Some([joints, _])) if joints != 17 => {
            Err(format!("poses of {joints} joints; COCO's 17 can be read"))
        }
        (corners, None) if corners.len() >= 6 && corners.len() % 2 == 0 => {
            let outline = corners.chunks_exact(2).flat_map(place).collect();
            let outline = Some(Outline::Polygons(vec![outline]));
            Ok(Shape { category, outline, ..Shape::default() })
        }
        _ => Err(format!(
            "{} numbers; a box has 5, a polygon an odd number from 7 on, a pose what kpt_shape says",
            numbers.len()
        )),
    }
}
