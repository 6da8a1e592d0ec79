//! The kernels in WGSL, on burn's tensors.
//!
//! Each kernel is a file in `wgsl/`; `launch` runs them, `ops` makes them operations of burn's
//! backend, and the functions here are what a model calls. Nothing is read back.
//!
//! Every buffer is declared as `read_write`, also what is only read: tensors may share a buffer of
//! the device, and in one dispatch WebGPU allows a buffer only one kind of use.

mod launch;
mod matrix;
mod ops;
mod picture;

pub use matrix::PackedMatrix;
pub use picture::{Normalise, mask_bits, resize_picture, set_bits};

use burn::backend::DispatchDevice;
use burn::tensor::Device;
use burn_cubecl::CubeDevice;

/// Whether the kernels run on a device: one of wgpu's, without gradients.
pub fn runs_on(device: &Device) -> bool {
    matches!(device.as_dispatch(), DispatchDevice::Cube(CubeDevice::Wgpu(_)))
}
