//! Vocabularies of other programs, from files in their exact layout, against slow encoders that
//! are written from the definition.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bounds;
mod files;

use bounds::holding;
use files::*;
use refvlm_model::triplet::{TRP_TOKENS, Tokenizer};
use refvlm_native::vocabulary::{VocabularyError, from_sentencepiece, train};
use std::collections::HashMap;

const CORPUS: &str = include_str!("../../../ARCHITECTURE.md");

fn spaced(text: &str) -> String {
    text.replace(' ', "\u{2581}")
}

/// The layout of Llama 2: unknown, begin and end, bytes, merged pieces by rank, characters.
fn llama_pieces(merges: usize) -> Vec<Piece> {
    let mut pieces = vec![
        Piece("<unk>".into(), 0.0, UNKNOWN),
        Piece("<s>".into(), 0.0, CONTROL),
        Piece("</s>".into(), 0.0, CONTROL),
    ];
    pieces.extend((0..=255u8).map(|b| Piece(format!("<0x{b:02X}>"), 0.0, BYTE)));
    let text = spaced(CORPUS);
    let mut symbols: Vec<String> = text.chars().map(String::from).collect();
    let mut characters: Vec<String> = symbols.clone();
    characters.sort();
    characters.dedup();
    for rank in 0..merges {
        let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
        for pair in symbols.windows(2) {
            // No piece goes on behind a word or over a line.
            if !pair[1].starts_with('\u{2581}') && !pair.concat().contains('\n') {
                *counts.entry((&pair[0], &pair[1])).or_default() += 1;
            }
        }
        let best = counts.into_iter().max_by_key(|&(pair, count)| (count, pair)).unwrap().0;
        let best = (best.0.to_string(), best.1.to_string());
        let mut joined = Vec::with_capacity(symbols.len());
        for symbol in symbols {
            match joined.last() {
                Some(last) if *last == best.0 && symbol == best.1 => {
                    *joined.last_mut().unwrap() += symbol.as_str();
                }
                _ => joined.push(symbol),
            }
        }
        symbols = joined;
        let merged = best.0 + &best.1;
        // The same text can come out of two pairs; it is one piece.
        if !pieces.iter().any(|piece| piece.0 == merged) {
            pieces.push(Piece(merged, -(rank as f32), NORMAL));
        }
    }
    let below = -(merges as f32);
    let known: Vec<String> = pieces.iter().map(|piece| piece.0.clone()).collect();
    let rest = characters.into_iter().filter(|c| !known.contains(c));
    pieces.extend(rest.enumerate().map(|(i, c)| Piece(c, below - i as f32, NORMAL)));
    pieces
}

fn ids(pieces: &[Piece]) -> HashMap<&str, u32> {
    pieces.iter().zip(0..).map(|(piece, id)| (piece.0.as_str(), id)).collect()
}

/// Unknown characters as bytes.
fn fall_back(text: &str, ids: &HashMap<&str, u32>) -> Vec<u32> {
    text.bytes().map(|b| ids[format!("<0x{b:02X}>").as_str()]).collect()
}

/// SentencePiece's BPE by its definition: again and again the neighbours whose union has the
/// highest score are joined, the left ones of equals.
fn slow_bpe(pieces: &[Piece], text: &str) -> Vec<u32> {
    let ids = ids(pieces);
    let score = |text: &str| {
        let piece = &pieces[*ids.get(text)? as usize];
        (piece.2 == NORMAL).then_some(piece.1)
    };
    if text.is_empty() {
        return Vec::new();
    }
    let mut symbols: Vec<String> = spaced(&format!(" {text}")).chars().map(String::from).collect();
    loop {
        let mut best: Option<(usize, f32)> = None;
        for (at, pair) in symbols.windows(2).enumerate() {
            if let Some(score) = score(&pair.concat())
                && best.is_none_or(|(_, top)| score > top)
            {
                best = Some((at, score));
            }
        }
        let Some((at, _)) = best else { break };
        let right = symbols.remove(at + 1);
        symbols[at] += right.as_str();
    }
    let id = |s: &String| match score(s) {
        Some(_) => vec![ids[s.as_str()]],
        None => fall_back(s, &ids),
    };
    symbols.iter().flat_map(id).collect()
}

