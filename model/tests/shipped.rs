//! The shipped model on a device of wgpu against the same on the CPU, part by part.
//!
//! `cargo test --release -p refvlm-model --features wgpu --test shipped`, on whatever adapter there is;
//! `cargo xtask test --only wasm-kernels` runs the same in a browser with WebGPU.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::assertions_on_constants, reason = "what is constant differs by target")]

use burn::tensor::{Device, Int, Tensor, TensorData};
use refvlm_model::config::ModelConfig;
use refvlm_model::decoding::{MaskUnit, QueryLayout};
use refvlm_model::engine::Session;
use refvlm_model::event::{Event, Shape};
use refvlm_model::image::Picture;
use refvlm_model::input::Inputs;
use refvlm_model::language::{KvCache, Positions};
use refvlm_model::layers::{LoraConfig, is_lora};
use refvlm_model::package::by_name::load_by_name;
use refvlm_model::package::{Loader, Manifest};
use refvlm_model::refvlm::RefVlm;
use refvlm_model::triplet::Tokenizer;
use refvlm_record::{Ask, Prompt, Task, Unit};

const MANIFEST: &[u8] = include_bytes!("../../www/models/scenes/refvlm.json");
const TOKENIZER: &[u8] = include_bytes!("../../www/models/scenes/tokenizer.json");
const SHARD: &[u8] = include_bytes!("../../www/models/scenes/model-00001-of-00001.safetensors");

fn model(device: &Device) -> (ModelConfig, RefVlm) {
    let manifest = Manifest::parse(MANIFEST).unwrap();
    let config: ModelConfig = serde_json::from_value(manifest.description.config.clone()).unwrap();
    let [shard] = manifest.shards.as_slice() else { panic!("one shard is built in") };
    let file = shard.file.clone();
    let mut loader = Loader::new(manifest, RefVlm::new(&config, device).unwrap());
    loader.shard(&file, SHARD).unwrap();
    (config, loader.finish().unwrap())
}

fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919) % 2003) as f32 / 500.0 - 2.0).collect()
}

fn tensor<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers(shape.iter().product()), shape), device)
}

async fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data_async().await.unwrap().iter::<f32>().collect()
}

/// Every part's values, with its name.
async fn parts(device: &Device) -> Vec<(String, Vec<f32>)> {
    let (config, model) = model(device);
    let mut parts = Vec::new();
    let side = config.visual_encoder.image_size();
    let pixels = tensor([1, 3, side, side], device);
    let sight = model.see(Inputs { pixels, tower_pixels: None, sam_pixels: None });
    for (i, map) in sight.pyramid.maps.iter().enumerate() {
        parts.push((format!("map {i}"), values(map.clone()).await));
    }
    parts.push(("picture rows".into(), values(sight.rows.clone()).await));
    let grid = config.selected_side(&config.prompt_features);
    let region = tensor([1, grid, grid], device).clamp(0.0, 1.0);
    parts.push(("prompt rows".into(), values(model.prompt_rows(&sight, region, &[0], None)).await));
    let ids = Tensor::<2, Int>::from_data([[1, 5, 300, 17, 42, 9]], device);
    let embeds = Tensor::cat(vec![sight.rows.clone(), model.llm.embed(ids)], 1);
    let length = embeds.dims()[1];
    let mut cache = KvCache::new(&config.llm, length + 8, device);
    let at = |start, length| Positions::sequence(1, start, length);
    let hidden = model.llm.forward(embeds, &at(0, length), None, Some(&mut cache)).unwrap();
    parts.push(("hidden states".into(), values(hidden.clone()).await));
    let next = model.llm.embed(Tensor::<2, Int>::from_data([[7]], device));
    let next = model.llm.forward(next, &at(length, 1), None, Some(&mut cache)).unwrap();
    parts.push(("the next token".into(), values(next.clone()).await));
    parts.push(("scores".into(), values(model.llm.logits(next)).await));
    let lora = LoraConfig {
        r: 3,
        lora_alpha: 2.0,
        target_modules: vec!["q_proj".into()],
        use_rslora: false,
        lora_dropout: 0.0,
    };
    let map = model.llm.model.layers[0].self_attn.q_proj.clone().with_lora(Some(&lora), "q_proj");
    let (map, _) = load_by_name(map, &mut |name, shape| {
        let count = shape.iter().product();
        is_lora(name).then(|| TensorData::new(numbers(count), shape))
    });
    parts.push(("a packed map with an adapter".into(), values(map.forward(hidden.clone())).await));
    let states = hidden.narrow(1, length - 2, 2);
    let layout = QueryLayout::new(vec![vec![2]]);
    let maps = |unit| model.decoder_maps(&sight, unit);
    let decoders = &model.visual_decoder;
    let boxes = decoders.boxes.as_ref().unwrap();
    let found = boxes.forward(&maps(Unit::Box), states.clone(), &layout);
    parts.push(("boxes".into(), values(found.boxes).await));
    parts.push(("confidence of boxes".into(), values(found.confidence.unwrap()).await));
    let Some(MaskUnit::Pixels(mask)) = &decoders.mask else { panic!("no mask decoder") };
    parts.push((
        "masks".into(),
        values(mask.forward(&maps(Unit::Mask), states.clone(), &layout).logits).await,
    ));
    let pose = decoders.pose.as_ref().unwrap();
    let found = pose.forward(&maps(Unit::Keypoint), states.clone(), &layout);
    parts.push(("keypoints".into(), values(found.keypoints).await));
    let depth = decoders.depth.as_ref().unwrap();
    let found =
        depth.forward(&maps(Unit::Depth), states.narrow(1, 0, 1), &QueryLayout::new(vec![vec![1]]));
    parts.push(("log depth".into(), values(found.log_depth).await));
    parts
}

