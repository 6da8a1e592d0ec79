//! A whole model in one configuration: every size, and every choice between the published
//! behaviour and ours. `[model]` in `configs/scenes.toml` is one value of this type.

mod closer_look;
mod maps;

pub use closer_look::CloserLook;

use crate::decoding::{
    DecoderConfig, DecoderConfigError, FinderConfig, PromptedConfig, SamUnitConfig,
    VdAdapterConfig, check_channels,
};
use crate::image::BoxDigits;
use crate::language::{ConfigError, LlamaConfig};
use crate::prompting::{RegionConfig, VptConfig};
use crate::triplet::Template;
use crate::vision::{ConvNextConfig, VisualEncoderConfig};
use refvlm_record::Unit;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Sizes and choices of every part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Name of the preset.
    pub preset: String,
    /// Side of the square picture the convolutional tower sees, in px.
    #[serde(default)]
    pub tower_size: usize,
    /// Transformer, or a convolutional tower in its place.
    pub visual_encoder: VisualEncoderConfig,
    /// Which hidden states of the visual encoder are used, one or a list, counted from the end:
    /// -1 is the output of its last block or stage, -2 that of the one before it.
    pub visual_select_layer: Layers,
    /// Convolutional tower; a model without it has the transformer's maps alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visual_tower: Option<ConvNextConfig>,
    /// Maps that become the picture's rows in the language model, by index into the pyramid. They
    /// are resized to the first one's size, and their channels joined.
    pub image_features: Vec<usize>,
    /// Whether the picture's rows carry their place. CLIP's features, which the published model
    /// reads, do already; small towers trained here pass on what is there, but hardly where.
    #[serde(default)]
    pub row_positions: bool,
    /// Whether prompts and picture have one more row each, which says what the classifier of the
    /// visual encoder takes them for: the classes' rows, weighted by their probabilities. Needs an
    /// encoder with a classifier.
    #[serde(default)]
    pub class_rows: bool,
    /// Whether there is another row before these, of the features that the classifier reads: what
    /// something is may be seen in them, though it is in none of the classes.
    #[serde(default)]
    pub class_features: bool,
    /// Words of the classifier's classes: text about a picture is told which of its words the
    /// classifier sees there, and a mask decoder with `concepts` where. Needs `class_rows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_words: Option<ClassTokens>,
    /// Whether a box is that of the mask which is found for its reference: for models whose mask
    /// decoder has learned more than their box decoder.
    #[serde(default)]
    pub boxes_from_masks: bool,
    /// Maps that visual prompts are pooled from, joined likewise.
    pub prompt_features: Vec<usize>,
    /// How a prompt becomes a region: weights over the cells of those maps.
    pub regions: RegionConfig,
    /// How a region becomes rows of the language model.
    pub vpt_encoder: VptConfig,
    /// Whether prompts have a projector of their own. Without it they share the picture's, so
    /// `prompt_features` must have as many channels as `image_features`.
    pub vpt_projector: bool,
    /// Language model. `vocab_size` covers the tokenizer and its ten added tokens.
    pub llm: LlamaConfig,
    /// Layout of prompts and answers.
    pub template: Template,
    /// Digits of box labels and of boxes in answers.
    #[serde(default)]
    pub box_digits: BoxDigits,
    /// The probability above which a pixel belongs to a mask, compared after the map was enlarged;
    /// the published answers take 0.4. Without it, logits are enlarged and compared with 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_threshold: Option<f32>,
    /// Box decoder; a model without it cannot answer with boxes. So for the other units.
    pub box_decoder: Option<DecoderConfig>,
    /// Mask decoder.
    pub mask_decoder: Option<DecoderConfig>,
    /// Adapter between language model and decoders; none in the published configurations.
    /// `Session` uses it; it cannot be trained here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vd_adapter: Option<VdAdapterConfig>,
    /// A mask decoder that is told where prompts lie, in place of `mask_decoder`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompted_decoder: Option<PromptedConfig>,
    /// Looks once more, larger, at the part of the picture that a box or a painted region points
    /// at; needs `prompted_decoder`. None sees the picture as a whole only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closer_look: Option<CloserLook>,
    /// Finds the things of a noun; needs `class_words`. Without it, the language model alone says
    /// whether there are any and how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finder: Option<FinderConfig>,
    /// SAM in place of the mask decoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sam_decoder: Option<SamUnitConfig>,
    /// Keypoint decoder.
    pub pose_decoder: Option<DecoderConfig>,
    /// Depth decoder.
    pub depth_decoder: Option<DecoderConfig>,
}

