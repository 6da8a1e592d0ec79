//! Where the things of a noun are: a map of their middles, and around each a box.
//!
//! A language model of a few million parameters says of the few rows that stand for a picture
//! hardly better than a coin whether a cup is there, nor how many there are. This decoder is asked
//! the same of every cell: it runs from the coarsest map of the pyramid to the finest, told at each
//! level what is looked for (the mean of the embeddings of the noun's tokens) and at the coarsest
//! where the classifier sees it. As in CenterNet (Zhou et al. 2019) a thing is a peak of the map,
//! whose cell also tells how far the thing reaches to each side.

use super::config::DecoderConfigError;
use super::prompted::{Level, Neck, NeckConfig, PromptedConfig};
use crate::layers::conv;
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// What a cell tells: whether a middle lies there, and the way to the four sides.
const FIGURES: usize = 5;
/// Added to the logits of middles: of a thousand cells about one is a middle, and a map that says so
/// from the start does not spend its first steps on it.
const RARE: f64 = -4.0;
/// The way to a side, as a share of the square, where the logarithm of it is 0.
const REACH: f64 = 0.1;
/// Logarithms beyond these reach past the square or below a pixel.
const LOGARITHMS: (f64, f64) = (-5.0, 2.5);
/// Things whose boxes overlap by more than this are one.
const SAME: f32 = 0.55;

/// Sizes of the finder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinderConfig {
    /// Width of the tokens' embeddings.
    pub quries_input_dim: usize,
    /// Maps of the pyramid that are used, finest first; each half as wide as the one before.
    pub encoder_input_index: Vec<usize>,
    /// Channels of those maps.
    pub encoder_input_dim: Vec<usize>,
    /// Channels inside, for each of those maps.
    pub channels: Vec<usize>,
    /// Groups of the group norms.
    pub norm_groups: usize,
    /// Further 3x3 mixings of each level, finest first; empty for none.
    #[serde(default)]
    pub mixers: Vec<usize>,
    /// Heads of the attention of each level's cells among each other, 0 for none; empty for none at
    /// all.
    #[serde(default)]
    pub attention: Vec<usize>,
    /// What is computed once per picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neck: Option<NeckConfig>,
    /// Confidence from which on a peak is a thing, 0 to 1.
    pub least_confidence: f32,
    /// How much it counts whether the language model would say that there is something, beside what
    /// the cell tells: 0 not at all, 1 as much.
    #[serde(default)]
    pub words_weight: f32,
    /// Nouns that are looked for when everything is asked for, beside those that the language model
    /// names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nouns: Vec<String>,
}

impl FinderConfig {
    /// # Errors
    /// When no finder of these sizes can exist.
    pub fn validate(&self) -> Result<(), DecoderConfigError> {
        self.levels().validate()
    }

    /// The same sizes as those of a decoder that is told of no prompt.
    fn levels(&self) -> PromptedConfig {
        PromptedConfig {
            quries_input_dim: self.quries_input_dim,
            encoder_input_index: self.encoder_input_index.clone(),
            encoder_input_dim: self.encoder_input_dim.clone(),
            channels: self.channels.clone(),
            proposals: 1,
            scribbles_choose: false,
            norm_groups: self.norm_groups,
            relations: false,
            concepts: true,
            joints: 0,
            mixers: self.mixers.clone(),
            attention: self.attention.clone(),
            quality_width: 0,
            neck: self.neck.clone(),
        }
    }
}

/// The finder.
#[derive(Debug, Module)]
pub struct Finder {
    /// What is computed once per picture.
    pub neck: Option<Neck>,
    /// Finest first.
    pub levels: Vec<Level>,
    /// Finest level to what each cell tells, 3x3.
    pub out: Conv2d,
}

