//! The layers every module is built of, with the parameter names of the published checkpoints
//! (`weight`, `bias`) and PyTorch's weight layout, so that importing is reading by name.

mod attention;
mod check;
mod conv;
mod detr_attention;
mod drawing;
mod dropout;
#[allow(non_snake_case, reason = "PEFT's keys")]
mod linear;
mod lora;
mod norm;
mod packed;
mod position;
mod resize;

pub use attention::{attend, merge_heads, split_heads};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use attention::{attend_slices, by_own_loops};
pub use check::ConfigError;
pub(crate) use check::{require, require_lora, require_vit};
pub use conv::Pointwise;
pub(crate) use conv::conv;
pub use detr_attention::DetrAttention;
pub use drawing::drawing;
pub(crate) use dropout::dropout;
pub use linear::{Activation, Embedding, Linear, Mlp, uniform};
pub use lora::{LayerLinears, LoraConfig, LoraError, LoraFactor, is_lora};
pub use norm::{GroupNorm, LayerNorm, RmsNorm};
pub(crate) use packed::on_host;
pub use packed::{PackedWeight, attach_packed};
pub use position::octave_position;
pub(crate) use resize::sampling_matrix;
pub use resize::{bilinear_matrix, resize_bilinear, resize_nearest};
