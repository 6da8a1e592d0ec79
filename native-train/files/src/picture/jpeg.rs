//! Whether a JPEG holds its whole picture: the decoder behind `image` fills what is missing with
//! grey and reports nothing.

use std::borrow::Cow;
use zune_core::bytestream::ZCursor;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// What strict decoding objects to though no part of the picture is lost.
const HARMLESS: [&str; 2] = ["Extra bytes between headers", "number of components"];

/// Says what of the picture is missing, if anything. A file that only lacks its end marker is
/// whole.
///
/// # Errors
/// The decoder's reason.
pub(super) fn check_whole(bytes: &[u8], most_side_px: u32) -> Result<(), String> {
    let ended = ends(bytes);
    let whole: Cow<[u8]> = match ended {
        true => bytes.into(),
        false => [bytes, &[0xFF, 0xD9]].concat().into(),
    };
    let side = most_side_px as usize;
    let options =
        DecoderOptions::default().set_strict_mode(true).set_max_width(side).set_max_height(side);
    match JpegDecoder::new_with_options(ZCursor::new(whole.as_ref()), options).decode() {
        Ok(_) => Ok(()),
        Err(error) => {
            let reason = error.to_string();
            if ended && HARMLESS.iter().any(|known| reason.contains(known)) {
                return Ok(());
            }
            Err(format!("a part of the JPEG is missing or damaged: {reason}"))
        }
    }
}

/// Walks the segments of a JPEG up to its end marker.
fn ends(bytes: &[u8]) -> bool {
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
