//! `--device` of the commands that answer.

use super::train::Compute;
use burn::tensor::Device;
use clap::ValueEnum;

/// Where answers are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Answering {
    /// The processor.
    Cpu,
    /// The first CUDA GPU; needs a build with `--features cuda`.
    Cuda,
    /// The first GPU that Vulkan, Metal or DirectX reach; needs a build with `--features wgpu`.
    Wgpu,
}

impl Answering {
    /// The device.
    ///
    /// # Errors
    /// When the program was built without it, or there is none on this machine.
    pub fn device(self) -> Result<Device, Box<dyn std::error::Error>> {
        match self {
            Self::Cpu => Compute::Cpu.device(),
            Self::Cuda => Compute::Cuda.device(),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => {
                let device = pollster::block_on(Device::wgpu_options().init_async());
                Ok(device.map_err(|e| {
                    format!("wgpu finds no GPU here: {e}: install its driver, or take --device cpu")
                })?)
            }
            #[cfg(not(feature = "wgpu"))]
            Self::Wgpu => Err("this build has no wgpu; build with `--features wgpu`".into()),
        }
    }

    /// Questions that are worth asking at a time: a graphics card takes one after the other.
    pub fn usual_threads(self) -> Option<usize> {
        (self != Self::Cpu).then_some(1)
    }
}
