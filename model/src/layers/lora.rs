//! Low-rank adapters (LoRA) by the names of PEFT: what is added to linear maps of a module.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Far above any adapter, which has a rank of 4 to 512.
const MAX_RANK: usize = 1 << 16;
/// As many as the linear maps of a large model.
const MAX_TARGETS: usize = 1 << 12;

/// Which linear maps of a module have an adapter, by the keys of `adapter_config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraConfig {
    /// Rank: rows of `A`, columns of `B`.
    pub r: usize,
    /// What the scale is a part of.
    pub lora_alpha: f64,
    /// Linear maps by their path in the module or its end: `q_proj` is that of every layer.
    pub target_modules: Vec<String>,
    /// Whether `lora_alpha` is divided by the root of the rank instead of the rank.
    #[serde(default)]
    pub use_rslora: bool,
    /// Share of what `A` reads that is dropped in training.
    #[serde(default, alias = "dropout", skip_serializing_if = "is_zero")]
    pub lora_dropout: f64,
}

fn is_zero(share: &f64) -> bool {
    *share == 0.0
}

/// Why low-rank adapters cannot be made.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum LoraError {
    /// The rank is out of range.
    #[error("r is {0}, expected 1..={MAX_RANK}")]
    Rank(usize),
    /// The scale is not a positive, finite number.
    #[error("lora_alpha is {0}, expected a positive number")]
    Alpha(f64),
    /// The dropout is not a share.
    #[error("lora_dropout is {0}, expected 0 or more and less than 1")]
    Dropout(f64),
    /// The list of targets is empty or too long.
    #[error("target_modules has {0} entries, expected 1..={MAX_TARGETS}")]
    Targets(usize),
    /// A target does not exist in the model.
    #[error("target_modules: there is no linear map `{0}`; correct it or take it out")]
    Unknown(String),
}

impl LoraConfig {
    /// The factor of `B A`.
    pub fn scale(&self) -> f64 {
        let rank = self.r as f64;
        self.lora_alpha / if self.use_rslora { rank.sqrt() } else { rank }
    }

    /// Whether the linear map at this path has an adapter.
    pub fn adapts(&self, path: &str) -> bool {
        self.target_modules.iter().any(|target| names(target, path))
    }

    /// Checks a configuration for a module of so many layers, which has these `others` beside them.
    ///
    /// # Errors
    /// Names the first field that can't be.
    pub fn check<const N: usize>(
        &self,
        linears: &LayerLinears<N>,
        layers: usize,
        others: &[&str],
    ) -> Result<(), LoraError> {
        if !(1..=MAX_RANK).contains(&self.r) {
            return Err(LoraError::Rank(self.r));
        }
        if !(self.lora_alpha.is_finite() && self.lora_alpha > 0.0) {
            return Err(LoraError::Alpha(self.lora_alpha));
        }
        if !(0.0..1.0).contains(&self.lora_dropout) {
            return Err(LoraError::Dropout(self.lora_dropout));
        }
        let targets = &self.target_modules;
        if !(1..=MAX_TARGETS).contains(&targets.len()) {
            return Err(LoraError::Targets(targets.len()));
        }
        let layer = |i| linears.names.iter().map(move |name| linears.path(i, name));
        let mut paths: Vec<String> = (0..layers).flat_map(layer).collect();
        paths.extend(others.iter().map(ToString::to_string));
        match targets.iter().find(|target| !paths.iter().any(|path| names(target, path))) {
            Some(target) => Err(LoraError::Unknown(target.clone())),
            None => Ok(()),
        }
    }
}

/// The linear maps of each layer of a module.
#[derive(Debug)]
pub struct LayerLinears<const N: usize> {
    /// Path of the list of layers.
    pub layers: &'static str,
    /// Paths of the linear maps in a layer.
    pub names: [&'static str; N],
}

impl<const N: usize> LayerLinears<N> {
    /// Path of a layer's linear map in the module.
    pub fn path(&self, layer: usize, name: &str) -> String {
        format!("{}.{layer}.{name}", self.layers)
    }
}

/// Whether the target is the path or its last parts.
fn names(target: &str, path: &str) -> bool {
    path.strip_suffix(target).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// `A` or `B` of an adapter, under the key that PEFT gives it.
#[derive(Module, Debug)]
pub struct LoraFactor {
    /// `[r, in]` of `A`, `[out, r]` of `B`.
    pub weight: Param<Tensor<2>>,
}

/// Whether a parameter of this name is a factor of an adapter.
pub fn is_lora(name: &str) -> bool {
    let mut parts = name.rsplit('.');
    parts.next() == Some("weight") && matches!(parts.next(), Some("lora_A" | "lora_B"))
}
