//! From the files of a package into a module, shard by shard.

use super::by_name::{Path, load_by_name};
use super::error::PackageError;
use super::header::{Dtype, Entry, entries};
use super::manifest::Manifest;
use crate::layers::attach_packed;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData};
use half::{bf16, f16};
use refvlm_shaders::{Format, Packed};
use std::collections::{BTreeMap, HashMap};

/// Fills a module with a package, one shard at a time, so that no more than a shard is ever held
/// beside the module.
#[derive(Debug)]
pub struct Loader<M> {
    manifest: Manifest,
    module: M,
    /// Parameters not loaded yet.
    open: HashMap<String, Slot>,
    /// Shards not given yet.
    shards: Vec<String>,
}

#[derive(Debug, Clone)]
struct Slot {
    id: ParamId,
    shape: Vec<usize>,
}

enum Weight {
    Dense(TensorData),
    Packed(Packed),
}

impl Weight {
    /// The same as a parameter of this shape, or the shape that it has instead. The last block of a
    /// packed row may be filled up. Only matrices stay packed.
    fn shaped(self, shape: &[usize]) -> Result<Self, Vec<usize>> {
        let found = match &self {
            Weight::Dense(data) => data.shape().to_vec(),
            Weight::Packed(packed) => packed.shape().to_vec(),
        };
        match (self, shape) {
            (Weight::Packed(packed), &[out, ref row @ ..]) if packed.shape()[0] == out => {
                let packed = packed.with_width(row.iter().product()).ok_or(found)?;
                Ok(match row.len() {
                    1 => Weight::Packed(packed),
                    _ => Weight::Dense(TensorData::new(packed.unpack(), shape)),
                })
            }
            (weight, shape) if found == shape => Ok(weight),
            _ => Err(found),
        }
    }
}

impl<M: Module> Loader<M> {
    /// Starts with a new module of the manifest's configuration.
    pub fn new(manifest: Manifest, module: M) -> Self {
        let mut lister = Slots { path: Path::default(), found: HashMap::new() };
        module.visit(&mut lister);
        let shards = manifest.shards.iter().map(|shard| shard.file.clone()).collect();
        Self { manifest, module, open: lister.found, shards }
    }

    /// What the package is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Names of the shards still to be given, in any order.
    pub fn waiting(&self) -> &[String] {
        &self.shards
    }

    /// Loads one shard.
    ///
    /// # Errors
    /// When it is not the shard listed, damaged, or of another model. Nothing has changed then, and
    /// the right bytes can still be given.
    pub fn shard(&mut self, file: &str, bytes: &[u8]) -> Result<(), PackageError> {
        let known = self.shards.iter().position(|name| name == file);
        let entry = self.manifest.shards.iter().find(|shard| shard.file == file);
        let (Some(position), Some(entry)) = (known, entry) else {
            return Err(PackageError::UnknownShard { file: file.into() });
        };
        entry.check(bytes)?;
        let tensors =
            entries(bytes).map_err(|reason| PackageError::Header { file: file.into(), reason })?;
        let weights = decode(file, tensors, self.manifest.quantisation.format())?;
        let weights = self.shaped(file, weights)?;
        self.place(weights);
        self.shards.swap_remove(position);
        Ok(())
    }

    /// The module, complete.
    ///
    /// # Errors
    /// Lists the shards or parameters that are missing.
    pub fn finish(self) -> Result<M, PackageError> {
        if !self.shards.is_empty() {
            return Err(PackageError::Missing(self.shards));
        }
        if !self.open.is_empty() {
            let mut names: Vec<String> = self.open.into_keys().collect();
            names.sort();
            return Err(PackageError::Missing(names));
        }
        Ok(self.module)
    }

    /// These in the shapes of their parameters, which must not be loaded yet.
    fn shaped(
        &self,
        file: &str,
        weights: BTreeMap<String, Weight>,
    ) -> Result<BTreeMap<String, Weight>, PackageError> {
        let (mut shaped, mut unexpected) = (BTreeMap::new(), vec![]);
        for (name, weight) in weights {
            let Some(slot) = self.open.get(&name) else {
                unexpected.push(name);
                continue;
            };
            match weight.shaped(&slot.shape) {
                Ok(weight) => drop(shaped.insert(name, weight)),
                Err(found) => {
                    let (file, expected) = (file.to_string(), slot.shape.clone());
                    return Err(PackageError::Shape { file, tensor: name, found, expected });
                }
            }
        }
        if unexpected.is_empty() {
            return Ok(shaped);
        }
        Err(PackageError::Unexpected { file: file.into(), tensors: unexpected })
    }

