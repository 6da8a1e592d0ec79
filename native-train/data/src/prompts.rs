//! Visual prompts as people make them: a click, a rough rectangle, a stroke, a daub; and the ones
//! of an evaluation, whose carelessness is fixed.

use crate::mask::{Window, closed, dilated};
use crate::photo::Joints;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use refvlm_record::distance::distances;
use refvlm_record::{Mask, Prompt};

/// Largest error of each side of a drawn rectangle in training, as a share of the box's side.
const BOX_NOISE: f32 = 0.08;
/// The same in an evaluation.
const JUDGE_BOX_NOISE: f32 = 0.05;
/// Depth of an evaluation's click, as a share of the greatest depth in the thing.
const JUDGE_DEPTH: f32 = 0.5;
/// Points of an evaluation's scribble.
const JUDGE_POINTS: usize = 4;
/// By how much an evaluation's rough mask is wider than the thing, on both sides together, as a
/// share of its longer side: the size of the brush that widens it.
const JUDGE_WIDENED: f32 = 0.06;
/// What it is closed with: half of 15 px.
const JUDGE_CLOSED_PX: f32 = 7.0;
/// Strokes drawn to keep the one that leaves the thing least.
const STROKE_TRIES: usize = 4;
/// Cells of the coarse grid by which the border of a daub wanders, along the longer side.
const DAUB_CELLS: f32 = 6.0;

/// A way to point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PromptKind {
    /// A click.
    Point,
    /// A rectangle.
    Box,
    /// A line.
    Scribble,
    /// A painted region.
    Mask,
}

impl PromptKind {
    /// Every way.
    pub const ALL: [PromptKind; 4] =
        [PromptKind::Point, PromptKind::Box, PromptKind::Scribble, PromptKind::Mask];
}

/// What can be pointed at.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'a> {
    /// Columns and rows of the picture.
    pub size: [u32; 2],
    /// `[x, y, w, h]` in px.
    pub bbox: [f32; 4],
    /// All its visible pixels.
    pub mask: Option<&'a Mask>,
    /// Those that people would click at to mean it: not the hat where the person is meant.
    pub own: Option<&'a Mask>,
    /// Joints of a person.
    pub joints: Option<&'a Joints>,
}

/// A prompt as people make it; none where this way does not fit the thing: a daub needs a mask, a
/// click needs pixels of its own, a stroke needs these or joints.
pub fn draw(kind: PromptKind, shape: &Shape, rng: &mut ChaCha8Rng) -> Option<Prompt> {
    match kind {
        PromptKind::Point => {
            let [x, y] = match (shape.own, shape.joints) {
                (Some(own), _) => {
                    // Mostly well inside, sometimes just inside.
                    let least = if rng.random_bool(0.75) { 0.5 } else { 0.15 };
                    *inside(own, least, 1, rng)?.first()?
                }
                (None, Some(joints)) => *along_joints(joints, shape.size, 1, rng)?.first()?,
                (None, None) => near_middle(shape, rng),
            };
            Some(Prompt::Point { x, y })
        }
        PromptKind::Box => Some(rectangle(shape, BOX_NOISE, rng)),
        PromptKind::Scribble => match (shape.own, shape.joints) {
            (Some(own), _) => stroke(own, shape.bbox, rng),
            (None, Some(joints)) => {
                let corners = rng.random_range(3..=6);
                let points = along_joints(joints, shape.size, corners, rng)?;
                Some(Prompt::Scribble { points })
            }
            (None, None) => None,
        },
        PromptKind::Mask => daub(shape.mask?, rng),
    }
}

