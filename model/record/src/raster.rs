//! Shapes as pixels and lines: what a prompt of several strokes covers, and lines of fewer points.

use crate::Mask;

/// A place in px of the picture, `[x, y]`.
pub type Place = [f32; 2];

/// What a click covers in a mask, and what a scribble does, as shares of the longer side: what
/// the embedded model was trained with.
pub const POINT_SHARE: f32 = 0.02;

/// Sets the pixels whose centres lie within `radius` px of a line of discs to `value`. At least
/// the pixel under each point is set, so that no stroke is too fine to count.
pub fn stroke(mask: &mut Mask, points: &[Place], radius: f32, value: u8) {
    let radius = radius.max(0.5);
    if let [only] = points {
        line(mask, *only, *only, radius, value);
    }
    for pair in points.windows(2) {
        line(mask, pair[0], pair[1], radius, value);
    }
    for &[x, y] in points {
        if x >= 0.0 && y >= 0.0 {
            let column = (x as u32).min(mask.width.saturating_sub(1));
            let row = (y as u32).min(mask.height.saturating_sub(1));
            let at = row as usize * mask.width as usize + column as usize;
            if let Some(pixel) = mask.pixels.get_mut(at) {
                *pixel = value;
            }
        }
    }
}

fn line(mask: &mut Mask, a: Place, b: Place, radius: f32, value: u8) {
    let span = |low: f32, high: f32, side: u32| {
        let from = (low - radius).floor().max(0.0) as u32;
        let to = (high + radius).ceil().clamp(0.0, side as f32) as u32;
        from..to.max(from)
    };
    for y in span(a[1].min(b[1]), a[1].max(b[1]), mask.height) {
        for x in span(a[0].min(b[0]), a[0].max(b[0]), mask.width) {
            let centre = [x as f32 + 0.5, y as f32 + 0.5];
            if off_line(centre, a, b) <= radius {
                let at = y as usize * mask.width as usize + x as usize;
                if let Some(pixel) = mask.pixels.get_mut(at) {
                    *pixel = value;
                }
            }
        }
    }
}

/// Sets the pixels whose centres lie in a rectangle `[x, y, w, h]`.
pub fn fill_box(mask: &mut Mask, [x, y, w, h]: [f32; 4], value: u8) {
    let span = |low: f32, length: f32, side: u32| {
        let to_pixel = |v: f32| (v - 0.5).ceil().clamp(0.0, side as f32) as u32;
        to_pixel(low)..to_pixel(low + length)
    };
    for row in span(y, h, mask.height) {
        for column in span(x, w, mask.width) {
            let at = row as usize * mask.width as usize + column as usize;
            if let Some(pixel) = mask.pixels.get_mut(at) {
                *pixel = value;
            }
        }
    }
}

/// Whether the mask is set at a place, px.
pub fn covers(mask: &Mask, [x, y]: Place) -> bool {
    let inside = x >= 0.0 && y >= 0.0 && x < mask.width as f32 && y < mask.height as f32;
    inside
        && mask.pixels.get(y as usize * mask.width as usize + x as usize).is_some_and(|p| *p != 0)
}

/// Distance of a place from a stretch of line, px.
pub fn off_line(p: Place, a: Place, b: Place) -> f32 {
    let distance = |q: Place| (p[0] - q[0]).hypot(p[1] - q[1]);
    let along = [b[0] - a[0], b[1] - a[1]];
    let length = along[0] * along[0] + along[1] * along[1];
    if length <= 0.0 {
        return distance(a);
    }
    let share = ((p[0] - a[0]) * along[0] + (p[1] - a[1]) * along[1]) / length;
    let share = share.clamp(0.0, 1.0);
    distance([a[0] + share * along[0], a[1] + share * along[1]])
}

/// Leaves out points of a line that lie closer than `tolerance` to what remains
/// (Ramer-Douglas-Peucker), then every second one until at most `most` are left.
pub fn simplified(points: &[Place], tolerance: f32, most: usize) -> Vec<Place> {
    let mut keep = vec![false; points.len()];
    if let Some(last) = points.len().checked_sub(1) {
        keep[0] = true;
        keep[last] = true;
        let mut spans = vec![(0, last)];
        while let Some((from, to)) = spans.pop() {
            let far = (from + 1..to)
                .map(|k| (k, off_line(points[k], points[from], points[to])))
                .max_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((k, _)) = far.filter(|(_, off)| *off > tolerance) {
                keep[k] = true;
                spans.extend([(from, k), (k, to)]);
            }
        }
    }
    let mut kept: Vec<Place> =
        points.iter().zip(keep).filter(|(_, keep)| *keep).map(|(p, _)| *p).collect();
    while kept.len() > most.max(2) {
        let last = kept.len() - 1;
        kept = kept
            .into_iter()
            .enumerate()
            .filter(|(k, _)| k % 2 == 0 || *k == last)
            .map(|(_, p)| p)
            .collect();
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disc_has_the_area_of_a_disc() {
        let mut mask = Mask::zeros(100, 80);
        stroke(&mut mask, &[[50.0, 40.0]], 20.0, 1);
        let area = mask.area() as f32;
        assert!((area - 400.0 * std::f32::consts::PI).abs() < 20.0, "{area}");
        assert_eq!(mask.bounds(), Some([30, 20, 40, 40]));
    }

    #[test]
    fn the_finest_stroke_sets_a_pixel_even_in_a_corner() {
        for place in [[0.0, 0.0], [9.0, 7.0], [3.999, 3.001]] {
            let mut mask = Mask::zeros(9, 7);
            stroke(&mut mask, &[place], 0.0, 1);
            assert!(mask.area() >= 1, "{place:?}");
        }
    }

    #[test]
    fn cutting_undoes_painting() {
        let mut mask = Mask::zeros(40, 40);
        let line = [[5.0, 5.0], [30.0, 5.0], [30.0, 30.0]];
        stroke(&mut mask, &line, 3.0, 1);
        assert!(covers(&mask, [30.0, 20.0]) && !covers(&mask, [20.0, 20.0]));
        stroke(&mut mask, &line, 3.0, 0);
        assert_eq!(mask.area(), 0);
    }

    #[test]
    fn a_box_covers_the_centres_inside_it() {
        let mut mask = Mask::zeros(10, 10);
        fill_box(&mut mask, [1.0, 2.0, 3.0, 4.0], 1);
        assert_eq!(mask.bounds(), Some([1, 2, 3, 4]));
        assert_eq!(mask.area(), 12);
        fill_box(&mut mask, [-5.0, -5.0, 100.0, 100.0], 1);
        assert_eq!(mask.area(), 100);
    }

    #[test]
    fn a_line_keeps_its_corners() {
        let line: Vec<Place> =
            (0..=50).map(|k| [k as f32, 0.0]).chain((1..=50).map(|k| [50.0, k as f32])).collect();
        assert_eq!(simplified(&line, 0.5, 100), [[0.0, 0.0], [50.0, 0.0], [50.0, 50.0]]);
        assert_eq!(simplified(&line[..1], 0.5, 100), [[0.0, 0.0]]);
        assert!(simplified(&[], 0.5, 100).is_empty());
        let wild: Vec<Place> = (0..1000).map(|k| [k as f32, (k % 2) as f32 * 9.0]).collect();
        let few = simplified(&wild, 0.5, 100);
        assert!(few.len() <= 100 && few.first() == wild.first() && few.last() == wild.last());
    }
}
