//! Pictures whose pixels are numbers of things or classes.

use super::labelled::{Outline, Shape, Shapes};
use crate::bounded::read_bounded;
use crate::photo::{MAX_FILE_BYTES, decoded};
use image::DynamicImage;
use refvlm_record::Mask;
use std::collections::BTreeMap;
use std::path::Path;

/// A number for each pixel, row by row.
pub(crate) struct Map {
    /// Columns and rows.
    pub size: [u32; 2],
    numbers: Vec<u32>,
}

/// What a number stands for.
pub(crate) struct Meaning {
    /// The category.
    pub category: String,
    /// Several things in one.
    pub crowd: bool,
}

impl Map {
    /// The map in a file. Grey values are the numbers, of 8 or 16 bits; a coloured pixel is the
    /// number that `colour` makes of it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path, colour: impl Fn([u8; 3]) -> u32) -> Result<Self, String> {
        let bytes = read_bounded(path, MAX_FILE_BYTES).map_err(|e| e.to_string())?;
        let image = decoded(&bytes, path).map_err(|e| e.to_string())?;
        let size = [image.width(), image.height()];
        let numbers = match image {
            DynamicImage::ImageLuma8(grey) => grey.iter().map(|value| u32::from(*value)).collect(),
            DynamicImage::ImageLuma16(grey) => grey.iter().map(|value| u32::from(*value)).collect(),
            other => other.into_rgb8().pixels().map(|pixel| colour(pixel.0)).collect(),
        };
        Ok(Self { size, numbers })
    }

    /// The pixels of each number, by the number.
    pub fn masks(&self) -> BTreeMap<u32, Mask> {
        let [width, height] = self.size;
        let mut masks: BTreeMap<u32, Mask> = BTreeMap::new();
        for (at, number) in self.numbers.iter().enumerate() {
            let mask = masks.entry(*number).or_insert_with(|| Mask::zeros(width, height));
            if let Some(pixel) = mask.pixels.get_mut(at) {
                *pixel = 1;
            }
        }
        masks
    }

    /// A shape for each number that means something.
    pub fn shapes(&self, meaning: impl Fn(u32) -> Option<Meaning>) -> Shapes {
        let masks = self.masks().into_iter();
        let shapes = masks.filter_map(|(number, mask)| {
            let Meaning { category, crowd } = meaning(number)?;
            let outline = Some(Outline::Pixels(mask));
            let shape = Shape { category, outline, crowd, ..Shape::default() };
            Some((format!("number {number}"), Ok(shape)))
        });
        shapes.collect()
    }
}
