//! Reference tensors and how they are compared.

pub mod cases;
mod fixture;
#[cfg(not(target_arch = "wasm32"))]
mod gradients;

pub use fixture::{Fixture, fixtures_dir};
#[cfg(not(target_arch = "wasm32"))]
pub use gradients::probe_loss;

use burn::module::Module;
use burn::tensor::TensorData;
use refvlm_model::config::ModelConfig;
use refvlm_model::package::by_name::{load_by_name, visit_named};
use refvlm_model::package::{Loader, MANIFEST_FILE, Manifest, Quantisation, Writer};
use refvlm_model::triplet::Tokenizer;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A file of the repository's `configs`.
fn config_file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../configs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The model of a preset, as `configs/<name>.toml` describes it.
pub fn preset(name: &str) -> ModelConfig {
    #[derive(serde::Deserialize)]
    struct File {
        model: ModelConfig,
    }
    toml::from_slice::<File>(&config_file(&format!("{name}.toml"))).unwrap().model
}

/// The model of the `scenes` preset.
pub fn scenes_config() -> ModelConfig {
    preset("scenes")
}

/// The vocabulary of the `scenes` preset.
pub fn scenes_tokenizer() -> Tokenizer {
    Tokenizer::from_json(&config_file("scenes-tokenizer.json")).unwrap()
}

/// The vocabulary of the `pocket` preset.
pub fn pocket_tokenizer() -> Tokenizer {
    Tokenizer::from_json(&config_file("pocket-tokenizer.json")).unwrap()
}

/// Whether the tests of the losses are responsible for a tensor of a decoder's case; those of the
/// decoders are for the rest.
pub fn of_losses(key: &str) -> bool {
    let starts = ["grad.", "out.cost", "out.loss", "out.match", "out.nomatch", "out.oks"];
    let more = ["out.slices", "out.target"];
    starts.iter().chain(&more).any(|start| key.starts_with(start))
}

/// Fills a module with all `w.` tensors of a case.
pub fn load_weights<M: Module>(module: M, fixture: &Fixture) -> M {
    fixture.load_weights_at("", module)
}

/// A new module with weights that follow from their names alone. Threads share a device's stream of
/// random numbers, so what a seed draws depends on the tests that run beside it. The scales of norms
/// stay as they are.
pub fn settled<M: Module>(module: M) -> M {
    let mut fetch = |name: &str, shape: &[usize]| {
        let bound = match shape {
            [_] if !name.ends_with("bias") => return None,
            [_] => 0.05,
            _ => 1.0 / (shape.iter().skip(1).product::<usize>() as f32).sqrt(),
        };
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let mut state = hasher.finish();
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((state >> 40) as f32 / (1 << 23) as f32 - 1.0) * bound
        };
        let values = (0..shape.iter().product()).map(|_| next()).collect::<Vec<f32>>();
        Some(TensorData::new(values, shape.to_vec()))
    };
    load_by_name(module, &mut fetch).0
}

/// `max|a-b| <= tolerance * max(1, max|b|)`, and no NaN.
///
/// # Errors
/// Says where the largest difference is.
pub fn close(actual: &[f32], expected: &[f32], tolerance: f32) -> Result<(), String> {
    let scale = expected.iter().fold(1.0f32, |m, b| m.max(b.abs()));
    let worst = actual
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .enumerate()
        .fold((0, 0.0f32), |best, (i, d)| if d > best.1 || d.is_nan() { (i, d) } else { best });
    if worst.1 <= tolerance * scale {
        return Ok(());
    }
    let (i, difference) = worst;
    Err(format!(
        "element {i} is {}, expected {}: differs by {difference:e}, allowed {:e}",
        actual[i],
        expected[i],
        tolerance * scale
    ))
}

/// What a module becomes on its way through a package; `fresh` is one of the same configuration.
pub fn packaged<M: Module>(module: &M, fresh: M, quantisation: Quantisation) -> M {
    let mut writer = Writer::new(quantisation);
    visit_named(module, &mut |name, data| writer.add(name, &data).unwrap());
    let files: BTreeMap<_, _> = writer.finish(Default::default()).unwrap().into_iter().collect();
    let mut loader = Loader::new(Manifest::parse(&files[MANIFEST_FILE]).unwrap(), fresh);
    while let Some(file) = loader.waiting().first().cloned() {
        loader.shard(&file, &files[&file]).unwrap();
    }
    loader.finish().unwrap()
}
