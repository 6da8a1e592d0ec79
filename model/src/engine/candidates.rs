//! Several masks of which one is the answer.

use crate::event::{Proposal, Shape};
use refvlm_record::Mask;

/// Masks that agree more than this show the same.
const SAME_IOU: f32 = 0.9;

/// Masks that a reference may mean, in px of the picture.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Candidates {
    pub masks: Vec<Mask>,
    /// What the decoder expects of each, 0..1.
    pub confidence: Vec<f32>,
}

impl Candidates {
    /// Those of an answer; run lengths that are no mask are left out.
    pub(super) fn of((confidence, shape): &(f32, Shape)) -> Self {
        let Shape::Mask { mask, others, .. } = shape else { return Self::default() };
        let others = others.iter().map(|other| (other.confidence, &other.mask));
        let all = [(*confidence, mask)].into_iter().chain(others);
        let (confidence, masks) =
            all.filter_map(|(confidence, mask)| Some((confidence, mask.to_mask().ok()?))).unzip();
        Self { masks, confidence }
    }

    /// These and others.
    pub(super) fn and(mut self, others: Self) -> Self {
        self.masks.extend(others.masks);
        self.confidence.extend(others.confidence);
        self
    }

    /// The most confident one with the others behind it, without those that show the same again and
    /// those of no pixel.
    pub(super) fn best(&self) -> (f32, Shape) {
        let (masks, confidence) = (&self.masks, &self.confidence);
        let mut order: Vec<usize> = (0..masks.len()).collect();
        order.sort_by(|&a, &b| confidence[b].total_cmp(&confidence[a]));
        let Some((&first, rest)) = order.split_first() else {
            return (0.0, Shape::mask(&Mask::zeros(1, 1)));
        };
        let mut shown = vec![first];
        for &at in rest {
            let repeats = shown.iter().any(|&k| masks[k].iou(&masks[at]) > SAME_IOU);
            if masks[at].area() > 0 && !repeats {
                shown.push(at);
            }
        }
        let others = shown[1..].iter().map(|&at| Proposal::new(confidence[at], &masks[at]));
        (confidence[first], Shape::mask(&masks[first]).with_others(others.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(columns: usize) -> Mask {
        let pixels = (0..200).map(|i| u8::from(i % 20 < columns)).collect();
        Mask { width: 20, height: 10, pixels }
    }

    #[test]
    fn the_most_confident_is_the_answer_and_the_others_stand_beside_it() {
        let masks = vec![wide(4), wide(10), wide(0), wide(11)];
        let all = Candidates { masks, confidence: vec![0.3, 0.9, 0.8, 0.7] };
        let best = all.best();
        let Shape::Mask { mask, bbox, others } = &best.1 else { panic!("another shape") };
        assert_eq!((best.0, *bbox), (0.9, [0.0, 0.0, 10.0, 10.0]));
        assert_eq!(mask.to_mask().unwrap(), wide(10));
        // That of 11 columns shows the same, that of none shows nothing.
        assert_eq!(*others, [Proposal::new(0.3, &wide(4))]);
        // A second look competes with the first.
        let near = Candidates { masks: vec![wide(18)], confidence: vec![0.95] };
        let (confidence, shape) = Candidates::of(&best).and(near).best();
        assert_eq!(
            (confidence, shape.clone()),
            (0.95, {
                let first = [Proposal::new(0.9, &wide(10)), Proposal::new(0.3, &wide(4))];
                Shape::mask(&wide(18)).with_others(first.into())
            })
        );
    }
}
