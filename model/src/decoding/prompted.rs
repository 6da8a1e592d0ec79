//! Masks of what a person points at: a decoder that is told the prompt's region densely, beside
//! the reference state.
//!
//! A reference state is one vector; where a thing lies and how far it reaches is hard to read out
//! of it. SAM's decoder is given points and boxes directly. This one is given each prompt as a map:
//! it runs from the coarsest map of the pyramid to the finest, and at each level adds what the
//! prompt covers there. Which of a question's prompts a reference means is decided by attention
//! between its state and the prompts' rows, with the choice of none. So the same decoder also
//! serves references that no prompt points at.
//!
//! A click has more than one right answer (a part, the piece, the whole), so each reference gets
//! several proposals with a confidence each; so does a scribble, if `scribbles_choose`. A box, a mask or
//! words mean one thing: their answer is always the first proposal, as SAM keeps a token for it.

mod config;
mod level;
mod neck;
mod place;

pub use config::{NeckConfig, PromptedConfig, STROKE_KINDS};
pub use level::Level;
pub use neck::Neck;

use super::config::DecoderConfigError;
use super::mask::{MaskOutput, Proposals};
use super::queries::QueryLayout;
use crate::layers::{Linear, conv};
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use place::Extent;

/// What is told of the form of a proposal: its size and its sharpness.
const FORMS: usize = 2;
/// Places among [`STROKE_KINDS`].
const CLICK: usize = 0;
const SCRIBBLE: usize = 2;
/// Score of a prompt that a reference may not mean.
const NOT_ASKED: f32 = -1e4;

/// The prompts of a batch, as decoders are told of them.
#[derive(Debug, Clone)]
pub struct PromptMaps {
    /// What each prompt covers, by kind of stroke, `[prompts, STROKE_KINDS, side, side]`, 0..=1,
    /// over the padded square.
    pub maps: Tensor<4>,
    /// Mean of each prompt's rows of the language model, `[prompts, hidden]`.
    pub rows: Tensor<2>,
    /// The same, normalised as the language model's last states are: what stands for the state of a
    /// reference that means this prompt.
    pub states: Tensor<2>,
}

/// What the references of one unit may mean.
#[derive(Debug, Clone)]
pub struct Pointed<'a> {
    /// All prompts.
    pub prompts: &'a PromptMaps,
    /// For each reference, in the order of [`QueryLayout::select`], the prompts of its question.
    pub of_reference: &'a [Vec<usize>],
}

/// What the decoder is told beside the states.
#[derive(Debug, Clone, Default)]
pub struct Told<'a> {
    /// What the references may mean; none where no question has a prompt.
    pub pointed: Option<Pointed<'a>>,
    /// Where the classifier sees what each reference is called, in the order of
    /// [`QueryLayout::select`], `[references, SHOWN, side, side]`.
    pub concepts: Option<Tensor<4>>,
}

/// The decoder.
#[derive(Debug, Module)]
pub struct PromptedDecoder {
    /// Reference states to the space in which they are compared with prompts.
    pub query: Linear,
    /// Prompt rows to the same space.
    pub key: Linear,
    /// Score of meaning no prompt.
    pub alone: Linear,
    /// What is computed once per picture.
    pub neck: Option<Neck>,
    /// Finest first.
    pub levels: Vec<Level>,
    /// Finest level to the logits of the proposals, 3x3.
    pub out: Conv2d,
    /// Finest level to a map for each joint, 3x3.
    pub joints: Option<Conv2d>,
    /// What a proposal covers, the coarsest level, its size and its sharpness to a hidden layer.
    pub judged: Option<Linear>,
    /// The hidden layer, or what a proposal covers and the coarsest level, to the logit of its
    /// expected IoU.
    pub quality: Linear,
    #[module(skip)]
    proposals: usize,
    #[module(skip)]
    scribbles_choose: bool,
}

