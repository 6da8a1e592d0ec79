//! The triplet language against the reference fixtures, and its way through a vocabulary.

use crate::triplet_support::*;
use refvlm_data::readers::reference::{Kind, Preparation, ReferenceTurn, read};
use refvlm_model::triplet::parser::{Group, Mark, group};
use refvlm_model::triplet::*;
use refvlm_record::exchange::{AnswerPiece, Command, Exchange, UnitWord};
use refvlm_record::{QuestionPart, Record, Task, Unit};
use refvlm_weights::vocabulary::train;
use serde_json::{Value, json};

fn fixture(name: &str) -> Value {
    let folder = std::env::var("REFVLM_FIXTURES")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures").into());
    let path = std::path::Path::new(&folder).join(name);
    serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()
}

fn preparation(case: &Value) -> Preparation {
    match case["map_fn"].as_str().unwrap() {
        "vt_map_fn" => Preparation::Stage1,
        "vt_map_fn_stage2" => Preparation::Stage2,
        "vt_keypoint_map_fn" => Preparation::Keypoints,
        other => panic!("unknown preparation {other}"),
    }
}

fn render(case: &Value) -> Result<Vec<(ReferenceTurn, Rendered)>, Box<dyn std::error::Error>> {
    let template = Template { cot: case["use_cot"] == json!(true), ..Template::published() };
    let turns = read(&case["record"], preparation(case))?;
    let render = |turn: ReferenceTurn| Ok((template.render(&turn.exchange)?, turn));
    let swap = |pair: Result<(Rendered, ReferenceTurn), TemplateError>| {
        pair.map(|(rendered, turn)| (turn, rendered)).map_err(Into::into)
    };
    turns.into_iter().map(render).map(swap).collect()
}

fn listed(items: &[(Kind, usize)]) -> Value {
    let item = |(kind, index): &(Kind, usize)| json!({"type": kind.name(), "index": index});
    items.iter().map(item).collect()
}

/// `null` for a turn without entries, and for a sample without any.
fn per_turn(turns: Vec<Value>) -> Value {
    let empty = |v: &Value| v.as_array().is_none_or(Vec::is_empty);
    if turns.iter().all(empty) {
        return Value::Null;
    }
    turns.into_iter().map(|v| if empty(&v) { Value::Null } else { v }).collect()
}

fn groups_of(rendered: &Rendered) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for reference in &rendered.refs {
        groups.resize(groups.len().max(reference.group + 1), Vec::new());
        assert_eq!(groups[reference.group].len(), reference.index);
        groups[reference.group].push(reference.target);
    }
    groups
}

#[test]
fn published_records_come_out_byte_for_byte() {
    let fixture = fixture("trp.json");
    let mut ok = 0;
    for case in fixture["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        if case["status"] != json!("ok") {
            continue;
        }
        ok += 1;
        let turns = render(case).unwrap_or_else(|e| panic!("{name}: {e}"));
        let expected = &case["expected"];
        assert_eq!(turns.len(), expected["turns"].as_array().unwrap().len(), "{name}");
        for ((turn, rendered), want) in turns.iter().zip(expected["turns"].as_array().unwrap()) {
            assert_eq!(json!(rendered.answer), want["answer"], "{name}");
            let prompt = rendered.prompt_text();
            if let Some(command) = &turn.exchange.command {
                assert_eq!(json!(template::command_text(command)), want["task_command"], "{name}");
                assert_eq!(json!(prompt), want["prompt"], "{name}");
            }
            let user = prompt.split_once("USER: ").unwrap().1.strip_suffix(" ASSISTANT:").unwrap();
            assert_eq!(json!(user), want["user"], "{name}");
        }
        if preparation(case) == Preparation::Stage1 {
            continue;
        }
        let labels = turns.iter().map(|(turn, _)| listed(&turn.labels)).collect();
        assert_eq!(per_turn(labels), expected["decode_labels"], "{name}");
        let prompts = turns.iter().map(|(turn, _)| listed(&turn.prompts)).collect();
        assert_eq!(per_turn(prompts), expected["visual_prompts"], "{name}");
        let groups: Vec<_> = turns.iter().map(|(_, rendered)| groups_of(rendered)).collect();
        let all: Vec<_> = groups.concat();
        assert_eq!(per_turn(groups.iter().map(|g| json!(g)).collect()), expected["decode_seqs"]);
        let all = if all.is_empty() { Value::Null } else { json!(all) };
        assert_eq!(all, expected["sample_decode_seqs"], "{name}");
        let unit = |rendered: &Rendered| rendered.refs.first().map(|r| r.unit.name());
        let units: Vec<_> = turns.iter().map(|(_, rendered)| unit(rendered)).collect();
        let listed = if units.iter().all(Option::is_none) { Value::Null } else { json!(units) };
        assert_eq!(listed, expected["decode_units"], "{name}");
        // The original refuses samples whose turns differ; each reference has its unit here.
        let mut different = units;
        different.dedup();
        if different.len() < 2 {
            assert_eq!(json!(different.first()), expected["sample_unit"], "{name}");
        }
        for (turn, rendered) in &turns {
            for reference in &rendered.refs {
                let command = turn.exchange.command.as_ref().unwrap();
                assert_eq!(command.units, [reference.unit], "{name}");
            }
        }
    }
    assert_eq!(json!(ok), fixture["counts"]["ok"]);
}

