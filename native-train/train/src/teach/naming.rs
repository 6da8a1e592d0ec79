//! Teaching the rows that a language model reads to speak its language.
//!
//! The published model reads features of CLIP, which lie near words from the beginning, and its
//! projector is first trained on captions. Here, what the rows of the picture and of prompts show
//! is named directly: such a row, normalised as the last states are, is to score the words of the
//! thing's class and colour. Words and things then share a space before a sentence is read.

use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use refvlm_model::learning::pointing::PointingBatch;
use refvlm_model::refvlm::{RefVlm, Sight};
use refvlm_model::triplet::{TokenError, Tokenizer};
use refvlm_scenes::{Object, Scene, World};
use std::collections::HashMap;

/// Share of a target that goes to the words of the class where the thing has a colour; the rest
/// goes to those of the colour.
const CLASS_SHARE: f32 = 0.7;
/// Least share of a cell that a thing must fill to give it its name.
const FILLED: f32 = 0.5;

/// The first tokens of each name, at the head of a text and inside it.
#[derive(Debug, Clone, Default)]
pub struct Names {
    tokens: HashMap<&'static str, Vec<u32>>,
    vocabulary: usize,
}

impl Names {
    /// The names of a world's classes and colours.
    ///
    /// # Errors
    /// When a name cannot be encoded.
    pub fn new(tokenizer: &Tokenizer, vocabulary: usize) -> Result<Self, TokenError> {
        let mut tokens: HashMap<&'static str, Vec<u32>> = HashMap::new();
        for class in World::classes() {
            let colours = class.colours.iter().map(|colour| colour.name);
            for name in std::iter::once(class.name).chain(colours) {
                let mut first = Vec::new();
                for text in [name.to_string(), format!(" {name}")] {
                    first.extend(tokenizer.encode(&text)?.first());
                }
                tokens.insert(name, first);
            }
        }
        Ok(Self { tokens, vocabulary })
    }

    /// Adds the target of a thing, a distribution over the vocabulary.
    fn push(&self, object: &Object, targets: &mut Vec<f32>) {
        let start = targets.len();
        targets.resize(start + self.vocabulary, 0.0);
        let class = if object.colour.is_some() { CLASS_SHARE } else { 1.0 };
        let names = [(Some(object.class), class), (object.colour, 1.0 - CLASS_SHARE)];
        for (name, share) in names {
            let Some(tokens) = name.and_then(|name| self.tokens.get(name)) else { continue };
            for &token in tokens {
                if let Some(slot) = targets.get_mut(start + token as usize) {
                    *slot += share / tokens.len() as f32;
                }
            }
        }
    }

    /// The cross-entropy of the names of what the picture's rows show and of what prompts with
    /// these states point at, each as a mean; none where nothing has a name.
    ///
    /// # Shapes
    /// `states` `[prompts, hidden]` as [`RefVlm::pointing`] gives them
    pub fn losses(
        &self,
        model: &RefVlm,
        scenes: &[Scene],
        sight: &Sight,
        pointing: &PointingBatch,
        states: Tensor<2>,
    ) -> [(&'static str, Option<Tensor<1>>); 2] {
        let rows = sight.rows.dims()[1];
        let side = rows.isqrt();
        let (mut cells, mut of_cells) = (Vec::new(), Vec::new());
        let (mut prompts, mut of_prompts) = (Vec::new(), Vec::new());
        for (picture, scene) in scenes.iter().enumerate() {
            for (cell, object) in shown(scene, side) {
                cells.push((picture * rows + cell) as i64);
                self.push(object, &mut of_cells);
            }
            let numbers = pointing.prompts.get(picture).map_or(&[][..], Vec::as_slice);
            for (object, number) in scene.objects.iter().zip(numbers) {
                if let Some(number) = number {
                    prompts.push(*number as i64);
                    self.push(object, &mut of_prompts);
                }
            }
        }
        let seen = model.llm.model.norm.forward(sight.rows.clone()).flatten::<2>(0, 1);
        [
            ("naming.rows", self.cross(model, seen, cells, of_cells)),
            ("naming.prompts", self.cross(model, states, prompts, of_prompts)),
        ]
    }

    fn cross(
        &self,
        model: &RefVlm,
        states: Tensor<2>,
        index: Vec<i64>,
        targets: Vec<f32>,
    ) -> Option<Tensor<1>> {
        let n = index.len();
        if n == 0 {
            return None;
        }
        let device: Device = states.device();
        let index = Tensor::<1, Int>::from_data(TensorData::new(index, [n]), &device);
        let logits = model.llm.logits(states.select(0, index).unsqueeze()).squeeze_dim::<2>(0);
        let targets = TensorData::new(targets, [n, self.vocabulary]);
        let targets = Tensor::<2>::from_data(targets, &device);
        Some((activation::log_softmax(logits, 1) * targets).sum() / -(n as f64))
    }
}

/// The cells of a grid over the padded square that a thing fills, with that thing.
fn shown(scene: &Scene, grid: usize) -> Vec<(usize, &Object)> {
    let (width, height) = (scene.width as usize, scene.height as usize);
    let side = width.max(height);
    let (pad_x, pad_y) = ((side - width) / 2, (side - height) / 2);
    let least = FILLED * (side * side) as f32 / (grid * grid) as f32;
    let mut shown = Vec::new();
    for object in &scene.objects {
        let mut filled = vec![0usize; grid * grid];
        for (i, _) in object.mask.pixels.iter().enumerate().filter(|(_, p)| **p != 0) {
            let (x, y) = (i % width + pad_x, i / width + pad_y);
            filled[y * grid / side * grid + x * grid / side] += 1;
        }
        let full = filled.iter().enumerate().filter(|(_, n)| **n as f32 >= least);
        shown.extend(full.map(|(cell, _)| (cell, object)));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_scenes::{SceneOptions, Split};

    #[test]
    fn every_large_thing_is_named_where_it_is() {
        let json = include_bytes!("../../../../configs/scenes-tokenizer.json");
        let tokenizer = Tokenizer::from_json(json).unwrap();
        let names = Names::new(&tokenizer, tokenizer.vocab_size()).unwrap();
        let world = World::new().unwrap();
        let mut seen = 0;
        for seed in 0..30 {
            let scene = world.scene(seed, &SceneOptions::embedded(Split::Train));
            let (grid, side) = (8, scene.width.max(scene.height) as f32);
            for (cell, object) in shown(&scene, grid) {
                let pad = [side - scene.width as f32, side - scene.height as f32].map(|p| p / 2.0);
                let size = side / grid as f32;
                let [x, y] = [(cell % grid) as f32 * size, (cell / grid) as f32 * size];
                let [bx, by, bw, bh] = object.bbox;
                assert!(x + size > bx + pad[0] - 1.0 && x < bx + bw + pad[0] + 1.0);
                assert!(y + size > by + pad[1] - 1.0 && y < by + bh + pad[1] + 1.0);
                let mut target = Vec::new();
                names.push(object, &mut target);
                assert!((target.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                let best = (0..target.len()).max_by(|&a, &b| target[a].total_cmp(&target[b]));
                let word = tokenizer.decode(&[best.unwrap() as u32]).unwrap();
                assert!(object.class.starts_with(word.trim()), "{word} for {}", object.class);
                seen += 1;
            }
        }
        assert!(seen > 100, "{seen} cells");
    }
}
