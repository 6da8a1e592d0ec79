//! Byte-pair vocabularies whose merges are not listed: of two neighbours that together are a token
//! of the vocabulary, those of the highest score are joined first.

use super::file::{Added, File, Ids, Merges, Model};
use super::{Kind, MAX_MERGES, Piece, VocabularyError, check, ids};
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
const SPACE: &str = "\u{2581}";

fn normalizer(options: &Options) -> Value {
    let mut steps = options.first.clone();
    if options.prefix_space {
        steps.push(json!({"type": "Prepend", "prepend": SPACE}));
    }
    steps.push(json!({"type": "Replace", "pattern": {"String": " "}, "content": SPACE}));
    json!({"type": "Sequence", "normalizers": steps})
}

fn decoder(options: &Options) -> Value {
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
pub(super) fn convert(pieces: &[Piece<'_>], options: &Options) -> Result<Vec<u8>, VocabularyError> {
    let unknown = pieces.iter().find(|piece| piece.kind == Kind::Unknown).map(|p| p.text);
    let model = Model::Bpe {
        dropout: None,
        unk_token: unknown,
        continuing_subword_prefix: None,
        end_of_word_suffix: None,
        fuse_unk: true,
        byte_fallback: options.byte_fallback,
        ignore_merges: false,
        vocab: Ids(pieces),
        merges: Merges(pieces, merges(pieces)?),
    };
    file(pieces, options, model).to_json()
}

fn merges(pieces: &[Piece<'_>]) -> Result<Vec<[u32; 2]>, VocabularyError> {
    let ids = ids(pieces)?;
    let known = |text: &str| {
        let id = *ids.get(text)?;
        (pieces[id as usize].kind == Kind::Normal).then_some(id)
    };
    let mut merges: Vec<(f32, [u32; 2])> = Vec::new();
    for piece in pieces.iter().filter(|piece| piece.kind == Kind::Normal) {
        for (at, _) in piece.text.char_indices().skip(1) {
            let (left, right) = piece.text.split_at(at);
            if let (Some(left), Some(right)) = (known(left), known(right)) {
                check("merges", merges.len() + 1, MAX_MERGES)?;
                merges.push((piece.score, [left, right]));
            }
        }
    }
    // Scores are finite, see the readers. The longer left part first among equals, as converters
    // of Hugging Face do; of two alike in both, that of the token that stands first.
    let lengths = |pair: [u32; 2]| pair.map(|id| pieces[id as usize].text.len());
    merges.sort_by(|&(a_score, a), &(b_score, b)| {
        b_score.total_cmp(&a_score).then_with(|| lengths(b)[0].cmp(&lengths(a)[0]))
    });
    Ok(merges.into_iter().map(|(_, pair)| pair).collect())
}

/// The file of a vocabulary that replaces spaces.
pub(super) fn file<'a>(pieces: &'a [Piece<'a>], options: &Options, model: Model<'a>) -> File<'a> {
    File {
        version: "1.0",
        truncation: None,
        padding: None,
        added_tokens: Added(pieces),
        normalizer: normalizer(options),
        pre_tokenizer: Value::Null,
        post_processor: None,
        decoder: decoder(options),
        model,
    }
}
