//! The canvas: the picture, what was found on it, and the prompts.

use super::layers::{Layers, depth_of};
use super::sight::Sight;
use super::state::Focus;
use crate::canvas::labels::placed;
use crate::canvas::marks::{Mark, POINT_SHARE, Stroke};
use crate::canvas::palette;
use crate::conversation::answer::Answer;
use crate::conversation::truth::Truth;
use refvlm_protocol::Shape;
use refvlm_record::answer::Found;
use refvlm_record::coco::{JOINT_VISIBLE, LIMBS};
use std::f64::consts::TAU;
use wasm_bindgen::JsValue;
use web_sys::CanvasRenderingContext2d;

const HALO: &str = "rgba(17,19,24,0.72)";
const INK: &str = "#16171a";
const FONT: &str = "600 12px Inter, sans-serif";

/// Draws everything. Errors of the browser's canvas mean that a detail is missing, no more.
pub fn sight(c: &CanvasRenderingContext2d, layers: &mut Layers, see: &Sight) {
    let [w, h] = see.canvas.map(f64::from);
    c.clear_rect(0.0, 0.0, w, h);
    let _ = picture(c, see);
    if let Some(answer) = see.answer {
        let _ = depth(c, see, answer);
    }
    if let Some(truth) = see.truth {
        let _ = known(c, layers, see, truth);
    }
    for (id, found) in &see.live {
        let _ = region(c, layers, see, found, palette::prompt(*id), 1.0);
    }
    if let Some(answer) = see.answer {
        let _ = results(c, layers, see, answer);
    }
    for mark in &see.board.marks {
        let _ = prompt(c, layers, see, mark);
    }
    if see.handles {
        for (at, mark) in see.board.marks.iter().enumerate() {
            let _ = badge(c, see, mark, at + 1);
        }
    }
}

fn picture(c: &CanvasRenderingContext2d, see: &Sight) -> Result<(), JsValue> {
    let [x, y] = see.view.shift.map(f64::from);
    let [w, h] = see.picture.size.map(|side| f64::from(side) * f64::from(see.view.scale));
    // Big pixels are looked at one by one.
    c.set_image_smoothing_enabled(see.view.scale < 12.0);
    c.draw_image_with_html_canvas_element_and_dw_and_dh(&see.picture.canvas, x, y, w, h)
}

fn depth(c: &CanvasRenderingContext2d, see: &Sight, answer: &Answer) -> Result<(), JsValue> {
    let Some((triplet, found)) = depth_of(answer) else { return Ok(()) };
    let Shape::Depth { width, height, metres } = &found.shape else { return Ok(()) };
    let Some((rgba, _)) = palette::depth_picture(metres) else { return Ok(()) };
    let map = super::layers::from_rgba([*width, *height], &rgba)?;
    let [x, y] = see.view.shift.map(f64::from);
    let [w, h] = see.picture.size.map(|side| f64::from(side) * f64::from(see.view.scale));
    c.set_image_smoothing_enabled(true);
    c.set_global_alpha(if lit(see, triplet, 0) { 0.88 } else { 0.12 });
    c.draw_image_with_html_canvas_element_and_dw_and_dh(&map, x, y, w, h)?;
    c.set_global_alpha(1.0);
    Ok(())
}

/// Whether a target is shown at full strength: nothing or itself is pointed at.
fn lit(see: &Sight, triplet: usize, index: usize) -> bool {
    match see.focus {
        Some(Focus::Result { triplet: t, index: i }) => {
            t == triplet && i.is_none_or(|i| i == index)
        }
        _ => true,
    }
}

