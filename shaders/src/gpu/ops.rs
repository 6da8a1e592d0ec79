//! The kernels as operations of burn's backend: burn finds the device's client and memory.

use super::launch::{THREADS, Wgsl, launch};
use crate::packed::{BLOCK, Format};
use crate::resample::FRACTION_BITS;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata, backend_extension};
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

/// A packed matrix `[outputs, blocks * 32]` beside its two tensors.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    pub(super) format: Format,
    pub(super) outputs: usize,
    pub(super) blocks: usize,
}

/// Sizes of a resize.
#[derive(Debug, Clone, Copy)]
pub struct Resize {
    /// Picture: width, height, left, top.
    pub(super) frame: [u32; 4],
    /// Side of the padded square.
    pub(super) side: usize,
    /// Side of the result.
    pub(super) size: usize,
    /// Weights per position.
    pub(super) stride: u32,
    /// The padding, red in the low bits.
    pub(super) fill: u32,
}

/// Sizes of a mask.
#[derive(Debug, Clone, Copy)]
pub struct Raster {
    pub(super) maps: usize,
    pub(super) cells: [usize; 2],
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) threshold: f32,
}

/// Operations that burn does not have.
#[backend_extension(Cube)]
pub trait Kernels: Backend {
    /// `[rows, in]` -> `[rows, outputs]`
    fn packed_product(
        x: FloatTensor<Self>,
        words: IntTensor<Self>,
        scales: IntTensor<Self>,
        form: Form,
    ) -> FloatTensor<Self>;

    /// ids `[count]` -> `[count, in]`
    fn packed_rows(
        ids: IntTensor<Self>,
        words: IntTensor<Self>,
        scales: IntTensor<Self>,
        form: Form,
    ) -> FloatTensor<Self>;

    /// `[height * width]` -> `[1, 3, size, size]`
    fn resize(
        picture: IntTensor<Self>,
        windows: IntTensor<Self>,
        weights: IntTensor<Self>,
        table: FloatTensor<Self>,
        sizes: Resize,
    ) -> FloatTensor<Self>;

    /// `[count, h, w]` -> `[count, words]`
    fn mask_bits(maps: FloatTensor<Self>, taps: IntTensor<Self>, raster: Raster)
    -> IntTensor<Self>;
}

impl Kernels for CubeBackend {
    fn packed_product(
        x: FloatTensor<Self>,
        words: IntTensor<Self>,
        scales: IntTensor<Self>,
        form: Form,
    ) -> FloatTensor<Self> {
        let x = into_contiguous(x);
        let rows = x.shape().num_elements() / (form.blocks * BLOCK);
        let y = empty(&x, [rows, form.outputs].into(), DType::F32);
        let [blocks, outputs] = [form.blocks, form.outputs].map(word);
        if rows <= 4 {
            let lanes = lanes(blocks);
            let constants = vec![("ROWS", word(rows)), ("LANES", lanes)];
            let kernel = Wgsl { files: matvec(form.format), constants };
            let groups = form.outputs.div_ceil((THREADS / lanes) as usize);
            launch(kernel, groups, &[&words, &scales, &x], &y, &[[blocks, outputs, 0, 0]]);
        } else {
            let kernel = Wgsl { files: matmul(form.format), constants: Vec::new() };
            let across = form.outputs.div_ceil(TILE);
            let sizes = [blocks, outputs, word(rows), word(across)];
            let groups = across * rows.div_ceil(TILE);
            launch(kernel, groups, &[&words, &scales, &x], &y, &[sizes]);
        }
        y
    }

    fn packed_rows(
        ids: IntTensor<Self>,
        words: IntTensor<Self>,
        scales: IntTensor<Self>,
        form: Form,
    ) -> FloatTensor<Self> {
        let ids = into_contiguous(ids);
        let count = ids.shape().num_elements();
        let y = empty(&ids, [count, form.blocks * BLOCK].into(), DType::F32);
        let kernel = Wgsl { files: rows(form.format), constants: Vec::new() };
        let sizes = [word(form.blocks), word(form.outputs), word(count), f32::NAN.to_bits()];
        let quads = count * form.blocks * BLOCK / 4;
        launch(kernel, threads(quads), &[&words, &scales, &ids], &y, &[sizes]);
        y
    }

