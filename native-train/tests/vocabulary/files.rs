//! Files with vocabularies in their exact layout.

use refvlm_checkpoint::{Checkpoint, Source};
use refvlm_native::vocabulary::{VocabularyError, from_gguf};
use std::collections::HashMap;

pub const NORMAL: u8 = 1;
pub const UNKNOWN: u8 = 2;
pub const CONTROL: u8 = 3;
pub const USER_DEFINED: u8 = 4;
pub const BYTE: u8 = 6;
pub const UNIGRAM: u8 = 1;
pub const BPE: u8 = 2;

#[derive(Clone)]
pub struct Piece(pub String, pub f32, pub u8);

pub fn varint(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A field of bytes.
pub fn bytes(number: usize, content: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(content.len()), content.to_vec()].concat()
}

/// A field that is a small number.
pub fn small(number: usize, value: u8) -> Vec<u8> {
    [varint(number << 3), vec![value]].concat()
}

/// A `tokenizer.model`: pieces, trainer_spec, normalizer_spec, and fields that nobody reads.
pub fn model(pieces: &[Piece], kind: u8, spaces: bool, charsmap: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    for Piece(text, score, kind) in pieces {
        let mut message = bytes(1, text.as_bytes());
        message.extend(varint(2 << 3 | 5));
        message.extend(score.to_le_bytes());
        // Normal is the default, and left out as the original does.
        if *kind != NORMAL {
            message.extend(small(3, *kind));
        }
        file.extend(bytes(1, &message));
    }
    let byte_fallback = pieces.iter().any(|piece| piece.2 == BYTE);
    let trainer = [bytes(1, b"corpus"), small(3, kind), small(35, byte_fallback.into())].concat();
    let normalizer = [bytes(1, b"x"), bytes(2, charsmap), small(3, 1), small(4, spaces.into())];
    file.extend(bytes(2, &trainer));
    file.extend(bytes(3, &normalizer.concat()));
    file
}

/// A table of replacements in SentencePiece's layout: a trie with a block of 256 units per node.
pub fn charsmap(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut texts = Vec::new();
    let mut nodes: Vec<(HashMap<u8, usize>, Option<usize>)> = vec![Default::default()];
    for (from, to) in pairs {
        let mut node = 0;
        for byte in from.bytes() {
            let next = nodes.len();
            node = *nodes[node].0.entry(byte).or_insert(next);
            if node == next {
                nodes.push(Default::default());
            }
        }
        nodes[node].1 = Some(texts.len());
        texts.extend(to.bytes().chain([0]));
    }
    let mut units = vec![0u32; nodes.len() * 256 + 256];
    let mut write = |place: usize, node: usize, byte: u8| {
        let (children, value) = &nodes[node];
        let origin = (node + 1) * 256;
        units[place] =
            ((place ^ origin) << 10) as u32 | u32::from(value.is_some()) << 8 | u32::from(byte);
        if let Some(value) = value {
            units[origin] = 1 << 31 | *value as u32;
        }
        children.iter().map(|(&byte, &child)| (origin ^ byte as usize, child, byte)).collect()
    };
    let mut open: Vec<(usize, usize, u8)> = write(0, 0, 0);
    while let Some((place, node, byte)) = open.pop() {
        let more: Vec<_> = write(place, node, byte);
        open.extend(more);
    }
    let length = (units.len() * 4) as u32;
    let mut table = length.to_le_bytes().to_vec();
    table.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    table.extend(texts);
    table
}

pub fn gguf(settings: &[(&str, u32, Vec<u8>)]) -> Vec<u8> {
    let mut file = b"GGUF".to_vec();
    file.extend(3u32.to_le_bytes());
    file.extend(0u64.to_le_bytes());
    file.extend((settings.len() as u64).to_le_bytes());
    for (key, kind, value) in settings {
        file.extend((key.len() as u64).to_le_bytes());
        file.extend(key.bytes());
        file.extend(kind.to_le_bytes());
        file.extend(value);
    }
    file
}

pub fn text(text: &str) -> Vec<u8> {
    [(text.len() as u64).to_le_bytes().to_vec(), text.as_bytes().to_vec()].concat()
}

pub fn array(kind: u32, values: Vec<Vec<u8>>) -> Vec<u8> {
    let mut out = kind.to_le_bytes().to_vec();
    out.extend((values.len() as u64).to_le_bytes());
    out.extend(values.concat());
    out
}

pub fn from_settings(settings: &[(&str, u32, Vec<u8>)]) -> Result<Vec<u8>, VocabularyError> {
    let source = Source::memory("toy.gguf", gguf(settings));
    let checkpoint = Checkpoint::from_source(source).unwrap();
    from_gguf(&checkpoint.metadata)
}
