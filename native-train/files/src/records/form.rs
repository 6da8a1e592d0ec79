//! What people have instead of one record per line, known by how the file begins.

/// U+FEFF in UTF-8, which some editors put before a text.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What a file is, by its first bytes, when it is not one record per line.
pub(super) fn other_than_lines(start: &[u8]) -> Option<&'static str> {
    if start.starts_with(b"\xFF\xFE") || start.starts_with(b"\xFE\xFF") {
        return Some("the text is UTF-16: save it as UTF-8");
    }
    if start.starts_with(b"\x1F\x8B") || start.starts_with(b"PK\x03\x04") {
        return Some("this is an archive: unpack it first");
    }
    let text = start.strip_prefix(BYTE_ORDER_MARK).unwrap_or(start).trim_ascii_start();
    if text.starts_with(b"[") {
        return Some(
            "this is a list: write one record per line, without the brackets around them and the \
             commas between them (jq -c '.[]' does it)",
        );
    }
    if !text.starts_with(b"{") {
        return None;
    }
    let has = |key: &str| text.windows(key.len()).any(|window| window == key.as_bytes());
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or(text);
    let lone = line.len() < text.len() && line[1..].trim_ascii().is_empty();
    let labels = ["\"annotations\"", "\"categories\"", "\"images\"", "\"info\""];
    if labels.into_iter().any(has) && !has("\"turns\"") {
        return Some(
            "these are labels in COCO format, not records: name the file instances.json, put the \
             pictures beside it in images, and run `refvlm data build --data FOLDER --out DIR`",
        );
    }
    lone.then_some(
        "the JSON is spread over several lines: write each record on a line of its own (jq -c . \
         does it)",
    )
}
