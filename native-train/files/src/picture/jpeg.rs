//! Whether a JPEG reaches its end: the decoder behind `image` fills what is missing with grey and
//! reports nothing.

/// Says that the file stops before its end marker, if it does. A picture that is damaged in its
/// middle and still has one is not noticed.
///
/// # Errors
/// The reason.
pub(super) fn check_whole(bytes: &[u8]) -> Result<(), String> {
    if ends(bytes) { Ok(()) } else { Err("the JPEG ends before its end marker".into()) }
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
