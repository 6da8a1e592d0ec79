//! Texts: captions by n-grams, short answers by agreement, yes and no.

pub mod bleu;
pub mod cider;
mod grams;
pub mod lines;
pub mod pope;
pub mod rouge;
pub mod tokens;
pub mod vqa;

pub use bleu::Bleu;
pub use cider::Cider;
pub use pope::Pope;
pub use rouge::Rouge;
pub use tokens::tokens;
pub use vqa::Vqa;

use crate::MetricError;

/// An answer and the captions it is compared with, as [`tokens()`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caption {
    /// What was answered.
    pub answer: Vec<String>,
    /// What people wrote, one or more.
    pub references: Vec<Vec<String>>,
}

impl Caption {
    /// Cuts the texts into tokens.
    pub fn new(answer: &str, references: &[String]) -> Self {
        let references = references.iter().map(|text| tokens(text)).collect();
        Self { answer: tokens(answer), references }
    }

    /// The words of a text: a token with a space inside (`1 1/2`) is two of them to BLEU and CIDEr.
    fn words(text: &[String]) -> Vec<&str> {
        text.iter().flat_map(|token| token.split_whitespace()).collect()
    }

    fn check(&self) -> Result<(), MetricError> {
        if self.references.is_empty() {
            return Err(MetricError::Empty("the list of true answers"));
        }
        Ok(())
    }
}
