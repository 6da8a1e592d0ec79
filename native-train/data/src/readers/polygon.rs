//! Polygons as masks.

use refvlm_record::Mask;

/// The pixels whose centre lies in one of the polygons.
///
/// # Errors
/// When a polygon is not a list of at least three finite corners.
pub(crate) fn fill(polygons: &[Vec<f64>], width: u32, height: u32) -> Result<Mask, String> {
    let mut mask = Mask::zeros(width, height);
    for polygon in polygons {
        if polygon.len() < 6 || polygon.len() % 2 != 0 {
            let count = polygon.len();
            return Err(format!("polygon of {count} numbers; at least 3 pairs x, y are needed"));
        }
        if !polygon.iter().all(|v| v.is_finite()) {
            return Err("polygon with a corner that is not finite; export it again".into());
        }
        fill_one(&mut mask, polygon);
    }
    Ok(mask)
}

/// Row by row: the centres between an odd crossing and the next are inside.
fn fill_one(mask: &mut Mask, polygon: &[f64]) {
    let (width, height) = (f64::from(mask.width), f64::from(mask.height));
    let corners: Vec<[f64; 2]> = polygon.chunks_exact(2).map(|c| [c[0], c[1]]).collect();
    let mut rows: Vec<Vec<f64>> = vec![Vec::new(); mask.height as usize];
    for (k, &[x0, y0]) in corners.iter().enumerate() {
        let [x1, y1] = corners[(k + 1) % corners.len()];
        let (top, bottom) = (y0.min(y1), y0.max(y1));
        let first = (top - 0.5).ceil().clamp(0.0, height) as usize;
        let end = (bottom - 0.5).ceil().clamp(0.0, height) as usize;
        for (y, row) in rows.iter_mut().enumerate().take(end).skip(first) {
            row.push(x0 + (y as f64 + 0.5 - y0) / (y1 - y0) * (x1 - x0));
        }
    }
    for (row, pixels) in rows.iter_mut().zip(mask.pixels.chunks_exact_mut(mask.width as usize)) {
        row.sort_by(f64::total_cmp);
        for pair in row.chunks_exact(2) {
            let [from, to] = [pair[0], pair[1]].map(|x| (x - 0.5).ceil().clamp(0.0, width));
            pixels[from as usize..to as usize].fill(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polygon_holds_the_pixels_whose_centre_is_inside() {
        let triangle = vec![1.0, 1.0, 9.0, 2.0, 4.0, 8.0];
        let mask = fill(std::slice::from_ref(&triangle), 10, 10).unwrap();
        let side = |a: [f64; 2], b: [f64; 2], p: [f64; 2]| {
            (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
        };
        for y in 0..10 {
            for x in 0..10 {
                let p = [x as f64 + 0.5, y as f64 + 0.5];
                let c = |k: usize| [triangle[2 * k], triangle[2 * k + 1]];
                let inside = (0..3).all(|k| side(c(k), c((k + 1) % 3), p) >= 0.0);
                assert_eq!(mask.pixels[y * 10 + x] == 1, inside, "{x} {y}");
            }
        }
    }

    #[test]
    fn polygons_are_joined_and_may_leave_the_picture() {
        let left = vec![-50.0, -50.0, 2.0, -50.0, 2.0, 50.0, -50.0, 50.0];
        let right = vec![1.0, 0.0, 4.0, 0.0, 4.0, 3.0, 1.0, 3.0];
        let mask = fill(&[left, right], 4, 3).unwrap();
        assert_eq!(mask.area(), 12);
    }

    #[test]
    fn damage_is_named() {
        assert!(fill(&[vec![1.0, 2.0]], 4, 4).unwrap_err().contains("at least 3"));
        let nan = vec![f64::NAN, 0.0, 1.0, 1.0, 2.0, 2.0];
        assert!(fill(&[nan], 4, 4).unwrap_err().contains("finite"));
    }
}
