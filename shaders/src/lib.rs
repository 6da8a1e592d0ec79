//! Kernels of REF-VLM: block-quantised weights and the product with them, straight from the
//! packed form; a depthwise convolution; the resize of a picture; masks at a picture's size.
//!
//! Each has a form for the CPU. With the feature `wgpu`, the module `gpu` has the same in WGSL for
//! every device that burn reaches through wgpu, except for the convolution, which is burn's there.

mod depthwise;
#[cfg(feature = "wgpu")]
pub mod gpu;
mod packed;
mod product;
mod resample;
mod upsample;

pub use depthwise::{Depthwise, same_padding};
pub use packed::{BLOCK, Format, PackError, Packed};
pub use resample::{resize_bicubic, resize_bilinear};
pub use upsample::Window;
