//! The pixels of a JPEG, and whether all of them were in the file: the decoder fills what is missing
//! with grey or zeros and reports nothing, and an end marker stands behind half a picture as well.

use super::colour;
use image::{DynamicImage, GrayImage, RgbImage};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

/// Stands in the place of the end marker. The decoder reads a few bytes ahead, which the zeros are
/// for; where it still wants data after them, a marker that it does not know makes it say so, while
/// an end marker would let it go on with zeros for ever. Behind the last block the segment of that
/// marker, which is empty, is passed over.
const BOUND: [u8; 22] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 2, 0, 2, 0xFF, 0xD9];

/// Zeros at the beginning of the bound.
const PAD: usize = 16;
/// A restart marker.
const RESTART: [u8; 2] = [0xFF, 0xD0];

/// What a JPEG holds.
pub(super) struct Jpeg {
    /// Its pixels; what could not be read is filled.
    pub image: DynamicImage,
    /// What is wrong with its data, where that did not keep it from being decoded.
    pub fault: Option<String>,
    /// It is in the inks of print.
    pub inks: bool,
    /// They were brought to RGB without a profile, so that the colours are only about right.
    pub print: bool,
}

/// Decodes a JPEG of `width` x `height` px. One in the colours of print is brought to RGB by its
/// profile, given here, or without one by a product.
///
/// # Errors
/// When nothing can be decoded.
pub(super) fn decode(
    bytes: &[u8],
    [width, height]: [u32; 2],
    icc: Option<&[u8]>,
) -> Result<Jpeg, String> {
    let (raw, fault) = pixels(bytes, icc.is_some())?;
    let inks = matches!(raw.from, ColorSpace::CMYK | ColorSpace::YCCK);
    let image = match raw.space {
        ColorSpace::Luma => GrayImage::from_raw(width, height, raw.pixels).map(Into::into),
        ColorSpace::RGB => RgbImage::from_raw(width, height, raw.pixels).map(Into::into),
        // Only asked for where there is a profile.
        _ => {
            let shares = shares(raw.pixels, raw.space);
            let rgb = match icc.map(|icc| colour::inks_to_srgb(&shares, icc)) {
                Some(Ok(rgb)) => rgb,
                // A profile that is not one of these inks.
                _ => return decode(bytes, [width, height], None),
            };
            let image = RgbImage::from_raw(width, height, rgb).map(Into::into);
            let image = image.ok_or("fewer pixels than its size")?;
            return Ok(Jpeg { image, fault, inks, print: false });
        }
    };
    Ok(Jpeg { image: image.ok_or("fewer pixels than its size")?, fault, inks, print: inks })
}

/// Decoded bytes, the colours they are in, and those of the file.
struct Raw {
    pixels: Vec<u8>,
    space: ColorSpace,
    from: ColorSpace,
}

fn pixels(bytes: &[u8], inks: bool) -> Result<(Raw, Option<String>), String> {
    let data = &bytes[..end(bytes)];
    let mut tried = run(&[data, &BOUND].concat(), inks, true);
    if let Err(DecodeErrors::MCUError(_)) = tried {
        // A restart marker was due where the bound stands: behind the last block, or where further
        // blocks are missing. With one more of them, only the latter goes on to a bound.
        tried = run(&[data, &BOUND[..PAD], &RESTART, &BOUND].concat(), inks, true);
    }
    let error = match tried {
        Ok(raw) => return Ok((raw, None)),
        Err(error) => reason(&error),
    };
    match run(bytes, inks, false) {
        Ok(raw) => Ok((raw, Some(error))),
        Err(_) => Err(error),
    }
}

/// The decoder's words; that it met the bound means that data is missing.
fn reason(error: &DecodeErrors) -> String {
    let text = error.to_string();
    match error {
        DecodeErrors::ExhaustedData | DecodeErrors::MCUError(_) => {
            "the data of the JPEG ends early".into()
        }
        _ if text.contains("Unknown marker in bit stream") => {
            "the data of the JPEG ends early".into()
        }
        _ => text.trim().to_owned(),
    }
}

/// Odd headers are taken as they are; only the data is judged.
fn run(bytes: &[u8], inks: bool, strict: bool) -> Result<Raw, DecodeErrors> {
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers()?;
    let from = decoder.input_colorspace().unwrap_or(ColorSpace::RGB);
    let space = match from {
        ColorSpace::Luma => ColorSpace::Luma,
        ColorSpace::CMYK | ColorSpace::YCCK if inks => from,
        _ => ColorSpace::RGB,
    };
    decoder.set_options(options.set_strict_mode(strict).jpeg_set_out_colorspace(space));
    Ok(Raw { pixels: decoder.decode()?, space, from })
}

/// Shares of cyan, magenta, yellow and black, 255 for all of it. Files hold the reverse, and three
/// of them perhaps as a brightness and two differences.
fn shares(mut pixels: Vec<u8>, space: ColorSpace) -> Vec<u8> {
    for pixel in pixels.chunks_exact_mut(4) {
        if space == ColorSpace::YCCK {
            let [y, b, r] = [0, 1, 2].map(|k| f32::from(pixel[k]));
            let (b, r) = (b - 128.0, r - 128.0);
            let mixed = [y + 1.402 * r, y - 0.344_136 * b - 0.714_136 * r, y + 1.772 * b];
            // The cast bounds to 0 and 255.
            pixel[..3].copy_from_slice(&mixed.map(|v| v.round() as u8));
        } else {
            pixel[..3].iter_mut().for_each(|v| *v = 255 - *v);
        }
        pixel[3] = 255 - pixel[3];
    }
    pixels
}

/// Where the first end marker stands, else the file's end: a phone puts further pictures behind it.
fn end(bytes: &[u8]) -> usize {
    let mut at = 2;
    loop {
        // Between segments and inside entropy-coded data: on to the next marker.
        while bytes.get(at).is_some_and(|&b| b != 0xFF) {
            at += 1;
        }
        let Some(&marker) = bytes.get(at + 1) else { return bytes.len().min(at) };
        match marker {
            0xD9 => return at,
            // A fill byte: the marker's code is still to come.
            0xFF => at += 1,
            // A stuffed zero, restart markers and others without content.
            0x00 | 0x01 | 0xD0..=0xD8 => at += 2,
            _ => {
                let (Some(&high), Some(&low)) = (bytes.get(at + 2), bytes.get(at + 3)) else {
                    return bytes.len();
                };
                at += 2 + usize::from(u16::from_be_bytes([high, low])).max(2);
            }
        }
    }
}
