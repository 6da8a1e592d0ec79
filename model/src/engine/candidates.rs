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

    /// The answer, with what else may be meant behind it, the most confident first; without those that
    /// show the same as a more confident one and those of no pixel.
    ///
    /// Each candidate may be what is meant, as likely as it is confident. The answer is the one that
    /// agrees best with that: the largest sum of its IoU with each, weighted by their confidence. So a
    /// middle size is answered where a small and a large one are nearly as likely.
    pub(super) fn best(&self) -> (f32, Shape) {
        let (masks, confidence) = (&self.masks, &self.confidence);
        let mut order: Vec<usize> = (0..masks.len()).collect();
        order.sort_by(|&a, &b| confidence[b].total_cmp(&confidence[a]));
        let Some(&first) = order.first() else {
            return (0.0, Shape::mask(&Mask::zeros(1, 1)));
        };
        // Those that are shown, and their IoU with those before them.
        let mut shown: Vec<usize> = Vec::new();
        let mut agreement: Vec<f32> = Vec::new();
        for at in order.into_iter().filter(|&at| masks[at].area() > 0) {
            let ious: Vec<f32> = shown.iter().map(|&k| masks[k].iou(&masks[at])).collect();
            if ious.iter().any(|&iou| iou > SAME_IOU) {
                continue;
            }
            let own = shown.iter().zip(&ious).map(|(&k, iou)| confidence[k] * iou).sum::<f32>();
            for (sum, iou) in agreement.iter_mut().zip(&ious) {
                *sum += confidence[at] * iou;
            }
            shown.push(at);
            agreement.push(own + confidence[at]);
        }
        let best = (0..shown.len()).max_by(|&a, &b| {
            // Of equal ones the more confident, which stands in front.
            agreement[a].total_cmp(&agreement[b]).then(b.cmp(&a))
        });
        let answer = best.map_or(first, |best| shown[best]);
        let others = shown.iter().filter(|&&at| at != answer);
        let others = others.map(|&at| Proposal::new(confidence[at], &masks[at]));
        (confidence[answer], Shape::mask(&masks[answer]).with_others(others.collect()))
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
    fn the_answer_agrees_best_with_what_may_be_meant() {
        let masks = vec![wide(4), wide(10), wide(0), wide(11)];
        let all = Candidates { masks, confidence: vec![0.3, 0.9, 0.8, 0.7] };
        let best = all.best();
        let Shape::Mask { mask, bbox, others } = &best.1 else { panic!("another shape") };
        assert_eq!((best.0, *bbox), (0.9, [0.0, 0.0, 10.0, 10.0]));
        assert_eq!(mask.to_mask().unwrap(), wide(10));
        // That of 11 columns shows the same, that of none shows nothing.
        assert_eq!(*others, [Proposal::new(0.3, &wide(4))]);
        // A second look competes with the first: 18 columns are a little more likely, but 10 agree
        // with 4 and with 18 (0.9 + 0.3 * 0.4 + 0.95 * 0.56 against 0.95 + 0.9 * 0.56 + 0.3 * 0.22).
        let near = Candidates { masks: vec![wide(18)], confidence: vec![0.95] };
        let (confidence, shape) = Candidates::of(&best).and(near).best();
        let others = [Proposal::new(0.95, &wide(18)), Proposal::new(0.3, &wide(4))];
        assert_eq!((confidence, shape), (0.9, Shape::mask(&wide(10)).with_others(others.into())));
    }

    #[test]
    fn empty_masks_are_answered_where_there_is_nothing_else() {
        let empty = Candidates { masks: vec![wide(0), wide(0)], confidence: vec![0.2, 0.4] };
        assert_eq!(empty.best(), (0.4, Shape::mask(&wide(0))));
        assert_eq!(Candidates::default().best().0, 0.0);
    }
}
