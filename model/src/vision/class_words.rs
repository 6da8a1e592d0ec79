//! Which words of a text name what a classifier sees in a picture.
//!
//! A mixture of the classes' words says what a picture shows most of all; what a class with a few
//! hundredths of the probability is called is lost in it, and with it whether the small cup on the
//! table is there. So each token of a text that occurs in the words of some class is told how
//! likely the picture shows one of these classes.

use burn::tensor::{Int, Tensor, TensorData};

/// Figures for each token: of the whole picture, and of the cell that shows it most.
pub const SEEN: usize = 2;
/// Figures for each cell and concept: how likely the cell shows it, how much less than the cell that
/// shows it most, and 1 for a concept with a word of some class.
pub const SHOWN: usize = 3;

/// Probabilities below this count as this one.
const LEAST: f64 = 1e-5;
/// Natural logarithms of probabilities are divided by this, and 1 is added: 1 stays 1, a hundredth
/// becomes -0.15.
const SPREAD: f64 = 4.0;

/// How likely the words of the classes name what is seen. Figures are logarithms, spread so that 1
/// stays 1.
#[derive(Debug, Clone)]
pub struct SeenWords {
    /// For each token of the vocabulary, zeros for those of no class:
    /// `[pictures * vocabulary, SEEN]`.
    pub text: Tensor<2>,
    /// The same for each cell, by the tokens' places: `[pictures * (1 + words), cells]`.
    cells: Tensor<2>,
}

/// The tokens of the classes' words.
#[derive(Debug, Clone, Default)]
pub struct ClassWords {
    /// Place of each token of the vocabulary among those of the words, counted from 1; 0 for all
    /// others.
    places: Vec<i64>,
    /// 1 where a token belongs to a class, `[classes, 1 + words]`.
    belongs: Vec<f32>,
    classes: usize,
    words: usize,
}

impl ClassWords {
    /// `classes` are the tokens of the words of each class; those beyond the vocabulary are left
    /// out.
    pub fn new(classes: &[Vec<u32>], vocabulary: usize) -> Self {
        let mut places = vec![0i64; vocabulary];
        let mut words = 0;
        for &token in classes.iter().flatten() {
            if let Some(place @ 0) = places.get_mut(token as usize) {
                words += 1;
                *place = words;
            }
        }
        let words = words as usize;
        let mut belongs = vec![0.0; classes.len() * (1 + words)];
        for (row, tokens) in belongs.chunks_exact_mut(1 + words).zip(classes) {
            for &token in tokens {
                let place = places.get(token as usize).copied().unwrap_or(0);
                if let (Some(slot), 1..) = (row.get_mut(place as usize), place) {
                    *slot = 1.0;
                }
            }
        }
        Self { places, belongs, classes: classes.len(), words }
    }

    /// # Shapes
    /// - `whole` `[pictures, classes]`: probabilities over each picture
    /// - `cells` `[pictures * cells, classes]`: over each of its cells
    pub fn seen(&self, whole: Tensor<2>, cells: Tensor<2>) -> SeenWords {
        let device = whole.device();
        let (pictures, width) = (whole.dims()[0], 1 + self.words);
        let shape = [self.classes, width];
        let belongs = Tensor::<2>::from_data(TensorData::new(self.belongs.clone(), shape), &device);
        let count = cells.dims()[0] / pictures.max(1);
        let scaled = |p: Tensor<2>| p.matmul(belongs.clone()).clamp_min(LEAST).log() / SPREAD + 1.0;
        // Tokens of no class all have the first place.
        let real = {
            let values = (0..width).map(|place| f32::from(u8::from(place > 0))).collect();
            Tensor::<2>::from_data(TensorData::new(values, [1, width]), &device)
        };
        let whole = scaled(whole) * real.clone();
        let cells = (scaled(cells) * real).reshape([pictures, count, width]);
        let most = cells.clone().max_dim(1).reshape([pictures, width]);
        let text: Tensor<3> = Tensor::stack(vec![whole, most], 2);
        let places = TensorData::new(self.places.clone(), [self.places.len()]);
        let text = text.select(1, Tensor::<1, Int>::from_data(places, &device));
        SeenWords {
            text: text.reshape([pictures * self.places.len(), SEEN]),
            cells: cells.swap_dims(1, 2).reshape([pictures * width, count]),
        }
    }