/// What the classes of a classifier are called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassTokens {
    /// The classes are known by name; the vocabulary decides which tokens their words are. Training
    /// and export put the tokens in its place.
    Known(KnownClasses),
    /// For each class the tokens of its words.
    Tokens(Vec<Vec<u32>>),
}

/// Classes that are known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KnownClasses {
    /// Those of ImageNet-1k.
    Imagenet,
}

impl ClassTokens {
    /// For each class the tokens of its words; none where the vocabulary has yet to decide.
    pub fn tokens(&self) -> Option<&[Vec<u32>]> {
        match self {
            Self::Known(KnownClasses::Imagenet) => None,
            Self::Tokens(tokens) => Some(tokens),
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Known(KnownClasses::Imagenet) => 1000,
            Self::Tokens(tokens) => tokens.len(),
        }
    }
}

/// Hidden states, counted from the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Layers {
    /// One.
    One(isize),
    /// Several, each a map of its own.
    Several(Vec<isize>),
}

impl Layers {
    /// All of them.
    pub fn as_slice(&self) -> &[isize] {
        match self {
            Layers::One(layer) => std::slice::from_ref(layer),
            Layers::Several(layers) => layers,
        }
    }
}

/// Why a configuration cannot be built into a model.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ModelConfigError {
    /// The language model's settings are wrong.
    #[error("llm: {0}")]
    Language(#[from] ConfigError),
    /// A decoder's settings are wrong.
    #[error("{unit} decoder: {source}")]
    Decoder {
        /// The unit the decoder serves.
        unit: Unit,
        /// The setting that is wrong.
        source: DecoderConfigError,
    },
    /// A decoder expects reference states of another width than the language model has.
    #[error(
        "{unit} decoder: `quries_input_dim` is {found}; set it to {expected}, the language \
         model's width"
    )]
    StateWidth {
        /// The unit the decoder serves.
        unit: Unit,
        /// The width in the decoder's configuration.
        found: usize,
        /// `llm.hidden_size`.
        expected: usize,
    },
    /// A selection names a map that does not exist.
    #[error("{field}: map {index} does not exist; the pyramid has maps 0 to {last}")]
    Map {
        /// The field that selects maps.
        field: &'static str,
        /// The index given.
        index: usize,
        /// The last index there is.
        last: usize,
    },
    /// The finder's settings are wrong.
    #[error("finder: {source}")]
    Finder {
        /// The setting that is wrong.
        source: DecoderConfigError,
    },
    /// The settings of a tower or of the prompt encoder are wrong.
    #[error("{part}.{source}")]
    Part {
        /// The part's key in the configuration.
        part: &'static str,
        /// The setting that is wrong.
        source: crate::layers::ConfigError,
    },
    /// Any other field is wrong.
    #[error("{field}: {problem}")]
    Other {
        /// Path of the field.
        field: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
}

impl ModelConfig {
    /// Channels of the pyramid: the convolutional tower's maps, then the visual encoder's.
    pub fn pyramid_channels(&self) -> Vec<usize> {
        let layers = self.encoder_maps().into_iter().map(|(channels, _)| channels);
        self.tower_channels().iter().copied().chain(layers).collect()
    }

    /// Channels and side of each map of the visual encoder.
    fn encoder_maps(&self) -> Vec<(usize, usize)> {
        self.visual_encoder.maps(self.visual_select_layer.as_slice())
    }

    fn tower_channels(&self) -> &[usize] {
        self.visual_tower.as_ref().map_or(&[], |tower| &tower.dims)
    }

    /// Side of the input that the convolutional tower has for itself, in px; none where there is no
    /// such tower or it takes the transformer's.
    pub fn tower_pixels_side(&self) -> Option<usize> {
        let own =
            self.visual_tower.is_some() && self.tower_size != self.visual_encoder.image_size();
        own.then_some(self.tower_size)
    }

    /// The same as decoders see it: an adapter replaces the last map.
    fn decoder_channels(&self) -> Vec<usize> {
        let mut channels = self.pyramid_channels();
        if let (Some(adapter), Some(last)) = (&self.vd_adapter, channels.last_mut()) {
            *last = adapter.d_model;
        }
        channels
    }

    /// Side of each map of the pyramid.
    pub fn pyramid_sides(&self) -> Vec<usize> {
        let layers = self.encoder_maps().into_iter().map(|(_, side)| side);
        let tower = (0..self.tower_channels().len()).map(|i| self.tower_size / (4 << i));
        tower.chain(layers).collect()
    }

    /// Channels of a selection once concatenated.
    pub fn selected_channels(&self, select: &[usize]) -> usize {
        let channels = self.pyramid_channels();
        select.iter().filter_map(|&i| channels.get(i)).sum()
    }

