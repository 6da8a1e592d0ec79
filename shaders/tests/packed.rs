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
    // Representable, so packing must find exactly these.
    let q4: Vec<f32> = (0..BLOCK).map(|i| (i * 5 % 16) as f32 * 0.5 - 1.25).collect();
    let packed = Packed::pack(Format::Q4, &q4, [1, BLOCK]).unwrap();
    for (i, &w) in q4.iter().enumerate() {
        let field = packed.words()[i % 4] >> (4 * (i / 4)) & 15;
        assert_eq!(field as f32 * packed.scales()[0] + packed.minima()[0], w, "element {i}");
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
        for shape in [[1, 32], [3, 96], [17, 64], [5, 416], [2, 1], [3, 33], [7, 88], [3, 1000]] {
            let weights = numbers.normal(shape[0] * shape[1], 0.02);
            let packed = Packed::pack(format, &weights, shape).unwrap();
            let scales = packed.stored_scales();
            assert_eq!(scales.len(), packed.scales().len() * format.scales_per_block());
            assert_eq!(packed.scales().len(), shape[0] * shape[1].div_ceil(BLOCK));
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

/// Blocks of a file with 4 bits per weight, as ggml rounds them: with a minimum (Q4_1) and without
/// (Q4_0).
fn rounded(weights: &[f32], minimum: bool) -> Vec<f32> {
    let half = |x: f32| f16::from_f32(x).to_f32();
    let block = |block: &[f32; BLOCK]| {
        let low = block.iter().copied().fold(f32::INFINITY, f32::min);
        let high = block.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let (scale, zero) = match minimum {
            true => ((high - low) / 15.0, low),
            false => (if high > -low { high } else { low } / -8.0, 0.0),
        };
        let first = if minimum { 0.0 } else { -8.0 };
        block.map(|w| {
            let level = ((w - zero) / scale).round().clamp(first, first + 15.0);
            level * half(scale) + half(zero)
        })
    };
    weights.as_chunks().0.iter().flat_map(block).collect()
}

#[test]
fn weights_of_a_four_bit_file_are_found_again_to_the_bit() {
    let weights = Numbers(4).normal(64 * 1024, 0.02);
    for minimum in [true, false] {
        let weights = rounded(&weights, minimum);
        let packed = Packed::pack(Format::Q4, &weights, [64, 1024]).unwrap();
        assert_eq!(packed.unpack(), weights, "with a minimum: {minimum}");
    }
    // One value in all places needs no level.
    let packed = Packed::pack(Format::Q4, &[0.75; 32], [1, 32]).unwrap();
    assert_eq!(packed.unpack(), [0.75; 32]);
}

#[test]
fn the_error_is_what_the_documentation_says() {
    let weights = Numbers(2).normal(512 * 1024, 0.02);
    for (format, low, high) in [(Format::Q8, 0.0050, 0.0058), (Format::Q4, 0.070, 0.074)] {
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
            for [out, width] in [
                [1, 32],
                [2, 64],
                [3, 32],
                [33, 96],
                [7, 160],
                [65, 1056],
                [3, 1],
                [5, 33],
                [66, 88],
                [3, 120],
                [7, 472],
                [2, 1000],
            ] {
                let weights = numbers.normal(out * width, 0.1);
                let x = numbers.normal(rows * width, 1.0);
                let packed = Packed::pack(format, &weights, [out, width]).unwrap();
                let dense = packed.unpack();
                let y = packed.matmul(&x);
                assert_eq!(dense.len(), out * width);
                assert_eq!(y.len(), rows * out);
                assert_eq!(packed.matmul(&[&x[..], &vec![1.0; width - 1]].concat()), y);
                for (i, &found) in y.iter().enumerate() {
                    let x = &x[i / out * width..][..width];
                    let w = &dense[i % out * width..][..width];
                    let terms = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w));
                    let (sum, size) = terms.fold((0.0, 0.0), |(s, m), t| (s + t, m + t.abs()));
                    let error = (f64::from(found) - sum).abs();
                    // The input is rounded to 32767 steps of its largest number; six times what
                    // that is off on average.
                    let top = f64::from(x.iter().fold(0.0f32, |top, x| top.max(x.abs())));
                    let length = w.iter().map(|w| f64::from(w * w)).sum::<f64>().sqrt();
                    let rounding = 6.0 * top / 32767.0 / 12f64.sqrt() * length;
                    let most = 1e-6 * size + rounding;
                    assert!(error <= most, "{format:?} {rows}x{out}x{width}: {error}");
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_packed_is_an_error() {
    for format in FORMATS {
        let pack = |weights: &[f32], shape| Packed::pack(format, weights, shape).map(|_| ());
        assert_eq!(pack(&[], [1, 0]), Err(PackError::Empty));
        assert!(matches!(pack(&[0.0; 64], [usize::MAX, 33]), Err(PackError::Length { .. })));
        assert!(matches!(pack(&[0.0; 64], [3, 32]), Err(PackError::Length { found: 64, .. })));
        for bad in [f32::NAN, f32::INFINITY, 3e38] {
            let mut weights = [0.5; 96];
            weights[70] = bad;
            assert_eq!(pack(&weights, [3, 32]), Err(PackError::NotFinite { row: 2 }), "{bad}");
            assert_eq!(pack(&weights, [2, 48]), Err(PackError::NotFinite { row: 1 }), "{bad}");
        }
        assert_eq!(Packed::pack(format, &[0.0; 64], [2, 32]).unwrap().unpack(), [0.0; 64]);
        let parts = |shape, words: usize, scales: &[f16]| {
            Packed::from_parts(format, shape, vec![0; words], scales).map(|_| ())
        };
        let (words, count) = (format.words_per_block(), format.scales_per_block());
        let ones = vec![f16::ONE; count];
        assert_eq!(parts([1, 32], words, &ones), Ok(()));
        assert!(parts([1, 32], words + 1, &ones).is_err());
        assert!(parts([1, 32], words, &vec![f16::ONE; count + 1]).is_err());
        assert!(parts([usize::MAX, 32], words, &ones).is_err());
        let nan = [ones.clone(), vec![f16::NAN; count]].concat();
        assert_eq!(parts([2, 32], 2 * words, &nan), Err(PackError::NotFinite { row: 1 }));
        assert_eq!(parts([1, 33], 2 * words, &nan), Err(PackError::NotFinite { row: 0 }));
        assert_eq!(parts([1, 1], words, &ones), Ok(()));
        assert!(parts([1, 33], words, &ones).is_err());
        assert!(parts([1, usize::MAX], words, &ones).is_err());
    }
}

#[test]
fn the_width_is_said_by_who_knows_it() {
    let weights = Numbers(5).normal(3 * 88, 0.1);
    for format in FORMATS {
        let packed = Packed::pack(format, &weights, [3, 88]).unwrap();
        let (words, scales) = (packed.words().to_vec(), packed.stored_scales());
        let stored = Packed::from_parts(format, [3, 96], words, &scales).unwrap();
        for (row, unpacked) in stored.unpack().chunks(96).enumerate() {
            assert_eq!(unpacked[..88], packed.unpack_row(row).unwrap());
        }
        // What fills up the last block is zero bits: the last 8 of 32 fields of each row.
        let (per_block, bits) = (format.words_per_block(), 32 / format.per_word());
        for words in packed.words().chunks(3 * per_block) {
            for at in 24..BLOCK {
                let field = words[2 * per_block + at % per_block] >> (at / per_block * bits);
                assert_eq!(field & ((1 << bits) - 1), 0, "{at}");
            }
        }
        for width in [0, 1, 64, 97, usize::MAX] {
            assert_eq!(stored.clone().with_width(width), None, "{width}");
        }
        assert_eq!(stored.with_width(88), Some(packed));
    }
}
