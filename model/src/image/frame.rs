//! Where the picture lies in the padded square, and the maps between the two.

use super::{ImageError, MAX_SIDE_PX};
use refvlm_record::Mask;
use refvlm_shaders::Window;

/// The picture inside its padded square.
///
/// `px` are pixels of the original picture, x to the right, y down, the pixel in column `c`
/// covering `c..c+1`. The `unit square` is the padded square in 0..1. The maps between them are
/// exact inverses; nothing is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Columns of the picture in px.
    pub width: u32,
    /// Rows of the picture in px.
    pub height: u32,
    /// Side of the padded square in px: the longer side of the picture.
    pub side: u32,
    /// Columns of padding left of the picture in px.
    pub pad_x: u32,
    /// Rows of padding above the picture in px.
    pub pad_y: u32,
    /// Side of the tower's input in pixels.
    pub size: u32,
}

impl Frame {
    /// Centres the picture, the odd pixel of padding below or to the right.
    ///
    /// # Errors
    /// When a side is zero or beyond [`MAX_SIDE_PX`].
    pub fn new(width: u32, height: u32, size: u32) -> Result<Self, ImageError> {
        let allowed = 1..=MAX_SIDE_PX;
        if !allowed.contains(&width) || !allowed.contains(&height) {
            return Err(ImageError::Side { width, height });
        }
        if !allowed.contains(&size) {
            return Err(ImageError::Size { size });
        }
        let side = width.max(height);
        let (pad_x, pad_y) = ((side - width) / 2, (side - height) / 2);
        Ok(Self { width, height, side, pad_x, pad_y, size })
    }

    /// px -> unit square.
    pub fn point_to_unit(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let side = f64::from(self.side);
        let unit = |v: f32, pad: u32| ((f64::from(v) + f64::from(pad)) / side) as f32;
        [unit(x, self.pad_x), unit(y, self.pad_y)]
    }

    /// Unit square -> px.
    pub fn point_to_px(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let side = f64::from(self.side);
        let px = |v: f32, pad: u32| (f64::from(v) * side - f64::from(pad)) as f32;
        [px(x, self.pad_x), px(y, self.pad_y)]
    }

    /// `[x, y, w, h]` in px -> `[cx, cy, w, h]` in the unit square.
    pub fn box_to_unit(&self, [x, y, w, h]: [f32; 4]) -> [f32; 4] {
        let [cx, cy] = self.point_to_unit([x + w / 2.0, y + h / 2.0]);
        let side = self.side as f32;
        [cx, cy, w / side, h / side]
    }

    /// `[cx, cy, w, h]` in the unit square -> `[x, y, w, h]` in px, not clipped to the picture.
    pub fn box_to_px(&self, [cx, cy, w, h]: [f32; 4]) -> [f32; 4] {
        let side = self.side as f32;
        let [x, y] = self.point_to_px([cx - w / 2.0, cy - h / 2.0]);
        [x, y, w * side, h * side]
    }

    /// The part of a box inside the picture, `[x, y, w, h]` in px; outside, its width or height
    /// becomes 0.
    pub fn clip_box(&self, [x, y, w, h]: [f32; 4]) -> [f32; 4] {
        let clip = |from: f32, length: f32, limit: u32| {
            let limit = limit as f32;
            let (start, end) = (from.clamp(0.0, limit), (from + length).clamp(0.0, limit));
            (start, (end - start).max(0.0))
        };
        let ((x, w), (y, h)) = (clip(x, w, self.width), clip(y, h, self.height));
        [x, y, w, h]
    }

    /// Rows `[x, y, v]` in px -> the same in the unit square, v kept.
    pub fn keypoints_to_unit(&self, points: &[[f32; 3]]) -> Vec<[f32; 3]> {
        let map = |&[x, y, v]: &[f32; 3]| {
            let [x, y] = self.point_to_unit([x, y]);
            [x, y, v]
        };
        points.iter().map(map).collect()
    }

    /// Rows `[x, y, v]` in the unit square -> the same in px, v kept.
    pub fn keypoints_to_px(&self, points: &[[f32; 3]]) -> Vec<[f32; 3]> {
        let map = |&[x, y, v]: &[f32; 3]| {
            let [x, y] = self.point_to_px([x, y]);
            [x, y, v]
        };
        points.iter().map(map).collect()
    }

    /// One row of the square that holds the mask.
    pub(crate) fn mask_row(&self, mask: &Mask, y: usize, row: &mut [u8]) {
        row.fill(0);
        let width = self.width as usize;
        let source = y.checked_sub(self.pad_y as usize);
        if let Some(pixels) = source.and_then(|y| mask.pixels.chunks_exact(width).nth(y)) {
            let left = self.pad_x as usize;
            row[left..left + width].copy_from_slice(pixels);
        }
    }

    pub(crate) fn check_mask(&self, mask: &Mask) -> Result<(), ImageError> {
        let (width, height) = (mask.width, mask.height);
        if (width, height) != (self.width, self.height) {
            let (expected_width, expected_height) = (self.width, self.height);
            return Err(ImageError::Mask { width, height, expected_width, expected_height });
        }
        let (expected, found) = (width as usize * height as usize, mask.pixels.len());
        if expected != found {
            return Err(ImageError::Length { what: "mask bytes", expected, found });
        }
        Ok(())
    }

    /// A map over the unit square, resized bilinearly to the padded square and cut to the picture.
    ///
    /// # Shapes
    /// `[h, w]` values -> `[height, width]` values, row-major
    ///
    /// # Errors
    /// When the map has not `h * w` values or a side of 0.
    pub fn map_to_px(&self, map: &[f32], [h, w]: [usize; 2]) -> Result<Vec<f32>, ImageError> {
        let (expected, found) = (h.saturating_mul(w).max(1), map.len());
        let wrong = ImageError::Length { what: "map", expected, found };
        self.window().upsample(map, [h, w]).ok_or(wrong)
    }

    /// The picture's place in its square, for the kernels.
    pub(crate) fn window(&self) -> Window {
        let [side, left, top, width, height] =
            [self.side, self.pad_x, self.pad_y, self.width, self.height].map(|v| v as usize);
        Window { side, left, top, width, height }
    }

    /// The pixels where a map over the unit square exceeds a threshold.
    ///
    /// # Shapes
    /// `[h, w]` logits or probabilities, the threshold on the same scale -> a mask of the picture
    ///
    /// # Errors
    /// When the map has not `h * w` values or a side of 0.
    pub fn mask_to_px(
        &self,
        map: &[f32],
        size: [usize; 2],
        threshold: f32,
    ) -> Result<Mask, ImageError> {
        let values = self.map_to_px(map, size)?;
        let pixels = values.into_iter().map(|v| u8::from(v > threshold)).collect();
        Ok(Mask { width: self.width, height: self.height, pixels })
    }

    /// The pixels of the tower's input that show the picture, by the rule the published model was
    /// trained with.
    ///
    /// # Shapes
    /// returns `[size, size]` bytes, 1 on the picture and 0 on the padding
    pub fn valid(&self) -> Vec<u8> {
        let size = self.size as usize;
        let band = |length: u32| {
            let length = f64::from(self.size) * f64::from(length) / f64::from(self.side);
            let start = ((f64::from(self.size) - length) / 2.0).floor();
            start as usize..((start + length) as usize).min(size)
        };
        let (columns, rows) = (band(self.width), band(self.height));
        (0..size * size)
            .map(|i| u8::from(rows.contains(&(i / size)) && columns.contains(&(i % size))))
            .collect()
    }
}
