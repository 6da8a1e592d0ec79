//! The tower that every model has: of one of three families, chosen by `model_type`.

use super::{ClipVit, ClipVitConfig, Dinov2, Dinov2Config, EfficientNet, EfficientNetConfig};
use crate::image::Preprocess;
use crate::layers::{ConfigError, LoraConfig, require};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, activation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Sizes of a tower; `model_type` names the family, for transformers as in Hugging Face's files,
/// CLIP where it is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "model_type", try_from = "Value")]
pub enum VisualEncoderConfig {
    /// CLIP's.
    #[serde(rename = "clip_vision_model")]
    Clip(ClipVitConfig),
    /// DINOv2's.
    #[serde(rename = "dinov2")]
    Dinov2(Dinov2Config),
    /// EfficientNet-Lite's.
    #[serde(rename = "efficientnet_lite")]
    EfficientNet(EfficientNetConfig),
}

impl TryFrom<Value> for VisualEncoderConfig {
    type Error = String;

    fn try_from(mut value: Value) -> Result<Self, String> {
        let family = value.as_object_mut().and_then(|entries| entries.remove("model_type"));
        let family = family.as_ref().and_then(Value::as_str).unwrap_or("clip_vision_model");
        let config = match family {
            "clip_vision_model" => serde_json::from_value(value).map(Self::Clip),
            "dinov2" => serde_json::from_value(value).map(Self::Dinov2),
            "efficientnet_lite" => serde_json::from_value(value).map(Self::EfficientNet),
            _ => {
                return Err(format!(
                    "model_type {family}: clip_vision_model, dinov2 and efficientnet_lite are known"
                ));
            }
        };
        config.map_err(|e| e.to_string())
    }
}

impl VisualEncoderConfig {
    /// Channels and side of the map of each of these layers, which are counted from the end.
    pub fn maps(&self, layers: &[isize]) -> Vec<(usize, usize)> {
        let same = |channels, patch: usize| {
            vec![(channels, self.image_size() / patch.max(1)); layers.len()]
        };
        match self {
            Self::Clip(config) => same(config.hidden_size, config.patch_size),
            Self::Dinov2(config) => same(config.hidden_size, config.patch_size),
            Self::EfficientNet(config) => {
                let stages = config.maps();
                let stage = |&layer: &isize| stages.len().checked_add_signed(layer);
                let map = |layer| stage(layer).and_then(|stage| stages.get(stage).copied());
                layers.iter().map(|layer| map(layer).unwrap_or_default()).collect()
            }
        }
    }

    /// Layers whose maps can be asked for: the embedding and the blocks of a transformer, the
    /// stages of a convolutional tower.
    pub fn layers(&self) -> usize {
        match self {
            Self::Clip(config) => config.num_hidden_layers + 1,
            Self::Dinov2(config) => config.num_hidden_layers + 1,
            Self::EfficientNet(config) => config.stages.len(),
        }
    }

    /// Classes that it tells apart; none without a classifier.
    pub fn classes(&self) -> Option<usize> {
        match self {
            Self::Clip(_) | Self::Dinov2(_) => None,
            Self::EfficientNet(config) => config.classes,
        }
    }

    /// Features that the classifier reads; none without a classifier.
    pub fn class_feature_size(&self) -> Option<usize> {
        match self {
            Self::Clip(_) | Self::Dinov2(_) => None,
            Self::EfficientNet(config) => config.classes.map(|_| config.head_channels),
        }
    }

    /// Side of the square picture it is given, in px.
    pub fn image_size(&self) -> usize {
        match self {
            Self::Clip(config) => config.image_size,
            Self::Dinov2(config) => config.input_size.unwrap_or(config.image_size),
            Self::EfficientNet(config) => config.image_size,
        }
    }

    /// Its low-rank adapters.
    pub fn lora(&self) -> Option<&LoraConfig> {
        match self {
            Self::Clip(config) => config.lora.as_ref(),
            Self::Dinov2(config) => config.lora.as_ref(),
            Self::EfficientNet(_) => None,
        }
    }

    /// The same, to be set; none where the family has no place for them.
    pub fn lora_mut(&mut self) -> Option<&mut Option<LoraConfig>> {
        match self {
            Self::Clip(config) => Some(&mut config.lora),
            Self::Dinov2(config) => Some(&mut config.lora),
            Self::EfficientNet(_) => None,
        }
    }

