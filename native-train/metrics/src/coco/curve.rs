//! Precision over recall.

/// Recalls at which COCO reads the precision: 0, 0.01, ..., 1.
pub(super) const RECALLS: usize = 101;

/// Precision at each of [`RECALLS`] (the best at this recall or beyond), and the last recall.
/// `hits` says for each found object that counts, the most confident first, whether it is right;
/// `wanted` true objects (1 or more) count.
pub(super) fn precision_at_recalls(
    hits: impl Iterator<Item = bool>,
    wanted: u64,
) -> ([f64; RECALLS], f64) {
    let (mut right, mut wrong) = (0.0, 0.0);
    // The precision and recall are best right behind each hit; nothing between matters.
    let mut steps: Vec<(f64, f64)> = Vec::new();
    for hit in hits {
        if hit {
            right += 1.0;
            steps.push((right / wanted as f64, right / (wrong + right + f64::EPSILON)));
        } else {
            wrong += 1.0;
        }
    }
    for at in (1..steps.len()).rev() {
        steps[at - 1].1 = steps[at - 1].1.max(steps[at].1);
    }
    let mut precision = [0.0; RECALLS];
    let mut at = 0;
    for (i, value) in precision.iter_mut().enumerate() {
        let recall = if i + 1 == RECALLS { 1.0 } else { i as f64 * 0.01 };
        while steps.get(at).is_some_and(|step| step.0 < recall) {
            at += 1;
        }
        let Some(step) = steps.get(at) else { break };
        *value = step.1;
    }
    (precision, right / wanted as f64)
}
