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
    /// Whether a scribble may mean several things, as a click does; else its answer is the first
    /// proposal, as that of a box.
    #[serde(default)]
    pub scribbles_choose: bool,
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
    /// What is learned of a picture before any prompt is told; none where the pyramid's maps are all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neck: Option<NeckConfig>,
}

/// Sizes of the neck: what is computed once per picture, with levels as the decoder has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NeckConfig {
    /// Channels of each level, finest first.
    pub channels: Vec<usize>,
    /// 3x3 mixings of each level; empty for none.
    #[serde(default)]
    pub mixers: Vec<usize>,
    /// Heads of the attention of each level's cells among each other, 0 for none; empty for none at
    /// all.
    #[serde(default)]
    pub attention: Vec<usize>,
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
        check_levels(index, self.norm_groups, (&self.channels, &self.mixers, &self.attention))?;
        let dim = self.encoder_input_dim.len();
        if dim != index {
            return Err(DecoderConfigError::Levels { index, dim });
        }
        if let Some(NeckConfig { channels, mixers, attention }) = &self.neck {
            if channels.contains(&0) {
                return Err(DecoderConfigError::Zero("neck.channels"));
            }
            check_levels(index, self.norm_groups, (channels, mixers, attention))?;
        }
        Ok(())
    }
}

/// Whether `index` levels can have these channels, mixings and heads.
fn check_levels(
    index: usize,
    groups: usize,
    (channels, mixers, attention): (&[usize], &[usize], &[usize]),
) -> Result<(), DecoderConfigError> {
    let of_levels = |counts: &[usize]| if counts.is_empty() { index } else { counts.len() };
    let sizes = [channels.len(), of_levels(mixers), of_levels(attention)];
    if let Some(&dim) = sizes.iter().find(|&&dim| dim != index) {
        return Err(DecoderConfigError::Levels { index, dim });
    }
    let heads = channels.iter().copied().zip(attention.iter().copied());
    let groups = channels.iter().map(|&channels| (channels, groups));
    let splits = heads.filter(|&(_, heads)| heads > 0).chain(groups);
    match splits.into_iter().find(|(value, of)| !value.is_multiple_of(*of)) {
        Some((value, of)) => Err(DecoderConfigError::NotMultiple { field: "channels", value, of }),
        None => Ok(()),
    }
}
