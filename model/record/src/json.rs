//! What is wrong with a text that is not JSON, in words for the person who wrote it.

/// U+FEFF in UTF-8, which some editors put before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The bytes of a text without the byte order mark before it. `start` may be the first bytes of a
/// file only.
///
/// # Errors
/// When they are UTF-16 or an archive; the text says what helps.
pub fn plain(start: &[u8]) -> Result<&[u8], &'static str> {
    if start.starts_with(b"\xFF\xFE") || start.starts_with(b"\xFE\xFF") {
        return Err("the text is UTF-16: save it as UTF-8");
    }
    if start.starts_with(b"\x1F\x8B") || start.starts_with(b"PK\x03\x04") {
        return Err("this is an archive: unpack it first");
    }
    Ok(start.strip_prefix(BYTE_ORDER_MARK).unwrap_or(start))
}

/// Where `text` stops being JSON, with what stands there and what helps. `error` is what serde
/// said of `text`, other than that it ends too early.
pub fn syntax(text: &str, error: &serde_json::Error) -> String {
    let row = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    // Columns count bytes and point behind what was read.
    let from =
        (0..error.column().min(row.len())).rev().find(|&at| row.is_char_boundary(at)).unwrap_or(0);
    let from = row[..from].rfind([' ', ',', ':', '[', '{']).map_or(from, |at| at + 1);
    let found: String = row[from..].chars().take(20).collect();
    let numbers = ["NaN", "nan", "Inf", "inf", "-Inf", "-inf"];
    if error.to_string().starts_with("number out of range") {
        return format!("the number '{found}' is out of range; no value needs one as large");
    }
    let remedy = match numbers.iter().any(|word| found.trim_start().starts_with(word)) {
        true => "JSON has no such number; leave the field out where the value is unknown",
        false => "write it as JSON: names and texts in double quotes, no comma before a bracket",
    };
    let line = if error.line() > 1 { format!("line {}, ", error.line()) } else { String::new() };
    format!("no JSON from {line}column {} on, at '{found}': {remedy}", from + 1)
}