/// What is found of a noun on the cells of the square.
#[derive(Debug, Clone)]
pub struct Middles {
    /// Logits of a middle, `[nouns, h, w]`.
    pub logits: Tensor<3>,
    /// The box of a thing whose middle lies in each cell: centre x, centre y, width and height in the
    /// unit square, `[nouns, h * w, 4]`.
    pub boxes: Tensor<3>,
}

/// A thing that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoundThing {
    /// How likely there is one, 0 to 1.
    pub confidence: f32,
    /// Centre x, centre y, width and height in the unit square.
    pub bbox: [f32; 4],
}

impl Finder {
    /// # Errors
    /// When the sizes do not fit together.
    pub fn new(config: &FinderConfig, device: &Device) -> Result<Self, DecoderConfigError> {
        let levels = config.levels();
        levels.validate()?;
        Ok(Self {
            neck: levels.neck.as_ref().map(|neck| Neck::new(&levels, neck, device)),
            levels: (0..levels.channels.len())
                .map(|i| Level::unprompted(&levels, i, device))
                .collect(),
            out: conv([levels.channels[0], FIGURES], 3, true, device),
        })
    }

    /// # Shapes
    /// - `maps` as selected by the config, finest first, `[pictures, channels_i, h_i, w_i]`
    /// - `nouns` `[nouns, quries_input_dim]`, of any size other than 0; `pictures[i]` is the picture
    ///   that noun `i` is looked for in
    /// - `concepts`: where the classifier sees them, `[nouns, SHOWN, side, side]`
    pub fn forward(
        &self,
        maps: &[Tensor<4>],
        nouns: Tensor<2>,
        concepts: Option<Tensor<4>>,
        pictures: &[usize],
    ) -> Middles {
        let device = nouns.device();
        let count = pictures.len();
        let sample: Vec<i64> = pictures.iter().map(|&p| p as i64).collect();
        let sample = Tensor::<1, Int>::from_data(TensorData::new(sample, [count]), &device);
        let size = nouns.clone().square().mean_dim(1).sqrt() + 1e-6;
        let nouns = nouns / size;
        let seen = self.neck.as_ref().map_or(Vec::new(), |neck| neck.forward(maps));
        let mut x: Option<Tensor<4>> = None;
        for (i, (level, map)) in self.levels.iter().zip(maps).enumerate().rev() {
            let map = (map.clone(), seen.get(i).cloned());
            let told = (None, concepts.clone());
            x = Some(level.forward(map, x, told, nouns.clone(), sample.clone()));
        }
        let Some(x) = x else {
            let logits = Tensor::zeros([count, 0, 0], &device);
            return Middles { logits, boxes: Tensor::zeros([count, 0, 4], &device) };
        };
        let out = self.out.forward(x);
        let [_, _, h, w] = out.dims();
        let logits = out.clone().narrow(1, 0, 1).squeeze_dim::<3>(1) + RARE;
        let ways = out.narrow(1, 1, 4).reshape([count, 4, h * w]).swap_dims(1, 2);
        let ways = ways.clamp(LOGARITHMS.0, LOGARITHMS.1).exp() * REACH;
        Middles { logits, boxes: boxes(ways, [h, w]) }
    }
}

/// Boxes of the ways from each cell's middle to the left, the top, the right and the bottom.
///
/// # Shapes
/// `[nouns, h * w, 4]`, unchanged
fn boxes(ways: Tensor<3>, [h, w]: [usize; 2]) -> Tensor<3> {
    let unit = |at: usize, cells: usize| (at as f32 + 0.5) / cells as f32;
    let centres = (0..h * w).flat_map(|cell| [unit(cell % w, w), unit(cell / w, h)]);
    let centres = TensorData::new(centres.collect::<Vec<f32>>(), [1, h * w, 2]);
    let centres = Tensor::<3>::from_data(centres, &ways.device());
    let (before, behind) = (ways.clone().narrow(2, 0, 2), ways.narrow(2, 2, 2));
    let middle = (behind.clone() - before.clone()) / 2.0 + centres;
    Tensor::cat(vec![middle, before + behind], 2)
}

