//! From a small map over a square to the pixels of the picture that lies in it.

/// The part of a square raster that a picture takes up, in pixels of that raster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Side of the square.
    pub side: usize,
    /// Columns left of the picture.
    pub left: usize,
    /// Rows above the picture.
    pub top: usize,
    /// Columns of the picture.
    pub width: usize,
    /// Rows of the picture.
    pub height: usize,
}

/// Where a pixel's centre falls between the centres of two cells of the map.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tap {
    pub(crate) low: usize,
    pub(crate) high: usize,
    /// Weight of the higher cell.
    pub(crate) fraction: f32,
}

/// Pixel `i` of `side` on an axis with `cells`.
fn tap(i: usize, cells: usize, side: usize) -> Tap {
    let at = ((i as f64 + 0.5) * cells as f64 / side as f64 - 0.5).max(0.0);
    let low = (at as usize).min(cells - 1);
    Tap { low, high: (low + 1).min(cells - 1), fraction: (at - low as f64) as f32 }
}

impl Window {
    /// Taps of the picture's columns on an axis with `cells`, at least one.
    pub(crate) fn columns(&self, cells: usize) -> Vec<Tap> {
        (0..self.width).map(|x| tap(x + self.left, cells, self.side)).collect()
    }

    /// Taps of the picture's rows.
    pub(crate) fn rows(&self, cells: usize) -> Vec<Tap> {
        (0..self.height).map(|y| tap(y + self.top, cells, self.side)).collect()
    }

    /// A map over the square, resized bilinearly (half-pixel centres) and cut to the picture.
    ///
    /// # Shapes
    /// `[h, w]` values, row-major -> `[height, width]`; none when the map has not `h * w` values or
    /// a side of 0
    pub fn upsample(&self, map: &[f32], [h, w]: [usize; 2]) -> Option<Vec<f32>> {
        if map.is_empty() || h.checked_mul(w) != Some(map.len()) {
            return None;
        }
        let columns = self.columns(w);
        let mut values = Vec::with_capacity(self.width * self.height);
        for row in self.rows(h) {
            let (low, high) = (&map[row.low * w..][..w], &map[row.high * w..][..w]);
            let blended: Vec<f32> =
                low.iter().zip(high).map(|(a, b)| a + (b - a) * row.fraction).collect();
            values.extend(columns.iter().map(|c| {
                let (a, b) = (blended[c.low], blended[c.high]);
                a + (b - a) * c.fraction
            }));
        }
        Some(values)
    }
}
