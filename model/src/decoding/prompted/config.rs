//! Sizes of the decoder.

use crate::decoding::config::DecoderConfigError;
use serde::{Deserialize, Serialize};

/// Kinds of strokes that a prompt's map tells apart: point, box, scribble, mask, and what is cut
/// away.
pub const STROKE_KINDS: usize = 5;

/// Sizes of the decoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptedConfig {
    /// Width of the reference states.
    pub quries_input_dim: usize,
    /// Maps of the pyramid that are used, finest first; each half as wide as the one before.
    pub encoder_input_index: Vec<usize>,
    /// Channels of those maps.
    pub encoder_input_dim: Vec<usize>,
    /// Channels inside, for each of those maps.
    pub channels: Vec<usize>,
    /// Masks for each reference.
    pub proposals: usize,
    /// Groups of the group norms.
    pub norm_groups: usize,
    /// Whether each level is told where its cells lie, seen from the prompt and measured by its
    /// size, and how alike they are to what the prompt covers. Without, what a prompt means is
    /// known only as far around it as the convolutions reach.
    #[serde(default)]
    pub relations: bool,
    /// Whether the coarsest level is told where the classifier sees what a reference is called; needs
    /// `class_words`.
    #[serde(default)]
    pub concepts: bool,
    /// Joints of a person that is pointed at, each found on a map of its own; 0 leaves them to
    /// `pose_decoder`.
    #[serde(default)]
    pub joints: usize,
    /// Further 3x3 mixings of each level, finest first; empty for none.
    #[serde(default)]
    pub mixers: Vec<usize>,
    /// Heads of the attention of each level's cells among each other, finest first; 0 for none, empty
    /// for none at all. What belongs to a thing is told by the whole of it, which convolutions see
    /// only in part.
    #[serde(default)]
    pub attention: Vec<usize>,
    /// Width of the hidden layer that judges proposals, which is told their size and how sharp they
    /// are, too; 0 judges by one linear map of what they cover.
    #[serde(default)]
    pub quality_width: usize,
}

impl PromptedConfig {
    /// # Errors
    /// When no decoder of these sizes can exist.
    pub fn validate(&self) -> Result<(), DecoderConfigError> {
        let least = |sizes: &[usize]| sizes.iter().copied().min().unwrap_or(0);
        let sizes = [
            ("quries_input_dim", self.quries_input_dim),
            ("encoder_input_index", self.encoder_input_index.len()),
            ("encoder_input_dim", least(&self.encoder_input_dim)),
            ("channels", least(&self.channels)),
            ("proposals", self.proposals),
            ("norm_groups", self.norm_groups),
        ];
        if let Some((field, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(DecoderConfigError::Zero(field));
        }
        let index = self.encoder_input_index.len();
        let of_levels = |counts: &[usize]| if counts.is_empty() { index } else { counts.len() };
        let (mixers, attention) = (of_levels(&self.mixers), of_levels(&self.attention));
        for dim in [self.encoder_input_dim.len(), self.channels.len(), mixers, attention] {
            if dim != index {
                return Err(DecoderConfigError::Levels { index, dim });
            }
        }
        for (&value, &of) in self.channels.iter().zip(&self.attention) {
            if of > 0 && !value.is_multiple_of(of) {
                return Err(DecoderConfigError::NotMultiple { field: "channels", value, of });
            }
        }
        for &value in &self.channels {
            if !value.is_multiple_of(self.norm_groups) {
                let (field, of) = ("channels", self.norm_groups);
                return Err(DecoderConfigError::NotMultiple { field, value, of });
            }
        }
        Ok(())
    }
}