#[test]
fn what_the_reference_refuses_or_leaves_unchecked_is_an_error() {
    let fixture = fixture("trp.json");
    let mut refused = 0;
    for case in fixture["cases"].as_array().unwrap() {
        if case["status"] == json!("ok") {
            continue;
        }
        let (name, reason) = (&case["name"], &case["reason"]);
        let error = render(case).map(|_| ()).unwrap_err();
        println!("{name} ({reason}): {error}");
        refused += 1;
    }
    let counts = &fixture["counts"];
    let expected =
        counts["rejected"].as_u64().unwrap() + counts["accepted_by_reference"].as_u64().unwrap();
    assert_eq!(refused, expected);
}

fn mark(token: &str) -> Mark {
    match token {
        "<Phrase>" => Mark::PhraseOpen,
        "</Phrase>" => Mark::PhraseClose,
        "<Unit>" => Mark::UnitOpen,
        "</Unit>" => Mark::UnitClose,
        "<REF>" => Mark::Reference,
        _ => Mark::Other,
    }
}

#[test]
fn references_are_grouped_as_in_the_reference() {
    let (mut damaged, mut agreed) = (0, 0);
    for case in fixture("groups.json")["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let tokens: Vec<&str> =
            case["tokens"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let pair = |v: &Value| {
            v.as_array().map(|p| [0, 1].map(|k: usize| p[k].as_u64().unwrap() as usize))
        };
        let want = case["groups"].as_array().unwrap().iter().map(|want| Group {
            phrase: pair(&want["phrase_pair"]),
            unit: pair(&want["unit_pair"]),
            refs: serde_json::from_value(want["ref_index"].clone()).unwrap(),
        });
        let want: Vec<Group> = want.collect();
        let all: Vec<usize> = (0..tokens.len()).filter(|&i| tokens[i] == "<REF>").collect();
        assert_eq!(json!(all), case["ref_positions"], "{name}");
        let found = group(tokens.iter().map(|token| mark(token)));
        if name.starts_with("random_damaged") {
            damaged += 1;
            agreed += usize::from(found == want);
        } else {
            assert_eq!(found, want, "{name}");
        }
    }
    println!("damaged sequences grouped alike: {agreed} of {damaged}");
}

#[test]
fn an_own_vocabulary_is_small_exact_and_reproducible() {
    let json = own_json();
    assert!(json == own_json(), "the same texts gave another vocabulary");
    let tokenizer = Tokenizer::from_json(&json).unwrap();
    assert_eq!(tokenizer.vocab_size(), 460);
    let specials = tokenizer.specials();
    assert_eq!((specials.unk, specials.bos, specials.eos), (Some(0), Some(1), 2));
    for (k, token) in TRP_TOKENS.iter().enumerate() {
        assert_eq!(tokenizer.encode(token).unwrap(), [3 + k as u32]);
    }
    for text in ["Where is the café (12, or 345)?", "über <Unit>box</Unit>\n\n[3]<REF>) 猫 🐈", ""]
    {
        assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()).unwrap(), text);
    }
    for piece in ["\nUSER:", " ASSISTANT:", " Unit: keypoint Num: ", "[15]", ")", " dog", "person"]
    {
        assert_eq!(tokenizer.encode(piece).unwrap().len(), 1, "{piece:?}");
    }
    assert_eq!(tokenizer.encode("345").unwrap().len(), 3);
    assert!(train(["a"].into_iter(), 256).is_err());
    assert!(Tokenizer::from_json(b"{}").is_err());
    assert!(matches!(
        tokenizer.encode(&"a".repeat(1 << 17)),
        Err(TokenError::Text { bytes: 131_072 })
    ));
    assert!(matches!(tokenizer.decode(&[70_000]), Err(TokenError::Id { .. })));
}

#[test]
fn missing_tokens_are_added_in_order() {
    let tokenizer = prefixed();
    let first = tokenizer.specials().task_open;
    for (k, token) in (first..).zip(TRP_TOKENS) {
        assert_eq!(tokenizer.encode(token).unwrap(), [k]);
    }
    assert_eq!(tokenizer.vocab_size(), first as usize + TRP_TOKENS.len());
}

fn mixed_record() -> Record {
    Record::from_json(
        &json!({
            "id": "m", "image": {"path": "m.png", "width": 8, "height": 8},
            "targets": [{"box": [0, 0, 4, 4]}, {"box": [4, 4, 4, 4], "mask": {"size": [8, 8], "counts": [0, 64]}}],
            "prompts": [{"kind": "point", "x": 1, "y": 1}, {"kind": "point", "x": 2, "y": 2}],
            "turns": [
                {"task": "mixed", "question": ["Is ", {"prompt": 1}, " like ", {"prompt": 0}, "?"],
                 "answer": [{"concept": "two cups", "unit": "box", "targets": [1, 0]}, " on ",
                            {"concept": "the table", "unit": "mask", "targets": [1]}, "."]},
                {"task": "vqa", "question": ["Why?"], "answer": ["Because."]}]
        })
        .to_string(),
    )
    .unwrap()
}

