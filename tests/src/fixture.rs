//! One case of the reference, and the comparisons with it.

use crate::close;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};
use refvlm_model::package::by_name::{load_by_name, names};
use safetensors::SafeTensors;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

/// One reference case: a JSON description and, unless it is text only, its tensors.
///
/// Results are compared where it ends, so that a device computes all of them before one is read;
/// it also panics there if the test has not looked at each `out.` and `grad.` tensor that it is
/// responsible for, so no stored number can go unchecked. In a browser, which can't wait for a
/// device, [`settle`](Self::settle) compares them.
pub struct Fixture {
    /// Name of the case.
    pub name: String,
    /// The whole JSON description.
    pub json: Value,
    buffer: Option<Vec<u8>>,
    responsible: fn(&str) -> bool,
    read: RefCell<HashSet<String>>,
    results: RefCell<Vec<Comparison>>,
}

/// What a test computed and what it must be.
struct Comparison {
    what: String,
    found: Tensor<1>,
    shape: Vec<usize>,
    expected: Expected,
    tolerance: f32,
}

enum Expected {
    Stored(TensorData),
    Computed(Box<Tensor<1>>),
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if std::thread::panicking() || self.buffer.is_none() {
            return;
        }
        pollster::block_on(self.settle());
        let answer = |key: &String| key.starts_with("out.") || key.starts_with("grad.");
        let read = self.read.borrow();
        let mut keys = self.keys();
        keys.retain(|key| answer(key) && (self.responsible)(key) && !read.contains(key));
        assert!(keys.is_empty(), "{}: nothing compares {keys:?}", self.name);
    }
}

/// Where the cases are: the folder in `REFVLM_FIXTURES`, else `tests/fixtures` of the repository.
pub fn fixtures_dir() -> PathBuf {
    std::env::var_os("REFVLM_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures")), Into::into)
}

/// A file of the folder.
#[cfg(not(target_arch = "wasm32"))]
fn read(dir: &Path, name: &str) -> io::Result<Vec<u8>> {
    std::fs::read(dir.join(name))
}

/// A file that is built in: a browser has no folders.
#[cfg(target_arch = "wasm32")]
fn read(_: &Path, name: &str) -> io::Result<Vec<u8>> {
    macro_rules! built_in {
        ($($case:literal)*) => {
            match name {
                $(
                    concat!($case, ".json") => {
                        include_bytes!(concat!("../fixtures/", $case, ".json")).as_slice()
                    }
                    concat!($case, ".safetensors") => {
                        include_bytes!(concat!("../fixtures/", $case, ".safetensors")).as_slice()
                    }
                )*
                _ => return Err(io::ErrorKind::NotFound.into()),
            }
        };
    }
    Ok(built_in!(
        "box_decoder" "clip_vit" "convnext" "dinov2_vit" "llama_gqa" "llama_linear_rope"
        "llama_tied" "mask_decoder" "pose_decoder" "projector" "sam_image_encoder"
        "sam_image_encoder_pad" "sam_prompt_mask" "sine_position" "two_way_transformer"
        "vpt_embedding" "vpt_legacy" "vpt_pooling" "vpt_pooling_ragged"
    )
    .to_vec())
}

impl Fixture {
    /// Opens a case; none when another folder than the repository's has no such JSON.
    pub fn open(name: &str) -> Option<Fixture> {
        Self::open_for(name, |_| true)
    }

    /// The same where several tests share a case: `responsible` names the tensors of this one.
    pub fn open_for(name: &str, responsible: fn(&str) -> bool) -> Option<Fixture> {
        let dir = fixtures_dir();
        let text = match read(&dir, &format!("{name}.json")) {
            Ok(text) => text,
            Err(error) => {
                let own = std::env::var_os("REFVLM_FIXTURES").is_none();
                assert!(!own, "fixture {name} is missing from {}: {error}", dir.display());
                eprintln!("skipped: no fixture {name} in {}: {error}", dir.display());
                return None;
            }
        };
        let json = serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{name}.json: {e}"));
        let buffer = read(&dir, &format!("{name}.safetensors")).ok();
        let (read, results) = Default::default();
        Some(Fixture { name: name.into(), json, buffer, responsible, read, results })
    }

    /// The `config` entry of the JSON.
    pub fn config<T: DeserializeOwned>(&self) -> T {
        serde_json::from_value(self.json["config"].clone())
            .unwrap_or_else(|e| panic!("{}: config: {e}", self.name))
    }

    /// One entry of the `config`, for sizes that are no part of a module's own config.
    pub fn setting<T: DeserializeOwned>(&self, key: &str) -> T {
        serde_json::from_value(self.json["config"][key].clone())
            .unwrap_or_else(|e| panic!("{}: config.{key}: {e}", self.name))
    }

