//! Reference tensors and how they are compared.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Gradients, Tensor, TensorData};
use refvlm_model::config::ModelConfig;
use refvlm_model::package::by_name::{load_by_name, names};
use refvlm_model::triplet::Tokenizer;
use safetensors::SafeTensors;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::HashSet;
use std::path::PathBuf;

/// A file of the repository's `configs`.
fn config_file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../configs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The model of `configs/scenes.toml`.
pub fn scenes_config() -> ModelConfig {
    #[derive(serde::Deserialize)]
    struct File {
        model: ModelConfig,
    }
    toml::from_slice::<File>(&config_file("scenes.toml")).unwrap().model
}

/// The vocabulary of the `scenes` preset.
pub fn scenes_tokenizer() -> Tokenizer {
    Tokenizer::from_json(&config_file("scenes-tokenizer.json")).unwrap()
}

/// One reference case: a JSON description and, unless it is text only, its tensors.
///
/// Where it ends it panics if the test has not read each `out.` and `grad.` tensor that it is
/// responsible for, so no stored number can go unchecked.
pub struct Fixture {
    /// Name of the case.
    pub name: String,
    /// The whole JSON description.
    pub json: Value,
    buffer: Option<Vec<u8>>,
    responsible: fn(&str) -> bool,
    read: RefCell<HashSet<String>>,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if std::thread::panicking() || self.buffer.is_none() {
            return;
        }
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

impl Fixture {
    /// Opens a case; none when another folder than the repository's has no such JSON.
    pub fn open(name: &str) -> Option<Fixture> {
        Self::open_for(name, |_| true)
    }

    /// The same where several tests share a case: `responsible` names the tensors of this one.
    pub fn open_for(name: &str, responsible: fn(&str) -> bool) -> Option<Fixture> {
        let dir = fixtures_dir();
        let text = match std::fs::read_to_string(dir.join(format!("{name}.json"))) {
            Ok(text) => text,
            Err(error) => {
                let own = std::env::var_os("REFVLM_FIXTURES").is_none();
                assert!(!own, "fixture {name} is missing from {}: {error}", dir.display());
                eprintln!("skipped: no fixture {name} in {}: {error}", dir.display());
                return None;
            }
        };
        let json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}.json: {e}"));
        let buffer = std::fs::read(dir.join(format!("{name}.safetensors"))).ok();
        Some(Fixture { name: name.into(), json, buffer, responsible, read: RefCell::default() })
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

    /// Asserts that a result is the stored tensor `key`, within the tolerance of its prefix.
    pub fn assert_close<const D: usize>(&self, key: &str, actual: Tensor<D>) {
        let kind = key.split('.').next().unwrap_or_default();
        self.assert_within(key, actual, self.tolerance(kind));
    }

    /// The same with a tolerance of one's own; say in the test why.
    pub fn assert_within<const D: usize>(&self, key: &str, actual: Tensor<D>, tolerance: f32) {
        let expected = self.data(key);
        let shape = actual.dims();
        let size = |s: &[usize]| s.iter().product::<usize>();
        assert_eq!(
            size(&shape),
            size(expected.shape()),
            "{}: {key}: shape {shape:?}, expected {:?}",
            self.name,
            expected.shape()
        );
        let expected: Vec<f32> = expected.convert::<f32>().try_to_vec().unwrap();
        let actual: Vec<f32> = actual.into_data().convert::<f32>().try_to_vec().unwrap();
        if let Err(message) = close(&actual, &expected, tolerance) {
            panic!("{}: {key}: {message}", self.name);
        }
    }

    /// Asserts every stored gradient of a weight (`grad.w.`) against those of the module's
    /// parameters.
    pub fn assert_weight_gradients<M: Module>(&self, module: &M, gradients: &Gradients) {
        struct Check<'a>(&'a Fixture, &'a Gradients, Vec<String>);
        impl ModuleVisitor for Check<'_> {
            fn enter_module(&mut self, name: &str, container: &str) {
                let part = if container.starts_with("Enum:") { "" } else { name };
                self.2.push(part.trim_start_matches('_').into());
            }
            fn exit_module(&mut self, _: &str, _: &str) {
                self.2.pop();
            }
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let parts: Vec<&str> =
                    self.2.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
                let key = format!("grad.w.{}", parts.join("."));
                if self.0.has(&key) {
                    self.0.assert_close(&key, param.val().grad(self.1).unwrap());
                }
            }
        }
        module.visit(&mut Check(self, gradients, Vec::new()));
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

/// `sum_i x_i * sin(0.7 i + 0.3)`: the scalar that stored gradients belong to where a case has no
/// loss.
pub fn probe_loss<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let shape = x.dims();
    let weights: Vec<f32> =
        (0..x.shape().num_elements()).map(|i| (0.7 * i as f64 + 0.3).sin() as f32).collect();
    let weights =
        Tensor::<D>::from_data(TensorData::new(weights, shape), (&x.device(), DType::F32));
    (x * weights).sum()
}
