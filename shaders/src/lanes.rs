//! What the convolutions share: lanes of neighbouring channels, padding, bias and ReLU6.

/// Channels that are computed together; 16 numbers fill a cache line.
pub const LANES: usize = 16;

pub type Lanes = [f32; LANES];

/// TensorFlow's SAME padding of an axis: how long the output is, and the zeros before and behind
/// the input. Where their number is odd, the one more is behind.
pub fn same_padding(length: usize, kernel: usize, stride: usize) -> (usize, [usize; 2]) {
    let stride = stride.max(1);
    let out = length.div_ceil(stride);
    let covered = out.saturating_sub(1) * stride + kernel;
    let zeros = covered.saturating_sub(length);
    (out, [zeros / 2, zeros - zeros / 2])
}

/// Numbers per channel in lanes, with zeros behind the last.
pub fn lanes(numbers: &[f32]) -> Vec<Lanes> {
    let mut lanes = vec![[0.0; LANES]; numbers.len().div_ceil(LANES)];
    for (to, &from) in lanes.as_flattened_mut().iter_mut().zip(numbers) {
        *to = from;
    }
    lanes
}

/// Weights of each channel, `area` of them, as `[channels / LANES, area]` lanes.
pub fn taps(weight: &[f32], channels: usize, area: usize) -> Vec<Lanes> {
    let mut taps = vec![[0.0; LANES]; channels.div_ceil(LANES) * area];
    for (channel, weight) in weight.chunks_exact(area.max(1)).take(channels).enumerate() {
        let first = channel / LANES * area;
        for (tap, &weight) in taps[first..].iter_mut().zip(weight) {
            tap[channel % LANES] = weight;
        }
    }
    taps
}

#[inline(always)]
pub fn add_product<const FMA: bool>(mut sums: Lanes, x: &Lanes, tap: &Lanes) -> Lanes {
    for l in 0..LANES {
        // Without the instruction `mul_add` would be a slow library call.
        sums[l] = if FMA { x[l].mul_add(tap[l], sums[l]) } else { sums[l] + x[l] * tap[l] };
    }
    sums
}

/// ReLU6 of the sums as the channels from the `first` on of a row of cells.
#[inline(always)]
pub fn store(sums: &[Lanes], y: &mut [f32], first: usize, channels: usize) {
    let width = (channels - first).min(LANES);
    for (sums, y) in sums.iter().zip(y.chunks_exact_mut(channels)) {
        let y = &mut y[first..first + width];
        let sums = sums.map(|sum| sum.clamp(0.0, 6.0));
        match y.as_mut_array::<LANES>() {
            Some(y) => *y = sums,
            None => y.copy_from_slice(&sums[..width]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_odd_zero_stands_behind() {
        // The padding depends on the length of the input.
        assert_eq!(same_padding(96, 3, 2), (48, [0, 1]));
        assert_eq!(same_padding(75, 3, 2), (38, [1, 1]));
        assert_eq!(same_padding(24, 5, 2), (12, [1, 2]));
        assert_eq!(same_padding(53, 5, 1), (53, [2, 2]));
        assert_eq!(same_padding(4, 1, 2), (2, [0, 0]));
    }
}
