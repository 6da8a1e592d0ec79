//! Distance maps: which values are known, and what lies between them.

pub use refvlm_record::depth::known;

/// The distance at a place of the unit square (0..1 to the right and down), bilinear between
/// pixel centres. Where a corner is unknown the nearest pixel decides; none when that is unknown,
/// or when `metres` does not have `columns * rows` values.
pub fn at(metres: &[f32], [columns, rows]: [u32; 2], [x, y]: [f32; 2]) -> Option<f32> {
    if metres.len() as u64 != u64::from(columns) * u64::from(rows) || metres.is_empty() {
        return None;
    }
    let along = |share: f32, count: u32| {
        let v = (share * count as f32 - 0.5).clamp(0.0, (count - 1) as f32);
        let low = (v as u32).min(count - 1);
        (low, (low + 1).min(count - 1), v - low as f32)
    };
    let (x0, x1, fx) = along(x, columns);
    let (y0, y1, fy) = along(y, rows);
    let value = |x: u32, y: u32| metres[y as usize * columns as usize + x as usize];
    let corners = [value(x0, y0), value(x1, y0), value(x0, y1), value(x1, y1)];
    if !corners.iter().all(|m| known(*m)) {
        let nearest = value(if fx < 0.5 { x0 } else { x1 }, if fy < 0.5 { y0 } else { y1 });
        return Some(nearest).filter(|m| known(*m));
    }
    let top = corners[0] + (corners[1] - corners[0]) * fx;
    let bottom = corners[2] + (corners[3] - corners[2]) * fx;
    Some(top + (bottom - top) * fy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_centres_it_is_linear_and_unknown_stays_unknown() {
        let map = [1.0, 3.0, 0.0, 5.0];
        assert_eq!(at(&map[..2], [2, 1], [0.5, 0.5]), Some(2.0));
        assert_eq!(at(&map[..2], [2, 1], [0.0, 0.9]), Some(1.0));
        assert_eq!(at(&map, [2, 2], [0.2, 0.8]), None);
        assert_eq!(at(&map, [2, 2], [0.8, 0.8]), Some(5.0));
        assert_eq!(at(&map, [3, 2], [0.5, 0.5]), None);
        assert_eq!(at(&[], [0, 0], [0.5, 0.5]), None);
    }
}
