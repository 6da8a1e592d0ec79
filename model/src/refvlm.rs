//! The whole model: towers, projector, prompt encoder, language model and decoders, under the
//! names of the published training checkpoint.

use crate::config::{ModelConfig, ModelConfigError};
use crate::decoding::sam::SamUnit;
use crate::decoding::{BoxDecoder, DepthDecoder, MaskDecoder, MaskUnit, PoseDecoder, VdAdapter};
use crate::language::Llama;
use crate::layers::{Activation, Linear, octave_position, resize_bilinear};
use crate::prompting::VptEncoder;
use crate::vision::{ConvNext, Projector, ProjectorConfig, Pyramid, VisualEncoder};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use refvlm_record::Unit;

/// A REF-VLM.
#[derive(Module, Debug)]
pub struct RefVlm {
    /// Transformer, or a convolutional tower in its place.
    pub visual_encoder: VisualEncoder,
    /// Convolutional tower, where there is one.
    pub visual_tower: Option<ConvNext>,
    /// Picture features to rows of the language model.
    pub projector: Projector,
    /// Position code to rows of the language model; absent where rows carry no place.
    pub row_position: Option<Linear>,
    /// Regions to prompt tokens.
    pub vpt_encoder: VptEncoder,
    /// Prompt tokens to rows of the language model; absent where prompts share `projector`.
    pub vpt_projector: Option<Projector>,
    /// Language model.
    pub llm: Llama,
    /// Between language model and decoders, where there is one.
    pub vd_adapter: Option<VdAdapter>,
    /// Reference states to units.
    pub visual_decoder: Decoders,
    #[module(skip)]
    wiring: Wiring,
}

/// One decoder per unit; an absent one leaves its unit undecoded.
#[derive(Module, Debug)]
pub struct Decoders {
    /// Boxes; `box` in published checkpoints, which is a reserved word here.
    pub boxes: Option<BoxDecoder>,
    /// Masks.
    pub mask: Option<MaskUnit>,
    /// Keypoints.
    pub pose: Option<PoseDecoder>,
    /// Depth.
    pub depth: Option<DepthDecoder>,
}

/// Which features go where.
#[derive(Debug, Clone)]
struct Wiring {
    select_layer: Vec<isize>,
    image: Vec<usize>,
    prompt: Vec<usize>,
    decoders: [Vec<usize>; 4],
}

/// What the model sees of a batch of pictures.
#[derive(Debug, Clone)]
pub struct Sight {
    /// The convolutional tower's maps, then the visual encoder's.
    pub pyramid: Pyramid,
    /// Rows of the language model, `[batch, rows, hidden]`.
    pub rows: Tensor<3>,
    /// SAM's embedding, `[batch, channels, grid, grid]`, where SAM decodes the masks.
    pub sam: Option<Tensor<4>>,
}

impl Sight {
    /// The same with another last map of the pyramid.
    pub fn with_last_map(&self, map: Tensor<4>) -> Self {
        let mut sight = self.clone();
        if let Some(last) = sight.pyramid.maps.last_mut() {
            *last = map;
        }
        sight
    }
}

impl RefVlm {
    /// A randomly initialised model.
    ///
    /// # Errors
    /// When the parts do not fit together.
    pub fn new(config: &ModelConfig, device: &Device) -> Result<Self, ModelConfigError> {
        config.check()?;
        let projector = |channels| {
            ProjectorConfig {
                visual_hidden_size: channels,
                llm_hidden_size: config.llm.hidden_size,
                hidden_act: Activation::Gelu,
            }
            .init(device)
        };
        let maps =
            |unit| config.decoder(unit).map(|d| d.encoder_input_index.clone()).unwrap_or_default();
        let failed = |unit| move |source| ModelConfigError::Decoder { unit, source };
        let prompt_width = config.vpt_encoder.out_size();
        Ok(Self {
            visual_encoder: config.visual_encoder.init(device),
            visual_tower: config.visual_tower.as_ref().map(|tower| tower.init(device)),
            projector: projector(config.selected_channels(&config.image_features)),
            row_position: config.row_positions.then(|| {
                let width = config.llm.hidden_size;
                Linear::new(width, width, false, device)
            }),
            vpt_encoder: config.vpt_encoder.init(device),
            vpt_projector: config.vpt_projector.then(|| projector(prompt_width)),
            llm: Llama::new(&config.llm, device),
            vd_adapter: config
                .vd_adapter
                .as_ref()
                .map(|c| VdAdapter::new(c, device))
                .transpose()
                .map_err(|source| ModelConfigError::Part { part: "vd_adapter", source })?,
            visual_decoder: Decoders {
                boxes: config
                    .box_decoder
                    .as_ref()
                    .map(|c| BoxDecoder::new(c, device))
                    .transpose()
                    .map_err(failed(Unit::Box))?,
                mask: mask_unit(config, device)?,
                pose: config
                    .pose_decoder
                    .as_ref()
                    .map(|c| PoseDecoder::new(c, device))
                    .transpose()
                    .map_err(failed(Unit::Keypoint))?,
                depth: config
                    .depth_decoder
                    .as_ref()
                    .map(|c| DepthDecoder::new(c, device))
                    .transpose()
                    .map_err(failed(Unit::Depth))?,
            },
            wiring: Wiring {
                select_layer: config.visual_select_layer.as_slice().to_vec(),
                image: config.image_features.clone(),
                prompt: config.prompt_features.clone(),
                decoders: Unit::ALL.map(maps),
            },
        })
    }

