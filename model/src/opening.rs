//! Opening a package whose files come one by one, from a folder or over a network.

use crate::config::ModelConfig;
use crate::package::{Loader, Manifest, PackageError};
use crate::refvlm::RefVlm;
use crate::triplet::{TokenError, Tokenizer};
use burn::tensor::Device;
use thiserror::Error;

/// Why a package cannot be opened. The text names the file.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum OpeningError {
    /// A file is damaged, missing or of another package.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The manifest's configuration is wrong.
    #[error("refvlm.json: config: {0}; write the package again")]
    Config(String),
    /// The vocabulary cannot be used.
    #[error("tokenizer.json: {0}")]
    Tokenizer(#[from] TokenError),
    /// The vocabulary was not given.
    #[error("tokenizer.json was not given; begin with the manifest, then vocabulary and shards")]
    NoTokenizer,
}

/// A package on its way: first the manifest, then vocabulary and shards in any order.
pub struct Opening {
    config: ModelConfig,
    tokenizer: Option<Tokenizer>,
    loader: Loader<RefVlm>,
    bytes: u64,
}

/// A package that was opened.
#[derive(Debug, Clone)]
pub struct Opened {
    /// What it is.
    pub manifest: Manifest,
    /// Its sizes.
    pub config: ModelConfig,
    /// Its weights.
    pub model: RefVlm,
    /// Its vocabulary.
    pub tokenizer: Tokenizer,
    /// Bytes of manifest, vocabulary and shards.
    pub bytes: u64,
}

impl Opening {
    /// A manifest and the configuration in it.
    ///
    /// # Errors
    /// When one of them is not valid.
    pub fn parse(manifest: &[u8]) -> Result<(Manifest, ModelConfig), OpeningError> {
        let manifest = Manifest::parse(manifest)?;
        let config = serde_json::from_value(manifest.description.config.clone())
            .map_err(|e| OpeningError::Config(e.to_string()))?;
        Ok((manifest, config))
    }

    /// Begins with the manifest; the weights go to `device`.
    ///
    /// # Errors
    /// When the manifest or the configuration in it is not valid.
    pub fn begin(manifest: &[u8], device: &Device) -> Result<Self, OpeningError> {
        let bytes = manifest.len() as u64;
        let (manifest, config) = Self::parse(manifest)?;
        let model =
            RefVlm::new(&config, device).map_err(|e| OpeningError::Config(e.to_string()))?;
        Ok(Self { config, tokenizer: None, loader: Loader::new(manifest, model), bytes })
    }

    /// What the package is.
    pub fn manifest(&self) -> &Manifest {
        self.loader.manifest()
    }

    /// Names of the shards still to be given.
    pub fn waiting(&self) -> &[String] {
        self.loader.waiting()
    }

    /// Takes the vocabulary.
    ///
    /// # Errors
    /// When it is damaged or not the one in the manifest. The right one can still be given.
    pub fn tokenizer(&mut self, json: &[u8]) -> Result<(), OpeningError> {
        self.manifest().check_tokenizer(json)?;
        self.tokenizer = Some(Tokenizer::from_json(json)?);
        self.bytes += json.len() as u64;
        Ok(())
    }

    /// Takes a shard.
    ///
    /// # Errors
    /// When it is not the one that the manifest lists. The right bytes can still be given.
    pub fn shard(&mut self, file: &str, bytes: &[u8]) -> Result<(), OpeningError> {
        self.loader.shard(file, bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// The package, complete.
    ///
    /// # Errors
    /// When something was not given.
    pub fn finish(self) -> Result<Opened, OpeningError> {
        let tokenizer = self.tokenizer.ok_or(OpeningError::NoTokenizer)?;
        let manifest = self.loader.manifest().clone();
        let model = self.loader.finish()?;
        Ok(Opened { manifest, config: self.config, model, tokenizer, bytes: self.bytes })
    }
}
