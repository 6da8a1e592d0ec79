//! Files to take home: masks as PNG, several files as one ZIP.

use refvlm_record::Mask;
use std::io::{Cursor, Write as _};

/// Why a file cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The PNG encoder refused.
    #[error("the mask cannot be written as PNG: {0}")]
    Png(#[from] png::EncodingError),
    /// A part is too large for the format.
    #[error("{0} is too large for a ZIP; save the parts one by one")]
    TooLarge(String),
}

/// A mask as a PNG of one bit per pixel, white where it is set.
///
/// # Errors
/// When the encoder refuses it, as for a mask without pixels.
pub fn mask_png(mask: &Mask) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(Cursor::new(&mut bytes), mask.width, mask.height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let rows = mask.pixels.chunks(mask.width.max(1) as usize);
    let packed: Vec<u8> = rows
        .flat_map(|row| {
            row.chunks(8).map(|bits| {
                bits.iter().enumerate().fold(0, |byte, (k, &p)| byte | u8::from(p != 0) << (7 - k))
            })
        })
        .collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&packed)?;
    writer.finish()?;
    Ok(bytes)
}

/// What a mask covers, cut out of the picture to the mask's bounds: RGBA, see-through elsewhere.
///
/// # Shapes
/// `rgba` `[height, width, 4]` of the mask's size, row-major
///
/// # Errors
/// When the encoder refuses it, as for a mask that covers nothing.
pub fn cutout_png(mask: &Mask, rgba: &[u8]) -> Result<Vec<u8>, ArchiveError> {
    let [left, top, width, height] = mask.bounds().unwrap_or_default();
    let across = mask.width as usize;
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 4);
    for y in top..top + height {
        for x in left..left + width {
            let at = y as usize * across + x as usize;
            let inside = mask.pixels.get(at).is_some_and(|p| *p != 0);
            match rgba.get(at * 4..at * 4 + 4) {
                Some(pixel) if inside => pixels.extend_from_slice(pixel),
                _ => pixels.extend([0; 4]),
            }
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(Cursor::new(&mut bytes), width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// A ZIP of files that are compressed already: they are stored as they are.
///
/// # Errors
/// When a name, a file or the whole exceeds what the format can count.
pub fn zip(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>, ArchiveError> {
    let too_large = |name: &str| ArchiveError::TooLarge(name.into());
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let at = u32::try_from(out.len()).map_err(|_| too_large(name))?;
        let size = u32::try_from(bytes.len()).map_err(|_| too_large(name))?;
        let length = u16::try_from(name.len()).map_err(|_| too_large(name))?;
        let mut entry = Vec::new();
        // Version 1.0, names in UTF-8, stored, 1 January 1980: no clock is needed for that.
        put(&mut entry, &[&[10, 0, 0, 8, 0, 0, 0, 0, 33, 0]]);
        let sum = crc32fast::hash(bytes);
        put(&mut entry, &[&sum.to_le_bytes(), &size.to_le_bytes(), &size.to_le_bytes()]);
        put(&mut entry, &[&length.to_le_bytes(), &[0, 0]]);
        put(&mut out, &[b"PK\x03\x04", &entry, name.as_bytes(), bytes]);
        put(&mut directory, &[b"PK\x01\x02", &[20, 0], &entry]);
        put(&mut directory, &[&[0; 10], &at.to_le_bytes(), name.as_bytes()]);
    }
    let count = u16::try_from(files.len()).map_err(|_| too_large("the list of files"))?;
    let at = u32::try_from(out.len()).map_err(|_| too_large("the whole"))?;
    let size = u32::try_from(directory.len()).map_err(|_| too_large("the list of files"))?;
    put(&mut out, &[&directory, b"PK\x05\x06", &[0; 4], &count.to_le_bytes()]);
    put(&mut out, &[&count.to_le_bytes(), &size.to_le_bytes(), &at.to_le_bytes(), &[0, 0]]);
    Ok(out)
}

fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        // Writing to a vector cannot fail.
        let _ = out.write_all(part);
    }
}

/// A name without what file systems dislike.
pub fn file_name(words: &str) -> String {
    let name: String = words
        .chars()
        .map(|c| if c.is_alphanumeric() || c == '_' { c } else { '-' })
        .take(60)
        .collect();
    let parts: Vec<&str> = name.split('-').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "picture".into() } else { parts.join("-") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_comes_back_from_its_png() {
        let mut mask = Mask::zeros(11, 3);
        for at in [0, 9, 10, 15, 32] {
            mask.pixels[at] = 1;
        }
        let bytes = mask_png(&mask).unwrap();
        let mut decoder = png::Decoder::new(Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; 33];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, mask.pixels.iter().map(|p| p * 255).collect::<Vec<_>>());
    }

    #[test]
    fn a_cutout_is_see_through_around_the_thing() {
        let mut mask = Mask::zeros(4, 3);
        mask.pixels[5] = 1;
        mask.pixels[10] = 1;
        let rgba: Vec<u8> = (0..48).map(|v| if v % 4 == 3 { 255 } else { v }).collect();
        let bytes = cutout_png(&mask, &rgba).unwrap();
        let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; 16];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height, info.color_type), (2, 2, png::ColorType::Rgba));
        assert_eq!(pixels, [20, 21, 22, 255, 0, 0, 0, 0, 0, 0, 0, 0, 40, 41, 42, 255]);
        assert!(cutout_png(&Mask::zeros(4, 3), &rgba).is_err());
    }

    #[test]
    fn a_zip_has_its_places_and_sums_right() {
        let files = [("a.txt".to_string(), b"hello".to_vec()), ("\u{e4}.bin".into(), vec![7; 300])];
        let bytes = zip(&files).unwrap();
        let end = bytes.len() - 22;
        assert_eq!(bytes[end..end + 4], *b"PK\x05\x06");
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let u16_at = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()) as usize;
        assert_eq!(u16_at(end + 10), 2);
        assert_eq!(u32_at(end + 12) + u32_at(end + 16), end);
        let mut entry = u32_at(end + 16);
        for (name, content) in &files {
            assert_eq!(bytes[entry..entry + 4], *b"PK\x01\x02");
            let local = u32_at(entry + 42);
            assert_eq!(bytes[local..local + 4], *b"PK\x03\x04");
            assert_eq!(u32_at(entry + 16), crc32fast::hash(content) as usize);
            let (length, name_at) = (u16_at(local + 26), local + 30);
            assert_eq!(bytes[name_at..name_at + length], *name.as_bytes());
            let from = name_at + length + u16_at(local + 28);
            assert_eq!(bytes[from..from + u32_at(local + 22)], content[..]);
            entry += 46 + u16_at(entry + 28);
        }
        assert_eq!(entry, end);
    }

    #[test]
    fn names_of_files() {
        assert_eq!(file_name("The dog, on/the left!"), "The-dog-on-the-left");
        assert_eq!(file_name("IMG_2041"), "IMG_2041");
        assert_eq!(file_name("../..\\:*?"), "picture");
    }
}
