//! A picture on its way to the towers, and masks on their way back.

use super::ops::{Kernels, Raster, Resize};
use crate::resample::{Filter, Kernel};
use crate::upsample::{Tap, Window};
use burn::backend::Dispatch;
use burn::tensor::{Device, Int, Tensor, TensorData};

/// What becomes of the bytes of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalise {
    /// The padding's colour.
    pub fill: [u8; 3],
    /// The value of each byte, by channel: `[3, 256]`, row-major.
    pub table: Vec<f32>,
}

/// Pads a picture to its square, resizes it as [`resize_bicubic`](crate::resize_bicubic) does, to
/// the bit, and normalises it.
///
/// None where the picture, or one of the steps, is more than a binding of the device holds, or
/// lengths do not agree: then the CPU has to do it.
///
/// # Shapes
/// `rgb` `[height, width, 3]` -> `[1, 3, size, size]`
pub fn resize_picture(
    rgb: &[u8],
    window: Window,
    size: usize,
    normalise: &Normalise,
    device: &Device,
) -> Option<Tensor<4>> {
    let Window { side, left, top, width, height } = window;
    let burn::backend::DispatchDevice::Cube(cube) = device.as_dispatch() else { return None };
    let limit = cube.client().properties().memory.max_page_size;
    let words = [width * height, side * size, 3 * size * size];
    let too_large = words.iter().any(|&words| words as u64 * 4 > limit);
    if too_large || rgb.len() != width * height * 3 || normalise.table.len() != 3 * 256 {
        return None;
    }
    let word = |&[r, g, b]: &[u8; 3]| i32::from(r) | i32::from(g) << 8 | i32::from(b) << 16;
    let picture = integers(rgb.as_chunks::<3>().0.iter().map(word).collect(), device);
    // The square is square, so both passes have one filter.
    let filter = Filter::new(Kernel::Bicubic, side, size);
    let stride = filter.windows.iter().map(|(_, weights)| weights.len()).max().unwrap_or(0);
    let windows = filter.windows.iter().flat_map(|(first, w)| [*first as i32, w.len() as i32]);
    let windows = integers(windows.collect(), device);
    let mut weights = vec![0; size * stride];
    for (row, (_, filled)) in weights.chunks_exact_mut(stride.max(1)).zip(&filter.windows) {
        row[..filled.len()].copy_from_slice(filled);
    }
    let table = TensorData::new(normalise.table.clone(), [3 * 256]);
    let table = Tensor::<1>::from_data(table, device);
    let sizes = Resize {
        frame: [width, height, left, top].map(|v| v as u32),
        side,
        size,
        stride: stride as u32,
        fill: word(&normalise.fill).cast_unsigned(),
    };
    let weights = integers(weights, device);
    Some(Tensor::from_dispatch(Dispatch::resize(
        picture.into_dispatch(),
        windows.into_dispatch(),
        weights.into_dispatch(),
        table.into_dispatch(),
        sizes,
    )))
}

/// The pixels where maps over a picture's square exceed a threshold, as [`Window::upsample`] gives
/// the values (up to the rounding of f32). [`set_bits`] takes the result apart.
///
/// # Shapes
/// `[count, h, w]` -> `[count, words]`, 32 pixels in each word
pub fn mask_bits(maps: Tensor<3>, window: Window, threshold: f32) -> Tensor<2, Int> {
    let [count, h, w] = maps.dims();
    let Window { width, height, .. } = window;
    let word = |t: Tap| [t.low as i32, t.high as i32, t.fraction.to_bits().cast_signed(), 0];
    let taps = window.columns(w).into_iter().chain(window.rows(h)).flat_map(word);
    let taps = integers(taps.collect(), &maps.device());
    let raster = Raster { maps: count, cells: [h, w], width, height, threshold };
    Tensor::from_dispatch(Dispatch::mask_bits(maps.into_dispatch(), taps.into_dispatch(), raster))
}

/// One byte, 0 or 1, for each of the first `count` bits.
pub fn set_bits(words: &[u32], count: usize) -> Vec<u8> {
    let bits = words.iter().flat_map(|word| (0..32).map(move |i| (word >> i & 1) as u8));
    bits.take(count).collect()
}

fn integers(data: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let length = data.len();
    Tensor::from_data(TensorData::new(data, [length]), device)
}
