//! Rules that configurations are held to.

use super::{LayerLinears, LoraConfig};

/// A setting that no module can be built from, or that doesn't fit what the module is applied to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ConfigError {
    /// Key in the configuration.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// `Ok` when the rule holds; otherwise the problem with a field.
pub(crate) fn require(
    holds: bool,
    field: &'static str,
    problem: impl FnOnce() -> String,
) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError { field, problem: problem() }) }
}

/// The rule both transformers share: heads divide the width, patches fit into the picture.
pub(crate) fn require_vit(
    (width, heads): (usize, usize),
    (image, patch): (usize, usize),
) -> Result<(), ConfigError> {
    require(heads > 0 && width > 0 && width.is_multiple_of(heads), "num_attention_heads", || {
        format!("{heads} heads do not divide a hidden_size of {width}")
    })?;
    require(patch > 0 && image >= patch, "patch_size", || {
        format!("a patch of {patch} px does not fit into an image_size of {image} px")
    })
}

/// The rule of adapters: each target is one of the `linears` of a block, or one block's own.
pub(crate) fn require_lora<const N: usize>(
    lora: Option<&LoraConfig>,
    linears: &LayerLinears<N>,
    blocks: usize,
) -> Result<(), ConfigError> {
    let Some(lora) = lora else { return Ok(()) };
    let checked = lora.check(linears, blocks, &[]);
    checked.map_err(|error| ConfigError { field: "lora", problem: error.to_string() })
}
