//! How many digits of a box are kept.

use super::Frame;
use serde::{Deserialize, Serialize};

/// The digits of box labels and of boxes in answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoxDigits {
    /// All.
    #[default]
    Exact,
    /// The published behaviour: corners in the unit square are rounded to thousandths, of labels
    /// as well as of answers, and labels once more as centre and size.
    Thousandths,
}

fn round(v: f64) -> f64 {
    (v * 1000.0).round_ties_even() / 1000.0
}

impl BoxDigits {
    /// The label of a box.
    ///
    /// # Shapes
    /// `[x, y, w, h]` in px -> `[cx, cy, w, h]` in the unit square
    pub fn label(self, frame: &Frame, bbox: [f32; 4]) -> [f32; 4] {
        if self == Self::Exact {
            return frame.box_to_unit(bbox);
        }
        let [x0, y0, x1, y1] = Self::corners(frame, bbox);
        [(x0 + x1) / 2.0, (y0 + y1) / 2.0, x1 - x0, y1 - y0].map(|v| round(v) as f32)
    }

    /// Corners of a box inside the unit square, in thousandths.
    ///
    /// # Shapes
    /// `[x, y, w, h]` in px -> `[x0, y0, x1, y1]` in the unit square
    pub fn corners(frame: &Frame, [x, y, w, h]: [f32; 4]) -> [f64; 4] {
        let unit = |v: f64, pad: u32| {
            round(((v + f64::from(pad)) / f64::from(frame.side)).clamp(0.0, 1.0))
        };
        let [x, y, w, h] = [x, y, w, h].map(f64::from);
        [
            unit(x, frame.pad_x),
            unit(y, frame.pad_y),
            unit(x + w, frame.pad_x),
            unit(y + h, frame.pad_y),
        ]
    }

    /// A predicted box.
    ///
    /// # Shapes
    /// `[cx, cy, w, h]` in the unit square -> `[x, y, w, h]` in px, not clipped to the picture
    pub fn answer(self, frame: &Frame, bbox: [f32; 4]) -> [f32; 4] {
        if self == Self::Exact {
            return frame.box_to_px(bbox);
        }
        let [cx, cy, w, h] = bbox.map(f64::from);
        let [x0, y0, x1, y1] = [cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0].map(round);
        let side = f64::from(frame.side);
        let (left, top) = (f64::from(frame.pad_x), f64::from(frame.pad_y));
        [x0 * side - left, y0 * side - top, (x1 - x0) * side, (y1 - y0) * side].map(|v| v as f32)
    }
}
