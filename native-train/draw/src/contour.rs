//! The outline of a mask as a path.

use refvlm_record::Mask;
use tiny_skia::{Path, PathBuilder};

/// The border between set and unset pixels, in px of the mask times `scale`; none when empty. Fill
/// it by the winding rule.
pub(super) fn outline(mask: &Mask, scale: f32) -> Option<Path> {
    let mut path = PathBuilder::new();
    for points in mask.outline() {
        for (k, [x, y]) in points.into_iter().enumerate() {
            let (x, y) = (x * scale, y * scale);
            if k == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
        }
        path.close();
    }
    path.finish()
}
