//! The files as they stand in JSON. What a file says beyond this is passed over.

use refvlm_record::Rle;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::fmt;

#[derive(Debug, Default, Deserialize)]
pub(super) struct File {
    #[serde(default)]
    pub images: Vec<Picture>,
    #[serde(default)]
    pub annotations: Vec<Annotation>,
    #[serde(default)]
    pub categories: Vec<Category>,
    #[serde(default)]
    pub licenses: Vec<Licence>,
}

/// Numbers in COCO, words in some exports.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(untagged)]
pub(super) enum Id {
    Number(i64),
    Text(String),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Number(number) => write!(f, "{number}"),
            Id::Text(text) => f.write_str(text),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Picture {
    pub id: Id,
    pub file_name: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub license: Option<Id>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Category {
    pub id: Id,
    pub name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Licence {
    pub id: Id,
    pub name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Annotation {
    pub id: Option<Id>,
    pub image_id: Option<Id>,
    pub category_id: Option<Id>,
    pub bbox: Option<Vec<f64>>,
    pub segmentation: Option<Segmentation>,
    pub keypoints: Option<Vec<f64>>,
    pub iscrowd: Option<u8>,
    pub caption: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Segmentation {
    /// `[x, y, x, y, ...]` each, in px.
    Polygons(Vec<Vec<f64>>),
    Runs(Rle),
    Other(IgnoredAny),
}
