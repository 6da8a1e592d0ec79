//! Pictures in and out: whatever a person has, bounded and upright, as plain RGB.

mod colour;
mod foreign;
mod jpeg;
mod mask;
mod remark;
mod save;

pub use mask::read_mask;
pub use remark::Remark;
pub use save::{Format, write_picture};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use refvlm_record::MAX_SIDE_PX;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

/// Largest file that is read.
pub const MAX_FILE_BYTES: u64 = 256 << 20;
/// Most pixels that are decoded.
pub const MAX_PIXELS: u64 = 120_000_000;
/// Most bytes that the decoded pixels may take: a small file of 16-bit RGBA unpacks to a thousand
/// times its length.
pub const MAX_DECODED_BYTES: u64 = 512 << 20;

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
    /// Too many bytes once decoded.
    #[error(
        "{path}: {width}x{height} px take {needed} MiB once decoded, at most {} MiB are read: \
         scale the picture down, or save it with 8 bits per channel",
        MAX_DECODED_BYTES >> 20, path = path.display()
    )]
    Decoded {
        /// The file.
        path: PathBuf,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// MiB of the decoded pixels.
        needed: u64,
    },
    /// A format that is known and not read.
    #[error("{path}: this is {found}, which is not read: {remedy}", path = path.display())]
    Known {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
        /// What helps.
        remedy: &'static str,
    },
    /// The name of a picture to be written ends in no format.
    #[error(
        "{path}: the ending decides the format: name it .png, .jpg or .webp", path = path.display()
    )]
    Ending {
        /// The file.
        path: PathBuf,
    },
    /// A mask in more than two colours.
    #[error(
        "{path}: the mask has several colours, as an index mask or a photo has: a mask is white where \
         the prompt is and black elsewhere; write one mask per thing", path = path.display()
    )]
    MaskColours {
        /// The file.
        path: PathBuf,
    },
    /// A mask of many values, each too dark to be a painted region.
    #[error(
        "{path}: the mask has {values} values from {low} to {high}, as an index mask has: a mask is \
         white where the prompt is and black elsewhere; write one mask per thing",
        path = path.display()
    )]
    MaskValues {
        /// The file.
        path: PathBuf,
        /// How many different values.
        values: usize,
        /// The smallest.
        low: u8,
        /// The largest.
        high: u8,
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
        "{path}: the mask is {found_width}x{found_height} px, the picture {width}x{height} once \
         upright: paint it on a copy of the picture", path = path.display()
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
}

/// Reads a PNG, JPEG, WebP or GIF (its first frame): turned upright by EXIF, in sRGB, transparent
/// parts on white, grey as RGB. A picture of which a part is missing is refused.
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
    let (picture, remarks) = open_picture(bytes, name)?;
    check_whole(remarks, name)?;
    Ok(picture)
}

/// [`decode_picture`] that takes what there is of a damaged JPEG, and says what a person who asks
/// about the picture should know of it.
///
/// # Errors
/// As [`read_picture`], where nothing can be decoded.
pub fn open_picture(bytes: &[u8], name: &Path) -> Result<(Picture, Vec<Remark>), PictureError> {
    let Decoded { mut image, icc, mut remarks } = decode(bytes, name)?;
    if let DynamicImage::ImageLuma16(grey) = &mut image
        && brighten(grey)
    {
        remarks.push(Remark::Stretched);
    }
    // A profile of print has been used already.
    if let Some(icc) = icc {
        let (found, changed) = colour::to_srgb(image, &icc);
        image = found;
        match changed {
            Ok(true) => remarks.push(Remark::Converted),
            Ok(false) => {}
            Err(reason) => remarks.push(Remark::Profile { reason }),
        }
    }
    let (width, height) = (image.width(), image.height());
    let rgb = if image.color().has_alpha() {
        let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
        rgb.extend(image.into_rgba8().pixels().flat_map(|p| on_white(p.0)));
        rgb
    } else {
        image.into_rgb8().into_raw()
    };
    Ok((Picture { width, height, rgb }, remarks))
}

/// The pixels of a picture as they are stored, neither turned nor brought to sRGB: what labels of
/// data sets and maps of numbers mean.
///
/// # Errors
/// As [`read_picture`].
pub fn decode_stored(bytes: &[u8], name: &Path) -> Result<DynamicImage, PictureError> {
    let (decoded, _) = decode_raw(bytes, name)?;
    decoded.whole(name)
}

/// Columns and rows of a picture as its header says, before EXIF turns it; nothing is decoded.
/// `name` stands in errors.
///
/// # Errors
/// When the content is not a picture that is read.
pub fn dimensions(bytes: &[u8], name: &Path) -> Result<[u32; 2], PictureError> {
    let (decoder, _) = opened(bytes, name)?;
    let (width, height) = decoder.dimensions();
    Ok([width, height])
}

