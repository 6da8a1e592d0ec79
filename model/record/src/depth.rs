//! Distance maps as a person sees them: which values are known, which range they span, and a ramp
//! of colours.

/// Whether a distance was measured: finite and above zero.
pub fn known(metres: f32) -> bool {
    metres.is_finite() && metres > 0.0
}

/// The distances that the ramp spans, near and far in metres: the 1st and 99th percentile of what
/// is known, so that a few odd values don't take the colours from all others. None when nothing is
/// known; never empty.
pub fn span(metres: &[f32]) -> Option<[f32; 2]> {
    let mut sorted: Vec<f32> = metres.iter().copied().filter(|m| known(*m)).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let at = |share: f64| {
        let last = sorted.len().saturating_sub(1) as f64;
        sorted.get((last * share) as usize).copied()
    };
    let (near, far) = (at(0.01)?, at(0.99)?);
    Some([near, far.max(near * 1.01)])
}

/// Near is warm and light, far is dark and cold: brightness falls steadily, so that a map also
/// reads in grey.
const RAMP: [[u8; 3]; 7] = [
    [255, 244, 189],
    [254, 200, 107],
    [246, 138, 82],
    [213, 76, 104],
    [143, 47, 127],
    [72, 34, 115],
    [21, 18, 52],
];

/// The colour of a place on the ramp: 0 the nearest, 1 the farthest, RGB.
pub fn ramp(share: f32) -> [u8; 3] {
    let at = share.clamp(0.0, 1.0) * (RAMP.len() - 1) as f32;
    let low = (at as usize).min(RAMP.len() - 2);
    let mix = |k: usize| {
        let (a, b) = (f32::from(RAMP[low][k]), f32::from(RAMP[low + 1][k]));
        (a + (b - a) * (at - low as f32)).round() as u8
    };
    [mix(0), mix(1), mix(2)]
}

/// The colour of a distance within a [`span`]; none where it is unknown.
pub fn colour(metres: f32, [near, far]: [f32; 2]) -> Option<[u8; 3]> {
    known(metres).then(|| ramp((metres - near) / (far - near)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_span_ignores_unknown_distances_and_is_never_empty() {
        let mut metres = vec![0.0, f32::NAN, f32::INFINITY];
        metres.extend((0..1000).map(|k| 1.0 + k as f32 / 100.0));
        let [near, far] = span(&metres).unwrap();
        assert!((near - 1.09).abs() < 0.02 && (far - 10.9).abs() < 0.02, "{near} {far}");
        assert_eq!(span(&[0.0, f32::NAN]), None);
        let [near, far] = span(&[2.0, 2.0]).unwrap();
        assert!(far > near);
    }

    #[test]
    fn the_ramp_gets_darker_with_distance() {
        let light = |share: f32| {
            let [r, g, b] = ramp(share).map(f32::from);
            0.299 * r + 0.587 * g + 0.114 * b
        };
        let steps: Vec<f32> = (0..=60).map(|k| light(k as f32 / 60.0)).collect();
        assert!(steps.is_sorted_by(|near, far| near > far), "{steps:?}");
        assert_eq!([ramp(-1.0), ramp(2.0)], [RAMP[0], RAMP[6]]);
        assert_eq!(colour(0.0, [1.0, 2.0]), None);
        assert_eq!(colour(1.0, [1.0, 2.0]), Some(RAMP[0]));
    }
}
