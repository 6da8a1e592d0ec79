//! Pictures in and out: whatever a person has, bounded and upright, as plain RGB.

use crate::files::write_atomic;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use refvlm_record::{MAX_SIDE_PX, Mask};
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

/// Largest file that is read.
pub const MAX_FILE_BYTES: u64 = 256 << 20;
/// Most pixels that are decoded.
pub const MAX_PIXELS: u64 = 120_000_000;

/// An upright RGB picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width * height * 3` bytes, row-major.
    pub rgb: Vec<u8>,
}

/// Why a picture could not be read or written. The text names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The file could not be read.
    #[error("{path}: {source}: check the path and its permissions", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The underlying I/O error.
        source: io::Error,
    },
    /// The file has no bytes.
    #[error("{path}: the file is empty (0 bytes): download or export it again", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is too long.
    #[error(
        "{path}: the file is larger than {} MiB: scale it down or save it as JPEG",
        MAX_FILE_BYTES >> 20,
        path = path.display()
    )]
    FileSize {
        /// The file.
        path: PathBuf,
    },
    /// The content is not a picture format we read; the file's name does not count.
    #[error(
        "{path}: the content is not a PNG, JPEG, WebP or GIF picture, whatever the name says: \
             convert it to one of them", path = path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// Too many pixels.
    #[error(
        "{path}: {width}x{height} px is too large: at most {MAX_SIDE_PX} px per side and {} \
         megapixels; scale it down", MAX_PIXELS / 1_000_000, path = path.display()
    )]
    Dimensions {
        /// The file.
        path: PathBuf,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The content is truncated or damaged.
    #[error("{path}: truncated or damaged ({reason}): get the file again", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The decoder's message.
        reason: String,
    },
    /// The mask has another size than its picture.
    #[error(
        "{path}: the mask is {found_width}x{found_height} px, the picture {width}x{height}: paint \
         it on a copy of the picture", path = path.display()
    )]
    MaskSize {
        /// The file.
        path: PathBuf,
        /// Columns of the mask.
        found_width: u32,
        /// Rows of the mask.
        found_height: u32,
        /// Columns of the picture.
        width: u32,
        /// Rows of the picture.
        height: u32,
    },
    /// The picture could not be encoded.
    #[error("{path}: cannot encode the picture: {reason}", path = path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// The encoder's message.
        reason: String,
    },
    /// The file could not be written.
    #[error("{path}: {source}: check free space and permissions", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The underlying I/O error.
        source: io::Error,
    },
}

impl Picture {
    /// An even area of one colour.
    pub fn filled(width: u32, height: u32, colour: [u8; 3]) -> Self {
        Self { width, height, rgb: colour.repeat(width as usize * height as usize) }
    }

    /// The picture as a PNG file's bytes.
    ///
    /// # Errors
    /// When the buffer does not fit the size; `name` stands in the text.
    pub fn to_png(&self, name: &Path) -> Result<Vec<u8>, PictureError> {
        let mut bytes = Vec::new();
        let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
        let fits = self.rgb.len() as u64 == u64::from(self.width) * u64::from(self.height) * 3;
        let encoded = if fits {
            let colour = image::ExtendedColorType::Rgb8;
            image::ImageEncoder::write_image(encoder, &self.rgb, self.width, self.height, colour)
                .map_err(|e| e.to_string())
        } else {
            Err(format!("{} bytes are not {}x{} RGB", self.rgb.len(), self.width, self.height))
        };
        match encoded {
            Ok(()) => Ok(bytes),
            Err(reason) => Err(PictureError::Encode { path: name.into(), reason }),
        }
    }
}

/// Reads a PNG, JPEG, WebP or GIF (its first frame): turned upright by EXIF, transparent parts on
/// white, grey as RGB.
///
/// # Errors
/// Every reason is a variant of [`PictureError`], naming the file and what helps.
pub fn read_picture(path: &Path) -> Result<Picture, PictureError> {
    decode_picture(&read_bytes(path)?, path)
}

