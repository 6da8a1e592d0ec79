//! Published weights become a package: keys to parameters, then tensor by tensor into shards.

mod assign;
mod efficientnet;
mod error;
mod fill;
mod layout;
mod source;
mod stream;

pub use assign::{Assignment, Origin, assign};
pub use efficientnet::load_efficientnet;
pub use error::{ImportError, Key, Ledger};
pub use fill::{fill, fill_packed, init_tower};
pub use layout::{ADAPTERS, FOLDERS, matches};
pub use source::{
    Source, attach, check_settings, is_adapter, keep_adapters, open, open_part, tokenizer_beside,
};
pub use stream::{Values, write_shards};

use crate::package::CONFIG_FILE;
use burn::tensor::Device;
use refvlm_files::files::write_atomic;
use refvlm_model::config::ModelConfig;
use refvlm_model::package::TOKENIZER_FILE;
use refvlm_model::package::by_name::names;
use refvlm_model::package::{
    Description, INDEX_FILE, MANIFEST_FILE, Plan, Quantisation, SHARD_BYTES,
};
use refvlm_model::refvlm::RefVlm;
use std::path::Path;

/// What is to be made of the weights.
#[derive(Debug, Clone)]
pub struct Import {
    /// The model.
    pub config: ModelConfig,
    /// How weights are stored.
    pub quantisation: Quantisation,
    /// Patterns of names that need not match.
    pub allow: Vec<String>,
    /// Licence of the weights.
    pub licence: String,
    /// The command, for the manifest.
    pub command: String,
    /// The vocabulary, as a `tokenizer.json`.
    pub tokenizer: Option<Vec<u8>>,
}

impl Import {
    /// Assigns the tensors of the sources without reading a value.
    ///
    /// # Errors
    /// When settings differ, or lists all keys that don't match.
    pub fn assign(&self, sources: &[Source]) -> Result<Assignment, ImportError> {
        for source in sources {
            check_settings(source, &self.config)?;
        }
        let model = RefVlm::new(&self.config, &Device::flex())?;
        assign(sources, names(&model), &self.allow)
    }

    /// Writes the package; `progress` is told the bytes that were written.
    ///
    /// # Errors
    /// When values can't be read or stored, or a file can't be written. The manifest is written
    /// last, so a folder without one is no package.
    pub fn write(
        &self,
        sources: &[Source],
        assignment: &Assignment,
        folder: &Path,
        progress: impl FnMut(u64),
    ) -> Result<(), ImportError> {
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            let failed = |source| ImportError::File { path: path.display().to_string(), source };
            write_atomic(&path, bytes).map_err(failed)
        };
        let parameters = &assignment.parameters;
        let plan = Plan::new(self.quantisation, parameters, SHARD_BYTES);
        let values = |place| assignment.values(place, sources, &self.config);
        let shards = write_shards(&plan, parameters, folder, values, progress)?;
        let config = serde_json::to_value(&self.config)
            .map_err(|e| refvlm_model::package::PackageError::Manifest(e.to_string()))?;
        file(CONFIG_FILE, config.to_string().as_bytes())?;
        file(INDEX_FILE, &plan.index())?;
        if let Some(json) = &self.tokenizer {
            file(TOKENIZER_FILE, json)?;
        }
        let description = Description {
            preset: self.config.preset.clone(),
            config,
            licence: self.licence.clone(),
            training_command: self.command.clone(),
            scores: Default::default(),
        };
        file(MANIFEST_FILE, &plan.manifest(description, self.tokenizer.as_deref(), shards)?)
    }
}
