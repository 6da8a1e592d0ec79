//! Token ids: the ten tokens of the referring language, and a tokenizer that knows them.

use super::tables::Tables;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use tokenizers::{AddedToken, DecoderWrapper};

/// Stands in an id sequence where the rows of the picture go.
pub const IMAGE: i64 = -200;
/// Stands in an id sequence where the rows of one visual prompt go.
pub const VISUAL_PROMPT: i64 = -300;

/// The ten tokens, in the order in which they are added behind a vocabulary. `<v>`, `</v>` and
/// `<VRT>` are never written any more; they keep the ids of the others where the original has
/// them.
pub const TRP_TOKENS: [&str; 10] = [
    "<Task>",
    "</Task>",
    "<Unit>",
    "</Unit>",
    "<v>",
    "</v>",
    "<Phrase>",
    "</Phrase>",
    "<VRT>",
    "<REF>",
];

/// Longest text that is encoded in one piece, in bytes.
pub const MAX_TEXT_BYTES: usize = 1 << 16;
/// Longest tokenizer file, in bytes.
pub const MAX_FILE_BYTES: usize = 64 << 20;
/// Largest id a vocabulary may hold, plus one.
pub const MAX_VOCABULARY: usize = 1 << 20;

// A tokenizer file does not say which tokens begin and end a text, so the names that the
// supported model families use are tried in order.
const EOS_NAMES: [&str; 5] =
    ["</s>", "<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|endoftext|>"];
const BOS_NAMES: [&str; 3] = ["<s>", "<|begin_of_text|>", "<|im_start|>"];
const UNK_NAMES: [&str; 2] = ["<unk>", "<|endoftext|>"];
const PAD_NAMES: [&str; 2] = ["<pad>", "<unk>"];

/// Why a tokenizer cannot be used or a text cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The file is not a tokenizer.
    #[error("tokenizer.json: {0}; export it again with Hugging Face tokenizers")]
    File(String),
    /// The file or its vocabulary is too large.
    #[error("tokenizer.json: {what} {size} exceeds the limit of {limit}")]
    TooLarge {
        /// What was measured.
        what: &'static str,
        /// Its size.
        size: usize,
        /// The largest size accepted.
        limit: usize,
    },
    /// The vocabulary has no end-of-text token.
    #[error("tokenizer.json: no end-of-text token; one of {} is needed", EOS_NAMES.join(", "))]
    NoEnd,
    /// A text is too long to encode.
    #[error("the text has {bytes} bytes; shorten it to at most {MAX_TEXT_BYTES}")]
    Text {
        /// Length of the text.
        bytes: usize,
    },
    /// A text cannot be encoded.
    #[error("text cannot be encoded: {0}")]
    Encode(String),
    /// The id is not in the vocabulary.
    #[error("token id {id} is outside the vocabulary of {size} tokens")]
    Id {
        /// The id.
        id: u32,
        /// Size of the vocabulary.
        size: usize,
    },
}

/// Ids of the tokens with a meaning of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Specials {
    /// `<Task>`, which opens the plan.
    pub task_open: u32,
    /// `</Task>`.
    pub task_close: u32,
    /// `<Unit>`.
    pub unit_open: u32,
    /// `</Unit>`.
    pub unit_close: u32,
    /// `<Phrase>`.
    pub phrase_open: u32,
    /// `</Phrase>`.
    pub phrase_close: u32,
    /// `<REF>`, whose state is decoded to a target.
    pub reference: u32,
    /// Ends an answer.
    pub eos: u32,
    /// Begins a turn, in vocabularies that have such a token.
    pub bos: Option<u32>,
    /// Fills up batches.
    pub pad: u32,
    /// Stands for what the vocabulary cannot express.
    pub unk: Option<u32>,
}