/// [`read_picture`] from bytes, such as a shard's member; `name` stands in errors.
///
/// # Errors
/// As [`read_picture`].
pub fn decode_picture(bytes: &[u8], name: &Path) -> Result<Picture, PictureError> {
    let image = decode(bytes, name)?;
    let (width, height) = (image.width(), image.height());
    let rgb = if image.color().has_alpha() {
        image.into_rgba8().pixels().flat_map(|p| on_white(p.0)).collect()
    } else {
        image.into_rgb8().into_raw()
    };
    Ok(Picture { width, height, rgb })
}

/// Reads a mask painted in any program. Where the picture has transparent parts, its opacity is
/// the mask; otherwise its brightness. More than 127 of 255 is set.
///
/// # Errors
/// As [`read_picture`], and when the mask is not `width` x `height` px.
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
    let grey = image.into_luma_alpha8();
    let transparent = grey.pixels().any(|p| p.0[1] != 255);
    let channel = usize::from(transparent);
    let pixels = grey.pixels().map(|p| u8::from(p.0[channel] > 127)).collect();
    Ok(Mask { width, height, pixels })
}

/// Writes a PNG; the old file stays until the new one is complete.
///
/// # Errors
/// When encoding or a step of writing fails.
pub fn write_png(path: &Path, picture: &Picture) -> Result<(), PictureError> {
    let bytes = picture.to_png(path)?;
    write_atomic(path, &bytes).map_err(|source| PictureError::Write { path: path.into(), source })
}

fn on_white([r, g, b, a]: [u8; 4]) -> [u8; 3] {
    let blend = |c: u8| {
        let (c, a) = (u32::from(c), u32::from(a));
        ((c * a + 255 * (255 - a) + 127) / 255) as u8
    };
    [blend(r), blend(g), blend(b)]
}

/// Reads a whole file of at most [`MAX_FILE_BYTES`]; also bounded for pipes, whose length is
/// unknown.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, PictureError> {
    let read = |path: &Path| -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read(path).map_err(|source| PictureError::Read { path: path.into(), source })?;
    if bytes.is_empty() {
        return Err(PictureError::Empty { path: path.into() });
    }
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(PictureError::FileSize { path: path.into() });
    }
    Ok(bytes)
}

/// Decodes within the bounds and turns upright.
pub(crate) fn decode(bytes: &[u8], name: &Path) -> Result<DynamicImage, PictureError> {
    let path = || name.to_path_buf();
    let damaged = |reason: String| PictureError::Damaged { path: path(), reason };
    let failed = |error: ImageError| match error {
        ImageError::Unsupported(_) => PictureError::Format { path: path() },
        other => damaged(other.to_string()),
    };
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|source| PictureError::Read { path: path(), source })?;
    let format = reader.format().ok_or_else(|| PictureError::Format { path: path() })?;
    // Zero and huge sides are judged below with a better text than a limit's.
    reader.no_limits();
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(damaged("it has no pixels".into()));
    }
    if width.max(height) > MAX_SIDE_PX || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PictureError::Dimensions { path: path(), width, height });
    }
    // The JPEG decoder fills what is missing with grey and reports nothing.
    if format == ImageFormat::Jpeg && !jpeg_is_complete(bytes) {
        return Err(damaged("the JPEG ends before its end marker".into()));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE_PX);
    limits.max_image_height = Some(MAX_SIDE_PX);
    // Eight bytes per pixel (16-bit RGBA) and as much again for the decoder itself.
    limits.max_alloc = Some(MAX_PIXELS * 16);
    decoder.set_limits(limits).map_err(failed)?;
    // A picture with a broken EXIF block is still read.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// Walks the segments of a JPEG up to its end marker.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        // Between segments and inside entropy-coded data: on to the next marker.
        while bytes.get(at).is_some_and(|&b| b != 0xFF) {
            at += 1;
        }
        let Some(&marker) = bytes.get(at + 1) else { return false };
        match marker {
            0xD9 => return true,
            // A fill byte: the marker's code is still to come.
            0xFF => at += 1,
            // A stuffed zero, restart markers and others without content.
            0x00 | 0x01 | 0xD0..=0xD8 => at += 2,
            _ => {
                let (Some(&high), Some(&low)) = (bytes.get(at + 2), bytes.get(at + 3)) else {
                    return false;
                };
                at += 2 + usize::from(u16::from_be_bytes([high, low])).max(2);
            }
        }
    }
}

#[cfg(test)]
mod tests;