    /// Side of the grid of a selection: that of its first map.
    pub fn selected_side(&self, select: &[usize]) -> usize {
        let sides = self.pyramid_sides();
        select.first().and_then(|&i| sides.get(i)).copied().unwrap_or(0)
    }

    /// Rows that a picture takes in the language model: one for each cell, and those of its class.
    pub fn image_rows(&self) -> usize {
        self.selected_side(&self.image_features).pow(2) + self.class_row_count()
    }

    /// Rows that a prompt takes in the language model.
    pub fn prompt_rows(&self) -> usize {
        self.vpt_encoder.tokens() + self.class_row_count()
    }

    /// Of these, how many say what is there, by the classifier's features and its classes. They are
    /// the last.
    pub fn class_row_count(&self) -> usize {
        usize::from(self.class_rows) + usize::from(self.class_features)
    }

    /// The unit whose decoder is asked for a unit.
    pub fn decoded_as(&self, unit: Unit) -> Unit {
        match unit {
            Unit::Box if self.boxes_from_masks => Unit::Mask,
            unit => unit,
        }
    }

    /// The decoder of a unit, where there is one.
    pub fn decoder(&self, unit: Unit) -> Option<&DecoderConfig> {
        match unit {
            Unit::Box => self.box_decoder.as_ref(),
            Unit::Mask => self.mask_decoder.as_ref(),
            Unit::Keypoint => self.pose_decoder.as_ref(),
            Unit::Depth => self.depth_decoder.as_ref(),
        }
    }

    /// Side of SAM's input in px; none where SAM is no part of the model.
    pub fn sam_side(&self) -> Option<usize> {
        self.sam_decoder.as_ref().map(|unit| unit.sam.image_encoder.image_size())
    }

    /// The maps that a unit's decoder looks at, finest first; empty where there is no such decoder
    /// or it is SAM's.
    pub fn decoder_index(&self, unit: Unit) -> &[usize] {
        match (&self.prompted_decoder, unit) {
            (Some(decoder), Unit::Mask) => &decoder.encoder_input_index,
            _ => self.decoder(unit).map_or(&[], |decoder| &decoder.encoder_input_index),
        }
    }

    /// Side of the maps that tell the mask decoder where prompts lie; none where it is not told.
    pub fn prompt_map_side(&self) -> Option<usize> {
        let decoder = self.prompted_decoder.as_ref()?;
        Some(self.selected_side(&decoder.encoder_input_index))
    }

