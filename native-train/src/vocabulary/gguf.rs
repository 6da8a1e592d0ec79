//! The vocabulary in the settings of a GGUF file.

use super::scored::{self, Options};
use super::{Kind, Piece, VocabularyError, bpe, ids, tokenizer_json};
use refvlm_checkpoint::gguf::Value as Setting;
use refvlm_checkpoint::{CheckpointError, Metadata};
use serde_json::{Value, json};

/// How Llama 3 cuts a text into words.
const LLAMA3_WORDS: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}\
                            | ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/// The `tokenizer.json` of a GGUF file: byte-level BPE with listed merges (`gpt2`), or BPE with
/// scores and byte fallback (`llama`).
///
/// # Errors
/// When the file has no vocabulary, or one of another kind.
pub fn from_gguf(metadata: &Metadata) -> Result<Vec<u8>, VocabularyError> {
    let model = metadata.text("tokenizer.ggml.model")?;
    let pieces = pieces(metadata, model == "llama")?;
    match model {
        "gpt2" => byte_level(metadata, &pieces),
        "llama" => {
            let flag = |key, default| match metadata.get(key) {
                Some(Setting::Bool(flag)) => *flag,
                _ => default,
            };
            let options = Options {
                first: Vec::new(),
                prefix_space: flag("tokenizer.ggml.add_space_prefix", true),
                byte_fallback: pieces.iter().any(|piece| piece.kind == Kind::Byte),
            };
            scored::convert(&pieces, &options)
        }
        _ => Err(VocabularyError::Unsupported {
            what: format!("a GGUF vocabulary of type {model}"),
            remedy: "types gpt2 and llama are; else use the model's tokenizer.json",
        }),
    }
}

fn pieces(metadata: &Metadata, scored: bool) -> Result<Vec<Piece>, VocabularyError> {
    const KINDS: &str = "tokenizer.ggml.token_type";
    const SCORES: &str = "tokenizer.ggml.scores";
    let tokens = metadata.texts("tokenizer.ggml.tokens")?;
    let kinds = match metadata.get(KINDS) {
        Some(_) => metadata.integers(KINDS)?,
        None => &[],
    };
    let scores = if scored { metadata.floats(SCORES)? } else { &[] };
    let fits = |length| length == tokens.len();
    if scored && !fits(scores.len()) || !(kinds.is_empty() || fits(kinds.len())) {
        return Err(damaged(KINDS, "has another length than the tokens").into());
    }
    let piece = |(id, text): (usize, &String)| {
        let kind = kinds.get(id).map_or(Some(Kind::Normal), |&kind| Kind::from_number(kind));
        let kind = kind.ok_or_else(|| damaged(KINDS, "names a kind that is not known"))?;
        let score = scores.get(id).copied().unwrap_or_default() as f32;
        if !score.is_finite() {
            return Err(damaged(SCORES, "holds what is no number").into());
        }
        Ok(Piece { text: text.clone(), score, kind })
    };
    tokens.iter().enumerate().map(piece).collect()
}

fn byte_level(metadata: &Metadata, pieces: &[Piece]) -> Result<Vec<u8>, VocabularyError> {
    const MERGES: &str = "tokenizer.ggml.merges";
    let ids = ids(pieces)?;
    let merge = |merge: &String| {
        // A space can't be part of a token here: its stand-in is another character.
        let (left, right) = merge.split_once(' ')?;
        let known = [left, right, &format!("{left}{right}")].iter().all(|t| ids.contains_key(*t));
        known.then(|| json!([left, right]))
    };
    let merges: Option<Vec<Value>> = metadata.texts(MERGES)?.iter().map(merge).collect();
    let merges = merges.ok_or_else(|| damaged(MERGES, "joins what is no token"))?;
    let pre = match metadata.get("tokenizer.ggml.pre") {
        None => "gpt-2",
        Some(_) => metadata.text("tokenizer.ggml.pre")?,
    };
    let bytes = |words: bool| {
        json!({
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
            "use_regex": words,
        })
    };
    let (words, whole_first) = match pre {
        "smollm" => {
            (vec![json!({"type": "Digits", "individual_digits": true}), bytes(true)], false)
        }
        "gpt-2" | "default" => (vec![bytes(true)], false),
        "llama-bpe" => {
            let split = json!({
                "type": "Split", "pattern": {"Regex": LLAMA3_WORDS}, "behavior": "Isolated",
                "invert": false,
            });
            (vec![split, bytes(false)], true)
        }
        _ => {
            return Err(VocabularyError::Unsupported {
                what: format!("the way `{pre}` of cutting a text into words"),
                remedy: "smollm, gpt-2 and llama-bpe are; else use the model's tokenizer.json",
            });
        }
    };
    let words = json!({"type": "Sequence", "pretokenizers": words});
    let model = bpe(pieces, merges, json!({"ignore_merges": whole_first}));
    Ok(tokenizer_json(pieces, Value::Null, words, bytes(true), model))
}

fn damaged(key: &str, reason: &str) -> CheckpointError {
    CheckpointError::Metadata { file: "GGUF".into(), key: key.into(), reason: reason.into() }
}
