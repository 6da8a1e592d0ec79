//! Where the engine computes.

use crate::WebError;
use burn::tensor::Device;
use refvlm_model::engine::{Clock, seconds_per_token};
use refvlm_model::opening::Opening;
use refvlm_protocol::{Backend, BackendChoice};
use std::cell::OnceCell;

thread_local! {
    // A device can be created only once; every later package is loaded to it too.
    static GPU: OnceCell<Device> = const { OnceCell::new() };
}

/// Decides for a package. `real` says whether the graphics card is hardware; a software renderer is
/// used only when WebGPU is asked for by name.
///
/// # Errors
/// When WebGPU is asked for and does not work, or the manifest is not valid.
pub(crate) async fn choose(
    manifest: &[u8],
    choice: BackendChoice,
    real: bool,
    clock: Clock,
) -> Result<Backend, WebError> {
    match choice {
        BackendChoice::Cpu => Ok(Backend::Cpu),
        BackendChoice::Webgpu => gpu().await.map(|_| Backend::Webgpu),
        BackendChoice::Auto if !real => Ok(Backend::Cpu),
        BackendChoice::Auto => {
            let (manifest, config) = Opening::parse(manifest)?;
            let format = manifest.quantisation.format();
            // A card that cannot be opened, or fails at its first task, is not used.
            let Ok(gpu) = gpu().await else { return Ok(Backend::Cpu) };
            let time =
                async |device: &Device| seconds_per_token(&config.llm, format, device, clock).await;
            let (gpu, cpu) = (time(&gpu).await, time(&Device::flex()).await);
            let quicker = matches!((gpu, cpu), (Ok(gpu), Ok(cpu)) if gpu < cpu);
            Ok(if quicker { Backend::Webgpu } else { Backend::Cpu })
        }
    }
}

/// The device of a backend that was chosen.
///
/// # Errors
/// When it is WebGPU's and was never made.
pub(crate) fn device(backend: Backend) -> Result<Device, WebError> {
    match backend {
        Backend::Cpu => Ok(Device::flex()),
        Backend::Webgpu => GPU
            .with(|gpu| gpu.get().cloned())
            .ok_or(WebError::NotBegun("no backend was chosen for this package")),
    }
}

async fn gpu() -> Result<Device, WebError> {
    if let Some(device) = GPU.with(|gpu| gpu.get().cloned()) {
        return Ok(device);
    }
    let device = Device::wgpu_options().init_async().await;
    let device = device.map_err(|e| WebError::NoWebGpu(e.to_string()))?;
    Ok(GPU.with(|gpu| gpu.get_or_init(|| device).clone()))
}
