//! From named tensors to the files of a package.

use super::encode::{Part, encode, parts};
use super::error::PackageError;
use super::manifest::{Description, FileEntry, Manifest, Quantisation};
use burn::tensor::TensorData;
use serde_json::json;
use std::collections::{BTreeMap, HashSet};

/// Name of the manifest within a package.
pub const MANIFEST_FILE: &str = "refvlm.json";
/// Name of the vocabulary within a package.
pub const TOKENIZER_FILE: &str = "tokenizer.json";
/// Name of the index that Hugging Face's readers follow.
pub const INDEX_FILE: &str = "model.safetensors.index.json";
/// What static hosts and browser caches take without trouble.
pub const SHARD_BYTES: usize = 32 << 20;

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
        let bytes = encode(self.quantisation, name, &shape, values)?;
        // A reader needs the parts of a matrix at once, so they share a shard.
        self.push(parts(self.quantisation, name, &shape).into_iter().zip(bytes).collect());
        Ok(())
    }

    fn push(&mut self, tensors: Vec<(Part, Vec<u8>)>) {
        let size: usize = tensors.iter().map(|(_, bytes)| bytes.len()).sum();
        let full = |shard: &Shard| !shard.data.is_empty() && shard.data.len() + size > self.limit;
        if self.shards.last().is_none_or(full) {
            self.shards.push(Shard::default());
        }
        let Some(shard) = self.shards.last_mut() else { return };
        for (Part { name, dtype, shape, .. }, bytes) in tensors {
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
            let file = shard_file(k, count);
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

/// Name of shard `k`, counted from 0.
pub(super) fn shard_file(k: usize, count: usize) -> String {
    format!("model-{:05}-of-{count:05}.safetensors", k + 1)
}

/// What comes before the tensors of a safetensors file.
pub(super) fn header_bytes(header: serde_json::Map<String, serde_json::Value>) -> Vec<u8> {
    let mut header = serde_json::Value::Object(header).to_string();
    // Readers that map the file want the data on a boundary of eight bytes.
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.into_bytes());
    bytes
}

impl Shard {
    fn into_bytes(self) -> Vec<u8> {
        let mut bytes = header_bytes(self.header);
        bytes.extend(self.data);
        bytes
    }
}
