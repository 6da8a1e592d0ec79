//! The outline of a mask as smooth closed lines.

use crate::rle::Mask;
use std::collections::HashMap;

/// Set pixels never fall below this, so that structures one pixel wide survive the smoothing.
const SET_FLOOR: f32 = 0.55;
/// In px of the mask.
const MOST_MOVED: f32 = 0.4;

impl Mask {
    /// The border between set and unset pixels, as closed lines in px of the mask, the last point
    /// joined to the first; inside is on the right, so fill them by the winding rule. Nothing when
    /// the mask is empty. The same mask gives the same lines in the same order.
    pub fn outline(&self) -> Vec<Vec<[f32; 2]>> {
        let field = Field::new(self);
        let mut segments = field.segments();
        // Loops must come out in the same order every time; a map's order would not.
        let mut starts: Vec<u64> = segments.keys().copied().collect();
        starts.sort_unstable();
        let mut loops = Vec::new();
        for start in starts {
            let Some(mut next) = segments.remove(&start) else { continue };
            let mut points = vec![field.crossing(start)];
            while next != start {
                points.push(field.crossing(next));
                match segments.remove(&next) {
                    Some(following) => next = following,
                    None => break,
                }
            }
            loops.push(rounded_off(points));
        }
        loops
    }
}

/// Takes the steps of single pixels out of a closed line; no point moves further than
/// [`MOST_MOVED`] along an axis, so that tips and small loops stay.
fn rounded_off(points: Vec<[f32; 2]>) -> Vec<[f32; 2]> {
    let count = points.len();
    let mut smooth = points.clone();
    for _ in 0..3 {
        let at = |k: usize, axis: usize| smooth[k % count][axis];
        let mean = |k: usize, axis: usize| {
            (at(k + count - 1, axis) + 2.0 * at(k, axis) + at(k + 1, axis)) / 4.0
        };
        smooth = (0..count).map(|k| [mean(k, 0), mean(k, 1)]).collect();
    }
    let bounded = |from: f32, to: f32| from + (to - from).clamp(-MOST_MOVED, MOST_MOVED);
    let pairs = points.iter().zip(smooth);
    pairs.map(|(from, to)| [bounded(from[0], to[0]), bounded(from[1], to[1])]).collect()
}

/// The mask, smoothed, with a ring of zeros so that every line closes.
struct Field {
    /// Columns, ring included.
    width: usize,
    height: usize,
    values: Vec<f32>,
}

impl Field {
    fn new(mask: &Mask) -> Self {
        let (w, h) = (mask.width as i64, mask.height as i64);
        let (width, height) = (w as usize + 2, h as usize + 2);
        let mut values = vec![0.0; width * height];
        let set = |x: i64, y: i64| {
            let at = y.clamp(0, h - 1) * w + x.clamp(0, w - 1);
            mask.pixels.get(at as usize).map_or(0.0, |&p| f32::from(p != 0))
        };
        for y in 0..h {
            for x in 0..w {
                let mut sum = 0.0;
                for (dy, wy) in [(-1, 1.0), (0, 2.0), (1, 1.0)] {
                    sum += wy * (set(x - 1, y + dy) + 2.0 * set(x, y + dy) + set(x + 1, y + dy));
                }
                let smooth = sum / 16.0;
                let kept = if set(x, y) > 0.0 { f32::max(smooth, SET_FLOOR) } else { smooth };
                values[(y as usize + 1) * width + x as usize + 1] = kept;
            }
        }
        Self { width, height, values }
    }

    fn inside(&self, node: usize) -> bool {
        self.values[node] > 0.5
    }

    /// Marching squares: every crossed edge leads to the next, inside on the right. Edges are
    /// numbered by the node they start from: even ones go right, odd ones down.
    fn segments(&self) -> HashMap<u64, u64> {
        let mut segments = HashMap::new();
        for y in 0..self.height - 1 {
            for x in 0..self.width - 1 {
                let node = y * self.width + x;
                let corners = [node, node + 1, node + self.width + 1, node + self.width];
                let case = corners
                    .iter()
                    .enumerate()
                    .fold(0, |case, (k, &corner)| case | usize::from(self.inside(corner)) << k);
                if case == 0 || case == 15 {
                    continue;
                }
                let [t, r, b, l] = [
                    2 * node as u64,
                    2 * (node as u64 + 1) + 1,
                    2 * (node + self.width) as u64,
                    2 * node as u64 + 1,
                ];
                let pairs: &[(u64, u64)] = match case {
                    1 => &[(t, l)],
                    2 => &[(r, t)],
                    3 => &[(r, l)],
                    4 => &[(b, r)],
                    5 => &[(t, l), (b, r)],
                    6 => &[(b, t)],
                    7 => &[(b, l)],
                    8 => &[(l, b)],
                    9 => &[(t, b)],
                    10 => &[(r, t), (l, b)],
                    11 => &[(r, b)],
                    12 => &[(l, r)],
                    13 => &[(t, r)],
                    _ => &[(l, t)],
                };
                segments.extend(pairs.iter().copied());
            }
        }
        segments
    }

    /// Where the field passes 0.5 on an edge, in px of the mask. Nodes are pixel centres.
    fn crossing(&self, edge: u64) -> [f32; 2] {
        let node = (edge / 2) as usize;
        let down = edge % 2 == 1;
        let other = node + if down { self.width } else { 1 };
        let (a, b) = (self.values[node], self.values[other]);
        let share = if (b - a).abs() < 1e-6 { 0.5 } else { (0.5 - a) / (b - a) };
        let x = (node % self.width) as f32 - 0.5;
        let y = (node / self.width) as f32 - 0.5;
        if down { [x, y + share] } else { [x + share, y] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rectangle(width: u32, height: u32, [x0, y0, w, h]: [u32; 4]) -> Mask {
        let mut mask = Mask::zeros(width, height);
        for y in y0..y0 + h {
            for x in x0..x0 + w {
                mask.pixels[(y * width + x) as usize] = 1;
            }
        }
        mask
    }

    #[test]
    fn the_outline_bounds_the_mask() {
        for rect in [[3, 2, 6, 5], [0, 0, 12, 9], [11, 8, 1, 1], [4, 0, 1, 9]] {
            let points: Vec<_> = rectangle(12, 9, rect).outline().concat();
            let least = |axis: usize| points.iter().map(|p| p[axis]).fold(f32::MAX, f32::min);
            let most = |axis: usize| points.iter().map(|p| p[axis]).fold(f32::MIN, f32::max);
            let [x, y, w, h] = rect.map(|v| v as f32);
            let found = [least(0), least(1), most(0), most(1)];
            for (found, wanted) in found.into_iter().zip([x, y, x + w, y + h]) {
                assert!((found - wanted).abs() <= 0.75, "{rect:?}: {found} {wanted}");
            }
        }
        assert!(Mask::zeros(4, 4).outline().is_empty());
    }

    #[test]
    fn a_hole_and_touching_corners_make_closed_loops() {
        let mut ring = rectangle(9, 9, [1, 1, 7, 7]);
        for y in 3..6 {
            for x in 3..6 {
                ring.pixels[y * 9 + x] = 0;
            }
        }
        assert_eq!(ring.outline().len(), 2);
        let mut diagonal = Mask::zeros(6, 6);
        diagonal.pixels[7] = 1;
        diagonal.pixels[14] = 1;
        assert!((1..=2).contains(&diagonal.outline().len()));
    }
}