    /// Looks at pictures: both towers, and the picture's rows of the language model.
    ///
    /// # Shapes
    /// - `pixels` `[batch, 3, size, size]`, normalised, the padded square at the size of the
    ///   transformer tower
    /// - `tower_pixels` the same square at the size of the convolutional tower; none where there is
    ///   no such tower or the sizes agree
    /// - `sam_pixels` the same square at SAM's size, normalised for SAM; none where SAM is no part
    ///   of the model
    pub fn see(
        &self,
        pixels: Tensor<4>,
        tower_pixels: Option<Tensor<4>>,
        sam_pixels: Option<Tensor<4>>,
    ) -> Sight {
        let tower = self.visual_tower.as_ref();
        let mut maps = tower.map_or_else(Vec::new, |tower| {
            tower.forward(tower_pixels.unwrap_or_else(|| pixels.clone()))
        });
        maps.extend(self.visual_encoder.feature_maps(pixels, &self.wiring.select_layer));
        let pyramid = Pyramid { maps };
        let map = concat(&pyramid, &self.wiring.image);
        let [_, _, height, width] = map.dims();
        let mut rows = self.projector.forward(tokens(map));
        if let Some(position) = &self.row_position {
            let code = octave_position([height, width], rows.dims()[2], &rows.device());
            rows = rows + position.forward(code).unsqueeze();
        }
        let sam = match (&self.visual_decoder.mask, sam_pixels) {
            (Some(MaskUnit::Sam(unit)), Some(pixels)) => {
                Some(unit.sam.image_encoder.forward(pixels))
            }
            _ => None,
        };
        Sight { pyramid, rows, sam }
    }

    /// Rows of the language model for visual prompts.
    ///
    /// # Shapes
    /// - `regions` `[prompts, grid, grid]`: weights over the cells of the prompt features
    /// - `sample[i]` is the picture of prompt `i`
    /// - returns `[prompts, tokens, hidden]`
    pub fn prompt_rows(&self, sight: &Sight, regions: Tensor<3>, sample: &[usize]) -> Tensor<3> {
        let features = concat(&sight.pyramid, &self.wiring.prompt);
        let pooled = self.vpt_encoder.forward(features, regions, sample);
        self.vpt_projector.as_ref().unwrap_or(&self.projector).forward(pooled)
    }

    /// The maps that a unit's decoder looks at, finest first; none where there is no decoder.
    pub fn decoder_maps(&self, sight: &Sight, unit: Unit) -> Vec<Tensor<4>> {
        if let (Unit::Mask, Some(embedding)) = (unit, &sight.sam) {
            return vec![embedding.clone()];
        }
        let index = &self.wiring.decoders[unit as usize];
        index.iter().filter_map(|&i| sight.pyramid.maps.get(i).cloned()).collect()
    }
}

/// The mask decoder, SAM in its place, or neither.
fn mask_unit(config: &ModelConfig, device: &Device) -> Result<Option<MaskUnit>, ModelConfigError> {
    let unit = Unit::Mask;
    Ok(match (&config.mask_decoder, &config.sam_decoder) {
        (Some(decoder), _) => {
            let failed = |source| ModelConfigError::Decoder { unit, source };
            Some(MaskUnit::Pixels(MaskDecoder::new(decoder, device).map_err(failed)?))
        }
        (None, Some(sam)) => {
            let failed = |source| ModelConfigError::Part { part: "sam_decoder", source };
            Some(MaskUnit::Sam(SamUnit::new(sam, device).map_err(failed)?))
        }
        (None, None) => None,
    })
}

/// `[batch, channels, h, w] -> [batch, h * w, channels]`
fn tokens(map: Tensor<4>) -> Tensor<3> {
    map.flatten::<3>(2, 3).swap_dims(1, 2)
}

/// Maps resized to the first one's size, channels side by side. The configuration was checked to
/// name maps that exist, at least one.
fn concat(pyramid: &Pyramid, index: &[usize]) -> Tensor<4> {
    let chosen: Vec<&Tensor<4>> = index.iter().filter_map(|&i| pyramid.maps.get(i)).collect();
    let size = chosen.first().map_or([1, 1], |map| {
        let [_, _, h, w] = map.dims();
        [h, w]
    });
    let resized = chosen.into_iter().map(|map| resize_bilinear(map.clone(), size)).collect();
    Tensor::cat(resized, 1)
}