/// Unigram by its definition: of all ways to cut the text into pieces the one of the highest sum
/// of scores; a character without a piece costs ten more than the worst.
fn slow_unigram(pieces: &[Piece], text: &str) -> Vec<u32> {
    let ids = ids(pieces);
    let unknown = pieces.iter().map(|p| f64::from(p.1)).fold(f64::INFINITY, f64::min) - 10.0;
    let text = spaced(&format!(" {text}"));
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    // Best sum up to each place, and where its last piece starts.
    let mut best = vec![(0.0f64, 0usize); ends.len()];
    for end in 1..ends.len() {
        best[end].0 = f64::NEG_INFINITY;
        for start in 0..end {
            let piece = ids.get(&text[ends[start]..ends[end]]).map(|&id| &pieces[id as usize]);
            let score = match piece {
                Some(piece) if piece.2 == NORMAL => f64::from(piece.1),
                None if end == start + 1 => unknown,
                _ => continue,
            };
            if best[start].0 + score > best[end].0 {
                best[end] = (best[start].0 + score, start);
            }
        }
    }
    let (mut out, mut end) = (Vec::new(), ends.len() - 1);
    while end > 0 {
        let start = best[end].1;
        let piece = &text[ends[start]..ends[end]];
        out.push(ids.get(piece).map_or_else(|| fall_back(piece, &ids), |&id| vec![id]));
        end = start;
    }
    out.into_iter().rev().flatten().collect()
}

/// Small reproducible random numbers (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    /// Stretches of the corpus, letters in any order, and what no vocabulary of it knows.
    fn text(&mut self) -> String {
        // The ten tokens, which the corpus mentions, would be cut out.
        let corpus: Vec<char> = CORPUS.replace('<', "(").chars().collect();
        let mut text = String::new();
        for _ in 0..1 + self.below(6) {
            match self.below(4) {
                0 => text.extend((0..self.below(9)).map(|_| corpus[self.below(corpus.len())])),
                1 => {
                    text +=
                        ["猫 🐈", "naïve", "  ", "\n\n", "\t", "ß", "12,345.6", ""][self.below(8)]
                }
                _ => {
                    let at = self.below(corpus.len() - 40);
                    text.extend(&corpus[at..at + self.below(40)]);
                }
            }
        }
        text
    }
}

#[test]
fn scored_pairs_are_joined_as_the_definition_says() {
    let pieces = llama_pieces(500);
    let json = from_sentencepiece(&model(&pieces, BPE, false, &[])).unwrap();
    let tokenizer = Tokenizer::from_json(&json).unwrap();
    assert_eq!(tokenizer.specials().bos, Some(1));
    assert_eq!(tokenizer.specials().eos, 2);
    assert!(tokenizer.has_prefix_space());
    let mut dice = Dice(1);
    let (mut tokens, mut characters) = (0, 0);
    for _ in 0..3000 {
        let text = dice.text();
        let found = tokenizer.encode(&text).unwrap();
        assert_eq!(found, slow_bpe(&pieces, &text), "{text:?}");
        assert_eq!(tokenizer.decode(&found).unwrap(), text);
        tokens += found.len();
        characters += text.chars().count();
    }
    println!("{characters} characters in {tokens} tokens");
    assert!(tokens < characters, "nothing was joined");
}

#[test]
fn the_ten_tokens_stand_behind_a_vocabulary_of_32000() {
    let mut pieces = llama_pieces(100);
    let filler = 32_000 - pieces.len();
    pieces.extend((0..filler).map(|i| Piece(format!("\u{E000}{i}"), -1e4 - i as f32, NORMAL)));
    let json = from_sentencepiece(&model(&pieces, BPE, false, &[])).unwrap();
    let tokenizer = Tokenizer::from_json(&json).unwrap();
    assert_eq!(tokenizer.vocab_size(), 32_010);
    for (token, id) in TRP_TOKENS.iter().zip(32_000..) {
        assert_eq!(tokenizer.encode(token).unwrap(), [id]);
    }
    // Words behind a token begin with a space again, as in the published training.
    let text = "a <Phrase>dog</Phrase>";
    let expected = [slow_bpe(&pieces, "a "), vec![32_006], slow_bpe(&pieces, "dog"), vec![32_007]];
    assert_eq!(tokenizer.encode(text).unwrap(), expected.concat());
}

