//! One object's pixels before they are stacked.

/// A rectangle of premultiplied RGBA, clipped to the picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layer {
    /// Left column on the picture.
    pub(crate) x0: usize,
    /// Top row on the picture.
    pub(crate) y0: usize,
    /// Columns.
    pub(crate) width: usize,
    /// `width` times the rows.
    pub(crate) pixels: Vec<[u8; 4]>,
}

/// From this alpha on a pixel belongs to the object.
const OWN: u8 = 128;

impl Layer {
    /// Transparent; covers `[left, top, right, bottom]` as far as it lies in the picture.
    pub(crate) fn clipped(bounds: [f32; 4], size: [u32; 2]) -> Self {
        // Casts saturate, so bounds far outside end up at the border.
        let low = |v: f32, limit: u32| (v.floor().max(0.0) as usize).min(limit as usize);
        let high = |v: f32, limit: u32| (v.ceil().max(0.0) as usize).min(limit as usize);
        let (x0, y0) = (low(bounds[0], size[0]), low(bounds[1], size[1]));
        let (x1, y1) = (high(bounds[2], size[0]), high(bounds[3], size[1]));
        let (width, rows) = (x1.saturating_sub(x0), y1.saturating_sub(y0));
        Self { x0, y0, width, pixels: vec![[0; 4]; width * rows] }
    }

    /// Sets every pixel to `shade(x, y)` of its centre, premultiplied 0..1.
    pub(crate) fn fill(&mut self, mut shade: impl FnMut(f32, f32) -> [f32; 4]) {
        let (x0, y0) = (self.x0, self.y0);
        for (dy, row) in self.pixels.chunks_exact_mut(self.width.max(1)).enumerate() {
            let y = (y0 + dy) as f32 + 0.5;
            for (dx, pixel) in row.iter_mut().enumerate() {
                *pixel = shade((x0 + dx) as f32 + 0.5, y).map(|v| (v * 255.0 + 0.5) as u8);
            }
        }
    }

    /// The picture's pixels that it covers at all: index into a picture of `width` columns, and
    /// the premultiplied value.
    pub(crate) fn covered(&self, width: usize) -> impl Iterator<Item = (usize, [u8; 4])> + '_ {
        let rows = self.pixels.chunks_exact(self.width.max(1)).enumerate();
        rows.flat_map(move |(dy, row)| {
            let start = (self.y0 + dy) * width + self.x0;
            row.iter().enumerate().map(move |(dx, &p)| (start + dx, p)).filter(|(_, p)| p[3] > 0)
        })
    }

    /// The picture's pixels that are the object's own.
    pub(crate) fn own(&self, width: usize) -> impl Iterator<Item = usize> + '_ {
        self.covered(width).filter(|(_, p)| p[3] >= OWN).map(|(i, _)| i)
    }
}