    fn place(&mut self, weights: BTreeMap<String, Weight>) {
        let (mut dense, mut packed) = (HashMap::new(), HashMap::new());
        for (name, weight) in weights {
            let Some(slot) = self.open.remove(&name) else { continue };
            match weight {
                Weight::Dense(data) => drop(dense.insert(name, data)),
                Weight::Packed(matrix) => drop(packed.insert(slot.id, matrix)),
            }
        }
        let module = self.module.clone();
        let (module, _) = load_by_name(module, &mut |name, _| dense.remove(name));
        self.module = attach_packed(module, packed);
    }
}

struct Slots {
    path: Path,
    found: HashMap<String, Slot>,
}

impl ModuleVisitor for Slots {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let slot = Slot { id: param.id, shape: param.lazy_shape().to_vec() };
        self.found.insert(self.path.key(), slot);
    }
}

/// Values of a shard's tensors, the two parts of a packed matrix joined.
fn decode(
    file: &str,
    tensors: Vec<Entry<'_>>,
    format: Option<Format>,
) -> Result<BTreeMap<String, Weight>, PackageError> {
    let mut scales: HashMap<String, Vec<f16>> = HashMap::new();
    let mut words: Vec<(String, Entry<'_>)> = vec![];
    let mut weights = BTreeMap::new();
    for entry in tensors {
        if let (Some(name), Dtype::U32) = (entry.name.strip_suffix(".qweight"), entry.dtype) {
            words.push((name.to_string(), entry));
        } else if let (Some(name), Dtype::F16, Some(_)) =
            (entry.name.strip_suffix(".scales"), entry.dtype, format)
        {
            scales.insert(name.to_string(), halves(entry.bytes).collect());
        } else {
            let data = dense(file, &entry)?;
            weights.insert(entry.name, Weight::Dense(data));
        }
    }
    for (name, entry) in words {
        let fail = |reason: &str| PackageError::tensor(file, &entry.name, reason);
        let format = format.ok_or_else(|| fail("packed, in a package that is not quantised"))?;
        let scales = scales.remove(&name).ok_or_else(|| fail("without its scales"))?;
        let &[out, width] = entry.shape.as_slice() else { return Err(fail("no matrix")) };
        let width = width.checked_mul(format.per_word()).ok_or_else(|| fail("too wide"))?;
        let (chunks, _) = entry.bytes.as_chunks::<4>();
        let words = chunks.iter().map(|b| u32::from_le_bytes(*b)).collect();
        let packed = Packed::from_parts(format, [out, width], words, &scales)
            .map_err(|e| PackageError::tensor(file, &entry.name, e))?;
        if weights.insert(name, Weight::Packed(packed)).is_some() {
            return Err(fail("stored both packed and dense"));
        }
    }
    match scales.into_keys().next() {
        Some(name) => {
            Err(PackageError::tensor(file, &format!("{name}.scales"), "without its qweight"))
        }
        None => Ok(weights),
    }
}

/// Parameters are f32; what computes in another type casts the loaded module.
fn dense(file: &str, entry: &Entry<'_>) -> Result<TensorData, PackageError> {
    let fail = |reason: &str| PackageError::tensor(file, &entry.name, reason);
    let values: Vec<f32> = match entry.dtype {
        Dtype::F32 => {
            entry.bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
        }
        Dtype::F16 => halves(entry.bytes).map(f16::to_f32).collect(),
        Dtype::BF16 => {
            let (pairs, _) = entry.bytes.as_chunks::<2>();
            pairs.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect()
        }
        Dtype::U32 => return Err(fail("whole numbers, where weights are expected")),
    };
    if values.iter().any(|x| !x.is_finite()) {
        return Err(fail("holds NaN or infinity"));
    }
    Ok(TensorData::new(values, entry.shape.clone()))
}

fn halves(bytes: &[u8]) -> impl Iterator<Item = f16> {
    bytes.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b))
}