struct Inner {
    bpe: tokenizers::Tokenizer,
    specials: Specials,
    /// What each id writes; empty for ids that the vocabulary leaves out.
    bytes: Vec<Box<[u8]>>,
    /// Ids and contents of the tokens that are cut out of a text before it is encoded.
    added: HashMap<u32, String>,
    /// Contents that no text of a person may hold.
    reserved: Vec<String>,
    prefix_space: bool,
    tables: OnceLock<Tables>,
}

/// A tokenizer with the ten tokens. Cloning shares it.
#[derive(Clone)]
pub struct Tokenizer {
    inner: Arc<Inner>,
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokenizer({} tokens)", self.vocab_size())
    }
}

impl Tokenizer {
    /// Reads a `tokenizer.json`; those of the ten tokens that it lacks are added behind its
    /// vocabulary.
    ///
    /// # Errors
    /// When the file is too large, damaged, or names no token that ends a text.
    pub fn from_json(json: &[u8]) -> Result<Self, TokenError> {
        check_size("file of bytes", json.len(), MAX_FILE_BYTES)?;
        let mut bpe = tokenizers::Tokenizer::from_bytes(json).map_err(file)?;
        bpe.with_truncation(None).map_err(file)?;
        bpe.with_padding(None);
        let missing: Vec<AddedToken> = TRP_TOKENS
            .iter()
            .filter(|token| bpe.token_to_id(token).is_none())
            .map(|token| AddedToken::from(*token, true))
            .collect();
        bpe.add_special_tokens(&missing);

        let vocabulary = bpe.get_vocab(true);
        let size = vocabulary.values().max().map_or(0, |&id| id as usize + 1);
        check_size("vocabulary", size, MAX_VOCABULARY)?;
        let (mut added, mut reserved) = (HashMap::new(), Vec::new());
        for (id, token) in bpe.get_added_tokens_decoder() {
            if token.special {
                reserved.push(token.content.clone());
            }
            added.insert(id, token.content);
        }
        let byte_level = matches!(bpe.get_decoder(), Some(DecoderWrapper::ByteLevel(_)));
        let alphabet = byte_alphabet();
        let mut bytes = vec![Box::from([]); size];
        for (token, &id) in &vocabulary {
            bytes[id as usize] = match added.get(&id) {
                Some(content) => content.as_bytes().into(),
                None if byte_level => {
                    token.chars().filter_map(|c| alphabet.get(&c).copied()).collect()
                }
                None => piece_bytes(token).into(),
            };
        }

        let find = |names: &[&str]| names.iter().find_map(|name| bpe.token_to_id(name));
        let need = |name| {
            bpe.token_to_id(name).ok_or_else(|| TokenError::File(format!("no token {name}")))
        };
        let eos = find(&EOS_NAMES).ok_or(TokenError::NoEnd)?;
        let specials = Specials {
            task_open: need("<Task>")?,
            task_close: need("</Task>")?,
            unit_open: need("<Unit>")?,
            unit_close: need("</Unit>")?,
            phrase_open: need("<Phrase>")?,
            phrase_close: need("</Phrase>")?,
            reference: need("<REF>")?,
            eos,
            bos: find(&BOS_NAMES),
            pad: find(&PAD_NAMES).unwrap_or(eos),
            unk: find(&UNK_NAMES),
        };
        let probe = bpe.encode_fast("a", false).map_err(file)?;
        let prefix_space = probe
            .get_ids()
            .first()
            .is_some_and(|&id| bytes.get(id as usize).is_some_and(|b| b.starts_with(b" ")));
        let inner =
            Inner { bpe, specials, bytes, added, reserved, prefix_space, tables: OnceLock::new() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Rows that an embedding needs: the largest id plus one.
    pub fn vocab_size(&self) -> usize {
        self.inner.bytes.len()
    }

    /// Ids of the tokens with a meaning of their own.
    pub fn specials(&self) -> &Specials {
        &self.inner.specials
    }

    /// Encodes one chunk; nothing is put before or behind it. Tokens spelled out in the text,
    /// such as `<Unit>`, become those tokens: text of a person goes through [`Self::reserved_in`]
    /// first.
    ///
    /// # Errors
    /// When the text is longer than [`MAX_TEXT_BYTES`] or the vocabulary cannot express it.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(TokenError::Text { bytes: text.len() });
        }
        let encoding = self.inner.bpe.encode_fast(text, false);
        Ok(encoding.map_err(|e| TokenError::Encode(e.to_string()))?.get_ids().to_vec())
    }

