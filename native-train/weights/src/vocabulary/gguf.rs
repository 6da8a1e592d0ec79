//! The vocabulary in the settings of a GGUF file.

use super::file::{Added, File, Ids, Merges, Model};
use super::scored::{self, Options};
use super::{Kind, MAX_MERGES, Piece, VocabularyError, check, ids};
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

fn pieces(metadata: &Metadata, scored: bool) -> Result<Vec<Piece<'_>>, VocabularyError> {
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
    let mut pieces = Vec::with_capacity(tokens.len());
    for (id, text) in tokens.iter().enumerate() {
        let kind = kinds.get(id).map_or(Some(Kind::Normal), |&kind| Kind::from_number(kind));
        let kind = kind.ok_or_else(|| damaged(KINDS, "names an unknown kind"))?;
        let score = scores.get(id).copied().unwrap_or_default() as f32;
        if !score.is_finite() {
            return Err(damaged(SCORES, "holds a value that is not a number").into());
        }
        pieces.push(Piece { text, score, kind });
    }
    Ok(pieces)
}

fn byte_level(metadata: &Metadata, pieces: &[Piece<'_>]) -> Result<Vec<u8>, VocabularyError> {
    const MERGES: &str = "tokenizer.ggml.merges";
    let listed = metadata.texts(MERGES)?;
    check("merges", listed.len(), MAX_MERGES)?;
    let ids = ids(pieces)?;
    let merge = |merge: &String| {
        // A space can't be part of a token here: its stand-in is another character.
        let (left, right) = merge.split_once(' ')?;
        ids.get(format!("{left}{right}").as_str())?;
        Some([*ids.get(left)?, *ids.get(right)?])
    };
    let merges: Option<Vec<[u32; 2]>> = listed.iter().map(merge).collect();
    let merges = merges.ok_or_else(|| damaged(MERGES, "joins something that is not a token"))?;
    drop(ids);
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
    let model = Model::Bpe {
        dropout: None,
        unk_token: None,
        continuing_subword_prefix: None,
        end_of_word_suffix: None,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: whole_first,
        vocab: Ids(pieces),
        merges: Merges(pieces, merges),
    };
    let file = File {
        version: "1.0",
        truncation: None,
        padding: None,
        added_tokens: Added(pieces),
        normalizer: Value::Null,
        pre_tokenizer: json!({"type": "Sequence", "pretokenizers": words}),
        post_processor: None,
        decoder: bytes(true),
        model,
    };
    file.to_json()
}

fn damaged(key: &str, reason: &str) -> CheckpointError {
    CheckpointError::Metadata { file: "GGUF".into(), key: key.into(), reason: reason.into() }
}
