//! What a file is that is no checkpoint, and what helps: pointers, pages and archives that stand
//! where weights should, as downloads leave them.

use crate::{CheckpointError, Source};

/// Bytes that are looked at.
const SEEN: u64 = 1024;
/// Characters of a text that are shown.
const SHOWN: usize = 60;
/// The first bytes of files that are mistaken for weights, what they are, and what helps.
const STARTS: [(&[u8], &str, &str); 12] = [
    (b"\x1f\x8b", "a gzip archive", UNPACK),
    (b"BZh", "a bzip2 archive", UNPACK),
    (b"\xfd7zXZ\0", "an xz archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", UNPACK),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, which Keras writes", CONVERT),
    (b"\x93NUMPY", "an array of NumPy", CONVERT),
    (b"lmgg", "GGML, which came before GGUF", ANEW),
    (b"fmgg", "GGML, which came before GGUF", ANEW),
    (b"tjgg", "GGML, which came before GGUF", ANEW),
    (b"%PDF", "a PDF", "give the file of the weights"),
];
const UNPACK: &str = "unpack it and give the file inside";
const CONVERT: &str = "convert it to safetensors";
const ANEW: &str = "take the GGUF of the model, or convert it with llama.cpp";
const AGAIN: &str = "download it again";

/// The error for a file whose format is unknown.
pub(crate) fn refusal(source: &Source) -> CheckpointError {
    let start = source.read_vec(0, source.length().min(SEEN)).unwrap_or_default();
    let found = describe(&start, source);
    let file = source.name().to_string();
    match found {
        Some((what, remedy)) => CheckpointError::Unsupported { file, what, remedy },
        None => CheckpointError::Unknown { file },
    }
}

fn describe(start: &[u8], source: &Source) -> Option<(String, &'static str)> {
    if start.is_empty() {
        return Some(("an empty file".into(), AGAIN));
    }
    if let Some((_, what, remedy)) = STARTS.iter().find(|(magic, ..)| start.starts_with(magic)) {
        return Some(((*what).into(), remedy));
    }
    if start.get(4..8) == Some(b"TFL3") {
        return Some(("a TensorFlow Lite model".into(), CONVERT));
    }
    let name = source.name().to_lowercase();
    if [".part", "-split-", ".split"].iter().any(|cut| name.contains(&format!(".gguf{cut}"))) {
        let what = "a piece of a GGUF that was cut anywhere".into();
        return Some((what, "join the pieces in their order: cat NAME.gguf.part* > NAME.gguf"));
    }
    text(start)
}

/// What a text is.
fn text(start: &[u8]) -> Option<(String, &'static str)> {
    // A character may have been cut.
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return None;
    }
    let lower = text.to_lowercase();
    if ["https://git-lfs.github.com/spec", "https://hawser.github.com/spec"]
        .iter()
        .any(|spec| lower.starts_with(&format!("version {spec}")))
    {
        let size = lower.lines().find_map(|line| line.strip_prefix("size ")?.parse::<u64>().ok());
        let size = size.map_or(String::new(), |size| format!(" of {size} bytes"));
        let what = format!("a Git LFS pointer to the weights{size}, not the weights");
        return Some((what, "run `git lfs pull` in its folder, or download the file itself"));
    }
    let page = ["<!doctype html", "<html", "<head", "<body", "<?xml", "<!--", "<script"];
    if page.iter().any(|tag| lower.starts_with(tag)) {
        let remedy = "a browser's page was saved in place of the file: take its download link (on \
                      the Hugging Face hub /resolve/, not /blob/), and for a gated repository \
                      accept its terms and set HF_TOKEN";
        return Some(("a web page, not the weights".into(), remedy));
    }
    let line: String = text.lines().next().unwrap_or_default().chars().take(SHOWN).collect();
    let what = format!("a text that begins with \"{}\"", line.trim_end());
    Some((what, "download the weights again; for a gated repository set HF_TOKEN"))
}