fn results(
    c: &CanvasRenderingContext2d,
    layers: &mut Layers,
    see: &Sight,
    answer: &Answer,
) -> Result<(), JsValue> {
    let mut labels = Vec::new();
    for (number, triplet) in answer.said.triplets.iter().enumerate() {
        let colour = palette::result(number);
        for (index, found) in triplet.found.iter().enumerate() {
            let pointed_at = see.focus.is_some() && lit(see, number, index);
            let sure = found.confidence >= see.least || pointed_at;
            let strength = match lit(see, number, index) {
                true if sure => 1.0,
                true => 0.4,
                false => 0.22,
            };
            match &found.shape {
                Shape::Mask { .. } => region(c, layers, see, found, colour, strength)?,
                Shape::Box { bbox } => frame(c, see, *bbox, colour, strength)?,
                Shape::Keypoint { bbox, keypoints } => {
                    frame(c, see, *bbox, colour, strength * 0.6)?;
                    skeleton(c, see, *bbox, keypoints, strength)?;
                }
                Shape::Depth { .. } => {}
            }
            if let Some(bbox) = found.bbox().filter(|b| b[2] > 0.0 && strength == 1.0) {
                labels.push((on_screen(see, bbox), number, triplet.concept.as_str()));
            }
        }
    }
    c.set_font(FONT);
    let mut sized = Vec::new();
    for (rect, number, words) in &labels {
        let width = c.measure_text(words)?.width() as f32;
        let badge = c.measure_text(&(number + 1).to_string())?.width() as f32;
        sized.push((*rect, [width + badge + 26.0, 22.0]));
    }
    let area = [4.0, 4.0, see.canvas[0] - 8.0, see.canvas[1] - 8.0];
    for ((_, number, words), place) in labels.iter().zip(placed(&sized, area)) {
        label(c, place, *number, words)?;
    }
    Ok(())
}

fn on_screen(see: &Sight, [x, y, w, h]: [f32; 4]) -> [f32; 4] {
    let [left, top] = see.view.to_screen([x, y]);
    [left, top, w * see.view.scale, h * see.view.scale]
}

fn label(
    c: &CanvasRenderingContext2d,
    place: [f32; 4],
    number: usize,
    words: &str,
) -> Result<(), JsValue> {
    let [x, y, w, h] = place.map(f64::from);
    c.set_fill_style_str(palette::result(number));
    pill(c, [x, y, w, h], h / 2.0)?;
    c.fill();
    let digits = (number + 1).to_string();
    let badge = (c.measure_text(&digits)?.width() + 8.0).max(16.0);
    c.set_fill_style_str("#fff");
    pill(c, [x + 3.0, y + 3.0, badge, h - 6.0], (h - 6.0) / 2.0)?;
    c.fill();
    c.set_text_baseline("middle");
    c.set_text_align("left");
    c.fill_text(words, x + badge + 9.0, y + h / 2.0 + 0.5)?;
    c.set_text_align("center");
    c.set_fill_style_str(palette::result(number));
    c.fill_text(&digits, x + 3.0 + badge / 2.0, y + h / 2.0 + 0.5)
}

fn pill(c: &CanvasRenderingContext2d, [x, y, w, h]: [f64; 4], r: f64) -> Result<(), JsValue> {
    c.begin_path();
    c.round_rect_with_f64(x, y, w, h, r)
}

fn frame(
    c: &CanvasRenderingContext2d,
    see: &Sight,
    bbox: [f32; 4],
    colour: &str,
    strength: f64,
) -> Result<(), JsValue> {
    c.set_global_alpha(strength);
    pill(c, on_screen(see, bbox).map(f64::from), 5.0)?;
    line(c, 4.5, "rgba(255,255,255,0.85)", 2.5, colour);
    c.set_global_alpha(1.0);
    Ok(())
}

/// Strokes the path twice: a halo, then the colour.
fn line(c: &CanvasRenderingContext2d, wide: f64, halo: &str, narrow: f64, colour: &str) {
    for (width, style) in [(wide, halo), (narrow, colour)] {
        c.set_line_width(width);
        c.set_stroke_style_str(style);
        c.stroke();
    }
}

