//! Speed of the packed products beside the f32 product, and of the depthwise convolutions of
//! EfficientNet-Lite2 at 256 px: `cargo run --release -p refvlm-shaders --example bench`. One
//! thread; the f32 product is the same loop over eight lanes.

use refvlm_shaders::{Depthwise, Format, Packed};
use std::hint::black_box;
use std::time::Instant;

fn dense(weights: &[f32], x: &[f32], width: usize) -> Vec<f32> {
    let dot = |w: &[f32], x: &[f32]| {
        let mut sums = [0.0f32; 32];
        for (w, x) in w.as_chunks::<32>().0.iter().zip(x.as_chunks::<32>().0) {
            for l in 0..32 {
                sums[l] += w[l] * x[l];
            }
        }
        sums.iter().sum::<f32>()
    };
    x.chunks_exact(width)
        .flat_map(|x| weights.chunks_exact(width).map(move |w| dot(w, x)))
        .collect()
}

fn seconds(mut run: impl FnMut() -> Vec<f32>) -> f64 {
    black_box(run());
    let (start, mut best) = (Instant::now(), f64::INFINITY);
    while start.elapsed().as_secs_f64() < 0.15 {
        let start = Instant::now();
        black_box(run());
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

/// Sides, channels, kernels and strides, and how many convolutions there are of each.
const CONVOLUTIONS: [([usize; 4], u32); 12] = [
    ([128, 32, 3, 1], 1),
    ([128, 96, 3, 2], 1),
    ([64, 144, 3, 1], 2),
    ([64, 144, 5, 2], 1),
    ([32, 288, 5, 1], 2),
    ([32, 288, 3, 2], 1),
    ([16, 528, 3, 1], 3),
    ([16, 528, 5, 1], 1),
    ([16, 720, 5, 1], 3),
    ([16, 720, 5, 2], 1),
    ([8, 1248, 5, 1], 4),
    ([8, 1248, 3, 1], 1),
];

fn convolutions() {
    println!(
        "{:>6} {:>8} {:>6} {:>6} {:>8} {:>9}",
        "side", "channels", "kernel", "stride", "ms", "GFLOP/s"
    );
    let mut total = 0.0;
    for ([side, channels, kernel, stride], count) in CONVOLUTIONS {
        let weight = vec![0.01; channels * kernel * kernel];
        let x: Vec<f32> =
            (0..side * side * channels).map(|i| ((i * 104729) % 997) as f32 / 997.0).collect();
        let bias = vec![0.1; channels];
        let conv = Depthwise::new(&weight, &bias, kernel, stride);
        let time = seconds(|| conv.relu6(black_box(&x), [side; 2], Some(&bias)));
        let out = side.div_ceil(stride).pow(2);
        let work = 2.0 * (out * channels * kernel * kernel) as f64 / 1e9;
        let ms = 1e3 * time;
        println!("{side:>6} {channels:>8} {kernel:>6} {stride:>6} {ms:>8.3} {:>9.2}", work / time);
        total += f64::from(count) * ms;
    }
    println!("{total:.1} ms in all\n");
}

fn main() {
    convolutions();
    println!("{:>6} {:>12} {:>6} {:>9} {:>7}", "rows", "out x in", "format", "GFLOP/s", "to f32");
    for [out, width] in [[576, 576], [1536, 576], [576, 1536], [8192, 576], [4096, 4096]] {
        let weights: Vec<f32> =
            (0..out * width).map(|i| ((i * 7919) % 2003) as f32 / 2003.0 - 0.5).collect();
        for rows in [1, 4, 15, 16, 64] {
            let x: Vec<f32> =
                (0..rows * width).map(|i| ((i * 104729) % 997) as f32 / 997.0 - 0.5).collect();
            let work = 2.0 * (rows * out * width) as f64 / 1e9;
            let plain = seconds(|| dense(black_box(&weights), black_box(&x), width));
            let shape = format!("{out} x {width}");
            println!("{rows:>6} {shape:>12} {:>6} {:>9.2} {:>7.2}", "f32", work / plain, 1.0);
            for format in [Format::Q8, Format::Q4] {
                let Ok(packed) = Packed::pack(format, &weights, [out, width]) else { return };
                let time = seconds(|| packed.matmul(black_box(&x)));
                let name = format!("{format:?}").to_lowercase();
                println!(
                    "{rows:>6} {shape:>12} {name:>6} {:>9.2} {:>7.2}",
                    work / time,
                    plain / time
                );
            }
        }
    }
}
