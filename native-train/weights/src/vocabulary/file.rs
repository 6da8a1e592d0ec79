//! The `tokenizer.json` of a vocabulary, written from the pieces as they lie in the file.

use super::{Kind, Piece, VocabularyError, check};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;
use std::io::{self, Write};

/// Bytes of what is written; the largest published ones have about as many, most of them spaces.
const MAX_BYTES: usize = 32 << 20;
/// Tokens that are cut out of a text.
const MAX_ADDED: usize = 1 << 16;

/// How a text becomes tokens and tokens a text.
#[derive(Debug, Serialize)]
pub(super) struct File<'a> {
    pub version: &'static str,
    pub truncation: Option<()>,
    pub padding: Option<()>,
    pub added_tokens: Added<'a>,
    pub normalizer: Value,
    pub pre_tokenizer: Value,
    pub post_processor: Option<()>,
    pub decoder: Value,
    pub model: Model<'a>,
}

/// The vocabulary.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
pub(super) enum Model<'a> {
    /// Neighbours are joined by the first merge that fits.
    #[serde(rename = "BPE")]
    Bpe {
        dropout: Option<()>,
        unk_token: Option<&'a str>,
        continuing_subword_prefix: Option<()>,
        end_of_word_suffix: Option<()>,
        fuse_unk: bool,
        byte_fallback: bool,
        ignore_merges: bool,
        vocab: Ids<'a>,
        merges: Merges<'a>,
    },
    /// The most likely cut by the scores.
    Unigram { unk_id: usize, byte_fallback: bool, vocab: Scores<'a> },
}

/// Ids by text.
#[derive(Debug)]
pub(super) struct Ids<'a>(pub &'a [Piece<'a>]);

impl Serialize for Ids<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (id, piece) in self.0.iter().enumerate() {
            map.serialize_entry(piece.text, &id)?;
        }
        map.end()
    }
}

/// Pairs of ids of the pieces.
#[derive(Debug)]
pub(super) struct Merges<'a>(pub &'a [Piece<'a>], pub Vec<[u32; 2]>);

impl Serialize for Merges<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.1.iter().map(|pair| pair.map(|id| self.0[id as usize].text)))
    }
}

/// Texts with their scores.
#[derive(Debug)]
pub(super) struct Scores<'a>(pub &'a [Piece<'a>]);

impl Serialize for Scores<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|piece| (piece.text, f64::from(piece.score))))
    }
}

/// The tokens that are cut out of a text before it is encoded.
#[derive(Debug)]
pub(super) struct Added<'a>(pub &'a [Piece<'a>]);

impl Added<'_> {
    fn tokens(&self) -> impl Iterator<Item = Token<'_>> {
        self.0.iter().enumerate().filter_map(|(id, piece)| {
            let special = match piece.kind {
                Kind::Control | Kind::Unknown => true,
                Kind::UserDefined => false,
                _ => return None,
            };
            let content = piece.text;
            let (single_word, lstrip, rstrip, normalized) = Default::default();
            Some(Token { id, content, single_word, lstrip, rstrip, normalized, special })
        })
    }
}

impl Serialize for Added<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.tokens())
    }
}

#[derive(Serialize)]
struct Token<'a> {
    id: usize,
    content: &'a str,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
}

impl File<'_> {
    /// The bytes.
    ///
    /// # Errors
    /// When they would be more than any vocabulary has.
    pub fn to_json(&self) -> Result<Vec<u8>, VocabularyError> {
        check("tokens that stand for themselves", self.added_tokens.tokens().count(), MAX_ADDED)?;
        // Counted first: a buffer that grows would at times be held twice.
        let mut length = Length(0);
        self.write(&mut length)?;
        check("tokenizer.json of bytes", length.0, MAX_BYTES)?;
        let mut json = Vec::with_capacity(length.0);
        self.write(&mut json)?;
        Ok(json)
    }

    fn write(&self, to: impl Write) -> Result<(), VocabularyError> {
        let failed = |e: serde_json::Error| VocabularyError::Unsupported {
            what: format!("a vocabulary that JSON cannot hold ({e})"),
            remedy: "use the model's tokenizer.json",
        };
        serde_json::to_writer(to, self).map_err(failed)
    }
}

struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
