//! Packing against its definition, and the product against a plain loop over unpacked weights.

mod support;

use half::f16;
use refvlm_shaders::{BLOCK, Format, PackError, Packed};
use support::Numbers;
// The same tests run as WebAssembly, where other loops multiply.
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const FORMATS: [Format; 2] = [Format::Q8, Format::Q4];

fn relative_rms(a: &[f32], b: &[f32]) -> f32 {
    let error: f32 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    (error / b.iter().map(|b| b * b).sum::<f32>()).sqrt()
}

#[test]
fn words_hold_the_levels_where_the_layout_says() {
    // Every level times the scale 0.5: representable, so packing must find exactly these.
    let q4: Vec<f32> = (0..BLOCK).map(|i| ((i * 5 % 16) as f32 - 8.0) * 0.5).collect();
    let packed = Packed::pack(Format::Q4, &q4, [1, BLOCK]).unwrap();
    let scale = packed.scales()[0];
    for (i, &w) in q4.iter().enumerate() {
        let field = packed.words()[i % 4] >> (4 * (i / 4)) & 15;
        assert_eq!((field as f32 - 8.0) * scale, w, "element {i}");
    }
    let q8: Vec<f32> = (0..BLOCK).map(|i| ((i * 37 % 255) as f32 - 127.0) * 0.5).collect();
    let packed = Packed::pack(Format::Q8, &q8, [1, BLOCK]).unwrap();
    for (i, &w) in q8.iter().enumerate() {
        let field = (packed.words()[i % 8] >> (8 * (i / 8))) as u8 as i8;
        assert_eq!(f32::from(field) * packed.scales()[0], w, "element {i}");
    }
}

#[test]
fn parts_make_the_same_matrix_and_packing_again_changes_nothing() {
    let mut numbers = Numbers(1);
    for format in FORMATS {
        for shape in [[1, 32], [3, 96], [17, 64], [5, 416]] {
            let weights = numbers.normal(shape[0] * shape[1], 0.02);
            let packed = Packed::pack(format, &weights, shape).unwrap();
            let scales: Vec<f16> = packed.scales().iter().map(|&s| f16::from_f32(s)).collect();
            let same = Packed::from_parts(format, shape, packed.words().to_vec(), &scales).unwrap();
            assert_eq!(same, packed);
            let unpacked = packed.unpack();
            for (row, expected) in unpacked.chunks(shape[1]).enumerate() {
                assert_eq!(packed.unpack_row(row).unwrap(), expected);
            }
            assert_eq!(packed.unpack_row(shape[0]), None);
            // What is representable already is kept within the rounding of the scale.
            let again = Packed::pack(format, &unpacked, shape).unwrap().unpack();
            assert!(relative_rms(&again, &unpacked) < 1e-3);
        }
    }
}

#[test]
fn the_error_is_what_the_documentation_says() {
    let weights = Numbers(2).normal(512 * 1024, 0.02);
    for (format, low, high) in [(Format::Q8, 0.0050, 0.0058), (Format::Q4, 0.078, 0.083)] {
        let packed = Packed::pack(format, &weights, [512, 1024]).unwrap();
        let error = relative_rms(&packed.unpack(), &weights);
        assert!((low..high).contains(&error), "{format:?}: {error}");
    }
}

#[test]
fn the_product_is_that_of_the_unpacked_weights() {
    let mut numbers = Numbers(3);
    for format in FORMATS {
        for rows in [0, 1, 2, 3, 4, 5, 7, 8, 13] {
            for [out, width] in [[1, 32], [2, 64], [3, 32], [33, 96], [7, 160], [65, 1056]] {
                let weights = numbers.normal(out * width, 0.1);
                let x = numbers.normal(rows * width, 1.0);
                let packed = Packed::pack(format, &weights, [out, width]).unwrap();
                let dense = packed.unpack();
                let y = packed.matmul(&x);
                assert_eq!(y.len(), rows * out);
                for (i, &found) in y.iter().enumerate() {
                    let x = &x[i / out * width..][..width];
                    let w = &dense[i % out * width..][..width];
                    let terms = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w));
                    let (sum, size) = terms.fold((0.0, 0.0), |(s, m), t| (s + t, m + t.abs()));
                    let error = (f64::from(found) - sum).abs();
                    assert!(error <= 1e-6 * size, "{format:?} {rows}x{out}x{width}: {error}");
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_packed_is_an_error() {
    for format in FORMATS {
        let pack = |weights: &[f32], shape| Packed::pack(format, weights, shape).map(|_| ());
        assert_eq!(pack(&[0.0; 48], [1, 48]), Err(PackError::Width(48)));
        assert_eq!(pack(&[], [1, 0]), Err(PackError::Width(0)));
        assert!(matches!(pack(&[0.0; 64], [3, 32]), Err(PackError::Length { found: 64, .. })));
        for bad in [f32::NAN, f32::INFINITY, 3e38] {
            let mut weights = [0.5; 96];
            weights[70] = bad;
            assert_eq!(pack(&weights, [3, 32]), Err(PackError::NotFinite { row: 2 }), "{bad}");
        }
        assert_eq!(Packed::pack(format, &[0.0; 64], [2, 32]).unwrap().unpack(), [0.0; 64]);
        let parts = |shape, words: usize, scales: &[f16]| {
            Packed::from_parts(format, shape, vec![0; words], scales).map(|_| ())
        };
        let words = format.words_per_block();
        assert_eq!(parts([1, 32], words, &[f16::ONE]), Ok(()));
        assert!(parts([1, 32], words + 1, &[f16::ONE]).is_err());
        assert!(parts([1, 32], words, &[f16::ONE; 2]).is_err());
        assert!(parts([usize::MAX, 32], words, &[f16::ONE]).is_err());
        let nan = parts([2, 32], 2 * words, &[f16::ONE, f16::NAN]);
        assert_eq!(nan, Err(PackError::NotFinite { row: 1 }));
    }
}