#[test]
fn unigram_takes_the_best_way_to_cut_a_text() {
    let mut dice = Dice(2);
    let mut pieces = llama_pieces(300);
    // Scores that no two sums share, as logarithms of probabilities are.
    for piece in pieces.iter_mut().filter(|piece| piece.2 == NORMAL) {
        let length = piece.0.chars().count() as f32;
        piece.1 = -8.0 - dice.below(1 << 20) as f32 / (1 << 18) as f32 - 0.3 * length;
    }
    let json = from_sentencepiece(&model(&pieces, UNIGRAM, false, &[])).unwrap();
    let tokenizer = Tokenizer::from_json(&json).unwrap();
    for _ in 0..500 {
        let text = dice.text();
        let found = tokenizer.encode(&text).unwrap();
        if !text.is_empty() {
            assert_eq!(found, slow_unigram(&pieces, &text), "{text:?}");
        }
    }
}

#[test]
fn tokens_of_users_are_cut_out_first() {
    let mut pieces = llama_pieces(100);
    pieces.push(Piece("<sep>".into(), 0.0, USER_DEFINED));
    let id = pieces.len() as u32 - 1;
    let json = from_sentencepiece(&model(&pieces, BPE, false, &[])).unwrap();
    let tokenizer = Tokenizer::from_json(&json).unwrap();
    let found = tokenizer.encode("one<sep>two").unwrap();
    let expected = [slow_bpe(&pieces, "one"), vec![id], slow_bpe(&pieces, "two")];
    assert_eq!(found, expected.concat());
    // Text of a person may spell it out, but not a control token.
    assert_eq!(tokenizer.reserved_in("a<sep>"), None);
    assert_eq!(tokenizer.reserved_in("a</s>"), Some("</s>"));
}

#[test]
fn text_is_made_ready_as_the_model_says() {
    let pieces = llama_pieces(100);
    let table = charsmap(&[("Ａ", "A"), ("ﬁ", "fi"), ("\u{AD}", "")]);
    for kind in [BPE, UNIGRAM] {
        let tidy = from_sentencepiece(&model(&pieces, kind, true, &table)).unwrap();
        let tidy = Tokenizer::from_json(&tidy).unwrap();
        let plain = from_sentencepiece(&model(&pieces, kind, false, &[])).unwrap();
        let plain = Tokenizer::from_json(&plain).unwrap();
        let (found, expected) =
            (tidy.encode("  Ａ  ﬁ\u{AD}ne   day ").unwrap(), plain.encode("A fine day").unwrap());
        assert_eq!(found, expected);
    }
    // A table whose last unit leads out of it.
    let mut damaged = table.clone();
    damaged[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = from_sentencepiece(&model(&pieces, BPE, true, &damaged)).unwrap_err();
    assert!(matches!(error, VocabularyError::Damaged { place: "charsmap", .. }), "{error}");
}

#[test]
fn damaged_models_are_refused() {
    let pieces = llama_pieces(20);
    let with = |change: &dyn Fn(&mut Vec<Piece>)| {
        let mut pieces = pieces.clone();
        change(&mut pieces);
        from_sentencepiece(&model(&pieces, BPE, false, &[])).unwrap_err()
    };
    let error = with(&|p| p[4].0 = p[5].0.clone());
    assert!(matches!(error, VocabularyError::Twice(_)), "{error}");
    for change in [
        (|p: &mut Vec<Piece>| p[0].2 = NORMAL) as fn(&mut Vec<Piece>),
        |p| p[1].2 = UNKNOWN,
        |p| p[1].2 = 9,
        |p| p[300].1 = f32::NAN,
        |p| p[300].0 = String::new(),
        |p| drop(p.remove(9)),
    ] {
        let error = with(&change);
        assert!(matches!(error, VocabularyError::Damaged { .. }), "{error}");
    }
    let error = with(&|p| p[300].0 = "x".repeat(2000));
    assert!(matches!(error, VocabularyError::TooLarge { .. }), "{error}");
    for kind in [3, 4] {
        let error = from_sentencepiece(&model(&pieces, kind, false, &[])).unwrap_err();
        assert!(matches!(error, VocabularyError::Unsupported { .. }), "{error}");
    }
    assert!(from_sentencepiece(b"").is_err());
    assert!(from_sentencepiece(b"{\"model\": 1}").is_err());
}

#[test]
fn ten_thousand_mutated_models_do_not_panic() {
    let pieces = llama_pieces(15);
    let table = charsmap(&[("Ａ", "A"), ("ﬁ", "fi")]);
    let whole = [
        model(&pieces, BPE, false, &[]),
        model(&pieces, BPE, true, &table),
        model(&pieces, UNIGRAM, true, &table),
    ];
    let mut dice = Dice(3);
    let mut read = 0;
    for round in 0..10_000 {
        let mut bytes = whole[round % 3].clone();
        // Half of them near the specifications at the end.
        for _ in 0..1 + dice.below(4) {
            let span = if dice.below(2) == 0 { bytes.len() } else { bytes.len().min(3000) };
            let at = bytes.len() - 1 - dice.below(span);
            match dice.below(4) {
                0 => bytes.truncate(at.max(1)),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, dice.below(256) as u8),
                _ => bytes[at] ^= 1 << dice.below(8),
            }
        }
        let Ok(json) = holding(|| from_sentencepiece(&bytes)) else { continue };
        if let Ok(tokenizer) = Tokenizer::from_json(&json) {
            let _ = tokenizer.encode("a Ａ ﬁne day <unk>");
            read += 1;
        }
    }
    println!("{read} of 10000 could be read");
    assert!(read > 100 && read < 9_900);
}

