//! What people have instead of one record per line, known by how the file begins.

use refvlm_record::json;

/// What a file is, by its first bytes, when it is not one record per line.
pub(super) fn other_than_lines(start: &[u8]) -> Option<&'static str> {
    if start.contains(&0) && !start.starts_with(b"\xFF\xFE") && !start.starts_with(b"\xFE\xFF") {
        return Some(
            "this is not a text: give the file of records, or the folder with its records.jsonl",
        );
    }
    let text = match json::plain(start) {
        Ok(text) => text.trim_ascii_start(),
        Err(found) => return Some(found),
    };
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
