//! One way to run a kernel that is text.

use burn_cubecl::template::{KernelSource, SourceKernel, SourceTemplate};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::attributes::BufferIOAttr;
use cubecl::prelude::{CubeCount, CubeDim, KernelId};
use cubecl::server::{KernelArguments, MetadataBindingInfo};

/// In front of every kernel.
const THREAD: &str = include_str!("../wgsl/thread.wgsl");

/// Threads of every workgroup.
pub(super) const THREADS: u32 = 64;

/// A kernel: files that make one module, with constants in front.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Wgsl {
    pub(super) files: &'static [&'static str],
    pub(super) constants: Vec<(&'static str, u32)>,
}

impl KernelSource for Wgsl {
    fn source(&self) -> SourceTemplate {
        let constants = self.constants.iter().chain(&[("THREADS", THREADS)]);
        let constants = constants.map(|(name, v)| format!("const {name} = {v}u;\n"));
        let files = [&[THREAD], self.files].concat();
        SourceTemplate::new(constants.collect::<String>() + &files.join("\n"))
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>().info(self.clone()).cube_dim(CubeDim::new_1d(THREADS).0)
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

/// Runs a kernel in so many workgroups; they are folded into two dimensions, of which
/// `thread.wgsl` makes one number again. `sizes` is its uniform, in whole vectors of four.
pub(super) fn launch(
    kernel: Wgsl,
    workgroups: usize,
    reads: &[&CubeTensor],
    writes: &CubeTensor,
    sizes: &[[u32; 4]],
) {
    let client = &writes.client;
    let (limit, _, _) = client.properties().hardware.max_cube_count;
    let workgroups = u32::try_from(workgroups).unwrap_or(u32::MAX);
    let across = workgroups.min(limit).max(1);
    let count = CubeCount::Static(across, workgroups.div_ceil(across), 1);
    let words = sizes.iter().flat_map(|&[a, b, c, d]| [pair(a, b), pair(c, d)]).collect();
    let arguments = reads.iter().fold(KernelArguments::new(), |arguments, tensor| {
        arguments.with_buffer_io(tensor.handle.clone().binding(), BufferIOAttr::ReadOnly)
    });
    let arguments = arguments
        .with_buffer_io(writes.handle.clone().binding(), BufferIOAttr::WriteOnly)
        .with_info(MetadataBindingInfo::custom(words));
    let kernel = SourceKernel::new(kernel, CubeDim::new_1d(THREADS));
    client.launch(Box::new(kernel), count, arguments);
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}