/// A picture is set and asked about, twice: the words, and every number of what they point at.
async fn answers(device: &Device) -> Vec<(String, Vec<f32>)> {
    let (config, model) = model(device);
    let tokenizer = Tokenizer::from_json(TOKENIZER).unwrap();
    let mut session = Session::new(config, model, tokenizer, device.clone(), || 0.0).unwrap();
    let (width, height) = (200, 125);
    let shade = |i: u32| {
        let (x, y) = (i / 3 % width, i / 3 / width);
        let inside = (60..140).contains(&x) && (40..110).contains(&y);
        if inside { [200, 40, 60][i as usize % 3] } else { (x * 255 / width) as u8 }
    };
    let rgb: Vec<u8> = (0..width * height * 3).map(shade).collect();
    session.set_image(Picture::new(width, height, &rgb).unwrap()).await.unwrap();
    let point = Prompt::Point { x: 100.0, y: 75.0 };
    let asks = [
        Ask::new(Task::GroundingDetection, "Where is [prompt 1]?", vec![point.clone()]),
        Ask::new(Task::GroundingSegmentation, "Segment [prompt 1].", vec![point]),
        Ask::new(Task::Detection, "Detect all objects.", Vec::new()),
    ];
    let mut found = Vec::new();
    for ask in &asks {
        let events = session.ask(ask).unwrap().collect().await;
        let (mut words, mut numbers) = (String::new(), Vec::new());
        for event in events {
            match event {
                Event::Token { text, .. } => words += &text,
                Event::Unit { confidence, shape, .. } => {
                    numbers.push(confidence);
                    match shape {
                        Shape::Box { bbox } => numbers.extend(bbox),
                        Shape::Mask { mask, bbox, .. } => {
                            numbers.extend(bbox);
                            numbers.push(mask.to_mask().unwrap().area() as f32);
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        found.push((words, numbers));
    }
    found
}

/// The device; none where there is no adapter, which is said.
async fn device() -> Option<Device> {
    match Device::wgpu_options().init_async().await {
        Ok(device) => Some(device),
        Err(error) => {
            // A browser is started with an adapter for this test, so there it is an error.
            assert!(cfg!(not(target_arch = "wasm32")), "no adapter: {error}");
            println!("skipped: no adapter for wgpu here ({error})");
            None
        }
    }
}

async fn compare() {
    let Some(device) = device().await else { return };
    let (found, expected) = (parts(&device).await, parts(&Device::flex()).await);
    let mut report = String::new();
    let mut wrong = false;
    for ((name, found), (_, expected)) in found.iter().zip(&expected) {
        assert_eq!(found.len(), expected.len(), "{name}");
        let size = expected.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
        let error = found.iter().zip(expected).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        report += &format!("{name}: off by {error:.1e} of {size:.1e}\n");
        // On the processor packed products round their input to 16 bits, layer after layer.
        wrong |= error.is_nan() || error > 1e-3 * size;
    }
    assert!(!wrong, "{report}");
    for (found, expected) in answers(&device).await.iter().zip(&answers(&Device::flex()).await) {
        assert_eq!(found.0, expected.0);
        assert_eq!(found.1.len(), expected.1.len());
        for (a, b) in found.1.iter().zip(&expected.1) {
            assert!((a - b).abs() <= 1e-2 * b.abs().max(1.0), "{a} for {b}: {found:?}");
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn parts_and_answers_are_those_of_the_cpu() {
    pollster::block_on(compare());
}

#[cfg(target_arch = "wasm32")]
mod browser {
    use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

    wasm_bindgen_test_configure!(run_in_dedicated_worker);

    #[wasm_bindgen_test]
    async fn parts_and_answers_are_those_of_the_cpu() {
        super::compare().await;
    }
}
