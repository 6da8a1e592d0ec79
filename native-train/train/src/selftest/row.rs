//! Differences and what they may be.

/// How far a device is from the CPU in one respect.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What was computed.
    pub name: String,
    /// The largest difference of the results, as a share of the largest number: of what answers
    /// compute, and of what training computes, which on the CPU are other loops.
    pub forward: f64,
    /// The same of the gradients, where there are some.
    pub backward: Option<f64>,
    /// What both may be.
    pub limit: f64,
}

impl Row {
    /// Whether the device may be used for it; a difference that is no number may not.
    pub fn is_fine(&self) -> bool {
        self.forward <= self.limit && self.backward.is_none_or(|x| x <= self.limit)
    }
}

/// The larger one; what is no number is the largest.
pub fn worse(differences: impl IntoIterator<Item = f64>) -> f64 {
    differences
        .into_iter()
        .fold(0.0, |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) })
}

/// The largest difference as a share of the largest expected number.
pub fn difference(expected: &[f32], found: &[f32]) -> f64 {
    if expected.len() != found.len() || expected.is_empty() {
        return f64::NAN;
    }
    let largest = expected.iter().fold(0f64, |most, x| most.max(f64::from(x.abs())));
    let differences =
        expected.iter().zip(found).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    worse(differences) / largest.max(1e-12)
}
