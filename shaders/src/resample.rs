//! Resampling of byte images by rows that are produced on demand, so that a padded square is never
//! stored.

/// Fraction bits of the filter weights: what is left of 32 bits beside an 8-bit value, a sign and
/// one bit for the overshoot of a cubic, which is what Pillow uses.
pub(crate) const FRACTION_BITS: u32 = 32 - 8 - 2;

/// The filter along one axis: for each output position where it starts and its weights.
pub(crate) struct Filter {
    pub(crate) windows: Vec<(usize, Vec<i32>)>,
}

/// The curve of a filter.
#[derive(Clone, Copy)]
pub(crate) enum Kernel {
    Bilinear,
    Bicubic,
}

impl Kernel {
    /// Where the curve reaches 0.
    fn support(self) -> f64 {
        match self {
            Kernel::Bilinear => 1.0,
            Kernel::Bicubic => 2.0,
        }
    }

    fn at(self, x: f64) -> f64 {
        match self {
            Kernel::Bilinear => (1.0 - x.abs()).max(0.0),
            Kernel::Bicubic => cubic(x),
        }
    }
}

impl Filter {
    /// The kernel widened when shrinking (antialiasing), weights in fixed point: the rounding of
    /// every step is Pillow's, so the bytes are too.
    pub(crate) fn new(kernel: Kernel, from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        let widening = scale.max(1.0);
        let support = kernel.support() * widening;
        let window = |i: usize| {
            let centre = (i as f64 + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let last = ((centre + support + 0.5) as usize).min(from);
            let weights: Vec<f64> =
                (first..last).map(|x| kernel.at((x as f64 - centre + 0.5) / widening)).collect();
            let sum: f64 = weights.iter().sum();
            let fixed = |w: f64| {
                let w = w / sum * f64::from(1u32 << FRACTION_BITS);
                (if w < 0.0 { w - 0.5 } else { w + 0.5 }) as i32
            };
            (first, weights.into_iter().map(fixed).collect())
        };
        Self { windows: (0..to).map(window).collect() }
    }
}

/// Cubic with a = -0.5.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

const HALF: i32 = 1 << (FRACTION_BITS - 1);

fn to_byte(sum: i32) -> u8 {
    (sum >> FRACTION_BITS).clamp(0, 255) as u8
}

/// Pillow's `resize(..., BICUBIC)` of an image with `C` interleaved channels of 8 bits.
///
/// # Shapes
/// `from` and `to` are `[width, height]`, all at least 1; `row(y, buffer)` fills one row of
/// `from[0] * C` bytes, for `y` from 0 up; returns `to[1]` rows of `to[0] * C` bytes.
pub fn resize_bicubic<const C: usize>(
    from: [usize; 2],
    to: [usize; 2],
    row: impl FnMut(usize, &mut [u8]),
) -> Vec<u8> {
    resize::<C>(Kernel::Bicubic, from, to, row)
}

/// Pillow's `resize(..., BILINEAR)`, which smooths when shrinking; as [`resize_bicubic`].
pub fn resize_bilinear<const C: usize>(
    from: [usize; 2],
    to: [usize; 2],
    row: impl FnMut(usize, &mut [u8]),
) -> Vec<u8> {
    resize::<C>(Kernel::Bilinear, from, to, row)
}

fn resize<const C: usize>(
    kernel: Kernel,
    from: [usize; 2],
    to: [usize; 2],
    mut row: impl FnMut(usize, &mut [u8]),
) -> Vec<u8> {
    let ([width, height], [to_width, to_height]) = (from, to);
    let (mut source, mut before) = (vec![0u8; width * C], vec![0u8; width * C]);
    let stride = to_width * C;
    let mut narrow = vec![0u8; stride * height];
    let filter = Filter::new(kernel, width, to_width);
    for y in 0..height {
        row(y, &mut source);
        // Padding and most of a mask are rows that repeat.
        if y > 0 && source == before {
            narrow.copy_within((y - 1) * stride..y * stride, y * stride);
            continue;
        }
        let (pixels, _) = source.as_chunks::<C>();
        let target = narrow[y * stride..][..stride].chunks_exact_mut(C);
        for (out, (first, weights)) in target.zip(&filter.windows) {
            let mut sums = [HALF; C];
            for (pixel, &weight) in pixels[*first..].iter().zip(weights) {
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    // Sums fit by the choice of FRACTION_BITS; wrapping spares the check.
                    *sum = sum.wrapping_add(weight.wrapping_mul(i32::from(value)));
                }
            }
            for (byte, sum) in out.iter_mut().zip(sums) {
                *byte = to_byte(sum);
            }
        }
        std::mem::swap(&mut source, &mut before);
    }
    let filter = Filter::new(kernel, height, to_height);
    let mut resized = Vec::with_capacity(stride * to_height);
    let mut sums = vec![HALF; stride];
    for (first, weights) in &filter.windows {
        sums.fill(HALF);
        let rows = narrow.chunks_exact(stride).skip(*first);
        for (values, &weight) in rows.zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(values) {
                *sum = sum.wrapping_add(weight.wrapping_mul(i32::from(value)));
            }
        }
        resized.extend(sums.iter().map(|&sum| to_byte(sum)));
    }
    resized
}