impl PromptedDecoder {
    /// # Errors
    /// When the sizes do not fit together.
    pub fn new(config: &PromptedConfig, device: &Device) -> Result<Self, DecoderConfigError> {
        config.validate()?;
        let (width, inside) = (config.quries_input_dim, &config.channels);
        let finest = inside[0];
        let told = finest + inside[inside.len() - 1];
        let hidden = Some(config.quality_width).filter(|width| *width > 0);
        Ok(Self {
            query: Linear::new(width, width, false, device),
            key: Linear::new(width, width, false, device),
            alone: Linear::new(width, 1, true, device),
            neck: config.neck.as_ref().map(|neck| Neck::new(config, neck, device)),
            levels: (0..inside.len()).map(|i| Level::new(config, i, device)).collect(),
            out: conv([finest, config.proposals], 3, true, device),
            joints: (config.joints > 0).then(|| conv([finest, config.joints], 3, true, device)),
            judged: hidden.map(|hidden| Linear::new(told + FORMS, hidden, true, device)),
            quality: Linear::new(hidden.unwrap_or(told), 1, true, device),
            proposals: config.proposals,
            scribbles_choose: config.scribbles_choose,
        })
    }

    /// # Shapes
    /// - `maps` as selected by the config, finest first, `[batch, channels_i, h_i, w_i]`, and behind
    ///   them what the neck makes of them, where there is one
    /// - `refs` `[batch, width, quries_input_dim]`, the real ones in front
    /// - returns logits `[batch, width, h_0, w_0]`, the most confident proposal of each reference;
    ///   zeros behind the real ones
    pub fn forward(
        &self,
        maps: &[Tensor<4>],
        refs: Tensor<3>,
        layout: &QueryLayout,
        told: &Told,
    ) -> MaskOutput {
        let [batch, width, dim] = refs.dims();
        let [_, _, h, w] = maps[0].dims();
        let Some(Followed { x, coarse, single }) = self.follow(maps, &refs, layout, told) else {
            let device = refs.device();
            let states = Tensor::zeros([batch, width, dim], &device);
            let logits = Tensor::zeros([batch, width, h, w], &device);
            return MaskOutput { logits, confidence: None, states, proposals: None };
        };
        let logits = self.out.forward(x.clone());
        let confidence = self.confidence(x, coarse, logits.clone());
        let spread = |values: Tensor<2>| spread(values, layout, [batch, width]);
        let proposals = Proposals { logits, confidence, single };
        let (logits, confidence) = answers(&proposals);
        MaskOutput {
            logits: spread(logits).reshape([batch, width, h, w]),
            confidence: Some(spread(confidence).squeeze_dim(2)),
            states: refs,
            proposals: Some(proposals),
        }
    }

    /// Where each joint of the person that each reference means may be, as logits over the cells;
    /// none for a decoder without joints.
    ///
    /// # Shapes
    /// As [`Self::forward`]; returns `[references, joints, h_0, w_0]`
    pub fn joints(
        &self,
        maps: &[Tensor<4>],
        refs: &Tensor<3>,
        layout: &QueryLayout,
        pointed: &Pointed,
    ) -> Option<Tensor<4>> {
        let joints = self.joints.as_ref()?;
        let told = Told { pointed: Some(pointed.clone()), concepts: None };
        Some(joints.forward(self.follow(maps, refs, layout, &told)?.x))
    }

