//! What decodes masks: the decoder of the publication's main configuration, one that is also told
//! where prompts lie, or SAM.

use super::mask::{MaskDecoder, MaskOutput};
use super::prompted::{Pointed, PromptedDecoder, Told};
use super::queries::QueryLayout;
use super::sam_unit::SamUnit;
use burn::module::Module;
use burn::tensor::Tensor;

/// One of the three; all have the same keys in front.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // A module cannot be boxed.
pub enum MaskUnit {
    /// Queries times per-pixel embeddings.
    Pixels(MaskDecoder),
    /// Told the prompts' regions beside the reference states.
    Prompted(PromptedDecoder),
    /// SAM, prompted by reference states.
    Sam(SamUnit),
}

impl MaskUnit {
    /// # Shapes
    /// As [`MaskDecoder::forward`] and [`PromptedDecoder::forward`], or with SAM's embedding as the only map as
    /// [`SamUnit::forward`].
    pub fn forward(
        &self,
        maps: &[Tensor<4>],
        refs: Tensor<3>,
        layout: &QueryLayout,
        told: &Told,
    ) -> MaskOutput {
        match self {
            Self::Pixels(decoder) => decoder.forward(maps, refs, layout),
            Self::Prompted(decoder) => decoder.forward(maps, refs, layout, told),
            Self::Sam(unit) => unit.forward(maps[0].clone(), refs, layout),
        }
    }

    /// As [`PromptedDecoder::meant_prompts`]; none from the other decoders.
    pub fn meant(
        &self,
        refs: &Tensor<3>,
        layout: &QueryLayout,
        pointed: &Pointed,
    ) -> Option<Tensor<2>> {
        match self {
            Self::Prompted(decoder) => Some(decoder.meant_prompts(refs, layout, pointed)),
            Self::Pixels(_) | Self::Sam(_) => None,
        }
    }

    /// As [`PromptedDecoder::joints`]; none from the other decoders.
    pub fn joints(
        &self,
        maps: &[Tensor<4>],
        refs: &Tensor<3>,
        layout: &QueryLayout,
        pointed: &Pointed,
    ) -> Option<Tensor<4>> {
        match self {
            Self::Prompted(decoder) => decoder.joints(maps, refs, layout, pointed),
            Self::Pixels(_) | Self::Sam(_) => None,
        }
    }
}