/// A prompt of an evaluation: one click, or a scribble through four points, where the distance to
/// the border is at least half its greatest; the box with up to 5 % of noise on each side; the mask
/// widened by a brush of 6 % of its longer side and closed with one of 15 px. All but the
/// box need a mask.
pub fn judge(kind: PromptKind, shape: &Shape, rng: &mut ChaCha8Rng) -> Option<Prompt> {
    match kind {
        PromptKind::Box => Some(rectangle(shape, JUDGE_BOX_NOISE, rng)),
        PromptKind::Point => {
            let [x, y] = *inside(shape.mask?, JUDGE_DEPTH, 1, rng)?.first()?;
            Some(Prompt::Point { x, y })
        }
        PromptKind::Scribble => {
            Some(Prompt::Scribble { points: inside(shape.mask?, JUDGE_DEPTH, JUDGE_POINTS, rng)? })
        }
        PromptKind::Mask => {
            let mask = shape.mask?;
            let [_, _, w, h] = mask.bounds()?;
            let radius = (JUDGE_WIDENED / 2.0 * w.max(h) as f32).max(1.0);
            let margin = (radius + 2.0 * JUDGE_CLOSED_PX).ceil() as u32 + 1;
            let mut window = Window::around(mask, margin)?;
            window.mask = closed(&dilated(&window.mask, radius), JUDGE_CLOSED_PX);
            Some(Prompt::Mask { mask: window.back(mask.width, mask.height).to_rle() })
        }
    }
}

/// Centres of `count` pixels whose distance to the border is at least `share` of the greatest.
fn inside(mask: &Mask, share: f32, count: usize, rng: &mut ChaCha8Rng) -> Option<Vec<[f32; 2]>> {
    let window = Window::around(mask, 1)?;
    let depth = distances(&window.mask, 0);
    let deepest = depth.iter().copied().fold(0.0, f32::max);
    let least = if deepest.is_finite() { (share * deepest).max(1.0) } else { 0.0 };
    let fitting: Vec<u32> =
        (0..).zip(&depth).filter(|(_, d)| **d > 0.0 && **d >= least).map(|(at, _)| at).collect();
    let points = (0..count).map(|_| {
        let at = *fitting.choose(rng)?;
        let (x, y) = (at % window.mask.width, at / window.mask.width);
        Some([(window.origin[0] + x) as f32 + 0.5, (window.origin[1] + y) as f32 + 0.5])
    });
    points.collect()
}

fn within([x, y]: [f32; 2], [width, height]: [u32; 2]) -> [f32; 2] {
    [x.clamp(0.0, width as f32), y.clamp(0.0, height as f32)]
}

/// The box's middle, give or take a tenth of its sides.
fn near_middle(shape: &Shape, rng: &mut ChaCha8Rng) -> [f32; 2] {
    let [x, y, w, h] = shape.bbox;
    let mut at = |from: f32, side: f32| from + side * (0.5 + rng.random_range(-0.1..=0.1));
    within([at(x, w), at(y, h)], shape.size)
}

/// Bones that run through the body, by their joints.
const BONES: [[usize; 2]; 12] = [
    [5, 6],
    [11, 12],
    [5, 11],
    [6, 12],
    [5, 12],
    [6, 11],
    [5, 7],
    [6, 8],
    [11, 13],
    [12, 14],
    [13, 15],
    [14, 16],
];

/// Points on bones of which both joints are visible, from top to bottom.
fn along_joints(
    joints: &Joints,
    size: [u32; 2],
    count: usize,
    rng: &mut ChaCha8Rng,
) -> Option<Vec<[f32; 2]>> {
    let visible = |bone: &&[usize; 2]| bone.iter().all(|&k| joints[k][2] == 2.0);
    let bones: Vec<&[usize; 2]> = BONES.iter().filter(visible).collect();
    let mut points: Vec<[f32; 2]> = Vec::with_capacity(count);
    for _ in 0..count {
        let [a, b] = **bones.choose(rng)?;
        let t = rng.random_range(0.2..=0.8);
        let on = |axis: usize| joints[a][axis] + t * (joints[b][axis] - joints[a][axis]);
        points.push(within([on(0), on(1)], size));
    }
    points.sort_by(|a, b| a[1].total_cmp(&b[1]));
    Some(points)
}

