//! The kernels in WGSL against their twins on the CPU, at sizes that are no multiples of anything.
//!
//! Natively `cargo test -p refvlm-shaders --features wgpu --test kernels`, on whatever adapter there
//! is; `cargo xtask test --only wasm-kernels` runs the same in a browser with WebGPU.
#![cfg(feature = "wgpu")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::assertions_on_constants, reason = "what is constant differs by target")]

mod support;

use burn::tensor::{Device, Int, Tensor, TensorData};
use refvlm_shaders::gpu::{Normalise, PackedMatrix, mask_bits, resize_picture, runs_on, set_bits};
use refvlm_shaders::{Format, Packed, Window, resize_bicubic};
use std::cell::OnceCell;
use support::Numbers;

const FORMATS: [Format; 2] = [Format::Q8, Format::Q4];

thread_local! {
    static DEVICE: OnceCell<Option<Device>> = const { OnceCell::new() };
}

/// The device; none where there is no adapter, which is said once.
async fn device() -> Option<Device> {
    if let Some(device) = DEVICE.with(|cell| cell.get().cloned()) {
        return device;
    }
    let device = match Device::wgpu_options().init_async().await {
        Ok(device) => Some(device),
        Err(error) => {
            // A browser is started with an adapter for these tests, so there it is an error.
            assert!(cfg!(not(target_arch = "wasm32")), "no adapter: {error}");
            println!("skipped: no adapter for wgpu here ({error})");
            None
        }
    };
    DEVICE.with(|cell| cell.get_or_init(|| device).clone())
}

/// One device for all tests: two threads can not both make it.
#[cfg(not(target_arch = "wasm32"))]
#[test]
fn all_kernels() {
    pollster::block_on(async {
        if let Some(device) = device().await {
            product(&device).await;
            parts(&device).await;
            rows(&device).await;
            resize(&device).await;
            mask(&device).await;
        }
    });
}

#[cfg(target_arch = "wasm32")]
mod browser {
    use super::*;
    use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

    wasm_bindgen_test_configure!(run_in_dedicated_worker);

    macro_rules! tests {
        ($($name:ident: $what:ident),*) => {$(
            #[wasm_bindgen_test]
            async fn $name() {
                if let Some(device) = device().await {
                    $what(&device).await;
                }
            }
        )*};
    }

    tests!(
        the_product: product,
        a_matrix_in_parts: parts,
        unpacked_rows: rows,
        the_resize: resize,
        a_mask: mask
    );
}

async fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data_async().await.unwrap().iter::<f32>().collect()
}

fn matrix<const D: usize>(data: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(data, shape), device)
}

fn close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let size = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= 1e-5 * size.max(1e-3), "{what}: {i}: {a} for {b}");
    }
}

/// The product with the unpacked weights, in f64: on the processor the input is rounded, here it is
/// not.
fn exact(packed: &Packed, x: &[f32]) -> Vec<f32> {
    let (dense, [_, width]) = (packed.unpack(), packed.shape());
    let dot = |x: &[f32], w: &[f32]| -> f32 {
        x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum::<f64>() as f32
    };
    x.chunks_exact(width).flat_map(|x| dense.chunks_exact(width).map(move |w| dot(x, w))).collect()
}

async fn product(device: &Device) {
    assert!(runs_on(device) && !runs_on(&Device::flex()));
    let mut numbers = Numbers(1);
    let shapes = [
        [1, 32],
        [2, 64],
        [33, 96],
        [7, 160],
        [65, 1056],
        [129, 544],
        [70_001, 32],
        [576, 1536],
        [5, 33],
        [66, 88],
        [3, 120],
        [70, 472],
        [2, 1000],
    ];
    for format in FORMATS {
        for rows in [1, 2, 3, 4, 5, 31, 33, 70] {
            for [out, width] in shapes {
                if out > 60_000 && rows > 5 {
                    continue;
                }
                let weights = numbers.normal(out * width, 0.1);
                let x = numbers.normal(rows * width, 1.0);
                let packed = Packed::pack(format, &weights, [out, width]).unwrap();
                let there = PackedMatrix::upload(&packed, device);
                let y = there.matmul(matrix(x.clone(), [1, rows, width], device));
                assert_eq!(y.dims(), [1, rows, out]);
                let what = format!("{format:?} {rows}x{out}x{width}");
                close(&floats(y).await, &exact(&packed, &x), &what);
            }
        }
    }
    // A view that is not contiguous.
    let weights = numbers.normal(40 * 64, 0.1);
    let packed = Packed::pack(Format::Q4, &weights, [40, 64]).unwrap();
    let x = numbers.normal(64 * 6, 1.0);
    let turned: Vec<f32> = (0..6 * 64).map(|i| x[i % 64 * 6 + i / 64]).collect();
    let y = PackedMatrix::upload(&packed, device).matmul(matrix(x, [64, 6], device).transpose());
    close(&floats(y).await, &exact(&packed, &turned), "transposed");
}

