//! Quantised weights inside ordinary parameters.
//!
//! A packed weight hangs on the `Param` it replaces, as a reparameterization: module structure and
//! paths stay those of the dense model, and whoever asks for `weight.val()` gets the dequantised
//! matrix. [`Linear`](super::Linear) and [`Embedding`](super::Embedding) look for the packed form
//! first and compute with it directly.

use burn::module::{Module, Param, ParamId, Reparameterization, Reparameterizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use refvlm_shaders::Packed;
#[cfg(feature = "wgpu")]
use refvlm_shaders::gpu::{self, PackedMatrix};
use std::collections::HashMap;
use std::sync::Arc;

/// Whether loops of our own can stand in for burn's: the numbers lie in the host's memory, and no
/// gradient is recorded.
pub(crate) fn on_host(device: &Device) -> bool {
    *device == Device::flex() && !device.is_autodiff()
}

/// A quantised matrix `[out, in]` in place of a parameter's values.
#[derive(Module, Debug)]
pub struct PackedWeight {
    #[module(skip)]
    matrix: Matrix,
}

/// Where the matrix lies.
#[derive(Clone, Debug)]
enum Matrix {
    Host(Arc<Packed>),
    #[cfg(feature = "wgpu")]
    Device(Arc<PackedMatrix>),
}

impl Reparameterization for PackedWeight {
    const NAME: &'static str = "packed";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        match &self.matrix {
            Matrix::Host(packed) => {
                let data = TensorData::new(packed.unpack(), packed.shape());
                Tensor::from_data(data, &base.device())
            }
            #[cfg(feature = "wgpu")]
            Matrix::Device(matrix) => matrix.unpack().reshape(base.shape()),
        }
    }
}

impl PackedWeight {
    /// Whether products with a packed matrix are computed on `device` without unpacking it first.
    pub fn computes_on(device: &Device) -> bool {
        #[cfg(feature = "wgpu")]
        if gpu::runs_on(device) {
            return !device.is_autodiff();
        }
        on_host(device)
    }

    /// A matrix for parameters of `device`. Where our kernels run, it goes there at once, so that
    /// a whole model never lies in the host's memory.
    fn new(packed: Packed, device: &Device) -> Self {
        #[cfg(feature = "wgpu")]
        if gpu::runs_on(device) {
            let matrix = PackedMatrix::upload(&packed, device);
            return Self { matrix: Matrix::Device(Arc::new(matrix)) };
        }
        let _ = device;
        Self { matrix: Matrix::Host(Arc::new(packed)) }
    }

    /// Packed form of a parameter if there is one that can compute with `device`.
    ///
    /// Elsewhere, and where gradients must flow through, the dequantised matrix is used.
    pub(super) fn of<'a>(weight: &'a Param<Tensor<2>>, device: &Device) -> Option<&'a Self> {
        let packed = weight.reparameterization::<PackedWeight>()?;
        let computes = match &packed.matrix {
            Matrix::Host(_) => on_host(device),
            #[cfg(feature = "wgpu")]
            Matrix::Device(_) => !device.is_autodiff(),
        };
        computes.then_some(packed)
    }

    /// # Shapes
    /// `[..., in] -> [..., out]`
    pub(super) fn product<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match &self.matrix {
            Matrix::Host(packed) => {
                let mut found = host_products(&[packed], x);
                found.swap_remove(0)
            }
            #[cfg(feature = "wgpu")]
            Matrix::Device(matrix) => matrix.matmul(x),
        }
    }

    /// Products of several matrices with one input; none where one of them is not there, or not in
    /// the host's memory.
    ///
    /// # Shapes
    /// `[..., in] -> [..., out]` of each
    pub(super) fn products<const N: usize, const D: usize>(
        all: [Option<&Self>; N],
        x: Tensor<D>,
    ) -> Option<[Tensor<D>; N]> {
        let host = |weight: Option<&Self>| match &weight?.matrix {
            Matrix::Host(packed) => Some(packed.clone()),
            #[cfg(feature = "wgpu")]
            Matrix::Device(_) => None,
        };
        let matrices: Vec<Arc<Packed>> = all.into_iter().map(host).collect::<Option<_>>()?;
        let matrices: Vec<&Packed> = matrices.iter().map(Arc::as_ref).collect();
        host_products(&matrices, x).try_into().ok()
    }

    /// # Shapes
    /// ids `[batch, length]` -> `[batch, length, in]`
    pub(super) fn rows(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        match &self.matrix {
            Matrix::Host(packed) => host_rows(packed, ids),
            #[cfg(feature = "wgpu")]
            Matrix::Device(matrix) => {
                let [batch, length] = ids.dims();
                let rows = matrix.rows(ids.reshape([batch * length]));
                rows.reshape([batch, length, matrix.shape()[1]])
            }
        }
    }
}

fn host_products<const D: usize>(matrices: &[&Packed], x: Tensor<D>) -> Vec<Tensor<D>> {
    let (device, dtype, shape) = (x.device(), x.dtype(), x.dims());
    let x = x.into_data().convert::<f32>();
    // Elements are f32 here, so the slice is never refused.
    let found = x.as_slice::<f32>().map(|x| Packed::products(matrices, x)).unwrap_or_default();
    let tensor = |(y, packed): (Vec<f32>, &&Packed)| {
        let mut shape = shape;
        shape[D - 1] = packed.shape()[0];
        Tensor::from_data(TensorData::new(y, shape), (&device, dtype))
    };
    found.into_iter().zip(matrices).map(tensor).collect()
}

fn host_rows(packed: &Packed, ids: Tensor<2, Int>) -> Tensor<3> {
    let ([batch, length], device) = (ids.dims(), ids.device());
    let width = packed.shape()[1];
    let mut rows = Vec::with_capacity(batch * length * width);
    for id in ids.into_data().iter::<i64>() {
        let row = usize::try_from(id).ok().and_then(|id| packed.unpack_row(id));
        // An id beyond the table shows as NaN instead of as another token.
        rows.extend(row.unwrap_or_else(|| vec![f32::NAN; width]));
    }
    Tensor::from_data(TensorData::new(rows, [batch, length, width]), &device)
}

/// Puts packed matrices in place of the parameters with these ids. Each must have the shape of its
/// parameter.
pub fn attach_packed<M: Module>(module: M, packed: HashMap<ParamId, Packed>) -> M {
    module.apply_reparameterization(Attach(packed))
}

struct Attach(HashMap<ParamId, Packed>);

impl Reparameterizer for Attach {
    type Reparam = PackedWeight;

    fn reparameterize<const D: usize>(
        &mut self,
        _path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<PackedWeight>) {
        let Some(packed) = self.0.remove(&param.id) else { return (param, None) };
        // One stored value seen in the parameter's shape takes no memory. NaN, so that a reader
        // that overlooks the packed form can't take it for weights.
        let device = param.lazy_device();
        let shape = param.lazy_shape();
        let base = Tensor::<D>::full([1; D], f32::NAN, &device).expand(shape);
        let base = Param::initialized(param.id, base).set_require_grad(false);
        (base, Some(PackedWeight::new(packed, &device)))
    }
}
