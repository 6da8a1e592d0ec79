//! A whole model in one configuration: every size, and every choice between the published
//! behaviour and ours. `[model]` in `configs/scenes.toml` is one value of this type.

use crate::decoding::sam::SamUnitConfig;
use crate::decoding::{DecoderConfig, DecoderConfigError, VdAdapterConfig};
use crate::image::BoxDigits;
use crate::language::{ConfigError, LlamaConfig};
use crate::prompting::{RegionConfig, VptConfig};
use crate::triplet::Template;
use crate::vision::{ClipVitConfig, ConvNextConfig};
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
    pub tower_size: usize,
    /// Transformer tower; its `image_size` is the side of the square picture it sees.
    pub visual_encoder: ClipVitConfig,
    /// Which hidden state of the transformer tower is used, counted from the end: -1 is the output
    /// of the last block, -2 that of the block before it.
    pub visual_select_layer: isize,
    /// Convolutional tower.
    pub visual_tower: ConvNextConfig,
    /// Maps that become the picture's rows in the language model, by index into the pyramid. They
    /// are resized to the first one's size, and their channels joined.
    pub image_features: Vec<usize>,
    /// Whether the picture's rows carry their place. CLIP's features, which the published model
    /// reads, do already; small towers trained here pass on what is there, but hardly where.
    #[serde(default)]
    pub row_positions: bool,
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
    /// SAM in place of the mask decoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sam_decoder: Option<SamUnitConfig>,
    /// Keypoint decoder.
    pub pose_decoder: Option<DecoderConfig>,
    /// Depth decoder.
    pub depth_decoder: Option<DecoderConfig>,
}

/// Why no model can be built from a configuration.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ModelConfigError {
    /// The language model's part.
    #[error("llm: {0}")]
    Language(#[from] ConfigError),
    /// A decoder's part.
    #[error("{unit} decoder: {source}")]
    Decoder {
        /// Whose decoder.
        unit: Unit,
        /// What is wrong.
        source: DecoderConfigError,
    },
    /// A decoder that expects reference states of another width.
    #[error("{unit} decoder: `quries_input_dim` is {found}, the language model's width {expected}")]
    StateWidth {
        /// Whose decoder.
        unit: Unit,
        /// In the configuration.
        found: usize,
        /// `llm.hidden_size`.
        expected: usize,
    },
    /// A selection that names a map which does not exist.
    #[error("{field}: map {index} does not exist; the pyramid has maps 0 to {last}")]
    Map {
        /// The selection.
        field: &'static str,
        /// The index given.
        index: usize,
        /// The last index there is.
        last: usize,
    },
    /// A tower's or the prompt encoder's part.
    #[error("{part}.{source}")]
    Part {
        /// Which.
        part: &'static str,
        /// What is wrong.
        source: crate::vision::ConfigError,
    },
    /// Anything else.
    #[error("{field}: {problem}")]
    Other {
        /// The field.
        field: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
}

impl ModelConfig {
    /// Channels of the pyramid: the tower's four maps, then the transformer's.
    pub fn pyramid_channels(&self) -> Vec<usize> {
        let mut channels = self.visual_tower.dims.clone();
        channels.push(self.visual_encoder.hidden_size);
        channels
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
        let mut sides: Vec<usize> =
            (0..self.visual_tower.dims.len()).map(|i| self.tower_size / (4 << i)).collect();
        sides.push(self.visual_encoder.image_size / self.visual_encoder.patch_size.max(1));
        sides
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

    /// Rows that a picture takes in the language model.
    pub fn image_rows(&self) -> usize {
        self.selected_side(&self.image_features).pow(2)
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

    /// Side of the map that a unit's decoder works at.
    pub fn decoder_side(&self, unit: Unit) -> usize {
        if let (Unit::Mask, Some(unit)) = (unit, &self.sam_decoder) {
            return unit.sam.image_encoder.grid();
        }
        let first = self.decoder(unit).and_then(|d| d.encoder_input_index.first().copied());
        first.and_then(|i| self.pyramid_sides().get(i).copied()).unwrap_or(0)
    }

    /// Checks that the parts fit together.
    ///
    /// # Errors
    /// The first misfit, naming its field.
    pub fn check(&self) -> Result<(), ModelConfigError> {
        self.llm.check()?;
        let part = |part| move |source| ModelConfigError::Part { part, source };
        self.visual_encoder.check().map_err(part("visual_encoder"))?;
        self.visual_tower.check().map_err(part("visual_tower"))?;
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
        if let Some(sam) = &self.sam_decoder {
            sam.check().map_err(part("sam_decoder"))?;
            let (found, expected) = (sam.quries_input_dim, self.llm.hidden_size);
            if found != expected {
                return Err(ModelConfigError::StateWidth { unit: Unit::Mask, found, expected });
            }
            if self.mask_decoder.is_some() {
                let problem = "takes the place of mask_decoder; remove one of the two".into();
                return Err(ModelConfigError::Other { field: "sam_decoder", problem });
            }
        }
        if self.row_positions && !self.llm.hidden_size.is_multiple_of(4) {
            let problem = "needs an llm.hidden_size that is a multiple of 4".into();
            return Err(ModelConfigError::Other { field: "row_positions", problem });
        }
        let coarsest = 4usize << self.visual_tower.dims.len().saturating_sub(1);
        if self.tower_size == 0 || !self.tower_size.is_multiple_of(coarsest) {
            let problem = format!("{} px must be a multiple of {coarsest}", self.tower_size);
            return Err(ModelConfigError::Other { field: "tower_size", problem });
        }
        let vit = &self.visual_encoder;
        if vit.patch_size == 0 || !vit.image_size.is_multiple_of(vit.patch_size) {
            let problem = format!(
                "image_size {} must be a multiple of patch_size {}",
                vit.image_size, vit.patch_size
            );
            return Err(ModelConfigError::Other { field: "visual_encoder", problem });
        }
        let state = vit.num_hidden_layers as isize + 1 + self.visual_select_layer;
        if self.visual_select_layer >= 0 || state < 0 {
            let problem = format!("must be -1 to -{}", vit.num_hidden_layers + 1);
            return Err(ModelConfigError::Other { field: "visual_select_layer", problem });
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