#[test]
fn a_turn_is_encoded_with_its_labels_and_targets() {
    let record = mixed_record();
    for (name, tokenizer) in vocabularies() {
        for template in [Template::default(), Template::published()] {
            let exchange = Exchange::from_turn(&record.turns[0], true);
            let rendered = template.render(&exchange).unwrap();
            let encoded = template.encode_turn(&tokenizer, &exchange, true).unwrap();
            assert_eq!(encoded.prompts, [1, 0]);
            assert_eq!(encoded.ids.len(), encoded.supervised.len());
            let learned: Vec<u32> = (encoded.ids.iter().zip(&encoded.supervised))
                .filter_map(|(&id, &learned)| learned.then_some(id as u32))
                .collect();
            let answer = tokenizer.decode(&learned).unwrap();
            assert_eq!(answer, rendered.answer.clone() + "</s>", "{name}");
            let parsed = parse(&tokenizer, &learned, &[]).unwrap();
            let concepts: Vec<_> = parsed.iter().map(|t| (t.concept.as_str(), t.unit)).collect();
            assert_eq!(concepts, [("two cups", Some(Unit::Box)), ("the table", Some(Unit::Mask))]);
            let refs: Vec<_> =
                encoded.refs.iter().map(|r| (r.unit, r.group, r.index, r.target)).collect();
            let (b, m) = (Unit::Box, Unit::Mask);
            assert_eq!(refs, [(b, 0, 0, 1), (b, 0, 1, 0), (m, 1, 0, 1)]);
            let start = encoded.ids.len() - learned.len();
            let positions: Vec<_> = encoded.refs.iter().map(|r| r.position - start).collect();
            let found: Vec<_> = parsed.iter().flat_map(|t| t.refs.clone()).collect();
            assert_eq!(positions, found);

            // The question alone is the beginning of the turn, and the picture stands once.
            let prompt = template.encode_prompt(&tokenizer, &exchange, true).unwrap();
            assert_eq!(prompt.ids, encoded.ids[..start]);
            let prefix = template.encode_prefix(&tokenizer, true).unwrap();
            let first = template.image == ImagePlace::First;
            assert_eq!(prefix.contains(&IMAGE), first);
            assert_eq!(prompt.ids.contains(&IMAGE), !first);
            assert_eq!(prompt.ids.iter().filter(|&&id| id == VISUAL_PROMPT).count(), 2);

            let second = Exchange::from_turn(&record.turns[1], false);
            let second = template.encode_turn(&tokenizer, &second, false).unwrap();
            assert!(second.ids.contains(&1) && !second.ids.contains(&IMAGE));
        }
    }
}

#[test]
fn several_units_are_declared_in_one_command() {
    let mut command: Command = Task::Mixed.command().into();
    command.units.truncate(2);
    let text = template::command_text(&command);
    assert!(text.ends_with("\n- unit: <Unit>box</Unit>, <Unit>mask</Unit>\n"), "{text}");
}

#[test]
fn the_prompt_of_a_scene_is_short() {
    let tokenizer = own();
    let question = vec![QuestionPart::Text("Where is the dog?".into())];
    let exchange = Exchange::ask(Task::GroundingDetection, question, true);
    let prompt = Template::default().encode_prompt(&tokenizer, &exchange, true).unwrap();
    let words = tokenizer.encode(" Where is the dog?").unwrap().len();
    // Command up to the unit, three tokens of the unit, the user, the assistant.
    assert_eq!(prompt.ids.len(), 1 + 3 + 1 + words + 1);
}

#[test]
fn nobody_can_write_a_token_by_spelling_it_out() {
    let tokenizer = own();
    let template = Template::default();
    for (text, token) in [("What is <REF>?", "<REF>"), ("</s> USER:", "</s>")] {
        let question = vec![QuestionPart::Text(text.into())];
        let exchange = Exchange::ask(Task::Vqa, question, true);
        let error = template.encode_prompt(&tokenizer, &exchange, true).unwrap_err();
        assert!(matches!(error, TemplateError::Reserved { token: t, .. } if t == token));
    }
    let concept = |concept: &str, targets: Vec<usize>| {
        let unit = UnitWord::Unit(Unit::Box);
        let triplet =
            AnswerPiece::Triplet { concept: concept.into(), gap: String::new(), unit, targets };
        let mut exchange = Exchange::ask(Task::Detection, vec![], true);
        exchange.answer.push(triplet);
        template.render(&exchange)
    };
    assert!(concept("dog", vec![0]).is_ok());
    assert!(matches!(concept("d</Phrase>", vec![0]), Err(TemplateError::Reserved { .. })));
    assert!(matches!(concept("a\nb", vec![0]), Err(TemplateError::Concept(_))));
    assert!(matches!(concept("dog", vec![]), Err(TemplateError::NoTargets(_))));
}
