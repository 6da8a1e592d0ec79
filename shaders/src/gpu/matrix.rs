//! Packed matrices in a device's memory.

use super::ops::{Form, Kernels};
use crate::packed::{BLOCK, Packed};
use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{Device, Int, Tensor, TensorData};
use half::f16;

/// What a binding may hold where the device does not say: the least that WebGPU promises.
const LEAST_BINDING: u64 = 128 << 20;

/// A quantised matrix `[out, in]` on a device that the kernels [run on](super::runs_on).
#[derive(Debug, Clone)]
pub struct PackedMatrix {
    shape: [usize; 2],
    parts: Vec<Part>,
}

/// Some rows of the matrix: a kernel reaches no further than one binding.
#[derive(Debug, Clone)]
struct Part {
    form: Form,
    words: Tensor<1, Int>,
    scales: Tensor<1, Int>,
}

impl PackedMatrix {
    /// Copies a matrix to a device, in as many parts as its bindings need.
    pub fn upload(packed: &Packed, device: &Device) -> Self {
        let limit = match device.as_dispatch() {
            DispatchDevice::Cube(device) => device.client().properties().memory.max_page_size,
            _ => LEAST_BINDING,
        };
        Self::upload_in_parts(packed, device, usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// The same with a given limit to the bytes of a part.
    pub fn upload_in_parts(packed: &Packed, device: &Device, limit: usize) -> Self {
        let shape @ [out, _] = packed.shape();
        let (format, blocks) = (packed.format(), packed.row_blocks());
        let row_words = blocks * format.words_per_block();
        let row_scales = blocks * format.scales_per_block();
        let stored = packed.stored_scales();
        // A part of an even number of rows begins with a whole word of scales.
        let rows = (limit / (row_words * 4)).max(2) / 2 * 2;
        let part = |first: usize| {
            let outputs = rows.min(out - first);
            let words = &packed.words()[first * row_words..][..outputs * row_words];
            let scales = &stored[first * row_scales..][..outputs * row_scales];
            let words: Vec<i32> = words.iter().map(|w| w.cast_signed()).collect();
            let scales: Vec<i32> = scales.chunks(2).map(pair_of_halves).collect();
            let tensor = |data: Vec<i32>| {
                let length = data.len();
                Tensor::<1, Int>::from_data(TensorData::new(data, [length]), device)
            };
            Part {
                form: Form { format, outputs, blocks },
                words: tensor(words),
                scales: tensor(scales),
            }
        };
        Self { shape, parts: (0..out).step_by(rows).map(part).collect() }
    }

    /// `[out, in]`.
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Bindings that the matrix takes.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// The product with every row of the matrix.
    ///
    /// # Shapes
    /// `[..., in] -> [..., out]`
    pub fn matmul<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let mut shape = x.dims();
        let rows = shape[..D - 1].iter().product::<usize>();
        shape[D - 1] = self.shape[0];
        let x = in_whole_blocks(x.reshape([rows, self.shape[1]]));
        let product = |part: &Part| {
            let Part { form, words, scales } = part.clone();
            let (words, scales) = (words.into_dispatch(), scales.into_dispatch());
            let x = x.clone().into_dispatch();
            Tensor::<2>::from_dispatch(Dispatch::packed_product(x, words, scales, form))
        };
        concatenate(self.parts.iter().map(product), 1).reshape(shape)
    }

    /// Rows of the matrix in f32; NaN where an id lies beyond it.
    ///
    /// # Shapes
    /// ids `[count]` -> `[count, in]`
    pub fn rows(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        let mut first = 0;
        let mut found: Option<Tensor<2>> = None;
        for part in &self.parts {
            let rows = part.rows(ids.clone().sub_scalar(first as i64));
            first += part.form.outputs;
            found = Some(match found {
                Some(others) => {
                    let missing = others.clone().is_nan();
                    others.mask_where(missing, rows)
                }
                None => rows,
            });
        }
        match found {
            Some(rows) => self.cut(rows),
            None => Tensor::empty([0, self.shape[1]], &ids.device()),
        }
    }

    /// The matrix in f32.
    pub fn unpack(&self) -> Tensor<2> {
        let rows = |part: &Part| {
            part.rows(Tensor::arange(0..part.form.outputs as i64, &part.words.device()))
        };
        self.cut(concatenate(self.parts.iter().map(rows), 0))
    }

    /// Rows without what fills up their last block.
    fn cut(&self, rows: Tensor<2>) -> Tensor<2> {
        let width = self.shape[1];
        if width.is_multiple_of(BLOCK) { rows } else { rows.narrow(1, 0, width) }
    }
}

impl Part {
    fn rows(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        let Part { form, words, scales } = self.clone();
        let (words, scales) = (words.into_dispatch(), scales.into_dispatch());
        Tensor::from_dispatch(Dispatch::packed_rows(ids.into_dispatch(), words, scales, form))
    }
}

/// Rows filled up with zeros, so that the last block of each is whole.
fn in_whole_blocks(x: Tensor<2>) -> Tensor<2> {
    let [rows, width] = x.dims();
    match width.next_multiple_of(BLOCK) - width {
        0 => x,
        missing => {
            let zeros = Tensor::zeros([rows, missing], (&x.device(), x.dtype()));
            Tensor::cat(vec![x, zeros], 1)
        }
    }
}

/// Tensors side by side; a single one is not copied.
fn concatenate(tensors: impl Iterator<Item = Tensor<2>>, dim: usize) -> Tensor<2> {
    let mut tensors: Vec<_> = tensors.collect();
    match (tensors.len(), tensors.pop()) {
        (1, Some(tensor)) => tensor,
        (_, last) => Tensor::cat(tensors.into_iter().chain(last).collect(), dim),
    }
}

fn pair_of_halves(scales: &[f16]) -> i32 {
    let word = scales.iter().rev().fold(0, |word, scale| word << 16 | u32::from(scale.to_bits()));
    word.cast_signed()
}
