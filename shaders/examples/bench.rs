//! Speed of the packed products beside the f32 product: `cargo run --release -p refvlm-shaders
//! --example bench`. One thread; the f32 product is the same loop over eight lanes.

use refvlm_shaders::{Format, Packed};
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
    let (start, mut runs) = (Instant::now(), 0);
    while start.elapsed().as_secs_f64() < 0.3 {
        black_box(run());
        runs += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(runs)
}

fn main() {
    println!("{:>6} {:>12} {:>6} {:>9} {:>7}", "rows", "out x in", "format", "GFLOP/s", "to f32");
    for [out, width] in [[576, 576], [1536, 576], [576, 1536], [8192, 576], [4096, 4096]] {
        let weights: Vec<f32> =
            (0..out * width).map(|i| ((i * 7919) % 2003) as f32 / 2003.0 - 0.5).collect();
        for rows in [1, 4, 16] {
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