/// The peaks of one noun's map, the most confident first: cells that are higher than their
/// neighbours, each thing once. `probabilities` has `width` columns, `boxes` four figures for each of
/// its cells.
pub fn peaks(
    probabilities: &[f32],
    width: usize,
    boxes: &[f32],
    least: f32,
    most: usize,
) -> Vec<FoundThing> {
    let height = probabilities.len() / width.max(1);
    let higher = |cell: usize| {
        let (column, row) = (cell % width, cell / width);
        let near = |at: usize, length: usize| at.saturating_sub(1)..(at + 2).min(length);
        near(row, height).flat_map(|r| near(column, width).map(move |c| r * width + c)).all(
            |other| {
                // Of two that are equal, the first is the peak.
                let (a, b) = (probabilities[cell], probabilities[other]);
                other == cell || a > b || (a == b && cell < other)
            },
        )
    };
    let cells = 0..height * width;
    let mut found: Vec<FoundThing> = cells
        .filter(|&cell| probabilities[cell] >= least && higher(cell))
        .filter_map(|cell| {
            let bbox = *boxes.as_chunks::<4>().0.get(cell)?;
            Some(FoundThing { confidence: probabilities[cell], bbox })
        })
        .collect();
    found.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let mut kept: Vec<FoundThing> = Vec::new();
    for thing in found {
        if kept.len() < most && kept.iter().all(|other| overlap(thing.bbox, other.bbox) < SAME) {
            kept.push(thing);
        }
    }
    kept
}

/// IoU of two boxes given as centre and size.
pub(crate) fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let along = |axis: usize| {
        let ends = [a, b].map(|x| [x[axis] - x[axis + 2] / 2.0, x[axis] + x[axis + 2] / 2.0]);
        (ends[0][1].min(ends[1][1]) - ends[0][0].max(ends[1][0])).max(0.0)
    };
    let inside = along(0) * along(1);
    inside / (a[2] * a[3] + b[2] * b[3] - inside).max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_found_once() {
        let mut map = vec![0.1f32; 6 * 8];
        // Two peaks, the slope of one of them, and one whose box is that of another.
        (map[8 + 1], map[8 + 2], map[3 * 8 + 6], map[3 * 8 + 4]) = (0.9, 0.6, 0.7, 0.5);
        let mut boxes = vec![0.1f32; 6 * 8 * 4];
        for (cell, bbox) in [
            (8 + 1, [0.2, 0.2, 0.2, 0.2]),
            (3 * 8 + 6, [0.8, 0.6, 0.3, 0.3]),
            (3 * 8 + 4, [0.78, 0.6, 0.3, 0.3]),
        ] {
            boxes[cell * 4..cell * 4 + 4].copy_from_slice(&bbox);
        }
        let found = peaks(&map, 8, &boxes, 0.3, 20);
        let middles: Vec<[f32; 2]> = found.iter().map(|f| [f.bbox[0], f.bbox[1]]).collect();
        assert_eq!(middles, [[0.2, 0.2], [0.8, 0.6]]);
        assert_eq!(peaks(&map, 8, &boxes, 0.8, 20).len(), 1);
        assert_eq!(peaks(&map, 8, &boxes, 0.3, 1).len(), 1);
        // A level map has one peak at most.
        assert_eq!(peaks(&[0.5; 48], 8, &vec![0.1; 192], 0.3, 20).len(), 1);
    }

    #[test]
    fn a_box_reaches_as_far_as_its_cell_says() {
        let ways = [0.1f32, 0.2, 0.3, 0.2].repeat(4);
        let ways = Tensor::<3>::from_data(TensorData::new(ways, [1, 4, 4]), &Device::flex());
        let found: Vec<f32> = boxes(ways, [2, 2]).into_data().iter::<f32>().collect();
        for (found, expected) in found.iter().zip([0.35, 0.25, 0.4, 0.4, 0.85, 0.25, 0.4, 0.4]) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
    }
}