fn rectangle(shape: &Shape, noise: f32, rng: &mut ChaCha8Rng) -> Prompt {
    let [x, y, w, h] = shape.bbox;
    let [width, height] = shape.size.map(|v| v as f32);
    let mut side = |at: f32, length: f32, limit: f32| {
        let moved = at + length * rng.random_range(-noise..=noise);
        // Quarter pixels are exact in f32, so left plus width is again the right side.
        ((moved * 4.0).round() / 4.0).clamp(0.0, limit)
    };
    let (x0, x1) = (side(x, w, width), side(x + w, w, width));
    let (y0, y1) = (side(y, h, height), side(y + h, h, height));
    if x1 - x0 < 1.0 || y1 - y0 < 1.0 {
        let (x0, y0) = (x.floor().clamp(0.0, width - 1.0), y.floor().clamp(0.0, height - 1.0));
        let x1 = (x + w).ceil().clamp(x0 + 1.0, width);
        let y1 = (y + h).ceil().clamp(y0 + 1.0, height);
        return Prompt::Box { x: x0, y: y0, w: x1 - x0, h: y1 - y0 };
    }
    Prompt::Box { x: x0, y: y0, w: x1 - x0, h: y1 - y0 }
}

fn stroke(own: &Mask, bbox: [f32; 4], rng: &mut ChaCha8Rng) -> Option<Prompt> {
    let corners = rng.random_range(3..=6);
    let axis = usize::from(bbox[3] > bbox[2]);
    let drawn = inside(own, 0.3, corners * STROKE_TRIES, rng)?;
    let best = drawn
        .chunks(corners)
        .map(|points| {
            let mut points = points.to_vec();
            points.sort_by(|a, b| a[axis].total_cmp(&b[axis]));
            (own.steps_outside(&points), points)
        })
        .min_by_key(|(outside, _)| *outside);
    best.map(|(_, points)| Prompt::Scribble { points })
}

/// The mask with its border moved in or out by 3 to 8 % of its longer side, wandering, and its
/// bays closed.
fn daub(mask: &Mask, rng: &mut ChaCha8Rng) -> Option<Prompt> {
    let [_, _, w, h] = mask.bounds()?;
    let side = w.max(h) as f32;
    let reach = (side * rng.random_range(0.03..=0.08)).max(1.0);
    let outwards = rng.random_bool(0.7);
    let smooth = side * rng.random_range(0.0..=0.04);
    let margin = (2.0 * reach + smooth).ceil() as u32 + 2;
    let mut window = Window::around(mask, margin)?;
    let inner = distances(&window.mask, 0);
    let outer = distances(&window.mask, 1);
    let deepest = inner.iter().copied().fold(0.0, f32::max);
    let base = if outwards { reach } else { -reach.min(deepest / 3.0) };
    let wander = base.abs() * 0.8;
    let cell = (side / DAUB_CELLS).max(2.0);
    let columns = (window.mask.width as f32 / cell) as usize + 2;
    let rows = (window.mask.height as f32 / cell) as usize + 2;
    let grid: Vec<f32> = (0..columns * rows).map(|_| rng.random_range(-wander..=wander)).collect();
    let width = window.mask.width as usize;
    for (at, pixel) in window.mask.pixels.iter_mut().enumerate() {
        let (gx, gy) = ((at % width) as f32 / cell, (at / width) as f32 / cell);
        let (cx, cy) = (gx as usize, gy as usize);
        let (fx, fy) = (gx - cx as f32, gy - cy as f32);
        let node = |x: usize, y: usize| grid[y * columns + x];
        let upper = node(cx, cy) * (1.0 - fx) + node(cx + 1, cy) * fx;
        let lower = node(cx, cy + 1) * (1.0 - fx) + node(cx + 1, cy + 1) * fx;
        let offset = base + upper * (1.0 - fy) + lower * fy;
        let outside = if outer[at] > 0.0 { outer[at] } else { 1.0 - inner[at] };
        *pixel = u8::from(outside <= offset);
    }
    if smooth >= 1.0 {
        window.mask = closed(&window.mask, smooth);
    }
    let painted =
        if window.mask.area() == 0 { mask.clone() } else { window.back(mask.width, mask.height) };
    Some(Prompt::Mask { mask: painted.to_rle() })
}
