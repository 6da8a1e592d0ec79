//! `refvlm.json`: what a package is.

use super::error::PackageError;
use crate::layers::is_lora;
use refvlm_shaders::{BLOCK, Format};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The version of the format that this code writes and reads.
const VERSION: u32 = 1;
/// Far above any package; bounds what a hostile manifest can make a reader do.
const MAX_SHARDS: usize = 10_000;

/// Smaller matrices stay unpacked: heads that give coordinates lose most by it and save nothing.
const MIN_ROWS: usize = 64;
/// The same for the kernels of convolutions, which give maps and no coordinates.
const MIN_KERNELS: usize = 32;

/// How the weights of a package are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantisation {
    /// Everything as it is in f32.
    F32,
    /// Everything rounded to f16.
    F16,
    /// Everything rounded to bf16.
    Bf16,
    /// Matrices with 8 bits per weight, the rest in f16.
    Q8,
    /// Matrices with 4 bits per weight, the rest in f16.
    Q4,
}

impl Quantisation {
    /// The packing of matrices, if they are packed.
    pub fn format(self) -> Option<Format> {
        match self {
            Quantisation::F32 | Quantisation::F16 | Quantisation::Bf16 => None,
            Quantisation::Q8 => Some(Format::Q8),
            Quantisation::Q4 => Some(Format::Q4),
        }
    }

    /// The packing of a parameter: matrices of 64 rows or more and at least a block wide have one;
    /// the last block of a row is filled up. So have the kernels of convolutions in q8, a row for each
    /// channel that they give; they are unpacked when they are loaded. The factors of adapters have
    /// none: they are small, and what is added to packed weights should be exact.
    pub fn packing(self, name: &str, shape: &[usize]) -> Option<(Format, [usize; 2])> {
        let (&out, row) = shape.split_first()?;
        let width = row.iter().product();
        let (kind, least) = match row.len() {
            1 => (!is_lora(name), MIN_ROWS),
            3 => (self == Self::Q8, MIN_KERNELS),
            _ => (false, 0),
        };
        let fits = kind && out >= least && width >= BLOCK;
        self.format().filter(|_| fits).map(|format| (format, [out, width]))
    }
}

/// What the weights are and where they come from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Description {
    /// Name of the preset.
    pub preset: String,
    /// The model's whole configuration.
    pub config: Value,
    /// Licence of the weights.
    pub licence: String,
    /// The command that trained or imported them.
    pub training_command: String,
    /// Evaluation results by name.
    #[serde(default)]
    pub scores: BTreeMap<String, f64>,
}

/// A file as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// File name beside the manifest.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its hash, in hexadecimal.
    pub sha256: String,
}

impl FileEntry {
    /// The entry for a file with these contents.
    pub fn new(file: impl Into<String>, bytes: &[u8]) -> Self {
        Self { file: file.into(), bytes: bytes.len() as u64, sha256: sha256(bytes) }
    }

    /// Holds a file's contents against its entry.
    ///
    /// # Errors
    /// When length or hash are others.
    pub fn check(&self, bytes: &[u8]) -> Result<(), PackageError> {
        let (found, expected) = (bytes.len() as u64, self.bytes);
        if found != expected {
            return Err(PackageError::Length { file: self.file.clone(), found, expected });
        }
        if !sha256(bytes).eq_ignore_ascii_case(&self.sha256) {
            return Err(PackageError::Hash { file: self.file.clone() });
        }
        Ok(())
    }
}

/// The manifest of a package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the format.
    pub version: u32,
    /// What the weights are.
    #[serde(flatten)]
    pub description: Description,
    /// How they are stored.
    pub quantisation: Quantisation,
    /// The vocabulary; packages of before it was listed have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<FileEntry>,
    /// Their files, in the order to read them.
    pub shards: Vec<FileEntry>,
}

impl Manifest {
    pub(super) fn new(
        description: Description,
        quantisation: Quantisation,
        tokenizer: Option<FileEntry>,
        shards: Vec<FileEntry>,
    ) -> Self {
        Self { version: VERSION, description, quantisation, tokenizer, shards }
    }

    /// Reads and checks `refvlm.json`.
    ///
    /// # Errors
    /// When it is no JSON of the right form, of another version, or lists impossible files.
    pub fn parse(bytes: &[u8]) -> Result<Self, PackageError> {
        let fail = |reason: String| Err(PackageError::Manifest(reason));
        let manifest: Manifest =
            serde_json::from_slice(bytes).map_err(|e| PackageError::Manifest(e.to_string()))?;
        if manifest.version != VERSION {
            return fail(format!("version {}, this program reads {VERSION}", manifest.version));
        }
        if manifest.shards.is_empty() || manifest.shards.len() > MAX_SHARDS {
            return fail(format!("{} shards", manifest.shards.len()));
        }
        let mut seen = BTreeSet::new();
        for FileEntry { file, sha256, .. } in manifest.tokenizer.iter().chain(&manifest.shards) {
            // A name becomes part of a path or URL: nothing that leads elsewhere.
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if file.is_empty() || file.starts_with('.') || !file.chars().all(plain) {
                return fail(format!("{file:?} is no plain file name"));
            }
            if !seen.insert(file) {
                return fail(format!("{file} is listed twice"));
            }
            if sha256.len() != 64 || !sha256.chars().all(|c| c.is_ascii_hexdigit()) {
                return fail(format!("the sha-256 of {file} has not 64 hexadecimal digits"));
            }
        }
        Ok(manifest)
    }

    /// Holds the vocabulary against its entry, where there is one.
    ///
    /// # Errors
    /// When length or hash are others.
    pub fn check_tokenizer(&self, json: &[u8]) -> Result<(), PackageError> {
        self.tokenizer.as_ref().map_or(Ok(()), |entry| entry.check(json))
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
