//! The decoded targets on the picture: masks, boxes, skeletons.

use super::canvas::{circle, fill, polyline, rounded, stroke};
use super::contour::outline;
use super::palette;
use refvlm_record::Rle;
use refvlm_record::coco::{JOINT_VISIBLE, LIMBS};
use tiny_skia::Pixmap;

/// Fills a mask and draws its border.
pub(super) fn mask(pixmap: &mut Pixmap, rle: &Rle, scale: f32, u: f32, colour: [u8; 3]) {
    let Some(path) = rle.to_mask().ok().and_then(|mask| outline(&mask, scale)) else { return };
    fill(pixmap, &path, colour, 78);
    stroke(pixmap, &path, 4.2 * u, [255; 3], 210);
    stroke(pixmap, &path, 2.4 * u, colour, 255);
}

/// The tight rectangle of a mask and the middle of its topmost row, in px of the picture; none when
/// empty.
pub(super) fn extent(rle: &Rle) -> Option<([f32; 4], [f32; 2])> {
    let mask = rle.to_mask().ok()?;
    let bounds = mask.bounds()?;
    let top = bounds[1];
    let row = mask.pixels.chunks_exact(mask.width as usize).nth(top as usize)?;
    let set = || row.iter().enumerate().filter(|&(_, &p)| p != 0).map(|(x, _)| x as f32 + 0.5);
    let middle = set().sum::<f32>() / set().count().max(1) as f32;
    Some((bounds.map(|v| v as f32), [middle, top as f32]))
}

/// Draws a rectangle `[x, y, w, h]` in px of the drawing.
pub(super) fn bbox(pixmap: &mut Pixmap, rect: [f32; 4], u: f32, colour: [u8; 3]) {
    let Some(path) = rounded(rect, 7.0 * u) else { return };
    stroke(pixmap, &path, 4.6 * u, [255; 3], 190);
    stroke(pixmap, &path, 2.8 * u, colour, 255);
}

/// Draws limbs between visible joints, then the joints.
pub(super) fn skeleton(pixmap: &mut Pixmap, joints: &[[f32; 3]], scale: f32, size: f32) {
    let at = |k: usize| {
        let [x, y, v] = *joints.get(k)?;
        (v > JOINT_VISIBLE && x.is_finite() && y.is_finite()).then_some([x * scale, y * scale])
    };
    let limbs =
        || LIMBS.iter().filter_map(|&(a, b, colour)| Some((polyline([at(a)?, at(b)?])?, colour)));
    for (path, _) in limbs() {
        stroke(pixmap, &path, 2.4 * size, palette::HALO, 150);
    }
    for (path, colour) in limbs() {
        stroke(pixmap, &path, 1.6 * size, colour, 255);
    }
    for (k, joint) in (0..joints.len()).filter_map(|k| Some((k, at(k)?))) {
        // Nose, eyes and ears lie close together.
        let size = if k < 5 { 0.62 * size } else { size };
        for (radius, colour) in [(1.7, palette::HALO), (1.25, [255; 3])] {
            if let Some(path) = circle(joint, radius * size) {
                fill(pixmap, &path, colour, 255);
            }
        }
    }
}
