//! Masks that a person painted, in any program.

use super::{PictureError, decode, read_bytes};
use image::{DynamicImage, Rgba};
use refvlm_record::Mask;
use std::path::Path;

/// How far a colour may lie beside the line between two others once JPEG has stored it.
const BESIDE: f32 = 40.0;

/// Whether a picture without transparent parts has a third colour that no mixture of two others
/// makes, as the soft edge of a brush does. Its brightness would say nothing then: the palettes of
/// index masks are arbitrary.
fn has_colours(image: &DynamicImage) -> bool {
    if !image.color().has_color() {
        return false;
    }
    let rgba = image.to_rgba8();
    if rgba.pixels().any(|pixel| pixel.0[3] != 255) {
        return false;
    }
    let Some(first) = rgba.pixels().next() else { return false };
    let from = |pixel: &Rgba<u8>| [0, 1, 2].map(|k| f32::from(pixel.0[k]) - f32::from(first.0[k]));
    let dot = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let square = |a: [f32; 3]| dot(a, a);
    let far = rgba.pixels().map(from).max_by(|a, b| square(*a).total_cmp(&square(*b)));
    let far = far.filter(|far| square(*far) > 0.0);
    let Some(far) = far else { return false };
    rgba.pixels().map(from).any(|colour| {
        let along = dot(colour, far) / square(far);
        let beside = [0, 1, 2].map(|k| colour[k] - along * far[k]);
        square(beside) > BESIDE * BESIDE
    })
}

/// Reads a mask painted in any program. Where the picture has transparent parts, its opacity is
/// the mask; otherwise its brightness. Of two values the larger is set, whatever they are (0 and 1,
/// 0 and 255); of more, those above 127 of 255.
///
/// # Errors
/// As [`super::read_picture`], and when the mask is not `width` x `height` px, has several values
/// and none above 127, or several colours.
pub fn read_mask(path: &Path, width: u32, height: u32) -> Result<Mask, PictureError> {
    // Its values are numbers, not colours: a profile does not count.
    let image = decode(&read_bytes(path)?, path)?.whole(path)?;
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
        DynamicImage::ImageLuma16(grey) => grey
            .iter()
            .all(|&v| v < 256)
            .then(|| grey.iter().map(|&v| v as u8).collect::<Vec<u8>>()),
        _ => None,
    };
    if deep.is_none() && has_colours(&image) {
        return Err(PictureError::MaskColours { path: path.into() });
    }
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
