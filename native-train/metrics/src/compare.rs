//! Is one model better than another on the same samples? Paired bootstrap.

/// What two lists of scores of the same samples say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Mean of the first.
    pub a: f64,
    /// Mean of the second.
    pub b: f64,
    /// `b - a`.
    pub difference: f64,
    /// The middle 95 % of the differences of redrawn samples.
    pub interval: [f64; 2],
    /// How often a difference of this size or more would come about if there were none: twice the
    /// smaller share of redrawn differences on one side of 0, at most 1.
    pub p: f64,
}

/// Draws of samples, each with replacement.
pub const DRAWS: usize = 10_000;

/// Compares pairs `(a, b)`, one for each sample; none without pairs. The draws follow from `seed`.
pub fn paired(pairs: &[(f64, f64)], seed: u64) -> Option<Comparison> {
    if pairs.is_empty() {
        return None;
    }
    let n = pairs.len() as f64;
    let [a, b] = [
        pairs.iter().map(|pair| pair.0).sum::<f64>() / n,
        pairs.iter().map(|pair| pair.1).sum::<f64>() / n,
    ];
    let gaps: Vec<f64> = pairs.iter().map(|(a, b)| b - a).collect();
    let mut random = SplitMix(seed);
    let mut draws: Vec<f64> = (0..DRAWS)
        .map(|_| gaps.iter().map(|_| gaps[random.below(gaps.len())]).sum::<f64>() / n)
        .collect();
    draws.sort_by(f64::total_cmp);
    let at = |share: f64| draws[(share * (DRAWS - 1) as f64).round() as usize];
    // One is added to both, so that p is never 0 for a finite number of draws.
    let share = |side: fn(f64) -> bool| {
        (draws.iter().filter(|draw| side(**draw)).count() + 1) as f64 / (DRAWS + 1) as f64
    };
    let p = (2.0 * share(|d| d <= 0.0).min(share(|d| d >= 0.0))).min(1.0);
    Some(Comparison { a, b, difference: b - a, interval: [at(0.025), at(0.975)], p })
}

/// Steele's generator: short, and equal on all platforms.
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        ((u128::from(x) * end as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clear_difference_is_found_and_none_is_not() {
        let better: Vec<_> = (0..200).map(|i| (f64::from(i % 7), f64::from(i % 7) + 0.5)).collect();
        let clear = paired(&better, 1).unwrap();
        assert!((clear.difference - 0.5).abs() < 1e-12 && clear.p < 0.001);
        assert!(clear.interval[0] > 0.4 && clear.interval[1] < 0.6);
        let mixed: Vec<_> = (0..200).map(|i| (0.0, if i % 2 == 0 { 1.0 } else { -1.0 })).collect();
        let none = paired(&mixed, 1).unwrap();
        assert!(none.p > 0.5 && none.interval[0] < 0.0 && none.interval[1] > 0.0);
        assert_eq!(paired(&[], 1), None);
    }

    #[test]
    fn the_interval_is_that_of_the_normal_law() {
        // Gaps 0 and 1 in equal parts: the mean of 400 has a standard error of 0.025.
        let pairs: Vec<_> = (0..400).map(|i| (0.0, f64::from(i % 2))).collect();
        let found = paired(&pairs, 3).unwrap();
        assert!((found.interval[0] - (0.5 - 0.049)).abs() < 0.006, "{found:?}");
        assert!((found.interval[1] - (0.5 + 0.049)).abs() < 0.006, "{found:?}");
    }
}
