//! Pictures as files: the ending of the name decides the format.

use super::{Picture, PictureError};
use crate::files::write_atomic;
use image::{ExtendedColorType, ImageEncoder, ImageResult};
use std::path::Path;

/// Of 100: what is drawn has sharp letters.
const JPEG_QUALITY: u8 = 92;

/// What a picture is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `.png`
    Png,
    /// `.jpg` or `.jpeg`
    Jpeg,
    /// `.webp`, without loss
    WebP,
}

impl Format {
    /// The format that a file's ending names.
    ///
    /// # Errors
    /// When the ending is none of them.
    pub fn of(path: &Path) -> Result<Self, PictureError> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "png" => Ok(Format::Png),
            "jpg" | "jpeg" => Ok(Format::Jpeg),
            "webp" => Ok(Format::WebP),
            _ => Err(PictureError::Ending { path: path.into() }),
        }
    }
}

impl Picture {
    /// The picture as a PNG file's bytes.
    ///
    /// # Errors
    /// When the buffer does not fit the size; `name` stands in the text.
    pub fn to_png(&self, name: &Path) -> Result<Vec<u8>, PictureError> {
        self.encode(Format::Png, name)
    }

    /// The picture as a file's bytes.
    ///
    /// # Errors
    /// When the buffer does not fit the size, or the format holds no picture of this size; `name`
    /// stands in the text.
    pub fn encode(&self, format: Format, name: &Path) -> Result<Vec<u8>, PictureError> {
        let failed = |reason: String| PictureError::Encode { path: name.into(), reason };
        if self.rgb.len() as u64 != u64::from(self.width) * u64::from(self.height) * 3 {
            let (found, [w, h]) = (self.rgb.len(), [self.width, self.height]);
            return Err(failed(format!("{found} bytes are not {w}x{h} RGB")));
        }
        let mut bytes = Vec::new();
        self.encode_to(format, &mut bytes).map_err(|error| failed(error.to_string()))?;
        Ok(bytes)
    }

    fn encode_to(&self, format: Format, out: &mut Vec<u8>) -> ImageResult<()> {
        let (w, h, colour) = (self.width, self.height, ExtendedColorType::Rgb8);
        match format {
            Format::Png => {
                image::codecs::png::PngEncoder::new(out).write_image(&self.rgb, w, h, colour)
            }
            Format::Jpeg => {
                let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(out, JPEG_QUALITY);
                encoder.write_image(&self.rgb, w, h, colour)
            }
            Format::WebP => {
                let encoder = image::codecs::webp::WebPEncoder::new_lossless(out);
                encoder.write_image(&self.rgb, w, h, colour)
            }
        }
    }
}

/// Writes a picture in the format its ending names; the old file stays until the new one is
/// complete.
///
/// # Errors
/// When the ending names no format, or encoding or a step of writing fails.
pub fn write_picture(path: &Path, picture: &Picture) -> Result<(), PictureError> {
    let bytes = picture.encode(Format::of(path)?, path)?;
    write_atomic(path, &bytes).map_err(|source| PictureError::Write { path: path.into(), source })
}
