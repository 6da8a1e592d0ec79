//! Teaching the rows of a classifier's classes what the classes are called.
//!
//! Where a model has such rows, what the classifier takes a picture or a region for reaches the
//! language model as a mixture of them. Each row is drawn towards the embeddings of the class's
//! words, so that a model that has learned to read the row of one class can read those of all
//! thousand, of which most occur in no photo.

use burn::tensor::{Int, Tensor, TensorData};
use refvlm_data::english::plural;
use refvlm_data::words::{ClassWords, imagenet};
use refvlm_model::refvlm::RefVlm;
use refvlm_model::triplet::{TokenError, Tokenizer};

/// Weight of the noun that most people would use; the rest is the class's own name.
const EVERYDAY: f32 = 0.7;

/// The tokens of the words of each of ImageNet's classes: the plain name and the everyday noun, one
/// and several, inside a sentence and at the beginning of a phrase.
///
/// # Errors
/// When a name cannot be encoded.
pub fn class_tokens(tokenizer: &Tokenizer) -> Result<Vec<Vec<u32>>, TokenError> {
    let encode = |class: &ClassWords| {
        let mut tokens = Vec::new();
        for noun in [class.word, class.name] {
            for form in [noun.to_string(), plural(noun)] {
                tokens.extend(tokenizer.encode(&form)?);
                tokens.extend(tokenizer.encode(&format!(" {form}"))?);
            }
        }
        tokens.sort_unstable();
        tokens.dedup();
        Ok(tokens)
    };
    imagenet().iter().map(encode).collect()
}

/// The tokens of all classes' words.
#[derive(Debug, Clone, Default)]
pub struct ClassNames {
    /// Ids, `tokens` for each class.
    ids: Vec<i64>,
    /// Their weights, which add up to 1 in each class.
    weights: Vec<f32>,
    tokens: usize,
}

impl ClassNames {
    /// Of the classes of ImageNet.
    ///
    /// # Errors
    /// When a name cannot be encoded.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self, TokenError> {
        let encode = |class: &ClassWords| {
            let [word, name] = [class.word, class.name].map(|n| tokenizer.encode(&format!(" {n}")));
            let mut all = Vec::new();
            for (ids, share) in [(word?, EVERYDAY), (name?, 1.0 - EVERYDAY)] {
                let weight = share / ids.len().max(1) as f32;
                all.extend(ids.into_iter().map(|id| (i64::from(id), weight)));
            }
            Ok(all)
        };
        let classes: Vec<Vec<(i64, f32)>> =
            imagenet().iter().map(encode).collect::<Result<_, TokenError>>()?;
        let tokens = classes.iter().map(Vec::len).max().unwrap_or(0);
        let padded = classes.into_iter().flat_map(|mut class| {
            class.resize(tokens, (0, 0.0));
            class
        });
        let (ids, weights) = padded.unzip();
        Ok(Self { ids, weights, tokens })
    }

    /// How far the rows are from the words, as a share of the words' own size; none for a model
    /// without such rows, or whose classifier has other classes.
    ///
    /// # Shapes
    /// returns `[1]`
    pub fn loss(&self, model: &RefVlm) -> Option<Tensor<1>> {
        let rows = model.class_row.as_ref()?.weight.val().transpose();
        let [classes, width] = rows.dims();
        if classes * self.tokens != self.ids.len() {
            return None;
        }
        let device = rows.device();
        let ids = TensorData::new(self.ids.clone(), [1, self.ids.len()]);
        let words = model.llm.embed(Tensor::<2, Int>::from_data(ids, &device)).detach();
        let weights = TensorData::new(self.weights.clone(), [classes, self.tokens, 1]);
        let words =
            words.reshape([classes, self.tokens, width]) * Tensor::<3>::from_data(weights, &device);
        let words = words.sum_dim(1).squeeze_dim::<2>(1);
        let size = words.clone().square().sum() + 1e-6;
        Some((rows - words).square().sum() / size)
    }
}
