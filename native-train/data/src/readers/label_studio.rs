//! Label Studio's JSON: a list of tasks, in percent of the picture's sides.
//!
//! <https://labelstud.io/guide/task_format> and the pages of its tags RectangleLabels,
//! PolygonLabels, EllipseLabels. Of several annotations of a task, the first that was not cancelled
//! counts; predictions do not. Uploads have eight letters and a dash before the file's name.
//! Turned boxes become polygons; brushes have a packing of their own and are faults.

use super::Reader;
use super::folder::{Folder, Pictures};
use super::json::{self, Id, Within};
use super::labelled::{self, Labelled, Outline, Shape};
use super::sink::Sink;
use crate::error::DataError;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Task {
    id: Id,
    data: Map<String, Value>,
    #[serde(default)]
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Annotation {
    #[serde(default)]
    result: Vec<Drawn>,
    #[serde(default)]
    was_cancelled: bool,
}

#[derive(Deserialize)]
struct Drawn {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    value: Map<String, Value>,
    original_width: Option<u32>,
    original_height: Option<u32>,
}

pub(super) static READER: Reader = Reader {
    name: "label-studio",
    reads: "Label Studio JSON: rectangles, polygons, ellipses",
    page: "https://labelstud.io/guide/task_format",
    files,
    read,
};

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    labelled::each(folder, files, Within::List, sink, names, labelled)
}

fn labelled(pictures: &Pictures, path: &Path, place: &str, task: Task) -> Labelled {
    let place = format!("{place} (id {})", task.id);
    let address = task.data.values().find_map(Value::as_str).unwrap_or_default();
    let name = address.rsplit(['/', '=']).next().unwrap_or_default();
    let plain = name.split_once('-').filter(|(code, _)| code.len() == 8);
    let picture = pictures.find(name).or_else(|e| match plain {
        Some((_, plain)) => pictures.find(plain),
        None => Err(e),
    });
    let annotation = task.annotations.into_iter().find(|a| !a.was_cancelled);
    let drawn = annotation.map(|a| a.result).unwrap_or_default();
    let size = drawn.iter().find_map(|d| Some([d.original_width?, d.original_height?]));
    let size = match (&picture, size) {
        (Ok(path), None) => pictures.size(path).ok(),
        _ => size,
    };
    let side = size.unwrap_or([0, 0]).map(f64::from);
    let shapes = drawn.into_iter().enumerate();
    let shapes = shapes.map(|(k, d)| (format!("{place}, result[{k}]"), shape(&d, side))).collect();
    Labelled {
        file: path.into(),
        id: task.id.to_string(),
        picture: Some(picture),
        size,
        shapes,
        place,
        ..Labelled::default()
    }
}

fn files(folder: &Folder) -> Vec<PathBuf> {
    folder.json_with(&["\"annotations\"", "\"result\"", "\"data\""])
}

fn names(files: &[PathBuf]) -> Result<BTreeSet<String>, DataError> {
    let mut names = BTreeSet::new();
    for path in files {
        json::each(path, Within::List, &mut |_, part| {
            let annotations = part.read().map(|task: Task| task.annotations).unwrap_or_default();
            let drawn = annotations.iter().flat_map(|annotation| &annotation.result);
            names.extend(drawn.filter_map(label));
            Ok(())
        })?;
    }
    Ok(names)
}

/// The label stands under the shape's kind: `"rectanglelabels": ["dog"]`.
fn label(drawn: &Drawn) -> Option<String> {
    Some(drawn.value.get(&drawn.kind)?.get(0)?.as_str()?.to_string())
}

fn shape(drawn: &Drawn, [width, height]: [f64; 2]) -> Result<Shape, String> {
    let category = label(drawn).ok_or_else(|| format!("{} without a label", drawn.kind))?;
    let number = |name: &str| {
        let number = drawn.value.get(name).and_then(Value::as_f64);
        number.ok_or_else(|| format!("value.{name} is no number"))
    };
    let place = |x: f64, y: f64| [x / 100.0 * width, y / 100.0 * height];
    let turn = number("rotation").unwrap_or(0.0).to_radians();
    // Turned about `from`, clockwise.
    let turned = |from: [f64; 2], dx: f64, dy: f64| {
        let (sin, cos) = turn.sin_cos();
        [from[0] + dx * cos - dy * sin, from[1] + dx * sin + dy * cos]
    };
    let outline = |corners: Vec<f64>| Some(Outline::Polygons(vec![corners]));
    match drawn.kind.as_str() {
        "rectanglelabels" => {
            let from = place(number("x")?, number("y")?);
            let [w, h] = place(number("width")?, number("height")?);
            if turn == 0.0 {
                let bbox = Some(vec![from[0], from[1], w, h]);
                return Ok(Shape { category, bbox, ..Shape::default() });
            }
            let corners = [[0.0, 0.0], [w, 0.0], [w, h], [0.0, h]];
            let corners = corners.iter().flat_map(|[dx, dy]| turned(from, *dx, *dy)).collect();
            Ok(Shape { category, outline: outline(corners), ..Shape::default() })
        }
        "polygonlabels" => {
            let points = drawn.value.get("points").cloned().unwrap_or_default();
            let points: Vec<[f64; 2]> =
                serde_json::from_value(points).map_err(|e| format!("value.points: {e}"))?;
            let corners = points.iter().flat_map(|[x, y]| place(*x, *y)).collect();
            Ok(Shape { category, outline: outline(corners), ..Shape::default() })
        }
        "ellipselabels" => {
            let from = place(number("x")?, number("y")?);
            let [rx, ry] = place(number("radiusX")?, number("radiusY")?);
            let corners = (0..64).flat_map(|k| {
                let (sin, cos) = (f64::from(k) / 64.0 * std::f64::consts::TAU).sin_cos();
                turned(from, rx * cos, ry * sin)
            });
            Ok(Shape { category, outline: outline(corners.collect()), ..Shape::default() })
        }
        kind => Err(format!("{kind} cannot be read; rectangles, polygons and ellipses can")),
    }
}