fn region(
    c: &CanvasRenderingContext2d,
    layers: &mut Layers,
    see: &Sight,
    found: &Found,
    colour: &str,
    strength: f64,
) -> Result<(), JsValue> {
    let Some(mask) = &found.mask else { return Ok(()) };
    let path = layers.outline(mask)?;
    in_px(c, see, |c, px| {
        c.set_global_alpha(0.38 * strength);
        c.set_fill_style_str(colour);
        c.fill_with_path_2d(&path);
        c.set_global_alpha(strength);
        for (width, style) in [(4.2, "rgba(255,255,255,0.85)"), (2.2, colour)] {
            c.set_line_width(width * px);
            c.set_stroke_style_str(style);
            c.stroke_with_path(&path);
        }
    })
}

/// Draws in px of the picture; the closure is told how long a screen px is there.
fn in_px(
    c: &CanvasRenderingContext2d,
    see: &Sight,
    draw: impl FnOnce(&CanvasRenderingContext2d, f64),
) -> Result<(), JsValue> {
    let scale = f64::from(see.view.scale);
    c.save();
    c.set_line_join("round");
    c.translate(f64::from(see.view.shift[0]), f64::from(see.view.shift[1]))?;
    c.scale(scale, scale)?;
    draw(c, 1.0 / scale);
    c.restore();
    c.set_global_alpha(1.0);
    Ok(())
}

fn skeleton(
    c: &CanvasRenderingContext2d,
    see: &Sight,
    bbox: [f32; 4],
    joints: &[[f32; 3]],
    strength: f64,
) -> Result<(), JsValue> {
    let at = |k: usize| {
        let [x, y, sure] = *joints.get(k)?;
        (sure > JOINT_VISIBLE).then(|| see.view.to_screen([x, y]).map(f64::from))
    };
    let height = f64::from(bbox[3] * see.view.scale);
    let width = (height / 60.0).clamp(1.6, 5.0);
    c.set_global_alpha(strength);
    c.set_line_cap("round");
    for halo in [true, false] {
        for (a, b, colour) in LIMBS {
            let (Some(a), Some(b)) = (at(a), at(b)) else { continue };
            c.begin_path();
            c.move_to(a[0], a[1]);
            c.line_to(b[0], b[1]);
            c.set_line_width(if halo { width + 2.0 } else { width });
            let colour = palette::css(colour);
            c.set_stroke_style_str(if halo { HALO } else { &colour });
            c.stroke();
        }
    }
    for k in 0..joints.len() {
        let Some([x, y]) = at(k) else { continue };
        let radius = if k < 5 { width * 0.6 } else { width };
        for (radius, colour) in [(radius + 1.2, HALO), (radius, "#fff")] {
            c.begin_path();
            c.arc(x, y, radius, 0.0, TAU)?;
            c.set_fill_style_str(colour);
            c.fill();
        }
    }
    c.set_line_cap("butt");
    c.set_global_alpha(1.0);
    Ok(())
}

/// The truth is dashed and without colours of its own, so that it is not taken for an answer.
fn known(
    c: &CanvasRenderingContext2d,
    layers: &mut Layers,
    see: &Sight,
    truth: &Truth,
) -> Result<(), JsValue> {
    for object in &truth.objects {
        let dash = |px: f64| js_sys::Array::of2(&(6.0 * px).into(), &(5.0 * px).into());
        if let Some(mask) = &object.mask {
            let path = layers.outline(mask)?;
            in_px(c, see, |c, px| {
                for (width, style, dashed) in [(3.6, HALO, false), (1.8, "#fff", true)] {
                    let dashes = if dashed { dash(px) } else { js_sys::Array::new() };
                    let _ = c.set_line_dash(dashes.as_ref());
                    c.set_line_width(width * px);
                    c.set_stroke_style_str(style);
                    c.stroke_with_path(&path);
                }
            })?;
        }
        if let Some(joints) = &object.target.keypoints {
            let bbox = object.target.bbox.unwrap_or_default();
            skeleton(c, see, bbox, joints, 0.85)?;
        }
    }
    Ok(())
}

