//! SentencePiece's `tokenizer.model`, a protobuf message: pieces with scores and kinds, how they
//! were trained, and how text is made ready. Unigram and BPE.

use super::file::{Model as Written, Scores};
use super::protobuf::{Fields, Wire};
use super::scored::{self, Options};
use super::{Kind, MAX_TOKENS, Piece, VocabularyError, charsmap, check, ids};
use refvlm_model::triplet::tokens::MAX_FILE_BYTES;
use serde_json::json;
use tokenizers::normalizers::Precompiled;

const UNIGRAM: i64 = 1;
const BPE: i64 = 2;

/// A model with what is left out set to SentencePiece's defaults.
#[derive(Debug)]
struct Model<'a> {
    pieces: Vec<Piece<'a>>,
    model_type: i64,
    byte_fallback: bool,
    /// Spaces belong to the word before them.
    space_behind: bool,
    charsmap: &'a [u8],
    prefix_space: bool,
    /// Spaces at the ends are dropped and runs of them are one.
    fewer_spaces: bool,
    escape: bool,
}

/// The `tokenizer.json` of a `tokenizer.model`.
///
/// A text is cut at control tokens and those of users, and each stretch begins with a space where
/// the model puts one before a text; so do the fast tokenizers of Hugging Face for Llama.
///
/// # Errors
/// When the bytes are not a SentencePiece model, or its kind is neither unigram nor BPE.
pub fn from_sentencepiece(bytes: &[u8]) -> Result<Vec<u8>, VocabularyError> {
    check("file of bytes", bytes.len(), MAX_FILE_BYTES)?;
    let model = parse(bytes)?;
    let unsupported = |what: &str| VocabularyError::Unsupported {
        what: what.into(),
        remedy: "use the model's tokenizer.json",
    };
    if model.space_behind || !model.escape {
        return Err(unsupported("a SentencePiece model whose spaces are treated in another way"));
    }
    if model.pieces.iter().any(|piece| piece.kind == Kind::Unused) {
        return Err(unsupported("a SentencePiece model with unused pieces"));
    }
    let unknown: Vec<usize> = (model.pieces.iter().enumerate())
        .filter_map(|(id, piece)| (piece.kind == Kind::Unknown).then_some(id))
        .collect();
    let &[unknown] = unknown.as_slice() else {
        let problem = format!("{} unknown pieces, expected one", unknown.len());
        return Err(VocabularyError::Damaged { place: "pieces", problem });
    };
    if model.byte_fallback {
        let bytes = model.pieces.iter().filter(|piece| piece.kind == Kind::Byte).count();
        if bytes != 256 {
            let problem = format!("{bytes} byte pieces, expected 256");
            return Err(VocabularyError::Damaged { place: "pieces", problem });
        }
    }
    let mut first = Vec::new();
    if !model.charsmap.is_empty() {
        let damaged = |problem: String| VocabularyError::Damaged { place: "charsmap", problem };
        charsmap::check(model.charsmap).map_err(|problem| damaged(problem.into()))?;
        let table = Precompiled::from(model.charsmap).map_err(|e| damaged(e.to_string()))?;
        first.push(serde_json::to_value(table).map_err(|e| damaged(e.to_string()))?);
    }
    if model.fewer_spaces {
        for (pattern, content) in [("^ +| +$", ""), (" {2,}", " ")] {
            first.push(
                json!({"type": "Replace", "pattern": {"Regex": pattern}, "content": content}),
            );
        }
    }
    let (prefix_space, byte_fallback) = (model.prefix_space, model.byte_fallback);
    let options = Options { first, prefix_space, byte_fallback };
    match model.model_type {
        BPE => scored::convert(&model.pieces, &options),
        UNIGRAM => unigram(&model.pieces, unknown, &options),
        _ => Err(unsupported("a SentencePiece model of words or characters")),
    }
}

fn unigram(
    pieces: &[Piece<'_>],
    unknown: usize,
    options: &Options,
) -> Result<Vec<u8>, VocabularyError> {
    ids(pieces)?;
    let byte_fallback = options.byte_fallback;
    let model = Written::Unigram { unk_id: unknown, byte_fallback, vocab: Scores(pieces) };
    scored::file(pieces, options, model).to_json()
}

fn parse(bytes: &[u8]) -> Result<Model<'_>, VocabularyError> {
    let mut model = Model {
        pieces: Vec::new(),
        model_type: UNIGRAM,
        byte_fallback: false,
        space_behind: false,
        charsmap: &[],
        prefix_space: true,
        fewer_spaces: true,
        escape: true,
    };
    for field in Fields::new("model", bytes) {
        match field? {
            (1, Wire::Bytes(message)) => {
                check("tokens", model.pieces.len() + 1, MAX_TOKENS)?;
                model.pieces.push(piece(message)?);
            }
            (2, Wire::Bytes(message)) => {
                for field in Fields::new("trainer_spec", message) {
                    match field? {
                        (3, wire) => model.model_type = number("model_type", wire)?,
                        (24, wire) => model.space_behind = number("whitespace", wire)? != 0,
                        (35, wire) => model.byte_fallback = number("byte_fallback", wire)? != 0,
                        _ => {}
                    }
                }
            }
            (3, Wire::Bytes(message)) => {
                for field in Fields::new("normalizer_spec", message) {
                    match field? {
                        (2, Wire::Bytes(table)) => model.charsmap = table,
                        (3, wire) => model.prefix_space = number("add_dummy_prefix", wire)? != 0,
                        (4, wire) => model.fewer_spaces = number("extra_whitespaces", wire)? != 0,
                        (5, wire) => model.escape = number("escape_whitespaces", wire)? != 0,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(model)
}

fn piece(message: &[u8]) -> Result<Piece<'_>, VocabularyError> {
    let damaged =
        |problem: &str| VocabularyError::Damaged { place: "piece", problem: problem.into() };
    let mut piece = Piece { text: "", score: 0.0, kind: Kind::Normal };
    for field in Fields::new("piece", message) {
        match field? {
            (1, wire) => piece.text = wire.text().ok_or_else(|| damaged("no text"))?,
            (2, wire) => {
                let score = wire.float().filter(|score| score.is_finite());
                piece.score = score.ok_or_else(|| damaged("its score is not a number"))?;
            }
            (3, wire) => {
                let kind = wire.number().and_then(Kind::from_number);
                piece.kind = kind.ok_or_else(|| damaged("its kind is unknown"))?;
            }
            _ => {}
        }
    }
    if piece.text.is_empty() {
        return Err(damaged("it is empty"));
    }
    Ok(piece)
}

fn number(place: &'static str, wire: Wire<'_>) -> Result<i64, VocabularyError> {
    let problem = || VocabularyError::Damaged { place, problem: "it is not a number".into() };
    wire.number().ok_or_else(problem)
}
