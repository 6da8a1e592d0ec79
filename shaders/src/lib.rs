//! Kernels of REF-VLM: block-quantised weights and the product with them, straight from the
//! packed form.

mod packed;
mod product;

pub use packed::{BLOCK, Format, PackError, Packed};
