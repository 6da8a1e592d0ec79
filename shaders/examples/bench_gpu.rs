//! Speed of the WGSL kernels beside burn's own products on the same adapter:
//! `cargo run --release -p refvlm-shaders --features wgpu --example bench_gpu`.
//!
//! "f32" is burn's product with a dense matrix, "burn q4" and "burn q8" its own quantised ones with
//! blocks of 32; ours follow, with how many times faster they are than burn's of the same width.

use burn::tensor::quantization::{QuantScheme, QuantStore, QuantValue, ScaleDtype};
use burn::tensor::{Device, Tensor, TensorData};
use refvlm_shaders::gpu::{Normalise, PackedMatrix, mask_bits, resize_picture};
use refvlm_shaders::{Format, Packed, Window, resize_bicubic};
use std::time::Instant;

/// Seconds of one run. Each is waited for: what is measured includes one wait.
fn seconds(device: &Device, mut run: impl FnMut()) -> f64 {
    let wait = || device.sync().is_ok();
    for _ in 0..2 {
        run();
        wait();
    }
    let (start, mut runs) = (Instant::now(), 0);
    while runs < 3 || start.elapsed().as_secs_f64() < 0.5 {
        run();
        wait();
        runs += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(runs)
}

fn numbers(n: usize, k: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * k) % 2003) as f32 / 2003.0 - 0.5).collect()
}

fn products(device: &Device) {
    println!(
        "{:>5} {:>12} {:>8} {:>10} {:>9} {:>7}",
        "rows", "out x in", "", "ms", "GFLOP/s", "times"
    );
    for [out, width] in [[576, 576], [1536, 576], [576, 1536], [4096, 4096]] {
        let weights = numbers(out * width, 7919);
        let tensor = |data: Vec<f32>, shape: [usize; 2]| {
            Tensor::<2>::from_data(TensorData::new(data, shape), device)
        };
        let dense = tensor(weights.clone(), [out, width]);
        let scheme = |value| {
            QuantScheme::default()
                .with_value(value)
                .with_store(QuantStore::PackedU32(0))
                .per_block([32], ScaleDtype::F32)
        };
        for rows in [1, 4, 64] {
            let x = tensor(numbers(rows * width, 613), [rows, width]);
            let shape = format!("{out} x {width}");
            let print = |name: &str, time: f64, than: Option<f64>| {
                let speed = 2.0 * (rows * out * width) as f64 / time / 1e9;
                let times = than.map_or(String::new(), |than| format!("{:7.2}", than / time));
                println!(
                    "{rows:>5} {shape:>12} {name:>8} {:>10.3} {speed:>9.2} {times}",
                    time * 1e3
                );
            };
            let plain = seconds(device, || {
                let _ = x.clone().matmul(dense.clone().transpose());
            });
            print("f32", plain, None);
            let cases = [("q8", Format::Q8, QuantValue::Q8S), ("q4", Format::Q4, QuantValue::Q4S)];
            for (name, format, value) in cases {
                let quantised = dense.clone().quantize_dynamic(&scheme(value));
                let theirs = seconds(device, || {
                    let _ = x.clone().matmul(quantised.clone().transpose());
                });
                print(&format!("burn {name}"), theirs, None);
                let Ok(packed) = Packed::pack(format, &weights, [out, width]) else { return };
                let matrix = PackedMatrix::upload(&packed, device);
                let ours = seconds(device, || {
                    let _ = matrix.matmul(x.clone());
                });
                print(&format!("ours {name}"), ours, Some(theirs));
                println!("{:>46} {:7.2} than f32", "", plain / ours);
            }
        }
    }
}

fn pictures(device: &Device) {
    println!("{:>12} {:>22} {:>10} {:>10}", "picture", "", "GPU ms", "CPU ms");
    for [width, height] in [[640, 480], [2048, 1536]] {
        let name = format!("{width} x {height}");
        let rgb: Vec<u8> = (0..width * height * 3).map(|i| (i * 31 % 251) as u8).collect();
        let side = width.max(height);
        let window = Window { side, left: 0, top: (side - height) / 2, width, height };
        let table = (0..768).map(|i| i as f32).collect();
        let normalise = Normalise { fill: [122, 116, 104], table };
        let there = seconds(device, || {
            let _ = resize_picture(&rgb, window, 336, &normalise, device);
        });
        let here = seconds(device, || {
            resize_bicubic::<3>([side; 2], [336; 2], |y, row| {
                let line = y.checked_sub(window.top).and_then(|y| rgb.chunks(width * 3).nth(y));
                if let Some(pixels) = line {
                    row.copy_from_slice(pixels);
                }
            });
        });
        println!("{name:>12} {:>22} {:>10.2} {:>10.2}", "resize to 336", there * 1e3, here * 1e3);
        let logits = numbers(128 * 128, 7919);
        let map = Tensor::<3>::from_data(TensorData::new(logits.clone(), [1, 128, 128]), device);
        let there = seconds(device, || {
            let _ = mask_bits(map.clone(), window, 0.0);
        });
        let here = seconds(device, || {
            let values = window.upsample(&logits, [128, 128]).unwrap_or_default();
            std::hint::black_box(values.iter().map(|v| u8::from(*v > 0.0)).collect::<Vec<_>>());
        });
        println!("{name:>12} {:>22} {:>10.2} {:>10.2}", "mask from 128", there * 1e3, here * 1e3);
    }
}

fn main() {
    match Device::wgpu_options().init_with_setup() {
        Ok((device, setup)) => {
            println!("{:?}", setup.adapter.get_info().name);
            pictures(&device);
            products(&device);
        }
        Err(error) => println!("no adapter for wgpu here: {error}"),
    }
}