    fn resize(
        picture: IntTensor<Self>,
        windows: IntTensor<Self>,
        weights: IntTensor<Self>,
        table: FloatTensor<Self>,
        sizes: Resize,
    ) -> FloatTensor<Self> {
        let Resize { frame, side, size, stride, fill } = sizes;
        let narrow = empty(&picture, [side, size].into(), DType::I32);
        let constants = vec![("FRACTION", FRACTION_BITS), ("STRIDE", stride)];
        let square = [word(side), word(size), 0, 0];
        let kernel = Wgsl {
            files: RESIZE_COLUMNS,
            constants: [constants.clone(), vec![("FILL", fill)]].concat(),
        };
        let groups = threads(side * size);
        launch(kernel, groups, &[&picture, &windows, &weights], &narrow, &[frame, square]);
        let values = empty(&picture, [1, 3, size, size].into(), DType::F32);
        let kernel = Wgsl { files: RESIZE_ROWS, constants };
        let reads = [&narrow, &windows, &weights, &table];
        launch(kernel, threads(size * size), &reads, &values, &[[word(size), 0, 0, 0]]);
        values
    }

    fn mask_bits(
        maps: FloatTensor<Self>,
        taps: IntTensor<Self>,
        raster: Raster,
    ) -> IntTensor<Self> {
        let Raster { maps: count, cells: [h, w], width, height, threshold } = raster;
        let maps = into_contiguous(maps);
        let words = (width * height).div_ceil(32);
        let bits = empty(&maps, [count, words].into(), DType::I32);
        let sizes =
            [[h, w, width, height].map(word), [word(words), word(count), threshold.to_bits(), 0]];
        let kernel = Wgsl { files: MASK, constants: Vec::new() };
        launch(kernel, threads(words * count), &[&maps, &taps], &bits, &sizes);
        bits
    }
}

/// Rows and outputs of a tile in `matmul.wgsl`.
const TILE: usize = 32;

const PACKED: &str = include_str!("../wgsl/packed.wgsl");
const Q4: &str = include_str!("../wgsl/q4.wgsl");
const Q8: &str = include_str!("../wgsl/q8.wgsl");
const MATVEC: &str = include_str!("../wgsl/matvec.wgsl");
const MATMUL: &str = include_str!("../wgsl/matmul.wgsl");
const ROWS: &str = include_str!("../wgsl/rows.wgsl");
const FILTER: &str = include_str!("../wgsl/filter.wgsl");
const RESIZE_COLUMNS: &[&str] = &[FILTER, include_str!("../wgsl/resize_columns.wgsl")];
const RESIZE_ROWS: &[&str] = &[FILTER, include_str!("../wgsl/resize_rows.wgsl")];
const MASK: &[&str] = &[include_str!("../wgsl/mask.wgsl")];

fn matvec(format: Format) -> &'static [&'static str] {
    match format {
        Format::Q4 => &[PACKED, Q4, MATVEC],
        Format::Q8 => &[PACKED, Q8, MATVEC],
    }
}

fn matmul(format: Format) -> &'static [&'static str] {
    match format {
        Format::Q4 => &[PACKED, Q4, MATMUL],
        Format::Q8 => &[PACKED, Q8, MATMUL],
    }
}

fn rows(format: Format) -> &'static [&'static str] {
    match format {
        Format::Q4 => &[PACKED, Q4, ROWS],
        Format::Q8 => &[PACKED, Q8, ROWS],
    }
}

/// Threads that share an output: no more than it has blocks, or some would have nothing to do.
fn lanes(blocks: u32) -> u32 {
    let fitting = if blocks.is_power_of_two() { blocks } else { blocks.next_power_of_two() / 2 };
    fitting.clamp(4, 32)
}

fn threads(items: usize) -> usize {
    items.div_ceil(THREADS as usize)
}

/// Sizes come from tensors that fit a device's buffers, so they fit 32 bits.
fn word(size: usize) -> u32 {
    size as u32
}

fn empty(like: &CubeTensor, shape: Shape, dtype: DType) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape, dtype)
}
