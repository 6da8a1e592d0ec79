//! Folders of weights in published layouts, and packages made of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test file takes what it needs")]

use burn::tensor::{Device, TensorData};
pub use refvlm_helpers::Folder;
use refvlm_model::config::ModelConfig;
use refvlm_model::package::by_name::visit_named;
use refvlm_model::package::{Loader, MANIFEST_FILE, Manifest, Quantisation};
use refvlm_model::refvlm::RefVlm;
use refvlm_native::import::{Import, ImportError, Source, open};
use refvlm_native::presets::preset;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::collections::BTreeMap;
use std::path::Path;

/// Names, shapes and values.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

pub fn config() -> ModelConfig {
    preset("scenes").unwrap()
}

pub fn tensors(model: &RefVlm) -> Tensors {
    let mut all = Tensors::new();
    visit_named(model, &mut |name, data: TensorData| {
        all.insert(name.into(), (data.shape().to_vec(), data.try_to_vec::<f32>().unwrap()));
    });
    all
}

/// Those whose name begins so, with another beginning.
pub fn part(all: &Tensors, prefix: &str, other: &str) -> Tensors {
    let inner = |name: &String| name.strip_prefix(prefix).map(|rest| format!("{other}{rest}"));
    all.iter().filter_map(|(name, tensor)| Some((inner(name)?, tensor.clone()))).collect()
}

pub fn save(path: &Path, tensors: &Tensors) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| {
            (name.clone(), shape.clone(), values.iter().flat_map(|x| x.to_le_bytes()).collect())
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

pub fn import(quantisation: Quantisation, allow: &[&str]) -> Import {
    import_as(config(), quantisation, allow)
}

pub fn import_as(config: ModelConfig, quantisation: Quantisation, allow: &[&str]) -> Import {
    Import {
        config,
        quantisation,
        allow: allow.iter().map(ToString::to_string).collect(),
        licence: "MIT".into(),
        command: "test".into(),
        tokenizer: None,
    }
}

pub fn run(import: &Import, sources: &[Source], out: &Path) -> Result<(), ImportError> {
    let assignment = import.assign(sources)?;
    import.write(sources, &assignment, out, |_| ())
}

pub fn load(out: &Path) -> RefVlm {
    load_as(&config(), out)
}

pub fn load_as(config: &ModelConfig, out: &Path) -> RefVlm {
    let manifest = Manifest::parse(&std::fs::read(out.join(MANIFEST_FILE)).unwrap()).unwrap();
    let model = RefVlm::new(config, &Device::flex()).unwrap();
    let mut loader = Loader::new(manifest, model);
    for shard in loader.waiting().to_vec() {
        loader.shard(&shard, &std::fs::read(out.join(&shard)).unwrap()).unwrap();
    }
    loader.finish().unwrap()
}

pub fn sources(arguments: &[String]) -> Vec<Source> {
    arguments.iter().flat_map(|argument| open(argument).unwrap()).collect()
}
