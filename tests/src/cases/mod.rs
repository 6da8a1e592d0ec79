//! What the reference computed forward, case by case, on any device. On the CPU tests go on from
//! there to gradients; in a browser the same is asked of WebGPU.

mod decoding;
mod language;
mod prompting;
mod sam;
mod vision;

pub use decoding::{DECODERS, sine_positions};
pub use language::{LLAMAS, llama, llama_states};
pub use prompting::{VPT_ENCODERS, vpt_encoder};
pub use sam::{
    Head, IMAGE_ENCODERS, Prompted, TwoWay, image_encoder, prompts_and_masks, two_way_transformer,
};
pub use vision::{clip_vit, convnext, dinov2_vit, projector};

use crate::Fixture;
use burn::tensor::Device;

/// A case's name, and what computes it.
pub type Case = (&'static str, fn(&Fixture, &Device));
