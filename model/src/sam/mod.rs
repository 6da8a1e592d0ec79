//! SAM: points, boxes and masks become masks, each with the IoU it is expected to have.
//!
//! [`Sam`] stands by itself, under the keys of the published checkpoints, SAM's own and
//! MobileSAM's; [`crate::decoding::SamUnit`] makes it the mask unit of a REF-VLM.

mod config;
mod conv_norm;
mod fourier;
mod image_encoder;
mod mask_decoder;
mod predict;
mod prompt_encoder;
mod tiny_vit;
mod transformer;
mod window;

pub use config::{SamConfig, SamEncoderConfig, SamHeadConfig, SamVitConfig, TinyVitConfig};
pub use conv_norm::{BatchNorm, ConvNorm};
pub use fourier::FourierPosition;
pub use image_encoder::{RelativeAttention, SamVit};
pub use mask_decoder::{MaskChoice, SamMaskDecoder, SamOutput};
pub use predict::{
    SamError, SamFrame, SamImage, SamMask, SamPrompt, sam_pixels, sam_square_pixels,
};
pub use prompt_encoder::{PointLabel, PromptEncoder};
pub use tiny_vit::{BiasedAttention, TinyVit};
pub use transformer::{LinPair, TwoWaySizes, TwoWayTransformer};

use crate::layers::ConfigError;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// A whole SAM; `image_encoder`, `prompt_encoder` and `mask_decoder` are the published keys.
#[derive(Module, Debug)]
pub struct Sam {
    /// Picture to embedding.
    pub image_encoder: SamEncoder,
    /// Prompts to embeddings.
    pub prompt_encoder: PromptEncoder,
    /// Embeddings to masks.
    pub mask_decoder: SamMaskDecoder,
}

/// SAM's image encoder or MobileSAM's.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // A module cannot be boxed.
pub enum SamEncoder {
    /// SAM's.
    Vit(SamVit),
    /// MobileSAM's.
    TinyVit(TinyVit),
}

impl SamEncoder {
    /// Of normalised pixels.
    ///
    /// # Shapes
    /// `[batch, 3, size, size] -> [batch, channels, grid, grid]`
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Vit(encoder) => encoder.forward(pixels),
            Self::TinyVit(encoder) => encoder.forward(pixels),
        }
    }
}

impl Sam {
    /// A randomly initialised SAM.
    ///
    /// # Errors
    /// Names the field that doesn't fit the others.
    pub fn new(config: &SamConfig, device: &Device) -> Result<Self, ConfigError> {
        config.check()?;
        let encoder = &config.image_encoder;
        let (dim, sizes) = (encoder.channels(), [encoder.image_size(), encoder.grid()]);
        Ok(Self {
            image_encoder: match encoder {
                SamEncoderConfig::Vit(c) => SamEncoder::Vit(SamVit::new(c, device)),
                SamEncoderConfig::TinyVit(c) => SamEncoder::TinyVit(TinyVit::new(c, device)),
            },
            prompt_encoder: PromptEncoder::new(dim, sizes, &config.head, device),
            mask_decoder: SamMaskDecoder::new(dim, &config.head, device),
        })
    }
}
