//! One level of the way from coarse to fine.

use super::config::{PromptedConfig, STROKE_KINDS};
use super::place::{self, Extent};
use crate::layers::{DetrAttention, GroupNorm, Linear, Pointwise, conv, resize_bilinear};
use crate::vision::SHOWN;
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Int, Tensor, activation};

/// Deviation of the initial weights behind what is new: a level that has learned without it goes on
/// as it was.
pub(super) const QUIET: f64 = 1e-3;

/// One level of the way from coarse to fine.
#[derive(Debug, Module)]
pub struct Level {
    /// The pyramid's map to the channels of the level, 1x1; once per picture.
    pub lateral: Pointwise,
    /// The level below to the channels of this one, 1x1; the coarsest has none.
    pub below: Option<Pointwise>,
    /// The prompt's map to the channels of the level, 1x1; none where no prompt is ever told.
    pub prompt: Option<Pointwise>,
    /// Where a cell lies seen from the prompt, to the channels of the level, 1x1.
    pub place: Option<Pointwise>,
    /// How alike a cell is to what the prompt covers, to the channels of the level, 1x1.
    pub likeness: Option<Pointwise>,
    /// Where the classifier sees what a reference is called, to the channels of the level, 1x1.
    pub concept: Option<Pointwise>,
    /// State to a factor and a summand for each channel.
    pub state: Linear,
    /// Mixes, 3x3.
    pub mix: Conv2d,
    /// Norm behind it.
    pub norm: GroupNorm,
    /// Cells that attend to each other, added to what they are given.
    pub attention: Option<Attention>,
    /// Further mixings, each added to what it is given.
    pub mixers: Vec<Mixer>,
}

/// A 3x3 mixing that adds to what it is given.
#[derive(Debug, Module)]
pub struct Mixer {
    /// Mixes, 3x3.
    pub conv: Conv2d,
    /// Norm behind it.
    pub norm: GroupNorm,
}

/// Attention of the cells of a level among each other.
#[derive(Debug, Module)]
pub struct Attention {
    /// Norm before it.
    pub norm: GroupNorm,
    /// Where the cells lie is known from what they hold.
    pub cells: DetrAttention,
}

impl Mixer {
    fn new(channels: usize, groups: usize, device: &Device) -> Self {
        let conv = conv([channels, channels], 3, false, device);
        Self { conv, norm: GroupNorm::new(groups, channels, device) }
    }
}

impl Attention {
    fn new(channels: usize, heads: usize, groups: usize, device: &Device) -> Self {
        let mut cells = DetrAttention::new(channels, channels, heads, device);
        cells.out_proj = Linear::normal(channels, channels, QUIET, device);
        Self { norm: GroupNorm::new(groups, channels, device), cells }
    }

    /// # Shapes
    /// `[references, channels, h, w]`, unchanged
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [count, channels, h, w] = x.dims();
        let cells = self.norm.forward(x).reshape([count, channels, h * w]).swap_dims(1, 2);
        let told = self.cells.forward(cells.clone(), cells.clone(), cells, None);
        told.swap_dims(1, 2).reshape([count, channels, h, w])
    }
}

impl Level {
    /// Level `i` of a decoder, finest first.
    pub(super) fn new(config: &PromptedConfig, i: usize, device: &Device) -> Self {
        let (channels, groups) = (config.channels[i], config.norm_groups);
        let told =
            |inputs| config.relations.then(|| Pointwise::new([inputs, channels], false, device));
        let below = config.channels.get(i + 1);
        let counts = (&config.attention[..], &config.mixers[..]);
        let (attention, mixers) = mixing((i, channels, groups), counts, device);
        Self {
            lateral: Pointwise::new([config.encoder_input_dim[i], channels], true, device),
            below: below.map(|&below| Pointwise::new([below, channels], false, device)),
            prompt: Some(Pointwise::new([STROKE_KINDS, channels], false, device)),
            place: told(place::PLACES),
            likeness: told(groups),
            concept: (config.concepts && below.is_none())
                .then(|| Pointwise::new([SHOWN, channels], false, device)),
            state: Linear::new(config.quries_input_dim, 2 * channels, true, device),
            mix: conv([channels, channels], 3, false, device),
            norm: GroupNorm::new(groups, channels, device),
            attention,
            mixers,
        }
    }

    /// The same for a decoder that is told of no prompt.
    pub(in crate::decoding) fn unprompted(
        config: &PromptedConfig,
        i: usize,
        device: &Device,
    ) -> Self {
        Self { prompt: None, ..Self::new(config, i, device) }
    }

