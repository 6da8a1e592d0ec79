//! Parameters of a module by the dotted keys of published checkpoints.
//!
//! A key is the path of struct fields and container indices: `Vec` and tuple elements add their
//! index, `Option` adds nothing, and enum variants add nothing either, since a checkpoint doesn't
//! know how a weight is held. Rust has no field called `0`, so a field `_0` stands for the key `0`.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, Int, Tensor, TensorData};
use std::collections::HashMap;

/// What loading by name left undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Parameters for which nothing was found; they keep their value.
    pub missing: Vec<String>,
    /// Parameters whose weight has another shape; they keep their value.
    pub mismatched: Vec<Mismatch>,
}

/// A weight whose shape is not the parameter's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Key of the parameter.
    pub name: String,
    /// Shape of the parameter.
    pub expected: Vec<usize>,
    /// Shape of the weight.
    pub found: Vec<usize>,
}

impl Report {
    /// Whether every parameter was loaded.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.mismatched.is_empty()
    }
}

/// Fills the module with weights that `fetch(name, shape)` hands out, keeping each weight's dtype,
/// each parameter's id and whether it is trained. Parameters not yet initialised never are.
pub fn load_by_name<M: Module>(
    module: M,
    fetch: &mut dyn FnMut(&str, &[usize]) -> Option<TensorData>,
) -> (M, Report) {
    let mut loader = Loader { path: Path::default(), fetch, report: Report::default() };
    let module = module.map(&mut loader);
    (module, loader.report)
}

/// Hands every parameter to `each(name, data)` in the order of the fields; a packed one unpacked.
/// Reads the device synchronously, so not on the web.
pub fn visit_named<M: Module>(module: &M, each: &mut dyn FnMut(&str, TensorData)) {
    // A visitor is shown what lies below a packed matrix, which holds no values.
    module.clone().materialize().visit(&mut Reader { path: Path::default(), each });
}

/// Names and shapes of all parameters in the order of the fields, without initialising any.
pub fn names<M: Module>(module: &M) -> Vec<(String, Vec<usize>)> {
    let mut lister = Lister::default();
    module.visit(&mut lister);
    lister.found
}

/// The id of each parameter by its name, as [`attach_packed`](crate::layers::attach_packed) takes
/// them.
pub fn ids<M: Module>(module: &M) -> HashMap<String, ParamId> {
    let mut lister = Lister::default();
    module.visit(&mut lister);
    lister.found.into_iter().map(|(name, _)| name).zip(lister.ids).collect()
}

/// The value of one parameter, initialised if need be; none where there is no such parameter. Reads
/// the device synchronously, so not on the web.
pub fn value_of<M: Module>(module: &M, name: &str) -> Option<TensorData> {
    let mut finder = Finder { path: Path::default(), name, found: None };
    module.visit(&mut finder);
    finder.found
}

#[derive(Default)]
pub(super) struct Path(Vec<String>);

impl Path {
    pub(super) fn enter(&mut self, name: &str, container: &str) {
        if !container.starts_with("Enum:") {
            let index = name.strip_prefix('_').filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
            self.0.push(index.unwrap_or(name).to_string());
        }
    }

    pub(super) fn exit(&mut self, container: &str) {
        if !container.starts_with("Enum:") {
            self.0.pop();
        }
    }

    pub(super) fn key(&self) -> String {
        self.0.join(".")
    }
}

struct Loader<'a> {
    path: Path,
    fetch: &'a mut dyn FnMut(&str, &[usize]) -> Option<TensorData>,
    report: Report,
}

impl Loader<'_> {
    fn take(&mut self, shape: &[usize]) -> Option<TensorData> {
        let name = self.path.key();
        let Some(data) = (self.fetch)(&name, shape) else {
            self.report.missing.push(name);
            return None;
        };
        let found: &[usize] = data.shape();
        if found != shape {
            let (expected, found) = (shape.to_vec(), found.to_vec());
            self.report.mismatched.push(Mismatch { name, expected, found });
            return None;
        }
        Some(data)
    }
}

