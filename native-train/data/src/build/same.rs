//! Which pictures are the same.

use crate::bounded::read_bounded;
use crate::error::DataError;
use crate::photo::MAX_FILE_BYTES;
use crate::readers::pictures_below;
use crate::recipe::{Recipe, SameBy};
use image::imageops::FilterType;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Signs of two pictures that may differ where they look alike.
const MOST_SIGNS: u32 = 3;
/// Parts of a hash. One more than signs may differ: one part at least is the same.
const BANDS: usize = 4;

/// Pictures that are known, by their hashes.
pub(super) struct Known {
    by: SameBy,
    hashes: HashSet<u64>,
    /// For pictures that look alike: the hashes with each value of each part.
    bands: [HashMap<u16, Vec<u64>>; BANDS],
}

impl Known {
    pub fn new(by: SameBy) -> Self {
        Self { by, hashes: HashSet::new(), bands: Default::default() }
    }

    pub fn insert(&mut self, hash: u64) {
        if self.hashes.insert(hash) && self.by == SameBy::Look {
            for (band, part) in self.bands.iter_mut().zip(parts(hash)) {
                band.entry(part).or_default().push(hash);
            }
        }
    }

    /// Whether the picture, or one that looks like it, is among them.
    pub fn has(&self, hash: u64) -> bool {
        let near = |known: &u64| (known ^ hash).count_ones() <= MOST_SIGNS;
        let mut bands = self.bands.iter().zip(parts(hash));
        self.hashes.contains(&hash)
            || bands.any(|(band, part)| band.get(&part).is_some_and(|all| all.iter().any(near)))
    }
}

fn parts(hash: u64) -> [u16; BANDS] {
    [hash as u16, (hash >> 16) as u16, (hash >> 32) as u16, (hash >> 48) as u16]
}

/// Pictures of evaluation sets.
pub(super) struct Evaluations {
    by: SameBy,
    sets: Vec<(String, Known)>,
}

impl Evaluations {
    pub fn new(by: SameBy) -> Self {
        Self { by, sets: Vec::new() }
    }

    /// Takes all pictures in a folder and below it.
    ///
    /// # Errors
    /// When one cannot be read: what it is would not be recognised.
    pub fn add(&mut self, name: &str, folder: &Path) -> Result<(), DataError> {
        let hashes: Vec<u64> = pictures_below(folder)
            .into_par_iter()
            .map(|path| hash(&read_bounded(&path, MAX_FILE_BYTES)?, &path, self.by))
            .collect::<Result<_, _>>()?;
        let mut known = Known::new(self.by);
        hashes.into_iter().for_each(|hash| known.insert(hash));
        self.sets.push((name.into(), known));
        Ok(())
    }
}

/// What a build asks of its pictures.
pub(super) struct Same<'a> {
    evaluations: &'a Evaluations,
    asked: bool,
}

impl<'a> Same<'a> {
    pub fn new(recipe: &Recipe, evaluations: &'a Evaluations) -> Self {
        let asked = recipe.deduplicate.across || !evaluations.sets.is_empty();
        Self { evaluations, asked }
    }

    /// Whether pictures are compared at all.
    pub fn asked(&self) -> bool {
        self.asked
    }

    /// The picture's hash.
    ///
    /// # Errors
    /// When it cannot be decoded and that is needed.
    pub fn hash(&self, bytes: &[u8], path: &Path) -> Result<u64, DataError> {
        hash(bytes, path, self.evaluations.by)
    }

    /// The evaluation set that has the picture.
    pub fn evaluation(&self, hash: u64) -> Option<&str> {
        let set = self.evaluations.sets.iter().find(|(_, known)| known.has(hash));
        set.map(|(name, _)| name.as_str())
    }
}

fn hash(bytes: &[u8], path: &Path, by: SameBy) -> Result<u64, DataError> {
    match by {
        SameBy::Bytes => {
            let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(Sha256::digest(bytes));
            Ok(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
        }
        SameBy::Look => look(bytes, path),
    }
}

/// Whether each of 8 x 8 cells is brighter than the one right of it.
fn look(bytes: &[u8], path: &Path) -> Result<u64, DataError> {
    let image = crate::photo::decoded(bytes, path)?;
    let small = image::imageops::resize(&image.into_luma8(), 9, 8, FilterType::Triangle);
    let row = |y: u32| (0..8).map(move |x| (x, y));
    let brighter = |(x, y): (u32, u32)| small.get_pixel(x, y).0 > small.get_pixel(x + 1, y).0;
    Ok((0..8).flat_map(row).fold(0, |hash, at| hash << 1 | u64::from(brighter(at))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
    use std::io::Cursor;

    /// Patches whose brightness is drawn.
    fn scene(k: u32) -> DynamicImage {
        let patch = |x: u32, y: u32| {
            let place = u64::from(k * 1000 + y * 8 / 120 * 9 + x * 9 / 160);
            crate::border::mixed(place) as u8
        };
        let pixel = |x, y| Rgb([patch(x, y), patch(x, y), patch(x, y) / 2]);
        DynamicImage::ImageRgb8(RgbImage::from_fn(160, 120, pixel))
    }

    fn stored(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_picture_is_recognised_by_its_look_when_it_is_stored_anew() {
        let path = Path::new("a picture");
        let mut known = Known::new(SameBy::Look);
        for k in 0..10 {
            known.insert(look(&stored(&scene(k), ImageFormat::Png), path).unwrap());
        }
        for k in 0..10 {
            let small = scene(k).resize_exact(97, 71, FilterType::Triangle);
            let hash = look(&stored(&small, ImageFormat::Jpeg), path).unwrap();
            assert!(known.has(hash), "{k}");
            let other = look(&stored(&scene(k + 20), ImageFormat::Png), path).unwrap();
            assert!(!known.has(other), "{k}");
        }
        assert!(look(b"no picture", path).is_err());
        let mut exact = Known::new(SameBy::Bytes);
        exact.insert(5);
        assert!(exact.has(5) && !exact.has(4));
    }
}