    /// How its input is made of a picture.
    pub fn preprocess(&self) -> Preprocess {
        let size = self.image_size() as u32;
        match self {
            Self::Clip(_) => Preprocess::clip(size),
            Self::Dinov2(_) => Preprocess::imagenet(size),
            Self::EfficientNet(_) => Preprocess::efficientnet_lite(size),
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
            Self::EfficientNet(config) => config.check()?,
        }
        // Else the cells of a map would not cover the picture, each the same part of it.
        let (cell, what) = match self {
            Self::Clip(config) => (config.patch_size, "patch_size"),
            Self::Dinov2(config) => (config.patch_size, "patch_size"),
            Self::EfficientNet(config) => (config.stride(), "the product of all strides,"),
        };
        let size = self.image_size();
        require(cell > 0 && size > 0 && size.is_multiple_of(cell), "image_size", || {
            format!("{size} must be a multiple of {what} {cell}")
        })
    }

    /// A randomly initialised tower. The configuration must pass [`Self::check`].
    pub fn init(&self, device: &Device) -> VisualEncoder {
        match self {
            Self::Clip(config) => VisualEncoder::Clip(config.init(device)),
            Self::Dinov2(config) => VisualEncoder::Dinov2(config.init(device)),
            Self::EfficientNet(config) => VisualEncoder::EfficientNet(config.init(device)),
        }
    }
}

/// A tower.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a model has one")]
pub enum VisualEncoder {
    /// CLIP's.
    Clip(ClipVit),
    /// DINOv2's.
    Dinov2(Dinov2),
    /// EfficientNet-Lite's.
    EfficientNet(EfficientNet),
}

impl VisualEncoder {
    /// Maps of layers: of a transformer hidden states without the class token, of a convolutional
    /// tower what its stages give. DINOv2's go through its final norm, as its authors use them;
    /// CLIP's do not.
    ///
    /// A frozen tower records no gradient, also on a device that would, and so takes its fastest
    /// way; pixels that are a leaf with a gradient of their own still get it.
    ///
    /// # Shapes
    /// `pixels` `[batch, 3, size, size]`, `layers` counted from the end (-1 is the output of the
    /// last block or stage) -> `[batch, channels, side, side]` each, as the configuration's
    /// [`maps`](VisualEncoderConfig::maps) says
    pub fn feature_maps(&self, pixels: Tensor<4>, layers: &[isize]) -> Vec<Tensor<4>> {
        if pixels.is_autodiff() && !pixels.is_require_grad() && is_frozen(self) {
            let maps = self.valid().feature_maps(pixels.inner(), layers);
            return maps.into_iter().map(Tensor::from_inner).collect();
        }
        match self {
            Self::Clip(tower) => tower.feature_maps(pixels, layers),
            Self::Dinov2(tower) => tower.feature_maps(pixels, layers),
            Self::EfficientNet(tower) => tower.feature_maps(pixels, layers),
        }
    }
}

impl VisualEncoder {
    /// What the classifier pools, cell by cell; none without one.
    ///
    /// # Shapes
    /// `map` of the last layer `[batch, channels, side, side]` -> `[batch, side * side, features]`
    pub fn class_features(&self, map: Tensor<4>) -> Option<Tensor<3>> {
        match self {
            Self::Clip(_) | Self::Dinov2(_) => None,
            Self::EfficientNet(tower) => tower.head_features(map),
        }
    }

    /// Probabilities of the classes, without gradient; none without a classifier.
    ///
    /// # Shapes
    /// `pooled` `[n, features]` -> `[n, classes]`
    pub fn class_probabilities(&self, pooled: Tensor<2>) -> Option<Tensor<2>> {
        let logits = match self {
            Self::Clip(_) | Self::Dinov2(_) => None,
            Self::EfficientNet(tower) => tower.classify(pooled),
        };
        logits.map(|logits| activation::softmax(logits, 1).detach())
    }
}

/// Whether none of the parameters is trained.
fn is_frozen<M: Module>(module: &M) -> bool {
    struct Trained(bool);
    impl ModuleVisitor for Trained {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 = self.0 || param.is_require_grad();
        }
    }
    let mut trained = Trained(false);
    module.visit(&mut trained);
    !trained.0
}
