//! Whether what looks at the pyramid's maps fits them.

use super::{ModelConfig, ModelConfigError};
use crate::decoding::{FinderConfig, check_channels};

/// Most nouns that a list looks for: each takes milliseconds.
const MOST_NOUNS: usize = 500;

impl ModelConfig {
    pub(super) fn check_finder(&self, finder: &FinderConfig) -> Result<(), ModelConfigError> {
        let failed = |source| ModelConfigError::Finder { source };
        finder.validate().map_err(failed)?;
        let (index, dim) = (&finder.encoder_input_index, &finder.encoder_input_dim);
        check_channels(index, dim, &self.decoder_channels()).map_err(failed)?;
        self.check_halves("finder", index)?;
        let problem = if finder.quries_input_dim != self.llm.hidden_size {
            let (found, width) = (finder.quries_input_dim, self.llm.hidden_size);
            format!("`quries_input_dim` is {found}; set it to {width}, the language model's width")
        } else if self.class_words.is_none() {
            "needs class_words".into()
        } else if [finder.least_confidence, finder.words_weight]
            .into_iter()
            .any(|share| !(0.0..=1.0).contains(&share))
        {
            "least_confidence and words_weight must be 0 to 1".into()
        } else if finder.nouns.len() > MOST_NOUNS
            || finder.nouns.iter().any(|noun| noun.trim().is_empty())
        {
            format!("nouns: at most {MOST_NOUNS}, each of at least one letter")
        } else {
            return Ok(());
        };
        Err(ModelConfigError::Other { field: "finder", problem })
    }

    /// Each map half as wide as the one before.
    pub(super) fn check_halves(
        &self,
        field: &'static str,
        index: &[usize],
    ) -> Result<(), ModelConfigError> {
        let sides = self.pyramid_sides();
        let sides: Vec<usize> = index.iter().filter_map(|&i| sides.get(i).copied()).collect();
        if sides.windows(2).all(|pair| pair[0] == 2 * pair[1]) {
            return Ok(());
        }
        let problem = format!(
            "encoder_input_index names maps of sides {sides:?}; each must be half as wide as the \
             one before"
        );
        Err(ModelConfigError::Other { field, problem })
    }
}
