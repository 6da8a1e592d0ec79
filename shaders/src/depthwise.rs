//! A depthwise convolution of maps whose channels stand last, on the CPU, with what stands around
//! it in EfficientNet: TensorFlow's padding, bias, and ReLU6 on both sides.
//!
//! Lanes are neighbouring channels. A row of the input is activated once, into a ring of padded
//! rows that stays in the cache; the input itself is read once and the output written once. As for
//! the packed products, the same source is compiled a second time for AVX2 on x86-64.

use crate::lanes::{LANES, Lanes, add_product, lanes, same_padding, store, taps};

/// Neighbouring cells that share one read of the weights; more would spill registers.
const CELLS: usize = 2;

/// The weights of a depthwise convolution, in the order in which they are read.
#[derive(Debug, Clone)]
pub struct Depthwise {
    channels: usize,
    kernel: usize,
    stride: usize,
    /// `[channels / LANES, kernel * kernel]`, zeros behind the last channel.
    taps: Vec<Lanes>,
    /// `[channels / LANES]`.
    bias: Vec<Lanes>,
}

impl Depthwise {
    /// # Shapes
    /// - `weight` `[channels, kernel, kernel]`, row-major
    /// - `bias` `[channels]`, which says how many channels there are
    pub fn new(weight: &[f32], bias: &[f32], kernel: usize, stride: usize) -> Self {
        let channels = bias.len();
        let taps = taps(weight, channels, kernel * kernel);
        Self { channels, kernel, stride: stride.max(1), taps, bias: lanes(bias) }
    }

    /// ReLU6 of the convolution. With `before`, a bias per channel, what is convolved is ReLU6 of
    /// the input and that bias; padding stays zero.
    ///
    /// # Shapes
    /// `x` `[height, width, channels]` -> `[ceil(height / stride), ceil(width / stride), channels]`;
    /// values that are missing at the end of `x` count as zero
    pub fn relu6(&self, x: &[f32], size: [usize; 2], before: Option<&[f32]>) -> Vec<f32> {
        let outputs = size.map(|length| length.div_ceil(self.stride));
        let mut y = vec![0.0; outputs[0] * outputs[1] * self.channels];
        let before = before.map(lanes);
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the CPU has the features the function is compiled for.
            unsafe { all_rows_avx2(self, x, size, before.as_deref(), &mut y) };
            return y;
        }
        all_rows::<{ cfg!(target_arch = "aarch64") }>(self, x, size, before.as_deref(), &mut y);
        y
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn all_rows_avx2(
    conv: &Depthwise,
    x: &[f32],
    size: [usize; 2],
    before: Option<&[Lanes]>,
    y: &mut [f32],
) {
    all_rows::<true>(conv, x, size, before, y);
}

#[inline(always)]
fn all_rows<const FMA: bool>(
    conv: &Depthwise,
    x: &[f32],
    [height, width]: [usize; 2],
    before: Option<&[Lanes]>,
    y: &mut [f32],
) {
    let &Depthwise { channels, kernel, stride, .. } = conv;
    if channels == 0 || kernel == 0 || height == 0 || width == 0 {
        return;
    }
    let (_, [above, _]) = same_padding(height, kernel, stride);
    let (columns, [left, right]) = same_padding(width, kernel, stride);
    let padded = left + width + right;
    // Row `i` of the input lies at `i % kernel`, as `[channels / LANES, padded]`.
    let mut ring = vec![vec![[0.0; LANES]; conv.bias.len() * padded]; kernel];
    let mut rows = x.chunks(width * channels);
    let mut loaded = 0;
    let mut sums = vec![[0.0; LANES]; columns];
    for (i, y) in y.chunks_exact_mut(columns * channels).enumerate() {
        // The first row of the kernel's window, counted from the first of the padding.
        let top = i * stride;
        let begin = top.saturating_sub(above);
        let end = (top + kernel).saturating_sub(above).min(height);
        while loaded < end {
            let row = rows.next().unwrap_or_default();
            let slot = &mut ring[loaded % kernel];
            for (k, slot) in slot.chunks_exact_mut(padded).enumerate() {
                let before = before.and_then(|before| before.get(k));
                load(row, k * LANES, channels, before, &mut slot[left..left + width]);
            }
            loaded += 1;
        }
        for (k, (taps, bias)) in conv.taps.chunks_exact(kernel * kernel).zip(&conv.bias).enumerate()
        {
            let taps = &taps[(begin + above - top) * kernel..];
            let window = Window { taps, ring: &ring, begin, end, first: k * padded, padded };
            let (many, few) = sums.as_chunks_mut::<CELLS>();
            for (n, sums) in many.iter_mut().enumerate() {
                *sums = cells::<CELLS, FMA>(&window, bias, n * CELLS, stride);
            }
            for (n, sum) in few.iter_mut().enumerate() {
                [*sum] = cells::<1, FMA>(&window, bias, many.len() * CELLS + n, stride);
            }
            store(&sums, y, k * LANES, channels);
        }
    }
}

/// Sixteen channels of a row, activated if there is a bias before.
#[inline(always)]
fn load(row: &[f32], first: usize, channels: usize, before: Option<&Lanes>, out: &mut [Lanes]) {
    let width = (channels - first).min(LANES);
    for (out, cell) in out.iter_mut().zip(row.chunks_exact(channels)) {
        let cell = &cell[first..first + width];
        match cell.as_array::<LANES>() {
            Some(cell) => *out = *cell,
            None => out[..width].copy_from_slice(cell),
        }
        if let Some(before) = before {
            for l in 0..LANES {
                out[l] = (out[l] + before[l]).clamp(0.0, 6.0);
            }
        }
    }
}

/// The rows of the kernel that lie on the input, and what they see of it.
struct Window<'a> {
    /// From the first of these rows on.
    taps: &'a [Lanes],
    ring: &'a [Vec<Lanes>],
    /// First row of the input.
    begin: usize,
    /// Behind the last.
    end: usize,
    /// Where these channels begin in a row of the ring.
    first: usize,
    padded: usize,
}