async fn parts(device: &Device) {
    let mut numbers = Numbers(2);
    for format in FORMATS {
        let limits = |row| [(row * 1000, 1), (row * 8, 5), (row * 3, 19), (1, 19)];
        for (width, (limit, expected)) in [96, 88].into_iter().flat_map(|width: usize| {
            let row = width.div_ceil(32) * format.words_per_block() * 4;
            limits(row).map(|parts| (width, parts))
        }) {
            let out = 37;
            let weights = numbers.normal(out * width, 0.1);
            let packed = Packed::pack(format, &weights, [out, width]).unwrap();
            let there = PackedMatrix::upload_in_parts(&packed, device, limit);
            assert_eq!(there.parts(), expected);
            let x = numbers.normal(5 * width, 1.0);
            let y = there.matmul(matrix(x.clone(), [5, width], device));
            close(&floats(y).await, &exact(&packed, &x), "product of parts");
            close(&floats(there.unpack()).await, &packed.unpack(), "parts unpacked");
            let ids = Tensor::<1, Int>::from_data([36, 0, 8, 7], device);
            let expected: Vec<f32> =
                [36, 0, 8, 7].iter().flat_map(|&i| packed.unpack_row(i).unwrap()).collect();
            close(&floats(there.rows(ids)).await, &expected, "rows of parts");
        }
    }
}

async fn rows(device: &Device) {
    let mut numbers = Numbers(3);
    for format in FORMATS {
        for [out, width] in [[1, 32], [9, 96], [301, 576], [9, 33], [40, 472]] {
            let weights = numbers.normal(out * width, 0.1);
            let packed = Packed::pack(format, &weights, [out, width]).unwrap();
            let there = PackedMatrix::upload(&packed, device);
            // Unpacking multiplies an integer by a scale, so it is exact.
            assert_eq!(floats(there.unpack()).await, packed.unpack());
            let last = out - 1;
            let ids = Tensor::<1, Int>::from_data([last as i64, out as i64, -1, 0], device);
            let found = floats(there.rows(ids)).await;
            assert_eq!(found[..width], packed.unpack_row(last).unwrap());
            assert!(found[width..3 * width].iter().all(|v| v.is_nan()));
            assert_eq!(found[3 * width..], packed.unpack_row(0).unwrap());
        }
    }
}

async fn resize(device: &Device) {
    let mut numbers = Numbers(4);
    let fill = [122, 116, 104];
    let table: Vec<f32> = (0..3 * 256).map(|i| i as f32 * 0.25 - 100.0).collect();
    for ([width, height], size) in
        [([1, 1], 7), ([5, 3], 16), ([64, 64], 64), ([301, 77], 128), ([40, 333], 97)]
    {
        let rgb: Vec<u8> =
            (0..width * height * 3).map(|_| (numbers.uniform() * 256.0) as u8).collect();
        let side = width.max(height);
        let (left, top) = ((side - width) / 2, (side - height) / 2);
        let resized = resize_bicubic::<3>([side; 2], [size; 2], |y, row| {
            row.as_chunks_mut::<3>().0.fill(fill);
            if let Some(pixels) = y.checked_sub(top).and_then(|y| rgb.chunks(width * 3).nth(y)) {
                row[left * 3..][..width * 3].copy_from_slice(pixels);
            }
        });
        let value = |channel: usize, byte: u8| table[channel * 256 + usize::from(byte)];
        let expected: Vec<f32> = (0..3)
            .flat_map(|c| resized.iter().skip(c).step_by(3).map(move |&byte| value(c, byte)))
            .collect();
        let window = Window { side, left, top, width, height };
        let normalise = Normalise { fill, table: table.clone() };
        let there = resize_picture(&rgb, window, size, &normalise, device).unwrap();
        assert_eq!(there.dims(), [1, 3, size, size]);
        assert_eq!(floats(there).await, expected, "{width}x{height} to {size}");
        assert!(resize_picture(&rgb[1..], window, size, &normalise, device).is_none());
    }
}

async fn mask(device: &Device) {
    let mut numbers = Numbers(5);
    for (count, [h, w], [width, height]) in
        [(1, [1, 1], [3, 5]), (2, [4, 7], [33, 20]), (3, [32, 32], [301, 77]), (1, [9, 9], [2, 2])]
    {
        let maps = numbers.normal(count * h * w, 2.0);
        let side = width.max(height);
        let window =
            Window { side, left: (side - width) / 2, top: (side - height) / 2, width, height };
        for threshold in [0.0, 0.75] {
            let bits = mask_bits(matrix(maps.clone(), [count, h, w], device), window, threshold);
            let words = bits.dims()[1];
            let data = bits.into_data_async().await.unwrap();
            let bits: Vec<u32> = data.iter::<i32>().map(i32::cast_unsigned).collect();
            for (map, bits) in maps.chunks(h * w).zip(bits.chunks(words)) {
                let expected = window.upsample(map, [h, w]).unwrap();
                let found = set_bits(bits, width * height);
                assert_eq!(found.len(), expected.len());
                for (i, (&bit, &value)) in found.iter().zip(&expected).enumerate() {
                    // Where a value is the threshold up to rounding, either is right.
                    let right = bit == u8::from(value > threshold);
                    assert!(right || (value - threshold).abs() < 1e-5, "{width}x{height}: {i}");
                }
            }
        }
    }
}
