//! A few strokes and fills over tiny-skia; coordinates are px of the drawing.

use super::palette;
use refvlm_files::picture::Picture;
use tiny_skia::{
    FillRule, LineCap, LineJoin, Mask as Clip, Paint, Path, PathBuilder, Pixmap, Rect, Stroke,
    StrokeDash, Transform,
};

/// Fills a path.
pub(super) fn fill(pixmap: &mut Pixmap, path: &Path, colour: [u8; 3], alpha: u8) {
    pixmap.fill_path(path, &paint(colour, alpha), FillRule::Winding, Transform::identity(), None);
}

/// Draws along a path with round caps and joins.
pub(super) fn stroke(pixmap: &mut Pixmap, path: &Path, width: f32, colour: [u8; 3], alpha: u8) {
    let stroke = rounded_stroke(width, None);
    pixmap.stroke_path(path, &paint(colour, alpha), &stroke, Transform::identity(), None);
}

/// [`stroke`] within a clip.
pub(super) fn stroke_clipped(
    pixmap: &mut Pixmap,
    path: &Path,
    width: f32,
    colour: [u8; 3],
    clip: &Clip,
) {
    let stroke = rounded_stroke(width, None);
    pixmap.stroke_path(path, &paint(colour, 255), &stroke, Transform::identity(), Some(clip));
}

/// [`stroke`] in dashes of `dash` px.
pub(super) fn stroke_dashed(
    pixmap: &mut Pixmap,
    path: &Path,
    width: f32,
    colour: [u8; 3],
    dash: f32,
) {
    let mut stroke = rounded_stroke(width, StrokeDash::new(vec![dash, dash], 0.0));
    // Round ends would close the gaps.
    stroke.line_cap = LineCap::Butt;
    pixmap.stroke_path(path, &paint(colour, 255), &stroke, Transform::identity(), None);
}

/// A line through points; none for fewer than two.
pub(super) fn polyline(points: impl IntoIterator<Item = [f32; 2]>) -> Option<Path> {
    let mut path = PathBuilder::new();
    for [x, y] in points {
        if path.is_empty() { path.move_to(x, y) } else { path.line_to(x, y) }
    }
    path.finish()
}

/// A disc's outline.
pub(super) fn circle([x, y]: [f32; 2], radius: f32) -> Option<Path> {
    PathBuilder::from_circle(x, y, radius)
}

/// A rectangle `[x, y, w, h]` with round corners.
pub(super) fn rounded([x, y, w, h]: [f32; 4], radius: f32) -> Option<Path> {
    if !(w > 0.0 && h > 0.0) {
        return None;
    }
    let r = radius.min(w / 2.0).min(h / 2.0);
    if r <= 0.0 {
        return Rect::from_xywh(x, y, w, h).map(PathBuilder::from_rect);
    }
    // The distance of control points at which a cubic comes closest to a quarter circle.
    let c = r * (1.0 - 0.552_285);
    let (x1, y1) = (x + w, y + h);
    let mut path = PathBuilder::new();
    path.move_to(x + r, y);
    path.line_to(x1 - r, y);
    path.cubic_to(x1 - c, y, x1, y + c, x1, y + r);
    path.line_to(x1, y1 - r);
    path.cubic_to(x1, y1 - c, x1 - c, y1, x1 - r, y1);
    path.line_to(x + r, y1);
    path.cubic_to(x + c, y1, x, y1 - c, x, y1 - r);
    path.line_to(x, y + r);
    path.cubic_to(x, y + c, x + c, y, x + r, y);
    path.close();
    path.finish()
}

/// A picture as an opaque pixmap; none when it has no pixels.
pub(super) fn from_picture(picture: &Picture) -> Option<Pixmap> {
    let mut pixmap = Pixmap::new(picture.width, picture.height)?;
    for (to, from) in pixmap.data_mut().chunks_exact_mut(4).zip(picture.rgb.chunks_exact(3)) {
        to[..3].copy_from_slice(from);
        to[3] = 255;
    }
    Some(pixmap)
}

/// An opaque pixmap as a picture.
pub(super) fn to_picture(pixmap: &Pixmap) -> Picture {
    let rgb = pixmap.data().chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
    Picture { width: pixmap.width(), height: pixmap.height(), rgb }
}

/// Puts `from` at `[x, y]` with round corners.
pub(super) fn place(onto: &mut Pixmap, from: &Pixmap, [x, y]: [f32; 2], radius: f32) {
    let rect = [x, y, from.width() as f32, from.height() as f32];
    let Some(path) = rounded(rect, radius) else { return };
    let pattern = tiny_skia::Pattern::new(
        from.as_ref(),
        tiny_skia::SpreadMode::Pad,
        tiny_skia::FilterQuality::Nearest,
        1.0,
        Transform::from_translate(x, y),
    );
    let paint = Paint { shader: pattern, anti_alias: true, ..Paint::default() };
    onto.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
}

fn paint(colour: [u8; 3], alpha: u8) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(palette::paint(colour, alpha));
    paint
}

fn rounded_stroke(width: f32, dash: Option<StrokeDash>) -> Stroke {
    Stroke {
        width,
        line_cap: LineCap::Round,
        line_join: LineJoin::Round,
        dash,
        ..Stroke::default()
    }
}
