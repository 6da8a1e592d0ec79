//! Masks that a person painted, in any program.

use super::{PictureError, decode, read_bytes};
use refvlm_record::Mask;
use std::path::Path;

/// Reads a mask painted in any program. Where the picture has transparent parts, its opacity is
/// the mask; otherwise its brightness. Of two values the larger is set, whatever they are (0 and 1,
/// 0 and 255); of more, those above 127 of 255.
///
/// # Errors
/// As [`super::read_picture`], and when the mask is not `width` x `height` px, or has several
/// values and none above 127.
pub fn read_mask(path: &Path, width: u32, height: u32) -> Result<Mask, PictureError> {
    let image = decode(&read_bytes(path)?, path)?;
    if (image.width(), image.height()) != (width, height) {
        return Err(PictureError::MaskSize {
            path: path.into(),
            found_width: image.width(),
            found_height: image.height(),
            width,
            height,
        });
    }
    // 16 bits would be cut to 8, and the mask 0/1 with them.
    let deep = match &image {
        image::DynamicImage::ImageLuma16(grey) => grey
            .iter()
            .all(|&v| v < 256)
            .then(|| grey.iter().map(|&v| v as u8).collect::<Vec<u8>>()),
        _ => None,
    };
    let values = deep.unwrap_or_else(|| {
        let grey = image.into_luma_alpha8();
        let channel = usize::from(grey.pixels().any(|p| p.0[1] != 255));
        grey.pixels().map(|p| p.0[channel]).collect()
    });
    let mut seen = [false; 256];
    values.iter().for_each(|&v| seen[usize::from(v)] = true);
    let found: Vec<u8> = (0..=255).filter(|&v| seen[usize::from(v)]).collect();
    let limit = match found[..] {
        [low, _] => low,
        [_] => 0,
        [low, .., high] if high <= 127 => {
            let (path, values) = (path.into(), found.len());
            return Err(PictureError::MaskValues { path, values, low, high });
        }
        _ => 127,
    };
    let pixels = values.into_iter().map(|v| u8::from(v > limit)).collect();
    Ok(Mask { width, height, pixels })
}
