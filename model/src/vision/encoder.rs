//! The transformer tower of a model: one of the two families, chosen by `model_type`.

use super::{ClipVit, ClipVitConfig, Dinov2, Dinov2Config, tokens_to_map};
use crate::image::Preprocess;
use crate::layers::LoraConfig;
use crate::layers::{ConfigError, require};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Sizes of a transformer tower; `model_type` names the family as in Hugging Face's files, CLIP
/// where it is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "model_type", try_from = "Value")]
pub enum VisualEncoderConfig {
    /// CLIP's.
    #[serde(rename = "clip_vision_model")]
    Clip(ClipVitConfig),
    /// DINOv2's.
    #[serde(rename = "dinov2")]
    Dinov2(Dinov2Config),
}

impl TryFrom<Value> for VisualEncoderConfig {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let family = value.get("model_type").and_then(Value::as_str).unwrap_or("clip_vision_model");
        let config = match family {
            "clip_vision_model" => serde_json::from_value(value).map(Self::Clip),
            "dinov2" => serde_json::from_value(value).map(Self::Dinov2),
            _ => {
                return Err(format!("model_type {family}: clip_vision_model and dinov2 are known"));
            }
        };
        config.map_err(|e| e.to_string())
    }
}

impl VisualEncoderConfig {
    /// Channels of its maps.
    pub fn hidden_size(&self) -> usize {
        match self {
            Self::Clip(config) => config.hidden_size,
            Self::Dinov2(config) => config.hidden_size,
        }
    }

    /// Blocks.
    pub fn num_hidden_layers(&self) -> usize {
        match self {
            Self::Clip(config) => config.num_hidden_layers,
            Self::Dinov2(config) => config.num_hidden_layers,
        }
    }

    /// Side of the square picture it is given, in px.
    pub fn image_size(&self) -> usize {
        match self {
            Self::Clip(config) => config.image_size,
            Self::Dinov2(config) => config.input_size.unwrap_or(config.image_size),
        }
    }

    /// Side of a patch, in px.
    pub fn patch_size(&self) -> usize {
        match self {
            Self::Clip(config) => config.patch_size,
            Self::Dinov2(config) => config.patch_size,
        }
    }

    /// Its low-rank adapters.
    pub fn lora(&self) -> Option<&LoraConfig> {
        match self {
            Self::Clip(config) => config.lora.as_ref(),
            Self::Dinov2(config) => config.lora.as_ref(),
        }
    }

    /// The same, to be set.
    pub fn lora_mut(&mut self) -> &mut Option<LoraConfig> {
        match self {
            Self::Clip(config) => &mut config.lora,
            Self::Dinov2(config) => &mut config.lora,
        }
    }

    /// How its input is made of a picture.
    pub fn preprocess(&self) -> Preprocess {
        let size = self.image_size() as u32;
        match self {
            Self::Clip(_) => Preprocess::clip(size),
            Self::Dinov2(_) => Preprocess::imagenet(size),
        }
    }

    /// Checks that a module can be built.
    ///
    /// # Errors
    /// Names the field that doesn't fit the others, or that is not supported.
    pub fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::Clip(config) => config.check()?,
            Self::Dinov2(config) => config.check()?,
        }
        let (size, patch) = (self.image_size(), self.patch_size());
        require(patch > 0 && size > 0 && size.is_multiple_of(patch), "image_size", || {
            format!("{size} must be a multiple of patch_size {patch}")
        })
    }

    /// A randomly initialised tower. The configuration must pass [`Self::check`].
    pub fn init(&self, device: &Device) -> VisualEncoder {
        match self {
            Self::Clip(config) => VisualEncoder::Clip(config.init(device)),
            Self::Dinov2(config) => VisualEncoder::Dinov2(config.init(device)),
        }
    }
}

/// A transformer tower.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a model has one")]
pub enum VisualEncoder {
    /// CLIP's.
    Clip(ClipVit),
    /// DINOv2's.
    Dinov2(Dinov2),
}

impl VisualEncoder {
    /// Hidden states without the class token, as maps. DINOv2's go through its final norm, as its
    /// authors use them; CLIP's do not.
    ///
    /// # Shapes
    /// `pixels` `[batch, 3, size, size]`, `layers` counted from the end (-1 is the output of the
    /// last block) -> `[batch, dim, grid, grid]` each
    pub fn feature_maps(&self, pixels: Tensor<4>, layers: &[isize]) -> Vec<Tensor<4>> {
        match self {
            Self::Clip(tower) => tower.feature_maps(pixels, layers),
            Self::Dinov2(tower) => tower.feature_maps(pixels, layers),
        }
    }
}

/// The hidden states that `layers` name, as maps.
pub(super) fn select_maps(
    states: &[Tensor<3>],
    blocks: usize,
    layers: &[isize],
    grid: [usize; 2],
) -> Vec<Tensor<4>> {
    let state = |&layer: &isize| states.get(blocks.saturating_add_signed(layer + 1));
    layers.iter().filter_map(state).map(|x| tokens_to_map(x.clone(), grid)).collect()
}