macro_rules! map_kind {
    ($method:ident $(, $kind:ty)?) => {
        fn $method<const D: usize>(
            &mut self,
            param: Param<Tensor<D $(, $kind)?>>,
        ) -> Param<Tensor<D $(, $kind)?>> {
            let Some(data) = self.take(&param.lazy_shape()) else { return param };
            let dtype = data.dtype();
            let tensor = Tensor::from_data(data, (&param.lazy_device(), dtype));
            let id = param.id;
            param.transform_for_load(tensor, id)
        }
    };
}

impl ModuleMapper for Loader<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    map_kind!(map_float);
    map_kind!(map_int, Int);
    map_kind!(map_bool, Bool);
}

struct Reader<'a> {
    path: Path,
    each: &'a mut dyn FnMut(&str, TensorData),
}

impl ModuleVisitor for Reader<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        (self.each)(&self.path.key(), param.transform_for_save().val().into_data());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        (self.each)(&self.path.key(), param.transform_for_save().val().into_data());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        (self.each)(&self.path.key(), param.transform_for_save().val().into_data());
    }
}

struct Finder<'a> {
    path: Path,
    name: &'a str,
    found: Option<TensorData>,
}

impl ModuleVisitor for Finder<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.path.key() == self.name {
            self.found = Some(param.val().into_data());
        }
    }
}

#[derive(Default)]
struct Lister {
    path: Path,
    found: Vec<(String, Vec<usize>)>,
    ids: Vec<ParamId>,
}

impl ModuleVisitor for Lister {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.push((self.path.key(), param.lazy_shape().to_vec()));
        self.ids.push(param.id);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.found.push((self.path.key(), param.lazy_shape().to_vec()));
        self.ids.push(param.id);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.found.push((self.path.key(), param.lazy_shape().to_vec()));
        self.ids.push(param.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{LayerNorm, Linear};
    use burn::tensor::Device;

    #[derive(Module, Debug)]
    enum Held {
        Plain(Linear),
    }

    #[derive(Module, Debug)]
    struct Toy {
        _0: Linear,
        pair: (LayerNorm, Linear),
        list: Vec<Held>,
        absent: Option<Linear>,
    }

    fn toy(device: &Device) -> Toy {
        Toy {
            _0: Linear::new(2, 3, true, device),
            pair: (LayerNorm::new(2, 1e-5, device), Linear::new(2, 2, false, device)),
            list: vec![Held::Plain(Linear::new(1, 2, false, device))],
            absent: None,
        }
    }

    #[test]
    fn keys_are_those_of_a_checkpoint() {
        let listed = names(&toy(&Device::flex()));
        let keys: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
        let expected = [
            "0.weight",
            "0.bias",
            "pair.0.weight",
            "pair.0.bias",
            "pair.1.weight",
            "list.0.weight",
        ];
        assert_eq!(keys, expected);
        assert_eq!(listed[0].1, [3, 2]);
    }

    #[test]
    fn what_is_read_can_be_loaded_and_the_rest_is_reported() {
        let device = Device::flex();
        let mut saved = std::collections::HashMap::new();
        visit_named(&toy(&device), &mut |name, data| {
            saved.insert(name.to_string(), data);
        });
        saved.remove("pair.1.weight");
        saved.insert("0.bias".into(), TensorData::from([1.0f32, 2.0]));
        let (loaded, report) = load_by_name(toy(&device), &mut |name, _| saved.get(name).cloned());
        assert_eq!(report.missing, ["pair.1.weight"]);
        let wrong = Mismatch { name: "0.bias".into(), expected: vec![3], found: vec![2] };
        assert_eq!(report.mismatched, [wrong]);
        assert!(!report.is_complete());
        let mut weight = None;
        visit_named(&loaded, &mut |name, data| {
            if name == "0.weight" {
                weight = Some(data);
            }
        });
        assert_eq!(weight.as_ref(), saved.get("0.weight"));
    }
}
