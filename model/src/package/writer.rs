//! From named tensors to the files of a package.

use super::error::PackageError;
use super::manifest::{Description, FileEntry, Manifest, Quantisation};
use burn::tensor::TensorData;
use half::f16;
use refvlm_shaders::{BLOCK, Packed};
use serde_json::json;
use std::collections::{BTreeMap, HashSet};

/// Name of the manifest within a package.
pub const MANIFEST_FILE: &str = "refvlm.json";
/// Name of the vocabulary within a package.
pub const TOKENIZER_FILE: &str = "tokenizer.json";
/// Name of the index that Hugging Face's readers follow.
pub const INDEX_FILE: &str = "model.safetensors.index.json";
/// What static hosts and browser caches take without trouble.
const SHARD_BYTES: usize = 32 << 20;

/// Collects tensors into shards.
///
/// In the quantised forms every matrix whose rows are whole blocks is packed: linear maps and
/// tables. Everything else (norms, biases, convolutions) is rounded to f16.
#[derive(Debug)]
pub struct Writer {
    quantisation: Quantisation,
    limit: usize,
    tokenizer: Option<Vec<u8>>,
    names: HashSet<String>,
    shards: Vec<Shard>,
}

#[derive(Debug, Default)]
struct Shard {
    header: serde_json::Map<String, serde_json::Value>,
    data: Vec<u8>,
}

impl Writer {
    /// An empty package.
    pub fn new(quantisation: Quantisation) -> Self {
        Self {
            quantisation,
            limit: SHARD_BYTES,
            tokenizer: None,
            names: HashSet::new(),
            shards: vec![],
        }
    }

    /// Another largest size of a shard; a tensor larger than that gets a shard of its own.
    pub fn with_shard_bytes(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// The vocabulary of the package, as `tokenizer.json` has it.
    pub fn with_tokenizer(mut self, json: Vec<u8>) -> Self {
        self.tokenizer = Some(json);
        self
    }

    /// Adds a tensor under its name.
    ///
    /// # Errors
    /// When the name is taken, or a value is not finite or too large for the form.
    pub fn add(&mut self, name: &str, data: &TensorData) -> Result<(), PackageError> {
        let fail = |reason: &str| {
            Err(PackageError::Unwritable { tensor: name.into(), reason: reason.into() })
        };
        if !self.names.insert(name.to_string()) {
            return fail("the name is taken");
        }
        let shape = data.shape().to_vec();
        let values = data.clone().convert::<f32>();
        let Ok(values) = values.as_slice::<f32>() else { return fail("it holds no numbers") };
        if values.iter().any(|x| !x.is_finite()) {
            return fail("it holds NaN or infinity; check the training run");
        }
        if let (Some(format), &[out, width]) = (self.quantisation.format(), shape.as_slice())
            && width > 0
            && width % BLOCK == 0
        {
            let packed = Packed::pack(format, values, [out, width])
                .map_err(|e| PackageError::packing(name, &e))?;
            let words = packed.words().iter().flat_map(|w| w.to_le_bytes()).collect();
            let scales = packed.scales().iter().flat_map(|&s| f16::from_f32(s).to_le_bytes());
            // A reader needs both at once, so they share a shard.
            self.push(vec![
                (format!("{name}.qweight"), "U32", vec![out, width / format.per_word()], words),
                (format!("{name}.scales"), "F16", vec![out, width / BLOCK], scales.collect()),
            ]);
            return Ok(());
        }
        let (dtype, bytes): (_, Vec<u8>) = match self.quantisation {
            Quantisation::F32 => ("F32", values.iter().flat_map(|x| x.to_le_bytes()).collect()),
            _ => {
                if values.iter().any(|&x| !f16::from_f32(x).is_finite()) {
                    return fail("a value is too large for f16; store the package in f32");
                }
                let bytes = values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes());
                ("F16", bytes.collect())
            }
        };
        self.push(vec![(name.to_string(), dtype, shape, bytes)]);
        Ok(())
    }

    fn push(&mut self, tensors: Vec<(String, &str, Vec<usize>, Vec<u8>)>) {
        let size: usize = tensors.iter().map(|(.., bytes)| bytes.len()).sum();
        let full = |shard: &Shard| !shard.data.is_empty() && shard.data.len() + size > self.limit;
        if self.shards.last().is_none_or(full) {
            self.shards.push(Shard::default());
        }
        let Some(shard) = self.shards.last_mut() else { return };
        for (name, dtype, shape, bytes) in tensors {
            let begin = shard.data.len();
            shard.data.extend(bytes);
            let offsets = [begin, shard.data.len()];
            let entry = json!({"dtype": dtype, "shape": shape, "data_offsets": offsets});
            shard.header.insert(name, entry);
        }
    }

    /// The files of the package: shards, index, vocabulary, and the manifest last.
    ///
    /// # Errors
    /// When nothing was added.
    pub fn finish(self, description: Description) -> Result<Vec<(String, Vec<u8>)>, PackageError> {
        if self.shards.is_empty() {
            return Err(PackageError::Missing(vec!["any tensor".into()]));
        }
        let count = self.shards.len();
        let (mut files, mut entries, mut weight_map, mut total) =
            (vec![], vec![], BTreeMap::new(), 0);
        for (k, shard) in self.shards.into_iter().enumerate() {
            let file = format!("model-{:05}-of-{count:05}.safetensors", k + 1);
            weight_map.extend(shard.header.keys().map(|name| (name.clone(), file.clone())));
            total += shard.data.len();
            let bytes = shard.into_bytes();
            entries.push(FileEntry::new(file.clone(), &bytes));
            files.push((file, bytes));
        }
        let index = json!({"metadata": {"total_size": total}, "weight_map": weight_map});
        let tokenizer = self.tokenizer.as_ref().map(|json| FileEntry::new(TOKENIZER_FILE, json));
        let manifest = Manifest::new(description, self.quantisation, tokenizer, entries);
        let manifest = serde_json::to_vec_pretty(&manifest)
            .map_err(|e| PackageError::Manifest(e.to_string()))?;
        files.push((INDEX_FILE.into(), index.to_string().into_bytes()));
        files.extend(self.tokenizer.map(|json| (TOKENIZER_FILE.into(), json)));
        files.push((MANIFEST_FILE.into(), manifest));
        Ok(files)
    }
}

impl Shard {
    fn into_bytes(self) -> Vec<u8> {
        let mut header = serde_json::Value::Object(self.header).to_string();
        // Readers that map the file want the data on a boundary of eight bytes.
        header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.into_bytes());
        bytes.extend(self.data);
        bytes
    }
}