    /// Encodes text that continues a word stretch, where no leading space is put before it.
    ///
    /// # Errors
    /// As [`Self::encode`], and when the vocabulary joins the text to what precedes it.
    pub fn encode_inside(&self, text: &str) -> Result<Vec<u32>, TokenError> {
        let (anchor, whole) = (self.encode("a")?, self.encode(&format!("a{text}"))?);
        let rest = whole.strip_prefix(anchor.as_slice());
        let joined = || TokenError::Encode(format!("'{text}' is joined to the word before it"));
        Ok(rest.ok_or_else(joined)?.to_vec())
    }

    /// The text of a sequence, special tokens included as they are spelled. Bytes that are no
    /// UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// When an id is not in the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenError> {
        let (mut bytes, mut start) = (Vec::new(), true);
        for &id in ids {
            bytes.extend_from_slice(self.text_at(id, start)?);
            start = self.is_added(id);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What an id writes.
    ///
    /// # Errors
    /// When the id is not in the vocabulary.
    pub fn bytes(&self, id: u32) -> Result<&[u8], TokenError> {
        let size = self.vocab_size();
        let bytes = self.inner.bytes.get(id as usize);
        bytes.map(AsRef::as_ref).ok_or(TokenError::Id { id, size })
    }

    /// What an id writes at the start of a stretch, where some vocabularies put a space that the
    /// text does not have, or inside one.
    pub(super) fn text_at(&self, id: u32, start: bool) -> Result<&[u8], TokenError> {
        let bytes = self.bytes(id)?;
        let dropped = start && self.inner.prefix_space && !self.is_added(id);
        Ok(if dropped { bytes.strip_prefix(b" ").unwrap_or(bytes) } else { bytes })
    }

    /// Whether the token is cut out of a text before the rest is encoded.
    pub fn is_added(&self, id: u32) -> bool {
        self.inner.added.contains_key(&id)
    }

    /// Whether a space is put at the start of each encoded stretch.
    pub fn has_prefix_space(&self) -> bool {
        self.inner.prefix_space
    }

    /// The first special token that is spelled out in `text`, if any.
    pub fn reserved_in(&self, text: &str) -> Option<&str> {
        self.inner.reserved.iter().map(String::as_str).find(|token| text.contains(token))
    }

    pub(super) fn tables(&self) -> &Tables {
        let tables = || Tables::new(&self.inner.bytes, |id| self.is_added(id));
        self.inner.tables.get_or_init(tables)
    }
}

fn file(error: tokenizers::Error) -> TokenError {
    TokenError::File(error.to_string())
}

fn check_size(what: &'static str, size: usize, limit: usize) -> Result<(), TokenError> {
    if size > limit { Err(TokenError::TooLarge { what, size, limit }) } else { Ok(()) }
}

/// The printable stand-ins of byte-level vocabularies: visible Latin-1 stands for itself, the
/// other bytes follow from U+0100 on.
fn byte_alphabet() -> HashMap<char, u8> {
    let visible = |b: u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let hidden = (0..=255u8).filter(|&b| !visible(b)).zip(256u32..);
    let hidden = hidden.filter_map(|(b, code)| Some((char::from_u32(code)?, b)));
    (0..=255u8).filter(|&b| visible(b)).map(|b| (char::from(b), b)).chain(hidden).collect()
}

/// The bytes of a SentencePiece piece: `▁` is a space, `<0x0A>` a byte.
fn piece_bytes(piece: &str) -> Vec<u8> {
    let byte = piece.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    match byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
        Some(byte) => vec![byte],
        None => piece.replace('\u{2581}', " ").into_bytes(),
    }
}
