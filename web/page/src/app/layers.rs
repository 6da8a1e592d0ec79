//! What is costly to make for the canvas and stays the same from frame to frame.

use super::picture::{blank, context};
use super::sight::Sight;
use crate::canvas::geometry::Place;
use crate::canvas::marks::{POINT_SHARE, Stroke};
use crate::conversation::answer::Answer;
use refvlm_record::Mask;
use refvlm_record::answer::Found;
use std::f64::consts::TAU;
use std::sync::Arc;
use wasm_bindgen::{Clamped, JsValue};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ImageData, Path2d};

/// Outlines that are kept; more than one answer and a truth have.
const MOST: usize = 160;

/// Outlines of masks.
#[derive(Default)]
pub struct Layers {
    outlines: Vec<(Arc<Mask>, Path2d)>,
}

impl Layers {
    /// The outline of a mask, px of the picture.
    ///
    /// # Errors
    /// When the browser has no paths.
    pub fn outline(&mut self, mask: &Arc<Mask>) -> Result<Path2d, JsValue> {
        if let Some((_, path)) = self.outlines.iter().find(|(known, _)| Arc::ptr_eq(known, mask)) {
            return Ok(path.clone());
        }
        let path = Path2d::new()?;
        for points in mask.outline() {
            for (k, [x, y]) in points.into_iter().enumerate() {
                let (x, y) = (f64::from(x), f64::from(y));
                if k == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
            }
            path.close_path();
        }
        if self.outlines.len() >= MOST {
            self.outlines.remove(0);
        }
        self.outlines.push((mask.clone(), path.clone()));
        Ok(path)
    }
}

/// The depth map of an answer and its triplet.
pub fn depth_of(answer: &Answer) -> Option<(usize, &Found)> {
    let numbered = answer.said.triplets.iter().enumerate();
    numbered
        .filter(|(_, triplet)| triplet.unit == refvlm_protocol::Unit::Depth)
        .find_map(|(number, triplet)| Some((number, triplet.found.first()?)))
}

/// A canvas of RGBA bytes.
///
/// # Errors
/// When the bytes do not fit the size.
pub fn from_rgba(size: [u32; 2], rgba: &[u8]) -> Result<HtmlCanvasElement, JsValue> {
    let canvas = blank(size)?;
    let data = ImageData::new_with_u8_clamped_array_and_sh(Clamped(rgba), size[0], size[1])?;
    context(&canvas)?.put_image_data(&data, 0.0, 0.0)?;
    Ok(canvas)
}

/// Draws a prompt of several strokes as the region it is: cuts really cut.
///
/// # Errors
/// When the browser has no canvas to spare.
pub fn painted(
    c: &CanvasRenderingContext2d,
    layers: &mut Layers,
    see: &Sight,
    strokes: &[Stroke],
    colour: &str,
    alpha: f64,
) -> Result<(), JsValue> {
    let ratio = web_sys::window().map_or(1.0, |w| w.device_pixel_ratio());
    let canvas = blank(see.canvas.map(|side| (f64::from(side) * ratio).ceil() as u32))?;
    let on = context(&canvas)?;
    on.scale(ratio, ratio)?;
    on.set_line_cap("round");
    on.set_line_join("round");
    on.set_fill_style_str(colour);
    on.set_stroke_style_str(colour);
    let point = POINT_SHARE * see.picture.size[0].max(see.picture.size[1]) as f32;
    for stroke in strokes {
        let cuts = matches!(stroke, Stroke::Cut { .. });
        on.set_global_composite_operation(if cuts { "destination-out" } else { "source-over" })?;
        match stroke {
            Stroke::Point(at) => discs(&on, see, &[*at], point)?,
            Stroke::Box([x, y, w, h]) => {
                let [left, top] = see.view.to_screen([*x, *y]).map(f64::from);
                let [w, h] = [w, h].map(|side| f64::from(side * see.view.scale));
                on.fill_rect(left, top, w, h);
            }
            Stroke::Scribble(points) => discs(&on, see, points, point)?,
            Stroke::Found(mask) => found(&on, see, &layers.outline(mask)?)?,
            Stroke::Paint { points, radius } | Stroke::Cut { points, radius, .. } => {
                discs(&on, see, points, *radius)?;
            }
        }
    }
    c.set_global_alpha(alpha);
    let [w, h] = see.canvas.map(f64::from);
    c.draw_image_with_html_canvas_element_and_dw_and_dh(&canvas, 0.0, 0.0, w, h)?;
    c.set_global_alpha(1.0);
    negatives(c, see, strokes)
}

/// What was found, in place of what was drawn before.
fn found(on: &CanvasRenderingContext2d, see: &Sight, outline: &Path2d) -> Result<(), JsValue> {
    let [w, h] = see.canvas.map(f64::from);
    on.clear_rect(0.0, 0.0, w, h);
    on.save();
    let [left, top] = see.view.to_screen([0.0, 0.0]).map(f64::from);
    on.translate(left, top)?;
    on.scale(f64::from(see.view.scale), f64::from(see.view.scale))?;
    on.fill_with_path_2d(outline);
    on.restore();
    Ok(())
}

fn discs(
    on: &CanvasRenderingContext2d,
    see: &Sight,
    points: &[Place],
    radius: f32,
) -> Result<(), JsValue> {
    let radius = f64::from(radius * see.view.scale).max(0.5);
    on.begin_path();
    if let [only] = points {
        let [x, y] = see.view.to_screen(*only).map(f64::from);
        on.arc(x, y, radius, 0.0, TAU)?;
        on.fill();
        return Ok(());
    }
    for (k, point) in points.iter().enumerate() {
        let [x, y] = see.view.to_screen(*point).map(f64::from);
        if k == 0 { on.move_to(x, y) } else { on.line_to(x, y) }
    }
    on.set_line_width(2.0 * radius);
    on.stroke();
    Ok(())
}

/// A minus where a negative point was set, also where it cut nothing.
fn negatives(c: &CanvasRenderingContext2d, see: &Sight, strokes: &[Stroke]) -> Result<(), JsValue> {
    for stroke in strokes {
        let Stroke::Cut { points, radius, point: true } = stroke else { continue };
        let Some(at) = points.first() else { continue };
        let [x, y] = see.view.to_screen(*at).map(f64::from);
        c.begin_path();
        c.arc(x, y, f64::from(radius * see.view.scale), 0.0, TAU)?;
        c.move_to(x - 4.0, y);
        c.line_to(x + 4.0, y);
        for (width, style) in [(3.5, "rgba(17,19,24,0.72)"), (1.5, "#fff")] {
            c.set_line_width(width);
            c.set_stroke_style_str(style);
            c.stroke();
        }
    }
    Ok(())
}
