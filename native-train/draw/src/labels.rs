//! Number badges with phrases, placed where they hide little and never each other.

use super::canvas::{circle, fill, rounded, stroke};
use super::palette;
use super::text::{self, Weight};
use tiny_skia::Pixmap;

/// Where a label hangs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Anchor {
    /// At the upper left corner of a rectangle `[x, y, w, h]`.
    Box([f32; 4]),
    /// Centred above a point; the area that the point belongs to ends at `bottom`.
    Above { point: [f32; 2], bottom: f32 },
}

/// A label waiting for its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Label {
    pub anchor: Anchor,
    /// One-based.
    pub number: usize,
    /// Empty for a badge alone.
    pub phrase: String,
    pub colour: [u8; 3],
}

const SIZE: f32 = 15.0;
const HEIGHT: f32 = 25.0;

/// Draws all labels, keeping off what is `taken` already and, where it can be, off what is
/// `precious`: small things and faces.
pub(super) fn draw_all(
    pixmap: &mut Pixmap,
    labels: &[Label],
    mut taken: Vec<[f32; 4]>,
    precious: &[[f32; 4]],
    u: f32,
) {
    let area = [pixmap.width() as f32, pixmap.height() as f32];
    for label in labels {
        let number = label.number.to_string();
        let number_width = text::width(&number, Weight::SemiBold, 13.0 * u);
        let badge = (number_width + 10.0 * u).max(19.0 * u);
        let phrase_width = match label.phrase.as_str() {
            "" => 0.0,
            phrase => text::width(phrase, Weight::SemiBold, SIZE * u) + 14.0 * u,
        };
        let size = [badge + phrase_width + 6.0 * u, HEIGHT * u];
        let rect = free_place(label.anchor, size, area, u, [&taken, precious]);
        taken.push(rect);
        draw(pixmap, label, rect, badge, number_width, u);
    }
}

fn draw(
    pixmap: &mut Pixmap,
    label: &Label,
    [x, y, w, h]: [f32; 4],
    badge: f32,
    number_width: f32,
    u: f32,
) {
    let Some(pill) = rounded([x, y, w, h], h / 2.0) else { return };
    stroke(pixmap, &pill, 2.4 * u, [255; 3], 225);
    fill(pixmap, &pill, label.colour, 255);
    let inner = [x + 3.0 * u, y + 3.0 * u, badge, h - 6.0 * u];
    if let Some(disc) = rounded(inner, h / 2.0) {
        fill(pixmap, &disc, [255; 3], 255);
    }
    let middle = y + h / 2.0;
    let baseline = |size: f32| middle + text::cap_height(size * u) / 2.0;
    let at = [inner[0] + (badge - number_width) / 2.0, baseline(13.0)];
    let number = label.number.to_string();
    text::draw(pixmap, &number, Weight::SemiBold, 13.0 * u, at, label.colour);
    let at = [inner[0] + badge + 6.0 * u, baseline(SIZE)];
    let colour = palette::on(label.colour);
    text::draw(pixmap, &label.phrase, Weight::SemiBold, SIZE * u, at, colour);
}

/// The first candidate inside the picture that overlaps no other label; else the one that
/// overlaps least.
fn free_place(
    anchor: Anchor,
    [w, h]: [f32; 2],
    [width, height]: [f32; 2],
    u: f32,
    [taken, precious]: [&[[f32; 4]]; 2],
) -> [f32; 4] {
    let gap = 3.0 * u;
    let mut places: Vec<[f32; 2]> = match anchor {
        Anchor::Box([x, y, bw, bh]) => vec![
            [x, y - h - gap],
            [x + 2.0 * gap, y + 2.0 * gap],
            [x + bw - w, y - h - gap],
            [x, y + bh + gap],
            [x + bw - w - 2.0 * gap, y + 2.0 * gap],
            [x + bw - w, y + bh + gap],
        ],
        Anchor::Above { point: [x, y], bottom } => vec![
            [x - w / 2.0, y - h - 2.0 * gap],
            [x - w / 2.0, bottom + 2.0 * gap],
            [x - w / 2.0, y + 2.0 * gap],
            [x + 2.0 * gap, y - h / 2.0],
            [x - w - 2.0 * gap, y - h / 2.0],
        ],
    };
    let [x, y] = places[0];
    places.extend((1..12).map(|k| [x, y + k as f32 * (h + gap)]));
    let margin = 2.0 * u;
    let inside = |[x, y]: [f32; 2]| {
        let clamp = |v: f32, most: f32| v.min(most - margin).max(margin);
        [clamp(x, width - w), clamp(y, height - h), w, h]
    };
    // A label pushed far from its place by the border is worse than the next candidate.
    let cost = |place: [f32; 2]| {
        let rect = inside(place);
        let pushed = (rect[0] - place[0]).abs() * 0.2 + (rect[1] - place[1]).abs();
        let hidden: f32 = taken.iter().map(|t| overlap(rect, *t, gap)).sum();
        let covered: f32 = precious.iter().map(|p| overlap(rect, *p, 0.0)).sum();
        hidden * 10.0 + covered * 3.0 + pushed * h
    };
    let best = places
        .iter()
        .enumerate()
        // Earlier candidates are nicer: ties and near ties go to them.
        .map(|(k, &place)| (cost(place) + k as f32 * h * u * 0.5, place))
        .min_by(|a, b| a.0.total_cmp(&b.0));
    inside(best.map_or([x, y], |(_, place)| place))
}

fn overlap(a: [f32; 4], b: [f32; 4], gap: f32) -> f32 {
    let w = (a[0] + a[2]).min(b[0] + b[2]) - a[0].max(b[0]) + gap;
    let h = (a[1] + a[3]).min(b[1] + b[3]) - a[1].max(b[1]) + gap;
    w.max(0.0) * h.max(0.0)
}

/// Draws the badge of a prompt, `[1]`, centred at a point, and returns the rectangle it takes.
pub(super) fn prompt_badge(
    pixmap: &mut Pixmap,
    number: usize,
    [x, y]: [f32; 2],
    u: f32,
) -> [f32; 4] {
    let size = 13.0 * u;
    let words = format!("[{number}]");
    let width = text::width(&words, Weight::SemiBold, size);
    let (w, h) = (width + 12.0 * u, 22.0 * u);
    let margin = 2.0 * u;
    let x = (x - w / 2.0).min(pixmap.width() as f32 - w - margin).max(margin);
    let y = (y - h / 2.0).min(pixmap.height() as f32 - h - margin).max(margin);
    if let Some(pill) = rounded([x, y, w, h], 6.0 * u) {
        stroke(pixmap, &pill, 2.4 * u, [255; 3], 225);
        fill(pixmap, &pill, palette::HALO, 255);
    }
    let at = [x + 6.0 * u, y + h / 2.0 + text::cap_height(size) / 2.0];
    text::draw(pixmap, &words, Weight::SemiBold, size, at, palette::PROMPT);
    [x, y, w, h]
}

/// A numbered disc of `radius` as it stands in the text panel.
pub(super) fn disc(
    pixmap: &mut Pixmap,
    number: usize,
    [x, y]: [f32; 2],
    radius: f32,
    colour: [u8; 3],
) {
    let Some(path) = circle([x, y], radius) else { return };
    fill(pixmap, &path, colour, 255);
    let words = number.to_string();
    let size = radius * if words.len() > 1 { 1.15 } else { 1.35 };
    let width = text::width(&words, Weight::SemiBold, size);
    let at = [x - width / 2.0, y + text::cap_height(size) / 2.0];
    text::draw(pixmap, &words, Weight::SemiBold, size, at, palette::on(colour));
}
