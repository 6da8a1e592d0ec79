//! From named tensors to the files of a package.

use super::encode::encode;
use super::error::PackageError;
use super::manifest::{Description, FileEntry, Quantisation};
use super::plan::{INDEX_FILE, MANIFEST_FILE, Plan, SHARD_BYTES, TOKENIZER_FILE};
use burn::tensor::TensorData;
use std::collections::HashSet;

/// Collects tensors into shards.
///
/// In the quantised forms every matrix but the smallest is packed, linear maps and tables, and in q8
/// the kernels of convolutions. Everything else (norms, biases, adapters) is rounded to f16.
#[derive(Debug)]
pub struct Writer {
    quantisation: Quantisation,
    tokenizer: Option<Vec<u8>>,
    names: HashSet<String>,
    parameters: Vec<(String, Vec<usize>)>,
    /// Of each parameter, the bytes that store it.
    data: Vec<Vec<u8>>,
}

impl Writer {
    /// An empty package.
    pub fn new(quantisation: Quantisation) -> Self {
        Self {
            quantisation,
            tokenizer: None,
            names: HashSet::new(),
            parameters: vec![],
            data: vec![],
        }
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
        self.data.push(encode(self.quantisation, name, &shape, values)?.concat());
        self.parameters.push((name.to_string(), shape));
        Ok(())
    }

    /// The files of the package: shards, index, vocabulary, and the manifest last.
    ///
    /// # Errors
    /// When nothing was added.
    pub fn finish(self, description: Description) -> Result<Vec<(String, Vec<u8>)>, PackageError> {
        if self.parameters.is_empty() {
            return Err(PackageError::Missing(vec!["any tensor".into()]));
        }
        let plan = Plan::new(self.quantisation, &self.parameters, SHARD_BYTES);
        let (mut files, mut entries) = (vec![], vec![]);
        for shard in &plan.shards {
            let data = shard.parameters.iter().map(|&place| &self.data[place]);
            let bytes = data.fold(shard.header.clone(), |mut bytes, data| {
                bytes.extend(data);
                bytes
            });
            entries.push(FileEntry::new(shard.file.clone(), &bytes));
            files.push((shard.file.clone(), bytes));
        }
        let manifest = plan.manifest(description, self.tokenizer.as_deref(), entries)?;
        files.push((INDEX_FILE.into(), plan.index()));
        files.extend(self.tokenizer.map(|json| (TOKENIZER_FILE.into(), json)));
        files.push((MANIFEST_FILE.into(), manifest));
        Ok(files)
    }
}