    /// The way from coarse to fine; none without levels.
    fn follow(
        &self,
        maps: &[Tensor<4>],
        refs: &Tensor<3>,
        layout: &QueryLayout,
        Told { pointed, concepts }: &Told,
    ) -> Option<Followed> {
        let device = refs.device();
        let states = layout.select::<3, 2>(refs.clone());
        let count = states.dims()[0];
        let sample: Vec<i64> = layout.pictures().into_iter().map(|p| p as i64).collect();
        let sample = Tensor::<1, Int>::from_data(TensorData::new(sample, [count]), &device);
        let meant = pointed.as_ref().map(|pointed| self.meant(states.clone(), pointed));
        let (meant, states) = match meant {
            Some((map, states)) => (Some(map), states),
            None => (None, states),
        };
        let single = match &meant {
            Some(map) => single(map, self.scribbles_choose),
            None => Tensor::ones([count], &device),
        };
        let mut prompts = Vec::with_capacity(self.levels.len());
        for i in 0..self.levels.len() {
            let map = match (i, prompts.last(), &meant) {
                (0, _, Some(map)) => Some(map.clone()),
                (_, Some(Some(finer)), _) => Some(level::halve(Tensor::clone(finer))),
                _ => None,
            };
            prompts.push(map);
        }
        let extent = meant.as_ref().map(|map| Extent::of(map.clone()));
        let mut coarse = None;
        let mut x: Option<Tensor<4>> = None;
        for ((i, level), prompt) in self.levels.iter().enumerate().zip(prompts).rev() {
            let told = (prompt.zip(extent.as_ref()), concepts.clone());
            let map = (maps[i].clone(), maps.get(self.levels.len() + i).cloned());
            x = Some(level.forward(map, x, told, states.clone(), sample.clone()));
            coarse = coarse.or_else(|| x.clone());
        }
        Some(Followed { x: x?, coarse: coarse?, single })
    }

    /// What each reference means of what the prompts cover, and its state, in which a prompt that
    /// it means counts as much as it is meant: what a prompt shows is told better by the prompt than
    /// by the language model that has read it.
    ///
    /// # Shapes
    /// `states` `[references, width]` -> `[references, STROKE_KINDS, side, side]` and
    /// `[references, width]`
    fn meant(&self, states: Tensor<2>, pointed: &Pointed) -> (Tensor<4>, Tensor<2>) {
        let PromptMaps { maps, states: shown, .. } = pointed.prompts;
        let [prompts, kinds, side, _] = maps.dims();
        let count = states.dims()[0];
        let weights = self.choices(states.clone(), pointed);
        let own = states * weights.clone().narrow(1, 0, 1);
        let weights = weights.narrow(1, 1, prompts);
        let states = own + weights.clone().matmul(shown.clone());
        let cells = kinds * side * side;
        let map = weights.matmul(maps.clone().reshape([prompts, cells]));
        (map.reshape([count, kinds, side, side]), states)
    }

    /// How much each reference means no prompt and each of the prompts; adds up to 1.
    ///
    /// # Shapes
    /// `refs` as in [`Self::forward`]; returns `[references, 1 + prompts]`
    pub fn meant_prompts(
        &self,
        refs: &Tensor<3>,
        layout: &QueryLayout,
        pointed: &Pointed,
    ) -> Tensor<2> {
        self.choices(layout.select::<3, 2>(refs.clone()), pointed)
    }

    fn choices(&self, states: Tensor<2>, pointed: &Pointed) -> Tensor<2> {
        let [count, width] = states.dims();
        let rows = &pointed.prompts.rows;
        let prompts = rows.dims()[0];
        let mut bias = vec![NOT_ASKED; count * prompts];
        for (row, of) in bias.chunks_exact_mut(prompts.max(1)).zip(pointed.of_reference) {
            for &prompt in of {
                if let Some(slot) = row.get_mut(prompt) {
                    *slot = 0.0;
                }
            }
        }
        let bias =
            Tensor::<2>::from_data(TensorData::new(bias, [count, prompts]), &states.device());
        let alone = self.alone.forward(states.clone());
        let keys = self.key.forward(rows.clone());
        let scores = self.query.forward(states).matmul(keys.transpose());
        let scores = scores / (width as f64).sqrt() + bias;
        activation::softmax(Tensor::cat(vec![alone, scores], 1), 1)
    }

