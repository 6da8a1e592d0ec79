//! What stands where a picture should, known by its first bytes.

const CONVERT: &str = "convert it to PNG or JPEG";
const UNPACK: &str = "unpack it and give the picture inside";
const AGAIN: &str = "download or copy the picture again, as it is";
/// Bytes among which the beginning of a picture is looked for.
const NEAR: usize = 64;

/// The first bytes, what they begin, and what helps.
const STARTS: [(&[u8], &str, &str); 25] = [
    (b"BM", "a BMP picture", CONVERT),
    (b"II*\0", "a TIFF picture or a camera's raw file", CONVERT),
    (b"MM\0*", "a TIFF picture or a camera's raw file", CONVERT),
    (b"\xFF\x0A", "a JPEG XL picture", CONVERT),
    (b"\0\0\0\x0CJXL ", "a JPEG XL picture", CONVERT),
    (b"\0\0\0\x0CjP  ", "a JPEG 2000 picture", CONVERT),
    (b"\xFF\x4F\xFF\x51", "a JPEG 2000 picture", CONVERT),
    (b"8BPS", "a Photoshop document", CONVERT),
    (b"gimp xcf", "a GIMP document", CONVERT),
    (b"\x76\x2F\x31\x01", "an OpenEXR picture", CONVERT),
    (b"#?RADIANCE", "a Radiance picture", CONVERT),
    (b"\0\0\x01\0", "an icon", CONVERT),
    (b"P3\n", "a PNM picture", CONVERT),
    (b"P5\n", "a PNM picture", CONVERT),
    (b"P6\n", "a PNM picture", CONVERT),
    (b"qoif", "a QOI picture", CONVERT),
    (b"DDS ", "a texture (DDS)", CONVERT),
    (b"\x93NUMPY", "an array of NumPy", "save it as a picture, with 8 bits per channel"),
    (b"%PDF", "a PDF document", CONVERT),
    (b"PK\x03\x04", "a ZIP archive or an office document", UNPACK),
    (b"\x1F\x8B", "a gzip archive", UNPACK),
    (b"7z\xBC\xAF\x27\x1C", "a 7-Zip archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"\x1AE\xDF\xA3", "a film", "give one of its frames as PNG or JPEG"),
    (b"version https://git-lfs", "a pointer of Git LFS", "run `git lfs pull`"),
];
/// How pictures that are read begin.
const PICTURES: [&[u8]; 3] = [b"\x89PNG\r\n\x1A\n", b"\xFF\xD8\xFF", b"GIF8"];
/// The same, as text that programs send.
const ENCODED: [&str; 4] = ["ivborw0kggo", "/9j/", "r0lgod", "uklgr"];

/// What a file is that is not a picture that is read, and what helps.
pub(super) fn known(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let brand = bytes.get(8..12).filter(|_| bytes.get(4..8) == Some(b"ftyp"));
    match brand {
        Some(b"avif" | b"avis") => return Some(("an AVIF picture", CONVERT)),
        Some(b"heic" | b"heix" | b"hevc" | b"mif1" | b"msf1") => {
            return Some(("a HEIC picture", CONVERT));
        }
        Some(_) => return Some(("a film", "give one of its frames as PNG or JPEG")),
        None => {}
    }
    if let Some((_, found, remedy)) = STARTS.iter().find(|(start, ..)| bytes.starts_with(start)) {
        return Some((found, remedy));
    }
    if bytes.get(128..132) == Some(b"DICM") {
        return Some(("a DICOM file", CONVERT));
    }
    let near = &bytes[..bytes.len().min(NEAR)];
    if PICTURES.iter().any(|start| near.windows(start.len()).any(|window| window == *start)) {
        return Some(("a picture with other bytes before it", AGAIN));
    }
    text(&bytes[..bytes.len().min(512)])
}

fn text(start: &[u8]) -> Option<(&'static str, &'static str)> {
    // A letter cut at the end is no reason to take a text for something else.
    let valid = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    if valid.contains(|c: char| c.is_control() && !c.is_whitespace()) {
        return None;
    }
    let text = valid.trim_start_matches('\u{FEFF}').trim_start().to_ascii_lowercase();
    if text.starts_with("<svg") || (text.starts_with("<?xml") && text.contains("<svg")) {
        return Some(("an SVG drawing", CONVERT));
    }
    if text.starts_with("<!doctype html") || text.starts_with("<html") {
        return Some(("a web page", "download the picture itself"));
    }
    if text.starts_with("data:image/") || ENCODED.iter().any(|start| text.starts_with(start)) {
        return Some(("a picture as text (base64)", "decode it (base64 -d does it)"));
    }
    if text.starts_with(['{', '[']) {
        return Some(("JSON", "give the picture itself"));
    }
    (!text.is_empty()).then_some(("a text", "give the picture itself"))
}
