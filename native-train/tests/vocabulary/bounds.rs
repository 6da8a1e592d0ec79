//! What a file makes its reader hold, however it was made.

use super::files::*;
use refvlm_helpers::{Counting, Held};
use refvlm_native::vocabulary::from_sentencepiece;

/// Beside the file itself.
const ALLOWANCE: isize = 64 << 20;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Reads, and holds to the allowance what was held at once, which is returned too.
fn measured<T>(read: impl FnOnce() -> T) -> (T, isize) {
    let (result, Held { most, .. }) = Held::by(read);
    assert!(most <= ALLOWANCE, "held {most} bytes");
    (result, most)
}

/// Reads, and holds to the allowance what was held at once.
pub fn holding<T>(read: impl FnOnce() -> T) -> T {
    measured(read).0
}

/// Reads a model, says what it took, and whether it was one.
fn reads(what: &str, file: &[u8]) -> bool {
    let (result, most) = measured(|| from_sentencepiece(file));
    let end = result.as_ref().map_or_else(ToString::to_string, |json| format!("{}", json.len()));
    println!("{what}: {} KiB, held {} KiB, {end}", file.len() >> 10, most >> 10);
    result.is_ok()
}

/// Distinct texts of small letters.
fn name(mut number: usize, length: usize) -> String {
    let letter = |_| {
        let letter = (b'a' + (number % 26) as u8) as char;
        number /= 26;
        letter
    };
    (0..length).map(letter).collect()
}

fn piece(text: String) -> Piece {
    Piece(text, -1.5, NORMAL)
}

/// The unknown piece and others.
fn with(pieces: impl IntoIterator<Item = Piece>) -> Vec<Piece> {
    std::iter::once(Piece("<unk>".into(), 0.0, UNKNOWN)).chain(pieces).collect()
}

#[test]
fn large_vocabularies_are_held_once() {
    let many = with((1..1 << 19).map(|i| piece(name(i, 5))));
    for (what, kind) in [("unigram", UNIGRAM), ("pairs", BPE)] {
        assert!(reads(what, &model(&many, kind, true, &[])));
        let more: Vec<Piece> = many.iter().cloned().chain([piece("more".into())]).collect();
        assert!(!reads("one more", &model(&more, kind, true, &[])));
    }
    // Every way to cut a text of two letters gives two tokens.
    let dense = |longest: u32| {
        let texts = |n: u32| (0..1usize << n).map(move |i| format!("{i:0w$b}", w = n as usize));
        with((1..=longest).flat_map(texts).map(piece))
    };
    assert!(reads("dense", &model(&dense(15), BPE, true, &[])));
    assert!(!reads("too dense", &model(&dense(17), BPE, true, &[])));
    let same = with((1..1 << 19).map(|_| piece("same".into())));
    assert!(!reads("the same again", &model(&same, BPE, true, &[])));
    let kind = |kind, count| with((0..count).map(|i| Piece(name(i, 5), 0.0, kind)));
    assert!(reads("tokens of users", &model(&kind(USER_DEFINED, 65_000), UNIGRAM, true, &[])));
    assert!(!reads("more of them", &model(&kind(USER_DEFINED, 1 << 17), UNIGRAM, true, &[])));
    // In JSON such a character takes six bytes.
    let long = (0..30_000).map(|i| piece(name(i, 5) + &"\u{1}".repeat(1000)));
    assert!(!reads("long tokens", &model(&with(long), UNIGRAM, true, &[])));
}

/// A trie in which every unit of a block of 256 leads to every unit of the next.
fn tangled(blocks: usize) -> Vec<u8> {
    let unit = |place: usize| {
        let block = place / 256;
        let next = (block + 1).min(blocks - 1) * 256;
        let offset = place ^ next;
        // Far offsets are counted in blocks of 256, and the low byte has to be that of the place.
        let low = (place & 0xFF) as u32;
        low | (offset as u32) << 10
    };
    let units = (0..blocks * 256).flat_map(|place| unit(place).to_le_bytes());
    let length = (blocks * 1024) as u32;
    length.to_le_bytes().into_iter().chain(units).chain([0]).collect()
}

#[test]
fn a_table_that_leads_everywhere_is_walked_once() {
    let pieces = with([piece("a".into())]);
    assert!(reads("tangled", &model(&pieces, UNIGRAM, true, &tangled(1000))));
    assert!(!reads("too large", &model(&pieces, UNIGRAM, true, &tangled(2000))));
}

#[test]
fn a_gguf_vocabulary_is_held_once() {
    let count = 200_000;
    let texts: Vec<String> = (0..count).map(|i| name(i, 5)).collect();
    let tokens = array(8, texts.iter().map(|t| text(t)).collect());
    let kinds = array(5, vec![1i32.to_le_bytes().to_vec(); count]);
    let scores = array(6, vec![(-1f32).to_le_bytes().to_vec(); count]);
    let settings = [
        ("tokenizer.ggml.model", 8, text("llama")),
        ("tokenizer.ggml.tokens", 9, tokens),
        ("tokenizer.ggml.token_type", 9, kinds),
        ("tokenizer.ggml.scores", 9, scores),
    ];
    assert!(holding(|| from_settings(&settings)).is_ok());
}
