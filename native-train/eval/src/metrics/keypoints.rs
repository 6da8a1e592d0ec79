//! Joints of people.

use refvlm_record::coco::SIGMAS;

/// A joint is right within this share of the true box's diagonal.
const PCK_SHARE: f32 = 0.1;

/// A true person, in px.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// `[x, y, v]` in COCO order; joints with v 0 are not labelled.
    pub joints: Vec<[f32; 3]>,
    /// `[x, y, w, h]`.
    pub bbox: [f32; 4],
    /// Pixels of the mask where there is one, else the box's area.
    pub area: f32,
}

impl Person {
    /// Labelled joints with their places.
    fn labelled(&self) -> impl Iterator<Item = (usize, [f32; 2])> {
        let joints = self.joints.iter().enumerate();
        joints.filter(|(_, j)| j[2] > 0.0).map(|(k, j)| (k, [j[0], j[1]]))
    }
}

/// Object keypoint similarity as COCO computes it: the mean over labelled joints of
/// `exp(-d^2 / (2 area (2 sigma)^2))`. None when no joint is labelled; a joint that was not found
/// adds zero.
pub fn oks(found: &[[f32; 3]], truth: &Person) -> Option<f32> {
    let (mut sum, mut count) = (0.0, 0);
    for (k, [x, y]) in truth.labelled() {
        count += 1;
        let (Some(joint), Some(sigma)) = (found.get(k), SIGMAS.get(k)) else { continue };
        let squared = (joint[0] - x).powi(2) + (joint[1] - y).powi(2);
        let variance = (2.0 * sigma).powi(2) * truth.area.max(1.0);
        let similarity = (-squared / (2.0 * variance)).exp();
        sum += if similarity.is_finite() { similarity } else { 0.0 };
    }
    (count > 0).then(|| sum / count as f32)
}

/// Percentage of correct keypoints, as counts `(right, labelled)`: a labelled joint is right when
/// it lies within a tenth of the true box's diagonal.
pub fn pck(found: &[[f32; 3]], truth: &Person) -> (u64, u64) {
    let reach = PCK_SHARE * truth.bbox[2].hypot(truth.bbox[3]);
    let right = truth.labelled().filter(|&(k, [x, y])| {
        found.get(k).is_some_and(|joint| (joint[0] - x).hypot(joint[1] - y) <= reach)
    });
    (right.count() as u64, truth.labelled().count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Person {
        let mut joints = vec![[0.0, 0.0, 0.0]; 17];
        joints[0] = [10.0, 10.0, 2.0];
        joints[5] = [20.0, 30.0, 1.0];
        Person { joints, bbox: [0.0, 0.0, 30.0, 40.0], area: 400.0 }
    }

    #[test]
    fn pck_by_hand() {
        // The diagonal is 50 px, the reach 5.
        let mut found = person().joints;
        found[0] = [13.0, 14.0, 1.0];
        found[5] = [20.0, 35.1, 1.0];
        assert_eq!(pck(&found, &person()), (1, 2));
        assert_eq!(pck(&[], &person()), (0, 2));
    }

    #[test]
    fn oks_by_hand() {
        assert_eq!(oks(&person().joints, &person()), Some(1.0));
        let mut found = person().joints;
        found[0] = [11.0, 10.0, 1.0];
        // exp(-1 / (2 * 400 * 0.052^2)) = exp(-0.46228) = 0.62985
        let expected = (0.629_85 + 1.0) / 2.0;
        assert!((oks(&found, &person()).unwrap() - expected).abs() < 1e-4);
        assert_eq!(oks(&[], &person()), Some(0.0));
        let unlabelled = Person { joints: vec![[1.0, 1.0, 0.0]; 17], ..person() };
        assert_eq!(oks(&found, &unlabelled), None);
    }
}
