//! What each token of a vocabulary may be used for in an answer.

use super::token_set::TokenSet;

/// Sets that depend on the vocabulary alone.
pub(super) struct Tables {
    /// Tokens that write nothing but text. No `<`, so that no text can spell out a token.
    pub(super) plain: TokenSet,
    /// Those that are whole characters.
    pub(super) text: TokenSet,
    /// Of these, those that are more than white space.
    pub(super) visible: TokenSet,
    /// Those that end inside a character.
    pub(super) partial: TokenSet,
    /// Whole characters of a concept that begin with a space.
    pub(super) name_spaced: TokenSet,
    /// Whole characters of a concept that do not.
    pub(super) name_joined: TokenSet,
    /// Longest token that writes text, in bytes.
    pub(super) longest: usize,
}

impl Tables {
    /// Of a vocabulary whose ids write these `bytes`; of them, `is_added` tells those that are cut
    /// out of a text before it is encoded.
    pub(super) fn new(bytes: &[Box<[u8]>], is_added: impl Fn(u32) -> bool) -> Self {
        let empty = || TokenSet::empty(bytes.len());
        let (mut plain, mut text, mut partial) = (empty(), empty(), empty());
        let mut visible = empty();
        let (mut name_spaced, mut name_joined) = (empty(), empty());
        let (mut longest, mut continuations) = (0, [false; 64]);
        for (id, bytes) in (0..).zip(bytes.iter().map(AsRef::as_ref)) {
            if bytes.is_empty() || !is_text(bytes) || (is_added(id) && bytes != b")") {
                continue;
            }
            plain.insert(id);
            longest = longest.max(bytes.len());
            if let &[byte @ 0x80..=0xBF] = bytes {
                continuations[byte as usize - 0x80] = true;
            }
            match continue_utf8(&[], bytes) {
                Some(rest) if rest.is_empty() => {
                    text.insert(id);
                    if !bytes.iter().all(u8::is_ascii_whitespace) {
                        visible.insert(id);
                    }
                    if is_name(bytes) {
                        let set =
                            if bytes[0] == b' ' { &mut name_spaced } else { &mut name_joined };
                        set.insert(id);
                    }
                }
                Some(_) => partial.insert(id),
                None => {}
            }
        }
        // A character may be begun only where every way to complete it exists.
        if !continuations.iter().all(|&c| c) {
            partial = empty();
        }
        Self { plain, text, visible, partial, name_spaced, name_joined, longest }
    }
}

fn is_text(bytes: &[u8]) -> bool {
    !bytes.iter().any(|&b| b == b'<' || (b.is_ascii_control() && b != b'\n' && b != b'\t'))
}

/// Whether bytes may stand in a concept: one line, no colon (which ends the concept in a plan
/// line), single spaces.
pub(super) fn is_name(bytes: &[u8]) -> bool {
    !bytes.iter().any(|&b| b == b':' || b == b'<' || b.is_ascii_control())
        && !bytes.windows(2).any(|pair| pair == b"  ")
}

/// The unfinished character behind `pending` and `bytes`; none when they are no UTF-8.
pub(super) fn continue_utf8(pending: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let whole = [pending, bytes].concat();
    match std::str::from_utf8(&whole) {
        Ok(_) => Some(Vec::new()),
        Err(error) if error.error_len().is_none() => Some(whole[error.valid_up_to()..].to_vec()),
        Err(_) => None,
    }
}

/// How many bytes the unfinished character lacks.
pub(super) fn missing_bytes(pending: &[u8]) -> usize {
    let length = match pending.first() {
        None => 0,
        Some(0xC0..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(_) => 4,
    };
    length - pending.len().min(length)
}
