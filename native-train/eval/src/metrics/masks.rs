//! Masks.

use refvlm_record::{Mask, Rle};
use serde::{Deserialize, Serialize};

/// Pixels of intersection and union, of one pair or added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// Pixels set in both.
    pub intersection: u64,
    /// Pixels set in one or both.
    pub union: u64,
}

impl Overlap {
    /// Of two masks; those of different sizes share nothing.
    pub fn of(a: &Mask, b: &Mask) -> Self {
        if (a.width, a.height) != (b.width, b.height) {
            return Self { intersection: 0, union: a.area() + b.area() };
        }
        let (mut intersection, mut union) = (0, 0);
        for (&a, &b) in a.pixels.iter().zip(&b.pixels) {
            intersection += u64::from(a & b);
            union += u64::from(a | b);
        }
        Self { intersection, union }
    }

    /// Intersection over union; 1 when both are empty.
    pub fn iou(&self) -> f32 {
        match self.union {
            0 => 1.0,
            union => (self.intersection as f64 / union as f64) as f32,
        }
    }

    /// Adds another pair: the quotient is then the cumulative IoU (cIoU).
    pub fn add(&mut self, other: Overlap) {
        self.intersection += other.intersection;
        self.union += other.union;
    }
}

/// All pixels that any of the masks sets, in `[width, height]`. Masks of another size or damaged
/// ones add nothing.
pub fn union<'a>(masks: impl IntoIterator<Item = &'a Rle>, [width, height]: [u32; 2]) -> Mask {
    let mut all = Mask::zeros(width, height);
    for mask in masks.into_iter().filter(|m| m.size == [height, width]) {
        let Ok(mask) = mask.to_mask() else { continue };
        for (to, from) in all.pixels.iter_mut().zip(&mask.pixels) {
            *to |= from;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(pixels: &[u8]) -> Mask {
        Mask { width: pixels.len() as u32, height: 1, pixels: pixels.to_vec() }
    }

    #[test]
    fn per_sample_and_cumulative_iou_differ() {
        let small = Overlap::of(&mask(&[1, 0, 0, 0]), &mask(&[1, 0, 0, 0]));
        let large = Overlap::of(&mask(&[1, 1, 1, 0]), &mask(&[0, 1, 1, 1]));
        assert_eq!((small.iou(), large.iou()), (1.0, 0.5));
        let mut sum = small;
        sum.add(large);
        assert_eq!(sum, Overlap { intersection: 3, union: 5 });
        assert_eq!(Overlap::of(&mask(&[0]), &mask(&[0])).iou(), 1.0);
        assert_eq!(Overlap::of(&mask(&[1]), &mask(&[1, 1])).iou(), 0.0);
    }

    #[test]
    fn a_union_ignores_masks_of_other_sizes() {
        let masks = [mask(&[1, 0, 0]).to_rle(), mask(&[0, 0, 1]).to_rle(), mask(&[1; 4]).to_rle()];
        assert_eq!(union(&masks, [3, 1]).pixels, [1, 0, 1]);
    }
}
