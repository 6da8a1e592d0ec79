//! Distance maps.

use refvlm_files::distance;
use serde::{Deserialize, Serialize};

/// Errors of a distance map, over pixels whose true distance is known; for several maps, the mean
/// of their values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DepthScore {
    /// Mean of `|found - true| / true`; lower is better.
    pub abs_rel: f64,
    /// Root of the mean of `(ln found - ln true)^2`; lower is better.
    pub rms_log: f64,
    /// Share of pixels with `max(found / true, true / found) < 1.25`; higher is better.
    pub delta1: f64,
}

/// What an answer without a map counts: as far off as a map of zeros (the logarithm as a factor
/// of ten).
pub const MISSING_DEPTH: DepthScore =
    DepthScore { abs_rel: 1.0, rms_log: std::f64::consts::LN_10, delta1: 0.0 };

/// Scores a map of `found_size` (columns, rows) against a truth of `size` by reading it, bilinear,
/// at every true pixel. None when no true distance is known or the truth's length is wrong; a
/// pixel that was not found counts as in [`MISSING_DEPTH`].
pub fn depth_score(
    found: &[f32],
    found_size: [u32; 2],
    truth: &[f32],
    [width, height]: [u32; 2],
) -> Option<DepthScore> {
    if truth.len() as u64 != u64::from(width) * u64::from(height) {
        return None;
    }
    let (mut rel, mut squared, mut close, mut count) = (0.0f64, 0.0f64, 0u64, 0u64);
    for (k, &metres) in truth.iter().enumerate().filter(|(_, m)| distance::known(**m)) {
        count += 1;
        let (x, y) = (k % width as usize, k / width as usize);
        let place = [(x as f32 + 0.5) / width as f32, (y as f32 + 0.5) / height as f32];
        let Some(found) = distance::at(found, found_size, place) else {
            rel += MISSING_DEPTH.abs_rel;
            squared += MISSING_DEPTH.rms_log.powi(2);
            continue;
        };
        let (found, metres) = (f64::from(found), f64::from(metres));
        rel += (found - metres).abs() / metres;
        squared += (found / metres).ln().powi(2);
        close += u64::from((found / metres).max(metres / found) < 1.25);
    }
    let n = count as f64;
    (count > 0).then(|| DepthScore {
        abs_rel: rel / n,
        rms_log: (squared / n).sqrt(),
        delta1: close as f64 / n,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_over_known_pixels() {
        // The third pixel is unknown; the errors of the others are 0.5 and 0.2.
        let score = depth_score(&[3.0, 4.8, 9.0], [3, 1], &[2.0, 4.0, 0.0], [3, 1]).unwrap();
        assert!((score.abs_rel - 0.35).abs() < 1e-6);
        let expected = ((1.5f64.ln().powi(2) + 1.2f64.ln().powi(2)) / 2.0).sqrt();
        assert!((score.rms_log - expected).abs() < 1e-6);
        assert_eq!(score.delta1, 0.5);
        assert_eq!(depth_score(&[1.0], [1, 1], &[0.0], [1, 1]), None);
        assert_eq!(depth_score(&[], [0, 0], &[1.0, 2.0], [2, 1]), Some(MISSING_DEPTH));
    }

    #[test]
    fn a_coarse_map_is_read_at_every_true_pixel() {
        let truth: Vec<f32> = (0..16).map(|_| 3.0).collect();
        let score = depth_score(&[3.0; 4], [2, 2], &truth, [4, 4]).unwrap();
        assert_eq!((score.abs_rel, score.delta1), (0.0, 1.0));
    }
}