    /// # Shapes
    /// - `map` `[pictures, channels, h, w]` and what the neck adds to it in the level's channels,
    ///   `coarser` `[references, channels_below, h / 2, w / 2]`
    /// - `told`: what each reference's prompt covers, `[references, STROKE_KINDS, h, w]`, and its
    ///   extent
    /// - `concepts`: where the classifier sees what each is called, `[references, SHOWN, side, side]`
    /// - `states` `[references, width]`, `sample` the picture of each reference
    /// - returns `[references, channels, h, w]`
    pub(in crate::decoding) fn forward(
        &self,
        (map, neck): (Tensor<4>, Option<Tensor<4>>),
        coarser: Option<Tensor<4>>,
        (told, concepts): (Option<(Tensor<4>, &Extent)>, Option<Tensor<4>>),
        states: Tensor<2>,
        sample: Tensor<1, Int>,
    ) -> Tensor<4> {
        let lateral = self.lateral.forward(map);
        let lateral = match neck {
            Some(neck) => lateral + neck,
            None => lateral,
        };
        let lateral = lateral.select(0, sample);
        let [count, channels, h, w] = lateral.dims();
        let film = self.state.forward(states).reshape([count, 2 * channels, 1, 1]);
        let (factor, summand) =
            (film.clone().narrow(1, 0, channels) + 1.0, film.narrow(1, channels, channels));
        let mut x = lateral.clone() * factor + summand;
        if let (Some(below), Some(coarser)) = (&self.below, coarser) {
            x = x + double(below.forward(coarser), [h, w]);
        }
        if let Some((prompt, extent)) = told {
            if let Some(place) = &self.place {
                x = x + place.forward(extent.places([h, w]));
            }
            if let Some(likeness) = &self.likeness {
                let groups = likeness.weight.lazy_shape()[1];
                let alike = place::likeness(lateral, prompt.clone(), groups);
                x = x + likeness.forward(alike);
            }
            if let Some(map) = &self.prompt {
                x = x + map.forward(prompt);
            }
        }
        if let (Some(concept), Some(concepts)) = (&self.concept, concepts) {
            x = x + concept.forward(resize_bilinear(concepts, [h, w]));
        }
        let x = self.mix.forward(activation::relu(x));
        let x = activation::relu(self.norm.forward(x));
        mixed(x, self.attention.as_ref(), &self.mixers)
    }
}

/// Attention and mixers of level `i`, by the heads and the mixings of all levels.
pub(super) fn mixing(
    (i, channels, groups): (usize, usize, usize),
    (heads, mixings): (&[usize], &[usize]),
    device: &Device,
) -> (Option<Attention>, Vec<Mixer>) {
    let of = |counts: &[usize]| counts.get(i).copied().unwrap_or(0);
    let (heads, mixings) = (of(heads), of(mixings));
    let attention = (heads > 0).then(|| Attention::new(channels, heads, groups, device));
    (attention, (0..mixings).map(|_| Mixer::new(channels, groups, device)).collect())
}

/// What attention and mixers add, one after another.
///
/// # Shapes
/// `[n, channels, h, w]`, unchanged
pub(super) fn mixed(x: Tensor<4>, attention: Option<&Attention>, mixers: &[Mixer]) -> Tensor<4> {
    let x = match attention {
        Some(attention) => x.clone() + attention.forward(x),
        None => x,
    };
    mixers
        .iter()
        .fold(x, |x, mixer| x.clone() + activation::relu(mixer.norm.forward(mixer.conv.forward(x))))
}

/// Each cell as 2x2 cells. Not by an index for each row and column, whose backward pass adds cell by
/// cell.
///
/// # Shapes
/// `[references, channels, h / 2, w / 2] -> [references, channels, h, w]`
pub(super) fn double(x: Tensor<4>, [h, w]: [usize; 2]) -> Tensor<4> {
    let [count, channels, rows, columns] = x.dims();
    let cells = x.reshape([count, channels, rows, 1, columns, 1]);
    cells.expand([count, channels, rows, 2, columns, 2]).reshape([count, channels, h, w])
}

/// Means of 2x2 cells.
///
/// # Shapes
/// `[references, kinds, h, w] -> [references, kinds, h / 2, w / 2]`
pub(super) fn halve(x: Tensor<4>) -> Tensor<4> {
    let [count, kinds, h, w] = x.dims();
    let cells = x.reshape([count * kinds, h / 2, 2, w / 2, 2]);
    cells.mean_dim(4).mean_dim(2).reshape([count, kinds, h / 2, w / 2])
}
