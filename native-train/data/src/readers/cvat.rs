//! CVAT for images 1.1: all pictures in one `annotations.xml`, read picture by picture.
//!
//! <https://docs.cvat.ai/docs/other/xml_format>: `image` with `box` (corners in px), `polygon`
//! (`x,y;x,y`), `mask` (`rle` along rows inside `left`, `top`, `width`, `height`, first the pixels
//! outside) and `skeleton`. Shapes of one `group_id` stay apart. Skeletons need COCO's joint names;
//! points and lines have no area and are faults.

use super::Reader;
use super::folder::Folder;
use super::labelled::{Labelled, Outline, Photos, Shape};
use super::sink::Sink;
use super::xml::{self, Element};
use crate::error::DataError;
use refvlm_record::{MAX_SIDE_PX, Mask, coco};
use std::collections::BTreeSet;
use std::path::PathBuf;

const FILE: &str = "annotations.xml";

pub(super) static READER: Reader = Reader {
    name: "cvat",
    reads: "CVAT for images 1.1: boxes, polygons, masks, skeletons of COCO's joints",
    page: "https://docs.cvat.ai/docs/other/xml_format",
    files,
    read,
};

fn files(folder: &Folder) -> Vec<PathBuf> {
    Some(folder.path.join(FILE)).filter(|path| path.is_file()).into_iter().collect()
}

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    let Some(path) = files.first() else { return Ok(()) };
    let names = |_| {
        let mut names = BTreeSet::new();
        xml::each(path, "label", |label| {
            names.extend(label.text_of("name").map(String::from));
            Ok(())
        })?;
        Ok(names)
    };
    let mut photos = Photos::open(folder, names)?;
    let pictures = photos.pictures();
    xml::each(path, "image", |image| {
        let Some(entry) = sink.entry() else { return Ok(()) };
        let name = image.attribute("name").unwrap_or_default();
        let side = |name| image.number(name).unwrap_or(0.0) as u32;
        let size = [side("width"), side("height")];
        let id = image.attribute("id").unwrap_or(name);
        let drawn = image.children.iter().filter(|child| child.name != "tag").enumerate();
        let labelled = Labelled {
            entry,
            file: path.clone(),
            place: format!("image {id}"),
            id: id.into(),
            picture: Some(pictures.find(name)),
            size: Some(size),
            shapes: drawn
                .map(|(k, drawn)| (format!("image {id}, {}[{k}]", drawn.name), shape(drawn, size)))
                .collect(),
            ..Labelled::default()
        };
        photos.add(labelled, sink)
    })?;
    photos.finish(sink)
}

fn shape(drawn: &Element, size: [u32; 2]) -> Result<Shape, String> {
    let category = drawn.attribute("label").unwrap_or_default().to_string();
    let number = |name: &str| drawn.number(name).ok_or_else(|| format!("{name} is no number"));
    match drawn.name.as_str() {
        "box" => {
            if drawn.number("rotation").is_some_and(|angle| angle != 0.0) {
                return Err("a turned box; draw a polygon".into());
            }
            let [x0, y0] = [number("xtl")?, number("ytl")?];
            let bbox = vec![x0, y0, number("xbr")? - x0, number("ybr")? - y0];
            Ok(Shape { category, bbox: Some(bbox), ..Shape::default() })
        }
        "polygon" => {
            let outline = Some(Outline::Polygons(vec![points(drawn)?]));
            Ok(Shape { category, outline, ..Shape::default() })
        }
        "mask" => {
            let place = [number("left")?, number("top")?, number("width")?, number("height")?];
            let mask = mask(drawn.attribute("rle").unwrap_or_default(), place, size)?;
            Ok(Shape { category, outline: Some(Outline::Pixels(mask)), ..Shape::default() })
        }
        "skeleton" => skeleton(drawn, category),
        kind => Err(format!("a {kind} has no area; boxes, polygons and masks can be read")),
    }
}

fn points(drawn: &Element) -> Result<Vec<f64>, String> {
    let text = drawn.attribute("points").unwrap_or_default();
    let numbers = text.split([';', ',']).map(|number| number.trim().parse());
    numbers.collect::<Result<_, _>>().map_err(|_| "points are not x,y;x,y;...".into())
}

/// Runs along the rows of a window, the first one outside.
fn mask(rle: &str, place: [f64; 4], [width, height]: [u32; 2]) -> Result<Mask, String> {
    let sides = 1..=MAX_SIDE_PX;
    let [x, y, w, h] = place.map(|v| v as u32);
    let inside = x.checked_add(w).is_some_and(|x1| x1 <= width)
        && y.checked_add(h).is_some_and(|y1| y1 <= height);
    if !inside || ![width, height, w, h].iter().all(|side| sides.contains(side)) {
        return Err("the mask leaves the picture; export it again".into());
    }
    let mut mask = Mask::zeros(width, height);
    let (mut at, mut set) = (0u64, false);
    for run in rle.split(',').filter(|run| !run.trim().is_empty()) {
        let run: u64 = run.trim().parse().map_err(|_| format!("run '{run}' is no number"))?;
        let end = at.saturating_add(run);
        if end > u64::from(w) * u64::from(h) {
            return Err("the runs of the mask are longer than its window".into());
        }
        for at in (at..end).filter(|_| set) {
            let (column, row) =
                (u64::from(x) + at % u64::from(w), u64::from(y) + at / u64::from(w));
            if let Some(pixel) = mask.pixels.get_mut((row * u64::from(width) + column) as usize) {
                *pixel = 1;
            }
        }
        (at, set) = (end, !set);
    }
    Ok(mask)
}

/// Points of the skeleton by COCO's names; its box is that of the points.
fn skeleton(drawn: &Element, category: String) -> Result<Shape, String> {
    let mut joints = vec![0.0; 51];
    let (mut low, mut high) = ([f64::MAX; 2], [f64::MIN; 2]);
    for point in drawn.all("points") {
        let name = point.attribute("label").unwrap_or_default().replace(' ', "_");
        let joint = coco::JOINTS.iter().position(|known| known.replace(' ', "_") == name);
        let joint = joint.ok_or_else(|| format!("joint '{name}' is none of COCO's 17"))?;
        if point.attribute("outside") == Some("1") {
            continue;
        }
        let [x, y] = points(point)?.try_into().map_err(|_| "a joint has one x,y")?;
        let seen = if point.attribute("occluded") == Some("1") { 1.0 } else { 2.0 };
        joints.splice(3 * joint..3 * joint + 3, [x, y, seen]);
        low = [low[0].min(x), low[1].min(y)];
        high = [high[0].max(x), high[1].max(y)];
    }
    let bbox = Some(vec![low[0], low[1], high[0] - low[0], high[1] - low[1]]);
    Ok(Shape { category, bbox, joints: Some(joints), ..Shape::default() })
}
