//! A photo with everything that is known of it.

use crate::bounded::read_bounded;
use crate::error::DataError;
use crate::sources::Source;
use image::{DynamicImage, RgbImage};
use refvlm_files::picture::{PictureError, decode_stored};
use refvlm_record::{Mask, Rle};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest file of a picture.
pub(crate) const MAX_FILE_BYTES: u64 = 64 << 20;

/// 17 rows `[x, y, v]` in px, COCO order; v is 0 unlabelled, 1 hidden, 2 visible.
pub type Joints = [[f32; 3]; 17];

/// A photo and its labels, in px.
#[derive(Debug, Clone, PartialEq)]
pub struct Photo {
    /// Where it comes from.
    pub source: Arc<Source>,
    /// Its id in the source's file.
    pub id: String,
    /// The picture file; after a view or a paste, the file of the original.
    pub path: PathBuf,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Licence of the picture where the file names one, else of the source.
    pub licence: String,
    /// What is labelled.
    pub things: Vec<Thing>,
    /// Sentences about the whole picture.
    pub captions: Vec<String>,
    /// Whether everything that people would list is labelled.
    pub complete: bool,
    /// Names of which every instance is labelled, so that they may be counted or called absent.
    pub complete_for: Arc<BTreeSet<String>>,
}

/// Something in a photo.
#[derive(Debug, Clone, PartialEq)]
pub struct Thing {
    /// Its category in the source's file.
    pub category: String,
    /// The everyday noun, singular; none for a region without a name.
    pub name: Option<String>,
    /// `[x, y, w, h]` in px.
    pub bbox: [f32; 4],
    /// Visible pixels, of the photo's size.
    pub mask: Option<Rle>,
    /// Joints of a person.
    pub joints: Option<Joints>,
    /// Several of its kind in one.
    pub crowd: bool,
    /// Share of it that views and pastes have left, 1 for all.
    pub kept: f32,
}

impl Thing {
    /// The mask, decoded; none without one or when it is damaged.
    pub fn decoded(&self) -> Option<Mask> {
        self.mask.as_ref().and_then(|rle| rle.to_mask().ok())
    }

    /// What answers call it, singular: its name, or `region`.
    pub fn noun(&self) -> &str {
        self.name.as_deref().unwrap_or("region")
    }

    /// Area of the box in square px.
    pub fn box_area(&self) -> f32 {
        self.bbox[2] * self.bbox[3]
    }
}

impl Photo {
    /// Decodes the picture.
    ///
    /// # Errors
    /// When it is missing or damaged, or not of the size that its entry says.
    pub fn load(&self) -> Result<RgbImage, DataError> {
        let path = || self.path.clone();
        let bytes = read_bounded(&self.path, MAX_FILE_BYTES)?;
        let image = decoded(&bytes, &self.path)?.into_rgb8();
        let (found_width, found_height) = image.dimensions();
        if (found_width, found_height) != (self.width, self.height) {
            let (width, height) = (self.width, self.height);
            return Err(DataError::Size { path: path(), found_width, found_height, width, height });
        }
        Ok(image)
    }

    /// The file's name without its ending.
    pub fn stem(&self) -> String {
        self.path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
    }

    /// Area in square px.
    pub fn area(&self) -> f32 {
        self.width as f32 * self.height as f32
    }

    /// The things with a name, by noun.
    pub(crate) fn by_noun(&self) -> BTreeMap<&str, Vec<&Thing>> {
        let mut groups: BTreeMap<&str, Vec<&Thing>> = BTreeMap::new();
        for thing in self.things.iter().filter(|thing| thing.name.is_some()) {
            groups.entry(thing.noun()).or_default().push(thing);
        }
        groups
    }

    /// Takes a name off [`Photo::complete_for`].
    pub(crate) fn doubt(&mut self, name: &str) {
        if self.complete_for.contains(name) {
            Arc::make_mut(&mut self.complete_for).remove(name);
        }
    }
}

/// A decoded picture, its pixels as they are stored. One of which a part is missing would be learned
/// as if that part were grey, and is refused.
pub(crate) fn decoded(bytes: &[u8], path: &Path) -> Result<DynamicImage, DataError> {
    decode_stored(bytes, path).map_err(|error| {
        let problem = match error {
            PictureError::Damaged { reason, .. } => format!("truncated or damaged ({reason})"),
            other => other.to_string(),
        };
        DataError::Picture { path: path.into(), problem }
    })
}
