//! What a person pointed with.

use super::canvas::{circle, fill, polyline, rounded, stroke, stroke_clipped, stroke_dashed};
use super::contour::outline;
use super::labels::prompt_badge;
use super::palette::{HALO, PROMPT};
use refvlm_record::{Prompt, Rle};
use tiny_skia::{FillRule, Mask as Clip, PathBuilder, Pixmap, Transform};

/// Draws a prompt with its badge and returns the badge's rectangle. `scale` takes px of the
/// picture to px of the drawing.
pub(super) fn draw(
    pixmap: &mut Pixmap,
    prompt: &Prompt,
    number: usize,
    scale: f32,
    u: f32,
) -> Option<[f32; 4]> {
    let badge = match prompt {
        Prompt::Point { x, y } => Some(point(pixmap, [x * scale, y * scale], u)),
        Prompt::Box { x, y, w, h } => {
            let rect = [x, y, w, h].map(|v| v * scale);
            if let Some(path) = rounded(rect, 5.0 * u) {
                stroke(pixmap, &path, 4.4 * u, HALO, 170);
                stroke_dashed(pixmap, &path, 2.4 * u, PROMPT, 8.0 * u);
            }
            Some([rect[0] + rect[2], rect[1]])
        }
        Prompt::Scribble { points } => scribble(pixmap, points, scale, u),
        Prompt::Mask { mask } => painted(pixmap, mask, scale, u),
    };
    badge.map(|at| prompt_badge(pixmap, number, at, u))
}

fn point(pixmap: &mut Pixmap, at: [f32; 2], u: f32) -> [f32; 2] {
    if let Some(ring) = circle(at, 10.0 * u) {
        stroke(pixmap, &ring, 5.6 * u, HALO, 170);
        stroke(pixmap, &ring, 2.8 * u, PROMPT, 255);
    }
    for (radius, colour) in [(4.6, HALO), (3.2, PROMPT)] {
        if let Some(dot) = circle(at, radius * u) {
            fill(pixmap, &dot, colour, 255);
        }
    }
    [at[0] + 24.0 * u, at[1] - 16.0 * u]
}

fn scribble(pixmap: &mut Pixmap, points: &[[f32; 2]], scale: f32, u: f32) -> Option<[f32; 2]> {
    let first = points.first()?.map(|v| v * scale);
    match polyline(points.iter().map(|p| p.map(|v| v * scale))) {
        Some(path) => {
            stroke(pixmap, &path, 7.6 * u, HALO, 170);
            stroke(pixmap, &path, 4.4 * u, PROMPT, 255);
        }
        None => {
            point(pixmap, first, u);
        }
    }
    Some([first[0], first[1] - 18.0 * u])
}

fn painted(pixmap: &mut Pixmap, rle: &Rle, scale: f32, u: f32) -> Option<[f32; 2]> {
    let mask = rle.to_mask().ok()?;
    let path = outline(&mask, scale)?;
    let (width, height) = (pixmap.width(), pixmap.height());
    let mut clip = Clip::new(width, height)?;
    clip.fill_path(&path, FillRule::Winding, true, Transform::identity());
    fill(pixmap, &path, HALO, 70);
    let mut hatch = PathBuilder::new();
    let bounds = path.bounds();
    let (step, tall) = (11.0 * u, bounds.height());
    let mut x = bounds.left() - tall;
    while x < bounds.right() {
        hatch.move_to(x, bounds.bottom());
        hatch.line_to(x + tall, bounds.top());
        x += step;
    }
    if let Some(hatch) = hatch.finish() {
        stroke_clipped(pixmap, &hatch, 1.8 * u, PROMPT, &clip);
    }
    stroke(pixmap, &path, 4.0 * u, HALO, 170);
    stroke(pixmap, &path, 2.2 * u, PROMPT, 255);
    Some([bounds.left() + bounds.width() / 2.0, bounds.top()])
}