    /// Where the classifier sees what concepts are called: the mean over those of a concept's ids that
    /// belong to some class.
    ///
    /// # Shapes
    /// `pictures[i]` is the picture of `concepts[i]`; returns `[concepts, SHOWN, side, side]`
    pub fn shown(&self, seen: &SeenWords, concepts: &[Vec<i64>], pictures: &[usize]) -> Tensor<4> {
        let (device, width) = (seen.cells.device(), 1 + self.words);
        let (count, cells) = (concepts.len(), seen.cells.dims()[1]);
        let side = cells.isqrt();
        let place = |id: &i64| usize::try_from(*id).ok().and_then(|id| self.places.get(id));
        // The first place of the first picture, whose figures are zeros, fills what is missing.
        let (mut index, mut of) = (vec![0i64], vec![Vec::new(); count]);
        for ((concept, &picture), of) in concepts.iter().zip(pictures).zip(&mut of) {
            for &place in concept.iter().filter_map(place).filter(|&&place| place > 0) {
                of.push(index.len());
                index.push((picture * width) as i64 + place);
            }
        }
        let mut mean = vec![0.0f32; count * index.len()];
        for (row, of) in mean.chunks_exact_mut(index.len()).zip(&of) {
            for &at in of {
                row[at] = 1.0 / of.len() as f32;
            }
        }
        let known = of.iter().map(|of| f32::from(u8::from(!of.is_empty()))).collect();
        let known = Tensor::<2>::from_data(TensorData::new(known, [count, 1]), &device);
        let mean = TensorData::new(mean, [count, index.len()]);
        let index = TensorData::new(index.clone(), [index.len()]);
        let rows = seen.cells.clone().select(0, Tensor::<1, Int>::from_data(index, &device));
        let figure = Tensor::<2>::from_data(mean, &device).matmul(rows);
        let less = figure.clone() - figure.clone().max_dim(1);
        let maps: Tensor<3> = Tensor::stack(vec![figure, less, known.expand([count, cells])], 1);
        maps.reshape([count, SHOWN, side, side])
    }

    /// Whether no token belongs to any class.
    pub fn is_empty(&self) -> bool {
        self.words == 0
    }

    /// Tokens of the vocabulary.
    pub fn vocabulary(&self) -> usize {
        self.places.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn a_token_is_as_likely_as_the_classes_it_names() {
        // Three classes: "dog", "hot dog", and one whose token the vocabulary lacks.
        let words = ClassWords::new(&[vec![4], vec![2, 4], vec![9]], 6);
        let device = Device::flex();
        let table = |values: Vec<f32>, rows: usize| {
            Tensor::<2>::from_data(TensorData::new(values, [rows, 3]), &device)
        };
        let whole = table(vec![0.5, 0.25, 0.25, 0.0, 0.01, 0.99], 2);
        let cells = table(vec![1.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0, 1.0, 0.0, 0.1, 0.9], 4);
        let numbers = |data: TensorData| data.iter::<f32>().collect::<Vec<f32>>();
        let all = words.seen(whole, cells);
        let seen = numbers(all.text.clone().into_data());
        assert_eq!(seen.len(), 2 * 6 * SEEN);
        let at = |picture: usize, token: usize| {
            let at = (picture * 6 + token) * SEEN;
            [seen[at], seen[at + 1]]
        };
        let scaled = |p: f64| (p.ln() / SPREAD + 1.0) as f32;
        for (found, expected) in [
            (at(0, 4), [scaled(0.75), 1.0]),
            (at(0, 2), [scaled(0.25), scaled(0.5)]),
            (at(1, 4), [scaled(0.01), scaled(0.1)]),
            (at(1, 5), [0.0, 0.0]),
            (at(0, 0), [0.0, 0.0]),
        ] {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?}");
        }
    }
}
