//! Pascal VOC: a file of XML for each picture.
//!
//! <http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/index.html>, section "Annotations".
//! `Annotations/*.xml` with `JPEGImages`, or the files beside the pictures, as labelImg and
//! Roboflow write them. Corners count pixels from 1 in VOC's own folders, where both belong to the
//! box; labelImg and Roboflow write corners in px, so only a folder `JPEGImages` makes them 1-based.

use super::Reader;
use super::folder::{Folder, Pictures, below, stem_of};
use super::labelled::{Labelled, Shape, per_file};
use super::sink::Sink;
use super::xml::{self, Element};
use crate::error::DataError;
use std::path::{Path, PathBuf};

pub(super) static READER: Reader = Reader {
    name: "voc",
    reads: "Pascal VOC XML: boxes; of labelImg and Roboflow too",
    page: "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/index.html",
    files,
    read,
};

fn read(folder: &Folder, files: &[PathBuf], sink: &mut Sink<'_>) -> Result<(), DataError> {
    let first = if folder.has("JPEGImages") { 1.0 } else { 0.0 };
    per_file(folder, files, sink, |path, pictures| labelled(path, pictures, first))
}

fn files(folder: &Folder) -> Vec<PathBuf> {
    let inner = below(&folder.path.join("Annotations"), 0);
    let files = folder.files().map(Path::to_path_buf).chain(inner);
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|e| e == "xml")).collect();
    if files.first().is_none_or(|path| xml::one(path, "annotation").is_err()) {
        files.clear();
    }
    files
}

fn labelled(path: &Path, pictures: &Pictures, first: f64) -> Result<Labelled, DataError> {
    let root = xml::one(path, "annotation")?;
    let name = root.text_of("filename").unwrap_or_default();
    // Tools rename pictures and keep the name of the XML.
    let picture =
        pictures.find(name).or_else(|e| pictures.find_stem(&stem_of(path)).map_err(|_| e));
    let side = |name| root.child("size").and_then(|size| size.number_of(name)).unwrap_or(0.0);
    let size = [side("width") as u32, side("height") as u32];
    let shapes = root.all("object").enumerate().map(|(k, object)| {
        let name = object.text_of("name").unwrap_or_default();
        (format!("object[{k}] ({name})"), shape(object, name, first))
    });
    Ok(Labelled {
        file: path.into(),
        place: "annotation".into(),
        id: stem_of(path),
        picture: Some(picture),
        size: (!size.contains(&0)).then_some(size),
        shapes: shapes.collect(),
        ..Labelled::default()
    })
}

fn shape(object: &Element, name: &str, first: f64) -> Result<Shape, String> {
    let corner = |name| object.child("bndbox").and_then(|bndbox| bndbox.number_of(name));
    let corners = [corner("xmin"), corner("ymin"), corner("xmax"), corner("ymax")];
    let [Some(x0), Some(y0), Some(x1), Some(y1)] = corners else {
        return Err("bndbox needs xmin, ymin, xmax and ymax".into());
    };
    let bbox = vec![x0 - first, y0 - first, x1 - x0 + first, y1 - y0 + first];
    Ok(Shape { category: name.into(), bbox: Some(bbox), ..Shape::default() })
}