    /// Checks that the parts fit together.
    ///
    /// # Errors
    /// The first misfit, naming its field.
    pub fn check(&self) -> Result<(), ModelConfigError> {
        self.llm.check()?;
        let part = |part| move |source| ModelConfigError::Part { part, source };
        self.visual_encoder.check().map_err(part("visual_encoder"))?;
        if let Some(tower) = &self.visual_tower {
            tower.check().map_err(part("visual_tower"))?;
            let coarsest = 4usize << tower.dims.len().saturating_sub(1);
            if self.tower_size == 0 || !self.tower_size.is_multiple_of(coarsest) {
                let problem = format!("{} px must be a multiple of {coarsest}", self.tower_size);
                return Err(ModelConfigError::Other { field: "tower_size", problem });
            }
        }
        let last = self.visual_encoder.layers();
        let layers = self.visual_select_layer.as_slice();
        if layers.is_empty() || layers.iter().any(|&l| l >= 0 || l.unsigned_abs() > last) {
            let problem = format!("must be -1 to -{last}");
            return Err(ModelConfigError::Other { field: "visual_select_layer", problem });
        }
        if self.class_rows && self.visual_encoder.classes().is_none() {
            let problem = "needs a visual_encoder with classes".into();
            return Err(ModelConfigError::Other { field: "class_rows", problem });
        }
        if self.class_features && !self.class_rows {
            let problem = "needs class_rows".into();
            return Err(ModelConfigError::Other { field: "class_features", problem });
        }
        if let Some(words) = &self.class_words {
            let (found, classes) = (words.count(), self.visual_encoder.classes());
            if !self.class_rows || Some(found) != classes {
                let problem = format!(
                    "names {found} classes; needs class_rows and a visual_encoder with as many"
                );
                return Err(ModelConfigError::Other { field: "class_words", problem });
            }
        }
        let told = self.prompted_decoder.as_ref().is_some_and(|decoder| decoder.concepts);
        if told && self.class_words.is_none() {
            let problem = "concepts needs class_words".into();
            return Err(ModelConfigError::Other { field: "prompted_decoder", problem });
        }
        let masks = self.mask_decoder.is_some()
            || self.prompted_decoder.is_some()
            || self.sam_decoder.is_some();
        if self.boxes_from_masks && !masks {
            let problem = "needs a decoder of masks".into();
            return Err(ModelConfigError::Other { field: "boxes_from_masks", problem });
        }
        self.vpt_encoder.check().map_err(part("vpt_encoder"))?;
        let channels = self.pyramid_channels();
        for (field, select) in
            [("image_features", &self.image_features), ("prompt_features", &self.prompt_features)]
        {
            let last = channels.len() - 1;
            if let Some(&index) = select.iter().find(|&&i| i > last) {
                return Err(ModelConfigError::Map { field, index, last });
            }
            if select.is_empty() {
                let problem = "empty; name at least one map".into();
                return Err(ModelConfigError::Other { field, problem });
            }
        }
        let width = self.selected_channels(&self.prompt_features);
        let side = self.selected_side(&self.prompt_features);
        let vpt = &self.vpt_encoder;
        if vpt.visual_hidden_size != width || vpt.grid() != side {
            let problem = format!(
                "is for {} channels on a {2}x{2} grid, but prompt_features give {1} on {3}x{3}",
                vpt.visual_hidden_size,
                width,
                vpt.grid(),
                side
            );
            return Err(ModelConfigError::Other { field: "vpt_encoder", problem });
        }
        if let Some(adapter) = &self.vd_adapter {
            adapter.check().map_err(part("vd_adapter"))?;
            if adapter.d_model != self.llm.hidden_size {
                let (found, expected) = (adapter.d_model, self.llm.hidden_size);
                let problem = format!("d_model is {found}, the language model's width {expected}");
                return Err(ModelConfigError::Other { field: "vd_adapter", problem });
            }
        }
        for unit in Unit::ALL {
            let Some(decoder) = self.decoder(unit) else { continue };
            decoder
                .validate()
                .and_then(|()| decoder.check_channels(&self.decoder_channels()))
                .map_err(|source| ModelConfigError::Decoder { unit, source })?;
            let (found, expected) = (decoder.quries_input_dim, self.llm.hidden_size);
            if found != expected {
                return Err(ModelConfigError::StateWidth { unit, found, expected });
            }
        }
        if let Some(decoder) = &self.prompted_decoder {
            let failed = |source| ModelConfigError::Decoder { unit: Unit::Mask, source };
            decoder.validate().map_err(failed)?;
            let (index, dim) = (&decoder.encoder_input_index, &decoder.encoder_input_dim);
            check_channels(index, dim, &self.decoder_channels()).map_err(failed)?;
            let (found, expected) = (decoder.quries_input_dim, self.llm.hidden_size);
            if found != expected {
                return Err(ModelConfigError::StateWidth { unit: Unit::Mask, found, expected });
            }
            self.check_halves("prompted_decoder", index)?;
            if self.mask_decoder.is_some() {
                let problem = "takes the place of mask_decoder; remove one of the two".into();
                return Err(ModelConfigError::Other { field: "prompted_decoder", problem });
            }
        }
        if let Some(finder) = &self.finder {
            self.check_finder(finder)?;
        }
        if let Some(look) = self.closer_look {
            let other = |problem: &str| ModelConfigError::Other {
                field: "closer_look",
                problem: problem.into(),
            };
            if self.prompted_decoder.is_none() {
                return Err(other("needs prompted_decoder"));
            }
            look.check().map_err(other)?;
        }
        if let Some(sam) = &self.sam_decoder {
            sam.check().map_err(part("sam_decoder"))?;
            let (found, expected) = (sam.quries_input_dim, self.llm.hidden_size);
            if found != expected {
                return Err(ModelConfigError::StateWidth { unit: Unit::Mask, found, expected });
            }
            if self.mask_decoder.is_some() || self.prompted_decoder.is_some() {
                let problem = "takes the place of the mask decoder; remove one of the two".into();
                return Err(ModelConfigError::Other { field: "sam_decoder", problem });
            }
        }
        if self.row_positions && !self.llm.hidden_size.is_multiple_of(4) {
            let problem = "needs an llm.hidden_size that is a multiple of 4".into();
            return Err(ModelConfigError::Other { field: "row_positions", problem });
        }
        if !self.vpt_projector
            && self.selected_channels(&self.prompt_features)
                != self.selected_channels(&self.image_features)
        {
            let problem = "prompts and picture have different features; set it to true".into();
            return Err(ModelConfigError::Other { field: "vpt_projector", problem });
        }
        Ok(())
    }
}
