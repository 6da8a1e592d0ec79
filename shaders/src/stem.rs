//! The first convolution of a picture on the CPU: colours stand first in what it reads, channels
//! last in what it writes, with TensorFlow's padding, bias and ReLU6.
//!
//! Lanes are channels of the output, and every number of the picture is multiplied with all of
//! them.

use crate::lanes::{LANES, Lanes, add_product, lanes, same_padding, store, taps};

/// Neighbouring cells that share one read of the weights; more would spill registers.
const CELLS: usize = 4;

/// The weights of a convolution of all channels, in the order in which they are read.
#[derive(Debug, Clone)]
pub struct Stem {
    channels: usize,
    kernel: usize,
    stride: usize,
    /// `[channels / LANES, in * kernel * kernel]`, zeros behind the last channel.
    taps: Vec<Lanes>,
    /// `[channels / LANES]`.
    bias: Vec<Lanes>,
}

impl Stem {
    /// # Shapes
    /// - `weight` `[channels, in, kernel, kernel]`, row-major
    /// - `bias` `[channels]`, which says how many channels there are
    pub fn new(weight: &[f32], bias: &[f32], kernel: usize, stride: usize) -> Self {
        let channels = bias.len();
        let taps = taps(weight, channels, weight.len().checked_div(channels).unwrap_or(0));
        Self { channels, kernel, stride: stride.max(1), taps, bias: lanes(bias) }
    }

    /// ReLU6 of the convolution.
    ///
    /// # Shapes
    /// `x` `[in, height, width]` -> `[ceil(height / stride), ceil(width / stride), channels]`
    pub fn relu6(&self, x: &[f32], size: [usize; 2]) -> Vec<f32> {
        let outputs = size.map(|length| length.div_ceil(self.stride));
        let mut y = vec![0.0; outputs[0] * outputs[1] * self.channels];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the CPU has the features the function is compiled for.
            unsafe { all_rows_avx2(self, x, size, &mut y) };
            return y;
        }
        all_rows::<{ cfg!(target_arch = "aarch64") }>(self, x, size, &mut y);
        y
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn all_rows_avx2(conv: &Stem, x: &[f32], size: [usize; 2], y: &mut [f32]) {
    all_rows::<true>(conv, x, size, y);
}

#[inline(always)]
fn all_rows<const FMA: bool>(conv: &Stem, x: &[f32], [height, width]: [usize; 2], y: &mut [f32]) {
    let &Stem { channels, kernel, stride, .. } = conv;
    if channels == 0 || kernel == 0 || height == 0 || width == 0 {
        return;
    }
    let area = conv.taps.len() / conv.bias.len();
    let (_, [above, _]) = same_padding(height, kernel, stride);
    let (columns, [left, right]) = same_padding(width, kernel, stride);
    let padded = left + width + right;
    // The rows that a row of the output sees, of each colour those of the kernel.
    let mut window = vec![0.0; area / kernel * padded];
    let mut sums = vec![[0.0; LANES]; columns];
    for (i, y) in y.chunks_exact_mut(columns * channels).enumerate() {
        for (k, row) in window.chunks_exact_mut(padded).enumerate() {
            let (colour, at) = (k / kernel, (i * stride + k % kernel).checked_sub(above));
            let inside = at.filter(|&at| at < height).map(|at| (colour * height + at) * width);
            let row = &mut row[left..left + width];
            match inside.and_then(|first| x.get(first..first + width)) {
                Some(numbers) => row.copy_from_slice(numbers),
                None => row.fill(0.0),
            }
        }
        for (k, (taps, bias)) in conv.taps.chunks_exact(area).zip(&conv.bias).enumerate() {
            let seen = Seen { taps, rows: &window, padded, kernel };
            let (many, few) = sums.as_chunks_mut::<CELLS>();
            for (n, sums) in many.iter_mut().enumerate() {
                *sums = cells::<CELLS, FMA>(&seen, bias, n * CELLS, stride);
            }
            for (n, sum) in few.iter_mut().enumerate() {
                [*sum] = cells::<1, FMA>(&seen, bias, many.len() * CELLS + n, stride);
            }
            store(&sums, y, k * LANES, channels);
        }
    }
}

/// What a row of the output is made of.
struct Seen<'a> {
    taps: &'a [Lanes],
    rows: &'a [f32],
    padded: usize,
    kernel: usize,
}

