//! Byte-pair vocabularies whose merges are not listed: of two neighbours that together are a token
//! of the vocabulary, those of the highest score are joined first.

use super::{Kind, MAX_MERGE_BYTES, Piece, VocabularyError, bpe, check, ids, tokenizer_json};
use serde_json::{Value, json};

/// How a text is made ready, and what becomes of unknown characters.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// Steps before spaces are replaced.
    pub first: Vec<Value>,
    /// Whether a space is put before a text.
    pub prefix_space: bool,
    /// Whether characters without a token are written as bytes.
    pub byte_fallback: bool,
}

/// The stand-in for a space.
pub(super) const SPACE: &str = "\u{2581}";

pub(super) fn normalizer(options: &Options) -> Value {
    let mut steps = options.first.clone();
    if options.prefix_space {
        steps.push(json!({"type": "Prepend", "prepend": SPACE}));
    }
    steps.push(json!({"type": "Replace", "pattern": {"String": " "}, "content": SPACE}));
    json!({"type": "Sequence", "normalizers": steps})
}

pub(super) fn decoder(options: &Options) -> Value {
    let mut steps = vec![
        json!({"type": "Replace", "pattern": {"String": SPACE}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if options.prefix_space {
        steps.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    json!({"type": "Sequence", "decoders": steps})
}

/// The `tokenizer.json` of such a vocabulary.
///
/// Every way to make a token of two becomes a merge, best token first. Where one text can be made
/// of neighbours in two overlapping ways at once, as `aa` twice in `aaa` of `a`, `aa` and `a`, the
/// original takes the left one and a list of merges the one that stands first; nothing but long
/// runs of one character is known to show it.
pub(super) fn convert(pieces: &[Piece], options: &Options) -> Result<Vec<u8>, VocabularyError> {
    let ids = ids(pieces)?;
    let joins = |id: usize| matches!(pieces[id].kind, Kind::Normal);
    let mut merges: Vec<(usize, usize, usize)> = Vec::new();
    let mut bytes = 0;
    for (id, piece) in pieces.iter().enumerate().filter(|&(id, _)| joins(id)) {
        for (at, _) in piece.text.char_indices().skip(1) {
            let (left, right) = piece.text.split_at(at);
            if let (Some(&left), Some(&right)) = (ids.get(left), ids.get(right))
                && joins(left)
                && joins(right)
            {
                merges.push((id, left, right));
                bytes += piece.text.len() + 8;
                check("merges of bytes", bytes, MAX_MERGE_BYTES)?;
            }
        }
    }
    // Scores are finite, see the readers. The longer left part first among equals, as converters
    // of Hugging Face do.
    let key = |&(id, left, _): &(usize, usize, usize)| (pieces[id].score, pieces[left].text.len());
    merges.sort_by(|a, b| {
        let ((a, a_left), (b, b_left)) = (key(a), key(b));
        b.total_cmp(&a).then(b_left.cmp(&a_left))
    });
    let merges = merges
        .into_iter()
        .map(|(_, left, right)| json!([pieces[left].text, pieces[right].text]))
        .collect();
    let unknown = pieces.iter().find(|piece| piece.kind == Kind::Unknown).map(|p| &p.text);
    let model = bpe(
        pieces,
        merges,
        json!({
            "unk_token": unknown, "fuse_unk": true, "byte_fallback": options.byte_fallback,
        }),
    );
    Ok(tokenizer_json(pieces, normalizer(options), Value::Null, decoder(options), model))
}