/// Stretches 16-bit grey of which only the lower bits are used, as sensors with 10, 12 or 14 bits
/// write it: taken as it stands it is black. Whether that was so.
fn brighten(grey: &mut image::ImageBuffer<image::Luma<u16>, Vec<u16>>) -> bool {
    let most = grey.iter().copied().max().unwrap_or_default();
    let bits = [8, 10, 12].into_iter().find(|bits| most < 1 << bits);
    let Some(bits) = bits.filter(|_| most > 0) else { return false };
    let full = (1u32 << bits) - 1;
    grey.iter_mut().for_each(|v| *v = (u32::from(*v) * 65_535 / full) as u16);
    true
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
///
/// # Errors
/// When the file cannot be read, is empty or longer.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, PictureError> {
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

/// What a file holds, before its colours are judged.
pub(crate) struct Decoded {
    pub image: DynamicImage,
    /// The colour profile that is still to be used.
    pub icc: Option<Vec<u8>>,
    pub remarks: Vec<Remark>,
}

impl Decoded {
    /// The picture, unless a part of it is missing.
    pub fn whole(self, name: &Path) -> Result<DynamicImage, PictureError> {
        check_whole(self.remarks, name)?;
        Ok(self.image)
    }
}

/// That no part of a picture is missing.
fn check_whole(remarks: Vec<Remark>, name: &Path) -> Result<(), PictureError> {
    let missing = remarks.into_iter().find_map(|remark| match remark {
        Remark::Missing { reason } => Some(reason),
        _ => None,
    });
    match missing {
        Some(reason) => Err(PictureError::Damaged { path: name.into(), reason }),
        None => Ok(()),
    }
}

/// Decodes within the bounds and turns upright.
pub(crate) fn decode(bytes: &[u8], name: &Path) -> Result<Decoded, PictureError> {
    let (mut decoded, orientation) = decode_raw(bytes, name)?;
    decoded.image.apply_orientation(orientation);
    Ok(decoded)
}

/// Decodes within the bounds; also how the picture is to be turned.
fn decode_raw(bytes: &[u8], name: &Path) -> Result<(Decoded, Orientation), PictureError> {
    let path = || name.to_path_buf();
    let damaged = |reason: String| PictureError::Damaged { path: path(), reason };
    let failed = |error| unreadable(error, name);
    let (mut decoder, format) = opened(bytes, name)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(damaged("it has no pixels".into()));
    }
    if width.max(height) > MAX_SIDE_PX || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PictureError::Dimensions { path: path(), width, height });
    }
    if decoder.total_bytes() > MAX_DECODED_BYTES {
        let needed = decoder.total_bytes() >> 20;
        return Err(PictureError::Decoded { path: path(), width, height, needed });
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE_PX);
    limits.max_image_height = Some(MAX_SIDE_PX);
    // The pixels, and as much again for the decoder itself.
    limits.max_alloc = Some(MAX_DECODED_BYTES * 2);
    decoder.set_limits(limits).map_err(failed)?;
    // A picture with a broken EXIF block is still read.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    // So is one with a broken profile.
    let mut icc = decoder.icc_profile().ok().flatten();
    let mut remarks = Vec::new();
    let image = if format == ImageFormat::Jpeg {
        let found = jpeg::decode(bytes, [width, height], icc.as_deref()).map_err(damaged)?;
        remarks.extend(found.fault.map(|reason| Remark::Missing { reason }));
        if found.print {
            remarks.push(Remark::Print);
        }
        if found.inks {
            icc = None;
        }
        found.image
    } else {
        DynamicImage::from_decoder(decoder).map_err(failed)?
    };
    Ok((Decoded { image, icc, remarks }, orientation))
}

/// A decoder of the content, which has read its header alone.
fn opened<'a>(
    bytes: &'a [u8],
    name: &Path,
) -> Result<(impl ImageDecoder + 'a, ImageFormat), PictureError> {
    let path = || name.to_path_buf();
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|source| PictureError::Read { path: path(), source })?;
    let format = reader.format().filter(ImageFormat::reading_enabled);
    let format = format.ok_or_else(|| match foreign::known(bytes) {
        Some((found, remedy)) => PictureError::Known { path: path(), found, remedy },
        None => PictureError::Format { path: path() },
    })?;
    // Zero and huge sides are judged later with a better text than a limit's.
    reader.no_limits();
    let decoder = reader.into_decoder().map_err(|error| unreadable(error, name))?;
    Ok((decoder, format))
}

fn unreadable(error: ImageError, name: &Path) -> PictureError {
    let path = name.to_path_buf();
    match error {
        ImageError::Unsupported(_) => PictureError::Format { path },
        other => PictureError::Damaged { path, reason: other.to_string() },
    }
}

#[cfg(test)]
mod odd;
#[cfg(test)]
mod tests;