    /// Names of all tensors, sorted.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.tensors().names().into_iter().map(String::from).collect();
        keys.sort();
        keys
    }

    /// Whether there is a tensor of that name.
    pub fn has(&self, key: &str) -> bool {
        self.tensors().tensor(key).is_ok()
    }

    /// A tensor as it is stored.
    pub fn data(&self, key: &str) -> TensorData {
        self.read.borrow_mut().insert(key.into());
        let file = self.tensors();
        let view = file.tensor(key).unwrap_or_else(|e| panic!("{}: {key}: {e}", self.name));
        let dtype = match view.dtype() {
            safetensors::Dtype::F32 => DType::F32,
            safetensors::Dtype::I64 => DType::I64,
            safetensors::Dtype::U8 => DType::U8,
            other => panic!("{}: {key}: dtype {other:?} is not used by fixtures", self.name),
        };
        TensorData::from_bytes_vec(view.data().to_vec(), view.shape().to_vec(), dtype)
    }

    /// A tensor of numbers; bytes and integers are converted to f32.
    pub fn tensor<const D: usize>(&self, key: &str, device: &Device) -> Tensor<D> {
        Tensor::from_data(self.data(key).convert::<f32>(), (device, DType::F32))
    }

    /// Integers, flat.
    pub fn ints(&self, key: &str) -> Vec<i64> {
        self.data(key).convert::<i64>().try_to_vec().unwrap()
    }

    /// Numbers, flat.
    pub fn floats(&self, key: &str) -> Vec<f32> {
        self.data(key).convert::<f32>().try_to_vec().unwrap()
    }

    /// Bytes, flat.
    pub fn bytes(&self, key: &str) -> Vec<u8> {
        self.data(key).try_to_vec().unwrap_or_else(|e| panic!("{}: {key}: {e}", self.name))
    }

    /// Shape of a tensor.
    pub fn shape(&self, key: &str) -> Vec<usize> {
        self.data(key).shape().to_vec()
    }

    /// The tolerance the case names: `out` or `grad`.
    pub fn tolerance(&self, kind: &str) -> f32 {
        self.json["tolerance"][kind]
            .as_f64()
            .unwrap_or_else(|| panic!("{}: no tolerance for {kind}", self.name)) as f32
    }

    /// The same, for gradients to be asked for where the device records them.
    pub fn leaf<const D: usize>(&self, key: &str, device: &Device) -> Tensor<D> {
        self.tensor(key, device).set_require_grad(device.is_autodiff())
    }

    /// A result that must be the stored tensor `key`, within the tolerance of its prefix.
    pub fn assert_close<const D: usize>(&self, key: &str, found: Tensor<D>) {
        let kind = key.split('.').next().unwrap_or_default();
        self.assert_within(key, found, self.tolerance(kind));
    }

    /// The same with a tolerance of one's own; say in the test why.
    pub fn assert_within<const D: usize>(&self, key: &str, found: Tensor<D>, tolerance: f32) {
        self.compare(key, found, Expected::Stored(self.data(key)), tolerance);
    }

    /// Two results that must be the same, within the tolerance of outputs.
    pub fn assert_same<const D: usize>(&self, what: &str, found: Tensor<D>, expected: Tensor<D>) {
        assert_eq!(found.dims(), expected.dims(), "{}: {what}", self.name);
        let expected = Expected::Computed(Box::new(flat(expected)));
        self.compare(what, found, expected, self.tolerance("out"));
    }

    fn compare<const D: usize>(
        &self,
        what: &str,
        found: Tensor<D>,
        expected: Expected,
        tolerance: f32,
    ) {
        let (what, shape) = (what.into(), found.dims().to_vec());
        let comparison = Comparison { what, found: flat(found), shape, expected, tolerance };
        self.results.borrow_mut().push(comparison);
    }

    /// Compares what was computed so far.
    ///
    /// # Panics
    /// When a result is not what is stored.
    pub async fn settle(&self) {
        let results = self.results.take();
        for Comparison { what, found, shape, expected, tolerance } in results {
            let expected = match expected {
                Expected::Stored(data) => data.convert::<f32>().try_to_vec().unwrap(),
                Expected::Computed(tensor) => values(*tensor).await,
            };
            let found = values(found).await;
            let place = format!("{}: {what}", self.name);
            assert_eq!(found.len(), expected.len(), "{place}: shape {shape:?}");
            close(&found, &expected, tolerance).unwrap_or_else(|e| panic!("{place}: {e}"));
        }
    }

    /// Fills a module with the `w.` tensors under `w.<prefix>`; every parameter must be found and
    /// every such tensor used.
    pub fn load_weights_at<M: Module>(&self, prefix: &str, module: M) -> M {
        let used: HashSet<String> =
            names(&module).into_iter().map(|(name, _)| format!("w.{prefix}{name}")).collect();
        let (module, report) = load_by_name(module, &mut |name, _| {
            let key = format!("w.{prefix}{name}");
            self.has(&key).then(|| self.data(&key))
        });
        assert!(report.is_complete(), "{}: {report:?}", self.name);
        let prefix = format!("w.{prefix}");
        let unused: Vec<_> = self
            .keys()
            .into_iter()
            .filter(|k| k.starts_with(&prefix) && !used.contains(k))
            .collect();
        assert!(unused.is_empty(), "{}: unused weights {unused:?}", self.name);
        module
    }

    fn tensors(&self) -> SafeTensors<'_> {
        let buffer = self.buffer.as_deref();
        let buffer = buffer.unwrap_or_else(|| panic!("{}.safetensors is missing", self.name));
        SafeTensors::deserialize(buffer).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }
}

fn flat<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let count = x.shape().num_elements();
    x.reshape([count])
}

async fn values(x: Tensor<1>) -> Vec<f32> {
    x.into_data_async().await.unwrap().convert::<f32>().try_to_vec().unwrap()
}
