//! Distances inside and around masks.

use crate::Mask;

/// For every pixel the exact distance in px between its centre and the nearest centre of a pixel
/// of value `of`; row-major. Infinite without such a pixel. The picture's edge does not count.
pub fn distances(mask: &Mask, of: u8) -> Vec<f32> {
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
    let pass = |last: &mut [f32], row: &[u8], out: &mut [f32]| {
        for ((last, &pixel), out) in last.iter_mut().zip(row).zip(out) {
            *last = if pixel == of { 0.0 } else { *last + 1.0 };
            *out = out.min(*last);
        }
    };
    // From the top down, then from the bottom up.
    for (row, out) in mask.pixels.chunks_exact(w.max(1)).zip(steps.chunks_exact_mut(w.max(1))) {
        pass(&mut last, row, out);
    }
    last.fill(far);
    for (row, out) in mask.pixels.chunks_exact(w.max(1)).zip(steps.chunks_exact_mut(w.max(1))).rev()
    {
        pass(&mut last, row, out);
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

#[cfg(test)]
mod tests {
    use super::*;

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
        // Some pixels in no order: a multiplication that wraps.
        let spread = |at: u32, one_in: u32| {
            u8::from((at.wrapping_mul(2_654_435_761) >> 8).is_multiple_of(one_in))
        };
        for (width, height, one_in) in [(1, 1, 2), (7, 1, 3), (1, 9, 5), (17, 13, 20), (12, 31, 2)]
        {
            let pixels = (0..width * height).map(|at| spread(at, one_in)).collect();
            let mask = Mask { width, height, pixels };
            for of in [0, 1] {
                for (at, found) in (0..).zip(distances(&mask, of)) {
                    let wanted = brute(&mask, of, at % width as i32, at / width as i32);
                    assert!(found == wanted || (found - wanted).abs() < 1e-3, "{found} {wanted}");
                }
            }
        }
    }

    #[test]
    fn without_such_a_pixel_it_is_infinite() {
        assert_eq!(distances(&Mask::zeros(2, 1), 1), [f32::INFINITY; 2]);
        assert!(distances(&Mask::zeros(0, 0), 1).is_empty());
    }
}
