//! Kernels of REF-VLM: block-quantised weights and the product with them, straight from the
//! packed form; attention and activations; the convolutions of EfficientNet; the resize of a
//! picture; masks at a picture's size.
//!
//! Each has a form for the CPU. With the feature `wgpu`, the module `gpu` has the same in WGSL for
//! every device that burn reaches through wgpu, except for the convolutions, which are burn's there.

#[cfg(not(target_arch = "wasm32"))]
mod attention;
mod depthwise;
mod exp;
#[cfg(feature = "wgpu")]
pub mod gpu;
mod lanes;
#[cfg(not(target_arch = "wasm32"))]
mod multiply;
mod packed;
mod product;
mod resample;
mod stem;
mod threads;
mod upsample;

#[cfg(not(target_arch = "wasm32"))]
pub use attention::{Heads, attention};
pub use depthwise::Depthwise;
pub use exp::{gelu_in_place, swish_in_place};
pub use lanes::same_padding;
pub use packed::{BLOCK, Format, PackError, Packed};
pub use product::Kernel;
pub use resample::{resize_bicubic, resize_bilinear};
pub use stem::Stem;
pub use upsample::Window;