#[test]
fn a_gguf_vocabulary_of_bytes_is_the_one_it_was_made_of() {
    // A vocabulary made by the tokenizers crate, through GGUF and back.
    let json = train(CORPUS.lines(), 600).unwrap();
    let parsed: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let size = Tokenizer::from_json(&json).unwrap().vocab_size();
    let mut tokens = vec![(String::new(), 1i32); size];
    for (token, id) in parsed["model"]["vocab"].as_object().unwrap() {
        tokens[id.as_u64().unwrap() as usize].0 = token.clone();
    }
    for added in parsed["added_tokens"].as_array().unwrap() {
        let kind = if added["special"] == true { CONTROL } else { USER_DEFINED };
        let content = added["content"].as_str().unwrap().to_string();
        tokens[added["id"].as_u64().unwrap() as usize] = (content, kind.into());
    }
    let merges = parsed["model"]["merges"].as_array().unwrap();
    let merge = |m: &serde_json::Value| {
        text(&format!("{} {}", m[0].as_str().unwrap(), m[1].as_str().unwrap()))
    };
    let settings = |pre: &str| {
        [
            ("tokenizer.ggml.model", 8, text("gpt2")),
            ("tokenizer.ggml.pre", 8, text(pre)),
            ("tokenizer.ggml.tokens", 9, array(8, tokens.iter().map(|t| text(&t.0)).collect())),
            (
                "tokenizer.ggml.token_type",
                9,
                array(5, tokens.iter().map(|t| t.1.to_le_bytes().to_vec()).collect()),
            ),
            ("tokenizer.ggml.merges", 9, array(8, merges.iter().map(merge).collect())),
        ]
    };
    let converted = Tokenizer::from_json(&from_settings(&settings("smollm")).unwrap()).unwrap();
    let original = Tokenizer::from_json(&json).unwrap();
    assert_eq!(converted.vocab_size(), original.vocab_size());
    let mut dice = Dice(4);
    for _ in 0..2000 {
        let text = dice.text();
        assert_eq!(converted.encode(&text).unwrap(), original.encode(&text).unwrap(), "{text:?}");
    }
    // Digits stay single with one way of cutting, not with another.
    let other = Tokenizer::from_json(&from_settings(&settings("llama-bpe")).unwrap()).unwrap();
    assert_eq!(converted.encode("2048").unwrap().len(), 4);
    assert_eq!(other.decode(&other.encode("It's 2048!").unwrap()).unwrap(), "It's 2048!");
    let error = from_settings(&settings("tekken")).unwrap_err();
    assert!(matches!(error, VocabularyError::Unsupported { .. }), "{error}");
    let mut damaged = settings("smollm");
    damaged[4].2 = array(8, vec![text("no-such token")]);
    assert!(matches!(from_settings(&damaged), Err(VocabularyError::Gguf(_))));
}

#[test]
fn a_gguf_vocabulary_with_scores_is_that_of_the_model_file() {
    let pieces = llama_pieces(200);
    let settings = [
        ("tokenizer.ggml.model", 8, text("llama")),
        ("tokenizer.ggml.tokens", 9, array(8, pieces.iter().map(|p| text(&p.0)).collect())),
        (
            "tokenizer.ggml.scores",
            9,
            array(6, pieces.iter().map(|p| p.1.to_le_bytes().to_vec()).collect()),
        ),
        (
            "tokenizer.ggml.token_type",
            9,
            array(5, pieces.iter().map(|p| i32::from(p.2).to_le_bytes().to_vec()).collect()),
        ),
    ];
    let json: serde_json::Value =
        serde_json::from_slice(&from_settings(&settings).unwrap()).unwrap();
    let expected = from_sentencepiece(&model(&pieces, BPE, false, &[])).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
    assert!(json == expected);
}
