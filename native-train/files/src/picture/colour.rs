//! Colours as a profile (ICC) means them, such as Display P3 of phones and Adobe RGB of cameras,
//! brought to sRGB as a browser shows them.

use image::DynamicImage;
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};
use rayon::prelude::*;

/// Pixels that one thread converts at a time.
const CHUNK: usize = 1 << 14;
/// Differences up to this, of 255, are the rounding of a profile that is sRGB under another name.
const SAME: u8 = 2;

/// The picture in sRGB, and whether that changed it; as it was where the profile is damaged or
/// belongs to other colours than the picture has, with what is wrong.
pub(super) fn to_srgb(image: DynamicImage, icc: &[u8]) -> (DynamicImage, Result<bool, String>) {
    let profile = match ColorProfile::new_from_slice(icc) {
        Ok(profile) => profile,
        Err(error) => return (image, Err(error.to_string())),
    };
    let colour = image.color();
    match (profile.color_space, colour.has_color()) {
        (DataColorSpace::Rgb, true) if colour.has_alpha() => {
            let mut rgba = image.into_rgba8();
            let done = convert::<4>(&profile, Layout::Rgba, &mut rgba);
            (rgba.into(), done)
        }
        (DataColorSpace::Rgb, true) => {
            let mut rgb = image.into_rgb8();
            let done = convert::<3>(&profile, Layout::Rgb, &mut rgb);
            (rgb.into(), done)
        }
        (DataColorSpace::Gray, false) => grey(image, &profile),
        (found, _) => {
            let has = if colour.has_color() { "RGB" } else { "grey" };
            (image, Err(format!("it is one for {found:?}, the picture is {has}")))
        }
    }
}

fn convert<const N: usize>(
    profile: &ColorProfile,
    layout: Layout,
    pixels: &mut [u8],
) -> Result<bool, String> {
    let srgb = ColorProfile::new_srgb();
    let transform = profile
        .create_transform_8bit(layout, &srgb, layout, TransformOptions::default())
        .map_err(|error| error.to_string())?;
    let colours = lattice::<N>();
    let mut seen = colours.clone();
    transform.transform(&colours, &mut seen).map_err(|error| error.to_string())?;
    if colours.iter().zip(&seen).all(|(a, b)| a.abs_diff(*b) <= SAME) {
        return Ok(false);
    }
    let failed = pixels.par_chunks_mut(CHUNK * N).find_map_any(|chunk| {
        let source = chunk.to_vec();
        transform.transform(&source, chunk).err()
    });
    failed.map_or(Ok(true), |error| Err(error.to_string()))
}

/// Pixels of four inks as RGB.
///
/// # Errors
/// When the profile is damaged or not one of four inks.
pub(super) fn inks_to_srgb(inks: &[u8], icc: &[u8]) -> Result<Vec<u8>, String> {
    let profile = ColorProfile::new_from_slice(icc).map_err(|error| error.to_string())?;
    if profile.color_space != DataColorSpace::Cmyk {
        return Err(format!("it is one for {:?}", profile.color_space));
    }
    let (srgb, options) = (ColorProfile::new_srgb(), TransformOptions::default());
    let transform = profile
        .create_transform_8bit(Layout::Rgba, &srgb, Layout::Rgb, options)
        .map_err(|error| error.to_string())?;
    let mut rgb = vec![0; inks.len() / 4 * 3];
    let chunks = rgb.par_chunks_mut(CHUNK * 3).zip(inks.par_chunks(CHUNK * 4));
    let failed = chunks.find_map_any(|(rgb, inks)| transform.transform(inks, rgb).err());
    failed.map_or(Ok(rgb), |error| Err(error.to_string()))
}

/// Opaque colours all over the cube.
fn lattice<const N: usize>() -> Vec<u8> {
    let levels = || (0..=8u8).map(|k| k.saturating_mul(32));
    let colours =
        levels().flat_map(|r| levels().flat_map(move |g| levels().map(move |b| [r, g, b])));
    colours.flat_map(|[r, g, b]| [r, g, b, 255].into_iter().take(N)).collect()
}

fn grey(image: DynamicImage, profile: &ColorProfile) -> (DynamicImage, Result<bool, String>) {
    let values: Vec<u8> = (0..=255).collect();
    let mut seen = vec![0; values.len() * 3];
    let srgb = ColorProfile::new_srgb();
    let done = profile
        .create_transform_8bit(Layout::Gray, &srgb, Layout::Rgb, TransformOptions::default())
        .and_then(|transform| transform.transform(&values, &mut seen));
    if let Err(error) = done {
        return (image, Err(error.to_string()));
    }
    let table: Vec<u8> = seen.chunks_exact(3).map(|rgb| rgb[0]).collect();
    if values.iter().zip(&table).all(|(a, b)| a.abs_diff(*b) <= SAME) {
        return (image, Ok(false));
    }
    let mut grey = image.into_luma_alpha8();
    grey.pixels_mut().for_each(|pixel| pixel.0[0] = table[usize::from(pixel.0[0])]);
    (grey.into(), Ok(true))
}