/// `N` neighbouring cells of the output.
// Without iterators: their closures are compiled for the plain processor and not inlined here.
#[inline(always)]
fn cells<const N: usize, const FMA: bool>(
    window: &Window<'_>,
    bias: &Lanes,
    column: usize,
    stride: usize,
) -> [Lanes; N] {
    let kernel = window.ring.len();
    let mut sums = [*bias; N];
    for row in window.begin..window.end {
        let taps = &window.taps[(row - window.begin) * kernel..][..kernel];
        let cells = &window.ring[row % kernel][window.first..][..window.padded];
        let cells = &cells[column * stride..][..(N - 1) * stride + kernel];
        for j in 0..kernel {
            let (tap, cells) = (&taps[j], &cells[j..]);
            for n in 0..N {
                sums[n] = add_product::<FMA>(sums[n], &cells[n * stride], tap);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Between -2 and 10, so that both sides of ReLU6 cut.
    fn numbers(n: usize, k: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * k + 7) % 1009) as f32 / 84.0 - 2.0).collect()
    }

    struct Case {
        size: [usize; 2],
        channels: usize,
        kernel: usize,
        stride: usize,
    }

    /// The definition, in plain loops and f64.
    fn plain(case: &Case, x: &[f32], weight: &[f32], bias: &[f32], before: &[f32]) -> Vec<f32> {
        let &Case { size: [height, width], channels, kernel, stride } = case;
        let outputs = [height.div_ceil(stride), width.div_ceil(stride)];
        let zeros = |length: usize, out: usize| {
            ((out - 1) * stride + kernel).saturating_sub(length) as isize / 2
        };
        let [above, left] = [zeros(height, outputs[0]), zeros(width, outputs[1])];
        let mut y = vec![];
        for i in 0..outputs[0] {
            for j in 0..outputs[1] {
                for c in 0..channels {
                    let mut sum = f64::from(bias[c]);
                    for u in 0..kernel {
                        for v in 0..kernel {
                            let row = (i * stride + u) as isize - above;
                            let column = (j * stride + v) as isize - left;
                            if (0..height as isize).contains(&row)
                                && (0..width as isize).contains(&column)
                            {
                                let at = (row as usize * width + column as usize) * channels + c;
                                let x = match before.get(c) {
                                    Some(before) => (x[at] + before).clamp(0.0, 6.0),
                                    None => x[at],
                                };
                                let tap = weight[(c * kernel + u) * kernel + v];
                                sum += f64::from(x) * f64::from(tap);
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
        let (mut cut, mut inside) = (0, 0);
        for size in [[1, 1], [2, 3], [5, 9], [7, 4], [13, 22]] {
            for channels in [1, 3, 16, 17, 40] {
                for (kernel, stride) in [(3, 1), (3, 2), (5, 1), (5, 2), (1, 2), (2, 2), (4, 3)] {
                    let case = Case { size, channels, kernel, stride };
                    let x = numbers(size[0] * size[1] * channels, 613);
                    let weight: Vec<f32> = numbers(channels * kernel * kernel, 7919)
                        .iter()
                        .map(|w| (w - 4.0) / 8.0)
                        .collect();
                    let (bias, before) = (numbers(channels, 31), numbers(channels, 47));
                    let conv = Depthwise::new(&weight, &bias, kernel, stride);
                    for before in [&[][..], &before] {
                        let wanted = plain(&case, &x, &weight, &bias, before);
                        let given = (!before.is_empty()).then_some(before);
                        let mut portable = vec![0.0; wanted.len()];
                        let activation = given.map(lanes);
                        all_rows::<false>(&conv, &x, size, activation.as_deref(), &mut portable);
                        for found in [conv.relu6(&x, size, given), portable] {
                            assert_eq!(found.len(), wanted.len());
                            for (a, b) in found.iter().zip(&wanted) {
                                assert!(
                                    (a - b).abs() < 1e-4,
                                    "{size:?} {channels} {kernel}: {a} {b}"
                                );
                                let between = *b > 0.0 && *b < 6.0;
                                (inside, cut) =
                                    (inside + usize::from(between), cut + usize::from(!between));
                            }
                        }
                    }
                }
            }
        }
        assert!(inside > 1000 && cut > 1000, "{inside} {cut}");
    }

    #[test]
    fn what_is_not_a_number_shows() {
        let conv = Depthwise::new(&[1.0; 9], &[0.0], 3, 1);
        let y = conv.relu6(&[f32::NAN, 0.0, 0.0, 0.0], [1, 4], None);
        assert!(y[0].is_nan() && y[1].is_nan() && y[2] == 0.0);
    }
}