fn prompt(
    c: &CanvasRenderingContext2d,
    layers: &mut Layers,
    see: &Sight,
    mark: &Mark,
) -> Result<(), JsValue> {
    let colour = palette::prompt(mark.id);
    let strength = match see.focus {
        Some(Focus::Mark(id)) if id != mark.id => 0.3,
        Some(Focus::Result { .. }) => 0.45,
        _ => 1.0,
    };
    c.set_global_alpha(strength);
    let selected = see.handles && see.board.selected == Some(mark.id);
    match mark.strokes.as_slice() {
        [Stroke::Point(_)] => {}
        [Stroke::Box(rect)] => {
            c.begin_path();
            let [x, y, w, h] = on_screen(see, *rect).map(f64::from);
            c.rect(x, y, w, h);
            line(c, 4.0, HALO, 2.0, colour);
            if selected {
                for [x, y] in [[x, y], [x + w, y], [x + w, y + h], [x, y + h]] {
                    pill(c, [x - 4.5, y - 4.5, 9.0, 9.0], 2.0)?;
                    c.set_fill_style_str(colour);
                    c.fill();
                    c.set_line_width(1.5);
                    c.set_stroke_style_str(INK);
                    c.stroke();
                }
            }
        }
        [Stroke::Scribble(points)] => {
            let side = see.picture.size[0].max(see.picture.size[1]) as f32;
            let width = f64::from((POINT_SHARE * side * see.view.scale).max(2.0));
            c.begin_path();
            for (k, point) in points.iter().enumerate() {
                let [x, y] = see.view.to_screen(*point).map(f64::from);
                if k == 0 { c.move_to(x, y) } else { c.line_to(x, y) }
            }
            c.set_line_cap("round");
            c.set_line_join("round");
            line(c, width + 2.0, HALO, width, colour);
            c.set_line_cap("butt");
        }
        strokes => super::layers::painted(c, layers, see, strokes, colour, strength * 0.62)?,
    }
    c.set_global_alpha(1.0);
    Ok(())
}

/// The square with a prompt's number. Results have round ones.
fn badge(
    c: &CanvasRenderingContext2d,
    see: &Sight,
    mark: &Mark,
    number: usize,
) -> Result<(), JsValue> {
    let [x, y] = see.view.to_screen(mark.badge(see.picture.size)).map(f64::from);
    let words = number.to_string();
    c.set_font(FONT);
    let side = 18.0_f64.max(c.measure_text(&words)?.width() + 9.0);
    let selected = see.board.selected == Some(mark.id);
    c.set_global_alpha(match see.focus {
        Some(Focus::Mark(id)) if id != mark.id => 0.4,
        _ => 1.0,
    });
    let grow = if selected { 2.5 } else { 1.5 };
    pill(c, [x - side / 2.0 - grow, y - 9.0 - grow, side + 2.0 * grow, 18.0 + 2.0 * grow], 6.5)?;
    c.set_fill_style_str(if selected { "#fff" } else { HALO });
    c.fill();
    pill(c, [x - side / 2.0, y - 9.0, side, 18.0], 4.5)?;
    c.set_fill_style_str(palette::prompt(mark.id));
    c.fill();
    c.set_fill_style_str(INK);
    c.set_text_align("center");
    c.set_text_baseline("middle");
    c.fill_text(&words, x, y + 0.5)?;
    c.set_global_alpha(1.0);
    Ok(())
}

/// Where keys or the brush would draw.
pub fn cursor(c: &CanvasRenderingContext2d, [x, y]: [f32; 2], radius: Option<f32>, cross: bool) {
    let (x, y) = (f64::from(x), f64::from(y));
    c.begin_path();
    if let Some(radius) = radius {
        let _ = c.arc(x, y, f64::from(radius).max(1.0), 0.0, TAU);
    }
    if cross {
        for [dx, dy] in [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]] {
            c.move_to(x + 4.0 * dx, y + 4.0 * dy);
            c.line_to(x + 16.0 * dx, y + 16.0 * dy);
        }
    }
    line(c, 3.5, HALO, 1.5, "#fff");
}
