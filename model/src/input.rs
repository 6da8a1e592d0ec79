//! What the model is given of a picture and its prompts: the pixels of each tower and the regions
//! of the prompts. Answering and learning both come through here, so what is asked looks like what
//! was learned.

use crate::config::ModelConfig;
use crate::decoding::STROKE_KINDS;
use crate::image::{Frame, ImageError, Picture, Preprocess};
use crate::prompting::PromptError;
use crate::sam::sam_square_pixels;
use burn::tensor::{Device, Tensor, TensorData};
use refvlm_record::Prompt;
use thiserror::Error;

/// Why a picture or a prompt cannot be used.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum InputError {
    /// The picture cannot be used.
    #[error("picture: {0}")]
    Image(#[from] ImageError),
    /// A prompt cannot be used.
    #[error("prompts[{index}]: {source}")]
    Prompt {
        /// The prompt's index in the list.
        index: usize,
        /// What is wrong with the prompt.
        source: PromptError,
    },
}

/// The inputs of the towers made of one picture, on the host.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pixels {
    /// Input of the visual encoder, `[3, size, size]`.
    pub encoder: Vec<f32>,
    /// Input of the convolutional tower, `[3, tower_size, tower_size]`; empty where the sizes
    /// agree or there is no such tower.
    pub tower: Vec<f32>,
    /// Input of SAM, `[3, size, size]`; empty where SAM is no part of the model.
    pub sam: Vec<f32>,
}

impl Pixels {
    /// The inputs, and where the picture lies in the padded square.
    ///
    /// # Errors
    /// When the picture's size is out of bounds.
    pub fn new(config: &ModelConfig, picture: Picture) -> Result<(Frame, Self), ImageError> {
        let (encoder, tower) = preprocess(config);
        let (frame, encoder) = encoder.apply(picture)?;
        let tower = tower.map(|tower| tower.apply(picture)).transpose()?;
        let sam = sam_pixels(config, picture)?;
        let tower = tower.map_or(Vec::new(), |(_, values)| values);
        Ok((frame, Self { encoder, tower, sam: sam.unwrap_or_default() }))
    }
}

/// The inputs of the towers for a batch of pictures.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// `[batch, 3, size, size]`, normalised: the padded square at the size of the visual encoder.
    pub pixels: Tensor<4>,
    /// The same square at the size of the convolutional tower; none where there is no such tower
    /// or the sizes agree.
    pub tower_pixels: Option<Tensor<4>>,
    /// The same square at SAM's size, normalised for SAM; none where SAM is no part of the model.
    pub sam_pixels: Option<Tensor<4>>,
}

impl Inputs {
    /// Of one picture, and where it lies in the padded square. On a GPU the pixels are made there.
    ///
    /// # Errors
    /// When the picture's size is out of bounds.
    pub fn new(
        config: &ModelConfig,
        picture: Picture,
        device: &Device,
    ) -> Result<(Frame, Self), ImageError> {
        let (encoder, tower) = preprocess(config);
        let (frame, pixels) = encoder.tensor(picture, device)?;
        let tower = tower.map(|tower| tower.tensor(picture, device)).transpose()?;
        let sam = sam_pixels(config, picture)?.zip(config.sam_side());
        let sam_pixels = sam.map(|(values, side)| square(values, side, device));
        let tower_pixels = tower.map(|(_, values)| values);
        Ok((frame, Self { pixels, tower_pixels, sam_pixels }))
    }

    /// Of pictures side by side.
    pub fn stack(pictures: &[&Pixels], config: &ModelConfig, device: &Device) -> Self {
        let stack = |of: fn(&Pixels) -> &Vec<f32>, side| {
            let values = pictures.iter().flat_map(|p| of(p)).copied().collect();
            square(values, side, device)
        };
        let (tower, sam) = (config.tower_pixels_side(), config.sam_side());
        Self {
            pixels: stack(|p| &p.encoder, config.visual_encoder.image_size()),
            tower_pixels: tower.map(|side| stack(|p| &p.tower, side)),
            sam_pixels: sam.map(|side| stack(|p| &p.sam, side)),
        }
    }
}

/// `[pictures, 3, side, side]` of as many values as there are.
fn square(values: Vec<f32>, side: usize, device: &Device) -> Tensor<4> {
    let pictures = values.len() / (3 * side * side).max(1);
    Tensor::from_data(TensorData::new(values, [pictures, 3, side, side]), device)
}

/// What the two towers expect; the convolutional one nothing of its own where the sizes agree.
fn preprocess(config: &ModelConfig) -> (Preprocess, Option<Preprocess>) {
    let tower = config.tower_pixels_side().map(|side| Preprocess::clip(side as u32));
    (config.visual_encoder.preprocess(), tower)
}

/// The input of SAM; none where SAM is no part of the model.
fn sam_pixels(config: &ModelConfig, picture: Picture) -> Result<Option<Vec<f32>>, ImageError> {
    config.sam_side().map(|side| sam_square_pixels(picture, side as u32)).transpose()
}

/// The region of each prompt: weights 0..=1 over the cells of the prompt features, row-major.
///
/// # Errors
/// Names the prompt that lies outside the picture or is empty.
pub fn regions(
    config: &ModelConfig,
    prompts: &[Prompt],
    frame: &Frame,
) -> Result<Vec<Vec<f32>>, InputError> {
    let grid = config.selected_side(&config.prompt_features);
    let weights = |(index, prompt): (usize, &Prompt)| {
        let region = config.regions.region(prompt, frame, [grid, grid]);
        region.map_err(|source| InputError::Prompt { index, source })
    };
    prompts.iter().enumerate().map(weights).collect()
}

/// The map of each prompt for a decoder that is told where prompts lie: `STROKE_KINDS` channels of
/// weights 0..=1 over the padded square, row-major. Empty where no decoder is told.
///
/// # Errors
/// Names the prompt that lies outside the picture or is empty.
pub fn stroke_maps(
    config: &ModelConfig,
    prompts: &[Prompt],
    frame: &Frame,
) -> Result<Vec<Vec<f32>>, InputError> {
    let Some(side) = config.prompt_map_side() else { return Ok(Vec::new()) };
    let map = |(index, prompt): (usize, &Prompt)| {
        let region = config.regions.region(prompt, frame, [side, side]);
        let region = region.map_err(|source| InputError::Prompt { index, source })?;
        let kind = match prompt {
            Prompt::Point { .. } => 0,
            Prompt::Box { .. } => 1,
            Prompt::Scribble { .. } => 2,
            Prompt::Mask { .. } => 3,
        };
        let mut map = vec![0.0; STROKE_KINDS * side * side];
        map[kind * side * side..][..side * side].copy_from_slice(&region);
        Ok(map)
    };
    prompts.iter().enumerate().map(map).collect()
}

/// The maps of `count` prompts side by side, `[count, STROKE_KINDS, side, side]`; none where there
/// is no prompt or no decoder is told.
pub(crate) fn stroke_tensor(
    strokes: Vec<f32>,
    count: usize,
    config: &ModelConfig,
    device: &Device,
) -> Option<Tensor<4>> {
    let side = config.prompt_map_side().filter(|_| count > 0)?;
    let shape = [count, STROKE_KINDS, side, side];
    Some(Tensor::from_data(TensorData::new(strokes, shape), device))
}
