//! The files as they stand in JSON. What a file says beyond this is passed over.

use crate::readers::json::Id;
use crate::readers::labelled::Outline;
use refvlm_record::Rle;
use serde::Deserialize;
use serde::de::IgnoredAny;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct File {
    #[serde(default)]
    pub images: Vec<Picture>,
    #[serde(default)]
    pub annotations: Vec<Annotation>,
    #[serde(default)]
    pub categories: Vec<Category>,
    #[serde(default)]
    pub licenses: Vec<Licence>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Picture {
    pub id: Id,
    pub file_name: Option<String>,
    /// LVIS names pictures only by their address, of which the last two parts are split and file.
    pub coco_url: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub license: Option<Id>,
}

impl Picture {
    /// The picture's file.
    pub fn name(&self) -> &str {
        let tail = |url: &'_ str| url.rsplit('/').next().map_or(0, str::len);
        match (&self.file_name, &self.coco_url) {
            (Some(name), _) => name,
            (None, Some(url)) => &url[url.len() - tail(url)..],
            (None, None) => "",
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Category {
    pub id: Id,
    pub name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Licence {
    pub id: Id,
    pub name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Annotation {
    pub id: Option<Id>,
    pub image_id: Option<Id>,
    pub category_id: Option<Id>,
    pub bbox: Option<Vec<f64>>,
    pub segmentation: Option<Segmentation>,
    pub keypoints: Option<Vec<f64>>,
    pub iscrowd: Option<u8>,
    pub caption: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Segmentation {
    /// `[x, y, x, y, ...]` each, in px.
    Polygons(Vec<Vec<f64>>),
    Runs(Rle),
    Other(IgnoredAny),
}

impl Segmentation {
    /// As all readers have it.
    pub fn outline(self) -> Result<Outline, String> {
        match self {
            Segmentation::Polygons(polygons) => Ok(Outline::Polygons(polygons)),
            Segmentation::Runs(rle) => Ok(Outline::Runs(rle)),
            Segmentation::Other(_) => {
                Err("segmentation is neither polygons nor run lengths; export it again".into())
            }
        }
    }
}