/// `N` neighbouring cells of the output.
#[inline(always)]
fn cells<const N: usize, const FMA: bool>(
    seen: &Seen<'_>,
    bias: &Lanes,
    column: usize,
    stride: usize,
) -> [Lanes; N] {
    let kernel = seen.kernel;
    let mut sums = [*bias; N];
    for k in 0..seen.rows.len() / seen.padded {
        let taps = &seen.taps[k * kernel..][..kernel];
        let row = &seen.rows[k * seen.padded + column * stride..][..(N - 1) * stride + kernel];
        for j in 0..kernel {
            let (tap, row) = (&taps[j], &row[j..]);
            for n in 0..N {
                sums[n] = add_product::<FMA>(sums[n], &[row[n * stride]; LANES], tap);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, in plain loops and f64.
    fn plain(
        x: &[f32],
        [colours, height, width]: [usize; 3],
        weight: &[f32],
        bias: &[f32],
        [kernel, stride]: [usize; 2],
    ) -> Vec<f32> {
        let outputs = [height.div_ceil(stride), width.div_ceil(stride)];
        let zeros = |length: usize, out: usize| {
            ((out - 1) * stride + kernel).saturating_sub(length) as isize / 2
        };
        let [above, left] = [zeros(height, outputs[0]), zeros(width, outputs[1])];
        let mut y = vec![];
        for i in 0..outputs[0] {
            for j in 0..outputs[1] {
                for (o, &bias) in bias.iter().enumerate() {
                    let mut sum = f64::from(bias);
                    for c in 0..colours {
                        for u in 0..kernel {
                            for v in 0..kernel {
                                let row = (i * stride + u) as isize - above;
                                let column = (j * stride + v) as isize - left;
                                if (0..height as isize).contains(&row)
                                    && (0..width as isize).contains(&column)
                                {
                                    let at = (c * height + row as usize) * width + column as usize;
                                    let tap = ((o * colours + c) * kernel + u) * kernel + v;
                                    sum += f64::from(x[at]) * f64::from(weight[tap]);
                                }
                            }
                        }
                    }
                    y.push(sum.clamp(0.0, 6.0) as f32);
                }
            }
        }
        y
    }

    #[test]
    fn plain_loops_give_the_same_at_odd_sizes() {
        let numbers = |n: usize, k: usize| -> Vec<f32> {
            (0..n).map(|i| ((i * k + 7) % 1009) as f32 / 250.0 - 2.0).collect()
        };
        let (mut cut, mut inside) = (0, 0);
        for [height, width] in [[1, 1], [2, 3], [5, 19], [14, 8]] {
            for (colours, channels) in [(3, 1), (3, 32), (1, 17), (4, 5)] {
                for [kernel, stride] in [[3, 2], [3, 1], [5, 2], [2, 2]] {
                    let x = numbers(colours * height * width, 613);
                    let weight = numbers(channels * colours * kernel * kernel, 7919);
                    let bias = numbers(channels, 31);
                    let shape = [colours, height, width];
                    let wanted = plain(&x, shape, &weight, &bias, [kernel, stride]);
                    let conv = Stem::new(&weight, &bias, kernel, stride);
                    let mut portable = vec![0.0; wanted.len()];
                    all_rows::<false>(&conv, &x, [height, width], &mut portable);
                    for found in [conv.relu6(&x, [height, width]), portable] {
                        assert_eq!(found.len(), wanted.len());
                        for (a, b) in found.iter().zip(&wanted) {
                            assert!((a - b).abs() < 1e-4, "{shape:?} {kernel} {stride}: {a} {b}");
                            let between = *b > 0.0 && *b < 6.0;
                            inside += usize::from(between);
                            cut += usize::from(!between);
                        }
                    }
                }
            }
        }
        assert!(inside > 1000 && cut > 1000, "{inside} {cut}");
    }
}
