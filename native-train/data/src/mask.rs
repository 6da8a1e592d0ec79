//! Distances inside and around masks, and masks that grow and shrink by them.

use refvlm_record::Mask;

/// For every pixel the exact distance in px between its centre and the nearest centre of a pixel
/// of value `of`; row-major. Infinite without such a pixel. The picture's edge does not count.
pub(crate) fn distances(mask: &Mask, of: u8) -> Vec<f32> {
    let (w, h) = (mask.width as usize, mask.height as usize);
    let squared = columns(mask, of);
    let mut distances = vec![f32::INFINITY; w * h];
    let (mut hull, mut from) = (Vec::with_capacity(w), Vec::with_capacity(w));
    for (row, out) in squared.chunks_exact(w.max(1)).zip(distances.chunks_exact_mut(w.max(1))) {
        lower_envelope(row, out, &mut hull, &mut from);
    }
    distances
}

/// Squared distance to the nearest pixel of value `of` in the same column.
fn columns(mask: &Mask, of: u8) -> Vec<f32> {
    let w = mask.width as usize;
    let far = f32::INFINITY;
    let mut steps = vec![far; mask.pixels.len()];
    let mut last = vec![far; w];
    let mut pass = |row: &[u8], out: &mut [f32]| {
        for ((last, &pixel), out) in last.iter_mut().zip(row).zip(out) {
            *last = if pixel == of { 0.0 } else { *last + 1.0 };
            *out = out.min(*last);
        }
    };
    for (row, out) in mask.pixels.chunks_exact(w).zip(steps.chunks_exact_mut(w)) {
        pass(row, out);
    }
    last.fill(far);
    let mut pass = |row: &[u8], out: &mut [f32]| {
        for ((last, &pixel), out) in last.iter_mut().zip(row).zip(out) {
            *last = if pixel == of { 0.0 } else { *last + 1.0 };
            *out = out.min(*last);
        }
    };
    for (row, out) in mask.pixels.chunks_exact(w).zip(steps.chunks_exact_mut(w)).rev() {
        pass(row, out);
    }
    steps.iter_mut().for_each(|step| *step *= *step);
    steps
}

/// The distances of one row from the squared distances of its columns: the lower envelope of the
/// parabolas that stand on the columns (Felzenszwalb and Huttenlocher, 2012).
fn lower_envelope(row: &[f32], out: &mut [f32], hull: &mut Vec<usize>, from: &mut Vec<f32>) {
    hull.clear();
    from.clear();
    for (q, &height) in row.iter().enumerate() {
        if !height.is_finite() {
            continue;
        }
        let mut start = f32::NEG_INFINITY;
        while let (Some(&p), Some(&begins)) = (hull.last(), from.last()) {
            let (p_at, q_at) = (p as f32, q as f32);
            let meet = ((height + q_at * q_at) - (row[p] + p_at * p_at)) / (2.0 * (q_at - p_at));
            if meet > begins {
                start = meet;
                break;
            }
            hull.pop();
            from.pop();
        }
        hull.push(q);
        from.push(start);
    }
    let mut k = 0;
    for (x, out) in out.iter_mut().enumerate() {
        while from.get(k + 1).is_some_and(|&next| next < x as f32) {
            k += 1;
        }
        if let Some(&p) = hull.get(k) {
            let across = x as f32 - p as f32;
            *out = (row[p] + across * across).sqrt();
        }
    }
}

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

    fn brute(mask: &Mask, of: u8, x: i32, y: i32) -> f32 {
        let w = mask.width as i32;
        let all = mask.pixels.iter().enumerate().filter(|(_, pixel)| **pixel == of);
        all.map(|(at, _)| {
            let (dx, dy) = (at as i32 % w - x, at as i32 / w - y);
            ((dx * dx + dy * dy) as f32).sqrt()
        })
        .fold(f32::INFINITY, f32::min)
    }

    #[test]
    fn distances_are_exact() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (w, h, share) in [(1, 1, 0.5), (7, 1, 0.3), (1, 9, 0.2), (17, 13, 0.05), (12, 31, 0.6)]
        {
            for of in [0, 1] {
                let mask = random(w, h, share, &mut rng);
                let found = distances(&mask, of);
                for (at, found) in found.iter().enumerate() {
                    let (x, y) = (at as i32 % w as i32, at as i32 / w as i32);
                    let wanted = brute(&mask, of, x, y);
                    assert!(*found == wanted || (found - wanted).abs() < 1e-3, "{found} {wanted}");
                }
            }
        }
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
