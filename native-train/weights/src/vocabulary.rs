//! Vocabularies of other programs as a `tokenizer.json`, the one form that everything here reads:
//! SentencePiece's `tokenizer.model`, and what a GGUF file carries in its settings. And our own,
//! trained on texts.
//!
//! The ten tokens of the referring language are not added here: `Tokenizer::from_json` puts them
//! behind whatever vocabulary it reads.

mod charsmap;
mod file;
mod gguf;
mod protobuf;
mod scored;
mod sentencepiece;
mod train;

pub use gguf::from_gguf;
pub use sentencepiece::from_sentencepiece;
pub use train::train;

use refvlm_checkpoint::{Checkpoint, CheckpointError};
use refvlm_model::triplet::tokens::MAX_FILE_BYTES;
use std::collections::HashMap;
use std::path::Path;
use thiserror::Error;

// Together they keep what a file makes us hold below 64 MiB beside the file.

/// Tokens; the largest published vocabularies have half as many.
const MAX_TOKENS: usize = 1 << 19;
/// Bytes of a piece.
const MAX_PIECE_BYTES: usize = 1024;
/// Merges; the largest published vocabularies have half as many.
const MAX_MERGES: usize = 1 << 20;

/// Why a vocabulary cannot be converted.
#[derive(Debug, Error)]
pub enum VocabularyError {
    /// The file cannot be read.
    #[error("{path}: {source}; check the path and its permissions")]
    File {
        /// The file's path.
        path: String,
        /// The underlying I/O error.
        source: std::io::Error,
    },
    /// The GGUF file cannot be read.
    #[error(transparent)]
    Gguf(#[from] CheckpointError),
    /// The bytes are not the message expected.
    #[error("{place}: {problem}; tokenizer.model is incomplete or damaged, copy it again")]
    Damaged {
        /// The place in the file.
        place: &'static str,
        /// What is wrong there.
        problem: String,
    },
    /// A count or length is larger than in any vocabulary.
    #[error("vocabulary: {what} {found} exceeds the limit of {limit}")]
    TooLarge {
        /// What is counted or measured.
        what: &'static str,
        /// The number found.
        found: usize,
        /// The largest number accepted.
        limit: usize,
    },
    /// A token occurs twice.
    #[error("vocabulary: token {0:?} occurs twice; the file is damaged")]
    Twice(String),
    /// The kind of vocabulary is not supported.
    #[error("vocabulary: {what} is not supported; {remedy}")]
    Unsupported {
        /// The feature that is not supported.
        what: String,
        /// What helps.
        remedy: &'static str,
    },
    /// Training one failed.
    #[error("vocabulary: {0}")]
    Train(String),
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Unknown,
    /// Never written by text: begins or ends it.
    Control,
    /// Cut out of a text before anything else.
    UserDefined,
    Unused,
    /// Stands for a byte.
    Byte,
}

impl Kind {
    /// SentencePiece and GGUF count alike.
    fn from_number(number: i64) -> Option<Self> {
        let kinds = [
            Kind::Normal,
            Kind::Unknown,
            Kind::Control,
            Kind::UserDefined,
            Kind::Unused,
            Kind::Byte,
        ];
        usize::try_from(number).ok()?.checked_sub(1).and_then(|i| kinds.get(i).copied())
    }
}

/// A token of a file; its place is its id.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece<'a> {
    text: &'a str,
    score: f32,
    kind: Kind,
}

/// The `tokenizer.json` of a vocabulary file, recognised by its content: a `tokenizer.json` itself,
/// a GGUF, or else a SentencePiece model.
///
/// # Errors
/// When the file cannot be read or its vocabulary not be taken over.
pub fn read(path: &Path) -> Result<Vec<u8>, VocabularyError> {
    let file = |source| VocabularyError::File { path: path.display().to_string(), source };
    let mut start = [0; 4];
    let opened = std::fs::File::open(path).map_err(file)?;
    let length = opened.metadata().map_err(file)?.len();
    if std::io::Read::read_exact(&mut &opened, &mut start).is_ok() && start == *b"GGUF" {
        return from_gguf(&Checkpoint::open(path)?.metadata);
    }
    check("file of bytes", usize::try_from(length).unwrap_or(usize::MAX), MAX_FILE_BYTES)?;
    let bytes = std::fs::read(path).map_err(file)?;
    if start[0] == b'{' { Ok(bytes) } else { from_sentencepiece(&bytes) }
}

fn check(what: &'static str, found: usize, limit: usize) -> Result<(), VocabularyError> {
    if found > limit { Err(VocabularyError::TooLarge { what, found, limit }) } else { Ok(()) }
}

/// Checks that sizes are sane and no token occurs twice; returns the ids by text.
fn ids<'a>(pieces: &[Piece<'a>]) -> Result<HashMap<&'a str, u32>, VocabularyError> {
    check("tokens", pieces.len(), MAX_TOKENS)?;
    let mut ids = HashMap::with_capacity(pieces.len());
    for (piece, id) in pieces.iter().zip(0..) {
        check("length of a token", piece.text.len(), MAX_PIECE_BYTES)?;
        if ids.insert(piece.text, id).is_some() {
            return Err(VocabularyError::Twice(piece.text.into()));
        }
    }
    Ok(ids)
}
