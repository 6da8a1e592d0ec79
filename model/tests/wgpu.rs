//! The shipped model on a device of wgpu against the same on the CPU, part by part.
//!
//! `cargo test --release -p refvlm-model --features wgpu --test wgpu`, on whatever adapter there is.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use burn::tensor::{Device, Int, Tensor, TensorData};
use refvlm_model::config::ModelConfig;
use refvlm_model::decoding::{MaskUnit, QueryLayout};
use refvlm_model::language::{KvCache, Positions};
use refvlm_model::package::{Loader, Manifest};
use refvlm_model::refvlm::RefVlm;
use refvlm_record::Unit;

const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../www/models/scenes/");

fn model(device: &Device) -> (ModelConfig, RefVlm) {
    let read = |name: &str| std::fs::read(format!("{PACKAGE}{name}")).unwrap();
    let manifest = Manifest::parse(&read("refvlm.json")).unwrap();
    let config: ModelConfig = serde_json::from_value(manifest.description.config.clone()).unwrap();
    let shards: Vec<_> = manifest.shards.iter().map(|shard| shard.file.clone()).collect();
    let mut loader = Loader::new(manifest, RefVlm::new(&config, device).unwrap());
    for file in shards {
        loader.shard(&file, &read(&file)).unwrap();
    }
    (config, loader.finish().unwrap())
}

fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919) % 2003) as f32 / 500.0 - 2.0).collect()
}

fn tensor<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers(shape.iter().product()), shape), device)
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

/// Every part's values, with its name.
fn parts(device: &Device) -> Vec<(String, Vec<f32>)> {
    let (config, model) = model(device);
    let mut parts = Vec::new();
    let side = config.visual_encoder.image_size;
    let pixels = tensor([1, 3, side, side], device);
    let sight = model.see(pixels, None, None);
    for (i, map) in sight.pyramid.maps.iter().enumerate() {
        parts.push((format!("map {i}"), values(map.clone())));
    }
    parts.push(("picture rows".into(), values(sight.rows.clone())));
    let grid = config.selected_side(&config.prompt_features);
    let region = tensor([1, grid, grid], device).clamp(0.0, 1.0);
    parts.push(("prompt rows".into(), values(model.prompt_rows(&sight, region, &[0]))));
    let ids = Tensor::<2, Int>::from_data([[1, 5, 300, 17, 42, 9]], device);
    let embeds = Tensor::cat(vec![sight.rows.clone(), model.llm.embed(ids)], 1);
    let length = embeds.dims()[1];
    let mut cache = KvCache::new(&config.llm, length + 8, device);
    let at = |start, length| Positions::sequence(1, start, length);
    let hidden = model.llm.forward(embeds, &at(0, length), None, Some(&mut cache)).unwrap();
    parts.push(("hidden states".into(), values(hidden.clone())));
    let next = model.llm.embed(Tensor::<2, Int>::from_data([[7]], device));
    let next = model.llm.forward(next, &at(length, 1), None, Some(&mut cache)).unwrap();
    parts.push(("the next token".into(), values(next.clone())));
    parts.push(("scores".into(), values(model.llm.logits(next))));
    let states = hidden.narrow(1, length - 2, 2);
    let layout = QueryLayout::new(vec![vec![2]]);
    let maps = |unit| model.decoder_maps(&sight, unit);
    let decoders = &model.visual_decoder;
    let boxes = decoders.boxes.as_ref().unwrap();
    let found = boxes.forward(&maps(Unit::Box), states.clone(), &layout);
    parts.push(("boxes".into(), values(found.boxes)));
    parts.push(("confidence of boxes".into(), values(found.confidence.unwrap())));
    let Some(MaskUnit::Pixels(mask)) = &decoders.mask else { panic!("no mask decoder") };
    parts.push((
        "masks".into(),
        values(mask.forward(&maps(Unit::Mask), states.clone(), &layout).logits),
    ));
    let pose = decoders.pose.as_ref().unwrap();
    let found = pose.forward(&maps(Unit::Keypoint), states.clone(), &layout);
    parts.push(("keypoints".into(), values(found.keypoints)));
    let depth = decoders.depth.as_ref().unwrap();
    let found =
        depth.forward(&maps(Unit::Depth), states.narrow(1, 0, 1), &QueryLayout::new(vec![vec![1]]));
    parts.push(("log depth".into(), values(found.log_depth)));
    parts
}

#[test]
fn every_part_is_that_of_the_cpu() {
    let device = match Device::wgpu_options().init() {
        Ok(device) => device,
        Err(error) => return println!("skipped: no adapter for wgpu here ({error})"),
    };
    let (found, expected) = (parts(&device), parts(&Device::flex()));
    let mut wrong = Vec::new();
    for ((name, found), (_, expected)) in found.iter().zip(&expected) {
        assert_eq!(found.len(), expected.len(), "{name}");
        let size = expected.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
        let error = found.iter().zip(expected).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        println!("{name}: {error:.2e} of {size:.2e}");
        if error.is_nan() || error > 1e-4 * size {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
