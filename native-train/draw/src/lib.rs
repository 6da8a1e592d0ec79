//! Result pictures: what was asked with, what was found, and what was said, on one sheet.

mod canvas;
mod contour;
mod depth;
mod labels;
mod marks;
mod palette;
mod panel;
mod prompts;
mod text;

use image::imageops::FilterType;
use labels::{Anchor, Label};
use refvlm_files::picture::Picture;
use refvlm_model::event::{Event, Shape};
use refvlm_record::Prompt;
use refvlm_record::reading::Reading;
use tiny_skia::Pixmap;

/// Pictures with a shorter longest side are enlarged to it, so that labels are readable.
const SMALLEST_LONG_SIDE: u32 = 768;
/// Letters of a label on the picture.
const LABEL_LETTERS: usize = 28;
/// Lower things count as small: about three labels.
const SMALL: f32 = 75.0;
/// Of a person's box, from the top.
const HEAD_SHARE: f32 = 0.17;
/// From this many targets of one triplet on, only the first label carries the phrase.
const MANY_TARGETS: usize = 4;

/// Draws prompts and an answer: masks as tinted areas, boxes, skeletons, labels with the number of
/// their triplet; distance maps in panels beside the picture; the answer's words below it, with
/// the same numbers and colours. Without words there is no text below, without units the picture
/// stays as it is. Shapes that do not fit the picture (a mask of another size, a box that is not
/// finite) are left out.
pub fn annotate(picture: &Picture, prompts: &[Prompt], answer: &[Event]) -> Picture {
    let Some((scale, mut drawing)) = enlarged(picture) else { return picture.clone() };
    // Everything is drawn in this unit, so that sheets of all sizes look alike.
    let u = drawing.width().max(drawing.height()) as f32 / SMALLEST_LONG_SIDE as f32;
    let shapes = shapes(answer, picture);
    draw_shapes(&mut drawing, &shapes, scale, u);
    let badges = prompts
        .iter()
        .enumerate()
        .filter_map(|(k, prompt)| prompts::draw(&mut drawing, prompt, k + 1, scale, u))
        .collect();
    let precious = precious(&shapes, scale, u);
    labels::draw_all(&mut drawing, &labels(&shapes, scale), badges, &precious, u);
    let mut panels = vec![drawing];
    let size = [panels[0].width(), panels[0].height()];
    for (triplet, concept, _, shape) in &shapes {
        let Shape::Depth { width, height, metres } = shape else { continue };
        let Some(mut panel) = depth::panel([*width, *height], metres, size, u) else { continue };
        let label = Label {
            anchor: Anchor::Box([12.0 * u, 12.0 * u, 0.0, 0.0]),
            number: triplet + 1,
            phrase: label_text(concept),
            colour: palette::triplet(*triplet),
        };
        labels::draw_all(&mut panel, &[label], Vec::new(), &[], u);
        panels.push(panel);
    }
    sheet(&panels, answer, u)
}

/// A drawn target: triplet, concept, index within the triplet, shape.
type Drawn<'a> = (usize, &'a str, usize, &'a Shape);

/// The decoded targets that fit the picture, in the order of the answer.
fn shapes<'a>(answer: &'a [Event], picture: &Picture) -> Vec<Drawn<'a>> {
    let concept = |wanted: usize| {
        answer.iter().find_map(|event| match event {
            Event::Triplet { triplet, concept, .. } if *triplet == wanted => Some(concept.as_str()),
            _ => None,
        })
    };
    let fits = |shape: &Shape| match shape {
        Shape::Box { bbox } => bbox.iter().all(|v| v.is_finite()),
        Shape::Mask { mask, .. } => mask.size == [picture.height, picture.width],
        Shape::Keypoint { bbox, .. } => bbox.iter().all(|v| v.is_finite()),
        Shape::Depth { .. } => true,
    };
    answer
        .iter()
        .filter_map(|event| match event {
            Event::Unit { triplet, index, shape, .. } if fits(shape) => {
                Some((*triplet, concept(*triplet).unwrap_or(""), *index, shape))
            }
            _ => None,
        })
        .collect()
}

/// Areas first, lines over them, so that nothing small is covered.
fn draw_shapes(drawing: &mut Pixmap, shapes: &[Drawn], scale: f32, u: f32) {
    for (triplet, _, _, shape) in shapes {
        if let Shape::Mask { mask, .. } = shape {
            marks::mask(drawing, mask, scale, u, palette::triplet(*triplet));
        }
    }
    for (triplet, _, _, shape) in shapes {
        match shape {
            Shape::Box { bbox } => {
                marks::bbox(drawing, bbox.map(|v| v * scale), u, palette::triplet(*triplet));
            }
            Shape::Keypoint { bbox, keypoints } => {
                let rect = bbox.map(|v| v * scale);
                marks::bbox(drawing, rect, 0.7 * u, palette::triplet(*triplet));
                // Small people get thinner limbs.
                let size = (rect[3] / 110.0).clamp(1.4, 3.2 * u.max(0.5));
                marks::skeleton(drawing, keypoints, scale, size);
            }
            Shape::Mask { .. } | Shape::Depth { .. } => {}
        }
    }
}

