//! Masks that grow and shrink by the distances inside and around them, and parts of masks.

use refvlm_record::Mask;
use refvlm_record::distance::distances;

/// A rectangle of a mask as a mask of its own, so that work on a small thing in a large picture
/// stays small.
pub(crate) struct Window {
    /// Left and top, in px of the picture.
    pub origin: [u32; 2],
    /// The pixels.
    pub mask: Mask,
}

impl Window {
    /// The pixels around the set ones, `margin` px on each side where the picture has them; none
    /// when the mask is empty.
    pub fn around(mask: &Mask, margin: u32) -> Option<Self> {
        let [x, y, w, h] = mask.bounds()?;
        let (x0, y0) = (x.saturating_sub(margin), y.saturating_sub(margin));
        let x1 = (x + w).saturating_add(margin).min(mask.width);
        let y1 = (y + h).saturating_add(margin).min(mask.height);
        let mut cut = Mask { width: x1 - x0, height: y1 - y0, pixels: Vec::new() };
        cut.pixels.reserve((cut.width * cut.height) as usize);
        let rows = mask.pixels.chunks_exact(mask.width as usize);
        for row in rows.take(y1 as usize).skip(y0 as usize) {
            cut.pixels.extend_from_slice(&row[x0 as usize..x1 as usize]);
        }
        Some(Self { origin: [x0, y0], mask: cut })
    }

    /// Puts the rectangle back into an empty mask of the picture's size.
    pub fn back(&self, width: u32, height: u32) -> Mask {
        let mut whole = Mask::zeros(width, height);
        let [x0, y0] = self.origin.map(|v| v as usize);
        let w = self.mask.width as usize;
        let rows = whole.pixels.chunks_exact_mut(width as usize).skip(y0);
        for (row, own) in rows.zip(self.mask.pixels.chunks_exact(w.max(1))) {
            row[x0..x0 + w].copy_from_slice(own);
        }
        whole
    }
}

/// Every pixel within `radius_px` of a set one.
pub(crate) fn dilated(mask: &Mask, radius_px: f32) -> Mask {
    threshold(mask, &distances(mask, 1), |distance| distance <= radius_px)
}

/// Every pixel further than `radius_px` from all unset ones.
pub(crate) fn eroded(mask: &Mask, radius_px: f32) -> Mask {
    threshold(mask, &distances(mask, 0), |distance| distance > radius_px)
}

/// Gaps and bays narrower than twice `radius_px` filled.
pub(crate) fn closed(mask: &Mask, radius_px: f32) -> Mask {
    eroded(&dilated(mask, radius_px), radius_px)
}

fn threshold(mask: &Mask, distances: &[f32], set: impl Fn(f32) -> bool) -> Mask {
    let pixels = distances.iter().map(|&distance| u8::from(set(distance))).collect();
    Mask { width: mask.width, height: mask.height, pixels }
}

/// Takes the pixels of `other`, of the same size, out of `mask`.
pub(crate) fn subtract(mask: &mut Mask, other: &Mask) {
    for (pixel, &covered) in mask.pixels.iter_mut().zip(&other.pixels) {
        *pixel &= 1 - covered.min(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn random(width: u32, height: u32, share: f64, rng: &mut ChaCha8Rng) -> Mask {
        let mut mask = Mask::zeros(width, height);
        mask.pixels.iter_mut().for_each(|pixel| *pixel = u8::from(rng.random_bool(share)));
        mask
    }

    #[test]
    fn masks_grow_shrink_and_close() {
        let mut mask = Mask::zeros(21, 21);
        for y in 5..16 {
            for x in 5..16 {
                mask.pixels[y * 21 + x] = u8::from(x != 10 || y != 10);
            }
        }
        assert!(dilated(&mask, 1.0).area() > mask.area());
        assert!(eroded(&mask, 1.0).area() < mask.area());
        let filled = closed(&mask, 2.0);
        assert_eq!(filled.area(), 121, "the hole is filled and the outside is as it was");
        subtract(&mut mask, &filled);
        assert_eq!(mask.area(), 0);
    }

    #[test]
    fn a_window_goes_back_to_its_place() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mask = random(30, 20, 0.01, &mut rng);
        let window = Window::around(&mask, 2).unwrap();
        assert_eq!(window.back(30, 20), mask);
        assert!(Window::around(&Mask::zeros(3, 3), 1).is_none());
    }
}
