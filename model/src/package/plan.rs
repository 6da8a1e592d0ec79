//! The layout of a package's files. Sizes are known before any value, so weights can be written as
//! they come.

use super::encode::{Part, parts};
use super::error::PackageError;
use super::manifest::{Description, FileEntry, Manifest, Quantisation};
use serde_json::json;
use std::collections::BTreeMap;

/// Name of the manifest within a package.
pub const MANIFEST_FILE: &str = "refvlm.json";
/// Name of the vocabulary within a package.
pub const TOKENIZER_FILE: &str = "tokenizer.json";
/// Name of the index that Hugging Face's readers follow.
pub const INDEX_FILE: &str = "model.safetensors.index.json";
/// What static hosts and browser caches take without trouble.
pub const SHARD_BYTES: usize = 32 << 20;

/// A shard to be written: header, then the tensors in order.
#[derive(Debug, Clone)]
pub struct PlannedShard {
    /// Its name.
    pub file: String,
    /// What comes before the tensors.
    pub header: Vec<u8>,
    /// Its parameters, by their place in the list the plan was made of.
    pub parameters: Vec<usize>,
    /// Names of its tensors.
    tensors: Vec<String>,
    /// Bytes of the tensors.
    bytes: u64,
}

/// Which parameter goes into which shard.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How parameters are stored.
    pub quantisation: Quantisation,
    /// The shards in order.
    pub shards: Vec<PlannedShard>,
}

impl Plan {
    /// Fills shards of at most `limit` bytes; a parameter larger than that gets one of its own.
    pub fn new(
        quantisation: Quantisation,
        parameters: &[(String, Vec<usize>)],
        limit: usize,
    ) -> Self {
        let mut groups: Vec<(Vec<usize>, Vec<Part>, usize)> = vec![];
        for (place, (name, shape)) in parameters.iter().enumerate() {
            let parts = parts(quantisation, name, shape);
            let size: usize = parts.iter().map(|part| part.bytes).sum();
            match groups.last_mut() {
                Some((places, tensors, held)) if *held + size <= limit => {
                    places.push(place);
                    tensors.extend(parts);
                    *held += size;
                }
                _ => groups.push((vec![place], parts, size)),
            }
        }
        let count = groups.len();
        let shards = groups.into_iter().enumerate().map(|(k, (parameters, parts, bytes))| {
            let mut at = 0;
            let mut header = serde_json::Map::new();
            // Older versions of transformers, the reference's among them, read no file without it.
            header.insert("__metadata__".into(), json!({"format": "pt"}));
            for Part { name, dtype, shape, bytes } in &parts {
                let offsets = [at, at + bytes];
                let entry = json!({"dtype": dtype, "shape": shape, "data_offsets": offsets});
                header.insert(name.clone(), entry);
                at += bytes;
            }
            PlannedShard {
                file: shard_file(k, count),
                header: header_bytes(header),
                parameters,
                tensors: parts.into_iter().map(|part| part.name).collect(),
                bytes: bytes as u64,
            }
        });
        Self { quantisation, shards: shards.collect() }
    }

    /// Bytes of all shards.
    pub fn bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.header.len() as u64 + shard.bytes).sum()
    }

    /// The index that Hugging Face's readers follow.
    pub fn index(&self) -> Vec<u8> {
        let total: u64 = self.shards.iter().map(|shard| shard.bytes).sum();
        let names = |shard: &PlannedShard| {
            let file = shard.file.clone();
            shard.tensors.clone().into_iter().map(move |name| (name, file.clone()))
        };
        let weight_map: BTreeMap<String, String> = self.shards.iter().flat_map(names).collect();
        json!({"metadata": {"total_size": total}, "weight_map": weight_map}).to_string().into()
    }

    /// The manifest, once the shards are written; `tokenizer` is the content of its file.
    ///
    /// # Errors
    /// When it can't be put into words.
    pub fn manifest(
        &self,
        description: Description,
        tokenizer: Option<&[u8]>,
        shards: Vec<FileEntry>,
    ) -> Result<Vec<u8>, PackageError> {
        let tokenizer = tokenizer.map(|json| FileEntry::new(TOKENIZER_FILE, json));
        let manifest = Manifest::new(description, self.quantisation, tokenizer, shards);
        serde_json::to_vec(&manifest).map_err(|e| PackageError::Manifest(e.to_string()))
    }
}

/// Name of shard `k`, counted from 0.
fn shard_file(k: usize, count: usize) -> String {
    format!("model-{:05}-of-{count:05}.safetensors", k + 1)
}

/// What comes before the tensors of a safetensors file.
fn header_bytes(header: serde_json::Map<String, serde_json::Value>) -> Vec<u8> {
    let mut header = serde_json::Value::Object(header).to_string();
    // Readers that map the file want the data on a boundary of eight bytes.
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.into_bytes());
    bytes
}
