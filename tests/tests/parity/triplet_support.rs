//! Vocabularies and random answers for the tests of the triplet language.
// Without the star, inference settles on `str`.
#![allow(clippy::explicit_auto_deref)]

use refvlm_model::triplet::{Template, Tokenizer};
use refvlm_record::exchange::{AnswerPiece, Exchange, UnitWord};
use refvlm_record::{QuestionPart, Task, Unit};
use refvlm_weights::vocabulary::train;
use serde_json::{Value, json};

/// Small reproducible random numbers (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

const NAMES: [&str; 12] = [
    "dog",
    "two red buses",
    "the kettle (left)",
    "person",
    "Tree No. 7",
    "café",
    "3 apples",
    "what you marked",
    "a man's hat",
    "box",
    "Unit",
    "grey-blue vase",
];
const WORDS: [&str; 9] = [
    ".",
    ", ",
    " and ",
    ",",
    " is left of ",
    "; there are 12 more (or 13), e.g. ",
    " next to",
    "!",
    " – naïve\nsecond line: ",
];
const QUESTIONS: [&str; 4] =
    ["Where is the dog?", "Find all people.", "What is at ", "How far away is everything (in m)?"];

/// A random turn of a task, with up to three triplets of up to `most` targets.
pub fn exchange(dice: &mut Dice, task: Task, most: usize) -> Exchange {
    let mut question = vec![QuestionPart::Text((*dice.pick(&QUESTIONS)).into())];
    if dice.below(3) == 0 {
        question.push(QuestionPart::Prompt { prompt: dice.below(4) });
        question.push(QuestionPart::Text("?".into()));
    }
    let mut exchange = Exchange::ask(task, question, true);
    let text = |t: &str| AnswerPiece::Text(t.into());
    if task.units().is_empty() || dice.below(6) == 0 {
        exchange.answer.push(text(*dice.pick(&["Yes.", "There is nothing (really).", "Seven"])));
        return exchange;
    }
    if dice.below(2) == 0 {
        exchange.answer.push(text("I see "));
    }
    for _ in 0..1 + dice.below(3) {
        exchange.answer.push(AnswerPiece::Triplet {
            concept: (*dice.pick(&NAMES)).into(),
            gap: String::new(),
            unit: UnitWord::Unit(*dice.pick(task.units())),
            targets: (0..1 + dice.below(most)).map(|_| dice.below(9)).collect(),
        });
        if dice.below(4) > 0 {
            exchange.answer.push(text(*dice.pick(&WORDS)));
        }
    }
    exchange
}

/// Texts to train a vocabulary on.
pub fn corpus(turns: usize) -> Vec<String> {
    let mut dice = Dice(7);
    let template = Template { cot: true, ..Template::published() };
    let turn = |dice: &mut Dice| {
        let task = *dice.pick(&Task::ALL);
        let rendered = template.render(&exchange(dice, task, 6)).unwrap();
        rendered.prompt_text() + &rendered.answer
    };
    (0..turns).map(|_| turn(&mut dice)).collect()
}

/// An own vocabulary.
pub fn own_json() -> Vec<u8> {
    train(corpus(3000).iter(), 460).unwrap()
}

pub fn own() -> Tokenizer {
    Tokenizer::from_json(&own_json()).unwrap()
}

/// A byte-level vocabulary as pretrained models have it: no fixed pieces, and brackets
/// that are joined to what follows them.
pub fn bare() -> Tokenizer {
    let mut json: Value = serde_json::from_slice(&own_json()).unwrap();
    let added = json["added_tokens"].as_array_mut().unwrap();
    let pieces: Vec<String> = added
        .iter()
        .filter(|token| token["special"] == json!(false) && token["content"] != json!(")"))
        .map(|token| token["content"].as_str().unwrap().to_string())
        .collect();
    added.retain(|token| token["special"] == json!(true));
    let vocabulary = json["model"]["vocab"].as_object_mut().unwrap();
    pieces.iter().for_each(|piece| drop(vocabulary.remove(piece)));
    let mut id = vocabulary.values().filter_map(Value::as_u64).max().unwrap();
    for joined in [").", "),", "Ġ("] {
        id += 1;
        vocabulary.insert(joined.into(), json!(id));
    }
    let merges = json["model"]["merges"].as_array_mut().unwrap();
    merges.extend([json!([")", "."]), json!([")", ","]), json!(["Ġ", "("])]);
    Tokenizer::from_json(json.to_string().as_bytes()).unwrap()
}

/// A SentencePiece-like vocabulary: a space is put at the start of every stretch, unknown
/// characters fall back to bytes.
pub fn prefixed() -> Tokenizer {
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(String::from).to_vec();
    tokens.extend((0..256).map(|b| format!("<0x{b:02X}>")));
    tokens.extend((0x21..0x7Fu8).map(|b| char::from(b).to_string()));
    tokens.push("▁".into());
    let merges = [
        ["▁", "d"],
        ["o", "g"],
        ["▁d", "og"],
        ["▁", ")"],
        ["▁)", "."],
        ["▁)", ","],
        ["▁", "U"],
        ["n", "i"],
        ["▁U", "ni"],
        ["▁Uni", "t"],
        ["▁", "b"],
        ["e", "d"],
        ["▁", "("],
    ];
    tokens.extend(merges.iter().map(|pair| pair.concat()));
    let vocabulary: serde_json::Map<_, _> =
        tokens.iter().enumerate().map(|(id, token)| (token.clone(), json!(id))).collect();
    let special = |id: u32| {
        json!({"id": id, "content": tokens[id as usize], "single_word": false, "lstrip": false,
               "rstrip": false, "normalized": false, "special": true})
    };
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(0), special(1), special(2)],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": null, "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>",
            "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": true,
            "byte_fallback": true, "ignore_merges": false, "vocab": vocabulary, "merges": merges},
    });
    Tokenizer::from_json(json.to_string().as_bytes()).unwrap()
}

/// The three kinds of vocabulary.
pub fn vocabularies() -> [(&'static str, Tokenizer); 3] {
    [("own", own()), ("bare", bare()), ("prefixed", prefixed())]
}

/// Lines of a plan: concept, unit, number.
pub fn plan(text: &str) -> Vec<(String, Unit, usize)> {
    let (_, rest) = text.split_once("<Task>\n").unwrap();
    let (plan, _) = rest.split_once("</Task>\n").unwrap();
    let line = |line: &str| {
        let (name, rest) = line.strip_prefix("- Name: ")?.rsplit_once(" Unit: ")?;
        let (unit, number) = rest.split_once(" Num: ")?;
        Some((name.to_string(), unit.parse().ok()?, number.parse().ok()?))
    };
    let mut lines = plan.lines();
    match lines.next() {
        Some("Unit decode (False).") => assert_eq!(lines.next(), None),
        head => {
            assert_eq!(head, Some("Unit decode (True). Class name, target unit and number:"))
        }
    }
    lines.map(|text| line(text).unwrap_or_else(|| panic!("plan line {text:?}"))).collect()
}