    /// Logits of the expected IoU.
    ///
    /// # Shapes
    /// `x` `[references, channels_0, h, w]`, `coarse` `[references, channels_n, h_n, w_n]`,
    /// `logits` `[references, proposals, h, w]` -> `[references, proposals]`
    fn confidence(&self, x: Tensor<4>, coarse: Tensor<4>, logits: Tensor<4>) -> Tensor<2> {
        let [count, channels, h, w] = x.dims();
        let inside = activation::sigmoid(logits.clone()).reshape([count, self.proposals, h * w]);
        let area = inside.clone().sum_dim(2) + 1.0;
        let covered = inside.matmul(x.reshape([count, channels, h * w]).swap_dims(1, 2)) / area;
        let [_, wide, ..] = coarse.dims();
        let coarse = coarse.flatten::<3>(2, 3).mean_dim(2).reshape([count, 1, wide]);
        let coarse = coarse.expand([count, self.proposals, wide]);
        let told = match &self.judged {
            Some(judged) => {
                let told = Tensor::cat(vec![covered, coarse, form(logits)], 2);
                activation::relu(judged.forward(told))
            }
            None => Tensor::cat(vec![covered, coarse], 2),
        };
        self.quality.forward(told).squeeze_dim(2)
    }
}

/// Logarithm of the share of the square that each proposal covers, and how much of it stays when
/// the border is drawn more strictly; no gradient flows through either.
///
/// # Shapes
/// `[references, proposals, h, w] -> [references, proposals, FORMS]`
fn form(logits: Tensor<4>) -> Tensor<3> {
    let [count, proposals, h, w] = logits.dims();
    let logits = logits.detach().reshape([count, proposals, h * w]);
    let cells = |above: f64| logits.clone().greater_elem(above).float().sum_dim(2) + 1.0;
    let share = (cells(0.0) / (h * w) as f64).log() / 4.0;
    Tensor::cat(vec![share, cells(1.0) / cells(-1.0)], 2)
}

/// Where the way from coarse to fine has led.
struct Followed {
    /// The finest level, `[references, channels_0, h_0, w_0]`.
    x: Tensor<4>,
    /// The coarsest level, `[references, channels_n, h_n, w_n]`.
    coarse: Tensor<4>,
    /// 1 for references that mean one thing, else 0, `[references]`.
    single: Tensor<1>,
}

/// 1 where a map is not mostly of what may mean several things: clicks, and scribbles if they do.
///
/// # Shapes
/// `[references, STROKE_KINDS, h, w] -> [references]`
fn single(meant: &Tensor<4>, scribbles: bool) -> Tensor<1> {
    let mass = meant.clone().detach().flatten::<3>(2, 3).sum_dim(2).squeeze_dim::<2>(2);
    let of = |kind| mass.clone().narrow(1, kind, 1);
    let loose = if scribbles { of(CLICK) + of(SCRIBBLE) } else { of(CLICK) };
    (loose * 2.0).lower_equal(mass.sum_dim(1)).float().squeeze_dim(1)
}

/// The proposal of each reference that is its answer, and its confidence.
///
/// # Shapes
/// returns `[references, h * w]` and `[references, 1]`
fn answers(proposals: &Proposals) -> (Tensor<2>, Tensor<2>) {
    let [count, several, h, w] = proposals.logits.dims();
    let chosen = proposals.chosen();
    let index = chosen.clone().reshape([count, 1, 1]).expand([count, 1, h * w]);
    let flat = proposals.logits.clone().reshape([count, several, h * w]);
    let confidence = proposals.confidence.clone().gather(1, chosen);
    (flat.gather(1, index).reshape([count, h * w]), confidence)
}

/// Values of the real references in their places among all, zeros elsewhere.
///
/// # Shapes
/// `[references, n]` -> `[batch, width, n]`
fn spread(values: Tensor<2>, layout: &QueryLayout, [batch, width]: [usize; 2]) -> Tensor<3> {
    let [count, n] = values.dims();
    if count == batch * width {
        return values.reshape([batch, width, n]);
    }
    let device = values.device();
    let mut next = 0;
    let mut index = Vec::with_capacity(batch * width);
    for row in 0..batch {
        for place in 0..width {
            let real = place < layout.row_count(row);
            index.push(if real { next } else { count as i64 });
            next += i64::from(real);
        }
    }
    let index = Tensor::<1, Int>::from_data(TensorData::new(index, [batch * width]), &device);
    let padded = Tensor::cat(vec![values, Tensor::zeros([1, n], &device)], 0);
    padded.select(0, index).reshape([batch, width, n])
}