fn labels(shapes: &[Drawn], scale: f32) -> Vec<Label> {
    let of = |wanted: usize| shapes.iter().filter(|s| s.0 == wanted).count();
    // A person's mask and joints under one triplet need one label, not two.
    let leads = |drawn: &&Drawn| {
        let first = shapes.iter().find(|s| s.0 == drawn.0);
        first.is_none_or(|f| std::mem::discriminant(f.3) == std::mem::discriminant(drawn.3))
    };
    shapes
        .iter()
        .filter(leads)
        .filter_map(|(triplet, concept, index, shape)| {
            let anchor = match shape {
                Shape::Box { bbox } | Shape::Keypoint { bbox, .. } => {
                    Anchor::Box(bbox.map(|v| v * scale))
                }
                Shape::Mask { mask, .. } => {
                    let ([_, y, _, h], point) = marks::extent(mask)?;
                    let point = point.map(|v| v * scale);
                    Anchor::Above { point, bottom: (y + h) * scale }
                }
                Shape::Depth { .. } => return None,
            };
            let named = *index == 0 || of(*triplet) < MANY_TARGETS;
            Some(Label {
                anchor,
                number: triplet + 1,
                phrase: if named { label_text(concept) } else { String::new() },
                colour: palette::triplet(*triplet),
            })
        })
        .collect()
}

/// Empty where the fonts have no letter of it: the number then stands alone.
fn label_text(concept: &str) -> String {
    text::shortened(&text::legible(concept), LABEL_LETTERS)
}

/// What a label would hide altogether: small things, and the heads of people.
fn precious(shapes: &[Drawn], scale: f32, u: f32) -> Vec<[f32; 4]> {
    let rects = shapes.iter().filter_map(|(_, _, _, shape)| match shape {
        Shape::Box { bbox } => Some(*bbox),
        Shape::Mask { mask, .. } => marks::extent(mask).map(|(rect, _)| rect),
        Shape::Keypoint { bbox: [x, y, w, h], .. } => Some([*x, *y, *w, h * HEAD_SHARE]),
        Shape::Depth { .. } => None,
    });
    rects.map(|rect| rect.map(|v| v * scale)).filter(|rect| rect[3] < SMALL * u).collect()
}

/// The picture at drawing size, and px of the drawing per px of the picture; a blank sheet when the
/// picture's bytes do not fit its size; none beyond the size of any decoded picture.
fn enlarged(picture: &Picture) -> Option<(f32, Pixmap)> {
    let (width, height) = (picture.width.max(1), picture.height.max(1));
    let scale = (SMALLEST_LONG_SIDE as f32 / width.max(height) as f32).max(1.0);
    let size = [width, height].map(|side| ((side as f32 * scale).round() as u32).max(1));
    let buffer = image::RgbImage::from_raw(picture.width, picture.height, picture.rgb.clone());
    let large = buffer.filter(|b| b.width() > 0 && b.height() > 0).map(|buffer| {
        let buffer = if scale > 1.0 {
            image::imageops::resize(&buffer, size[0], size[1], FilterType::CatmullRom)
        } else {
            buffer
        };
        Picture { width: buffer.width(), height: buffer.height(), rgb: buffer.into_raw() }
    });
    let blank = || Picture::filled(size[0], size[1], palette::PAPER);
    Some((scale, canvas::from_picture(&large.unwrap_or_else(blank))?))
}

/// Panels side by side on paper, the words below.
fn sheet(panels: &[Pixmap], answer: &[Event], u: f32) -> Picture {
    let (margin, gap) = (22.0 * u, 14.0 * u);
    let height = panels.first().map_or(1, Pixmap::height) as f32;
    let inner: f32 = panels.iter().map(|p| p.width() as f32 + gap).sum::<f32>() - gap;
    let raw: String = answer
        .iter()
        .filter_map(|event| match event {
            Event::Token { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let failure = answer.iter().find_map(|event| match event {
        Event::Failed { error } => Some(error.as_str()),
        _ => None,
    });
    // Narrow portraits get a sheet on which a line of text has room.
    let text_width = inner.max(520.0 * u);
    let panel = panel::Panel::new(&Reading::new(&raw).body, failure, text_width, u);
    let below = if panel.height() > 0.0 { panel.height() + 16.0 * u } else { 0.0 };
    let size = [text_width + 2.0 * margin, height + below + 2.0 * margin].map(|v| v.ceil() as u32);
    let paper = Picture::filled(size[0], size[1], palette::PAPER);
    let Some(mut sheet) = canvas::from_picture(&paper) else { return paper };
    let mut x = ((size[0] as f32 - inner) / 2.0).round();
    for panel in panels {
        canvas::place(&mut sheet, panel, [x, margin.round()], 10.0 * u);
        x += panel.width() as f32 + gap.round();
    }
    panel.draw(&mut sheet, [margin, margin + height + 16.0 * u]);
    canvas::to_picture(&sheet)
}

#[cfg(test)]
mod tests;
