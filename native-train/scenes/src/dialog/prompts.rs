//! Visual prompts as people make them: a click, a rough rectangle, a stroke, a daub.

use crate::Object;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use refvlm_record::{Mask, Prompt};

/// The picture side for which pixel tolerances below are stated.
const REFERENCE_SIDE_PX: u32 = 128;
/// Largest error of each side of a drawn rectangle, as a share of the box's side.
const BOX_JITTER: f32 = 0.08;
/// Strokes drawn to keep the one that leaves the object least.
const STROKE_TRIES: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PromptKind {
    Point,
    Box,
    Scribble,
    Mask,
}

impl PromptKind {
    pub const ALL: [PromptKind; 4] =
        [PromptKind::Point, PromptKind::Box, PromptKind::Scribble, PromptKind::Mask];
    /// All but the box: to point at what a box is asked of.
    pub const NO_BOX: [PromptKind; 3] = [PromptKind::Point, PromptKind::Scribble, PromptKind::Mask];
}

/// A prompt on the visible pixels of `object`; `None` when no pixel is visible.
pub(super) fn draw(kind: PromptKind, object: &Object, rng: &mut ChaCha8Rng) -> Option<Prompt> {
    let mask = &object.mask;
    match kind {
        PromptKind::Point => {
            let [x, y] = click(&depths(mask, 1), mask, rng)?;
            Some(Prompt::Point { x, y })
        }
        PromptKind::Box => rectangle(object, rng),
        PromptKind::Scribble => stroke(object, rng),
        PromptKind::Mask => daub(mask, rng),
    }
}

/// How many reference pixels one is at this picture's size, at least one.
fn scale(mask: &Mask) -> i32 {
    (mask.width.max(mask.height) / REFERENCE_SIDE_PX).max(1) as i32
}

/// Chessboard distance of every pixel of value `inside` to the nearest of the other value; 0 for
/// the others. The picture's edge does not count as a border.
fn depths(mask: &Mask, inside: u8) -> Vec<i32> {
    const FAR: i32 = 1 << 20;
    let (w, h) = (mask.width as usize, mask.height as usize);
    let mut depth: Vec<i32> =
        mask.pixels.iter().map(|&p| if p == inside { FAR } else { 0 }).collect();
    let relax = |depth: &mut Vec<i32>, x: usize, y: usize, forward: bool| {
        let at = y * w + x;
        if depth[at] == 0 {
            return;
        }
        let row = if forward { y.checked_sub(1) } else { Some(y + 1).filter(|&r| r < h) };
        let side = if forward { x.checked_sub(1) } else { Some(x + 1).filter(|&c| c < w) };
        let mut least = side.map_or(FAR, |c| depth[y * w + c]);
        if let Some(row) = row {
            let columns = x.saturating_sub(1)..=(x + 1).min(w - 1);
            least = columns.map(|c| depth[row * w + c]).fold(least, i32::min);
        }
        depth[at] = depth[at].min(least + 1);
    };
    for y in 0..h {
        for x in 0..w {
            relax(&mut depth, x, y, true);
        }
    }
    for y in (0..h).rev() {
        for x in (0..w).rev() {
            relax(&mut depth, x, y, false);
        }
    }
    depth
}

/// The centre of a pixel that is deep enough, mostly one well inside.
fn click(depth: &[i32], mask: &Mask, rng: &mut ChaCha8Rng) -> Option<[f32; 2]> {
    let deepest = depth.iter().copied().max().filter(|&d| d > 0)?;
    // The centre of a pixel at depth d is d - 0.5 px from the border.
    let shallow = 1 + scale(mask);
    let wanted = if rng.random::<f32>() < 0.7 { shallow.max(deepest / 2) } else { shallow };
    let wanted = wanted.min(deepest);
    let fitting: Vec<usize> =
        depth.iter().enumerate().filter(|(_, d)| **d >= wanted).map(|(at, _)| at).collect();
    let at = *fitting.choose(rng)? as u32;
    Some([(at % mask.width) as f32 + 0.5, (at / mask.width) as f32 + 0.5])
}

fn rectangle(object: &Object, rng: &mut ChaCha8Rng) -> Option<Prompt> {
    if object.mask.area() == 0 {
        return None;
    }
    let [x, y, w, h] = object.bbox;
    let (width, height) = (object.mask.width as f32, object.mask.height as f32);
    let mut side = |at: f32, length: f32, limit: f32| {
        let moved = at + length * BOX_JITTER * (2.0 * rng.random::<f32>() - 1.0);
        // Quarter pixels are exact in f32, so left plus width is again the right side.
        ((moved * 4.0).round() / 4.0).clamp(0.0, limit)
    };
    let (x0, x1) = (side(x, w, width), side(x + w, w, width));
    let (y0, y1) = (side(y, h, height), side(y + h, h, height));
    if x1 - x0 < 1.0 || y1 - y0 < 1.0 {
        return Some(Prompt::Box { x, y, w, h });
    }
    Some(Prompt::Box { x: x0, y: y0, w: x1 - x0, h: y1 - y0 })
}

fn stroke(object: &Object, rng: &mut ChaCha8Rng) -> Option<Prompt> {
    let mask = &object.mask;
    let depth = depths(mask, 1);
    let corners = rng.random_range(3..=6);
    let axis = usize::from(object.bbox[3] > object.bbox[2]);
    let mut best: Option<(usize, Vec<[f32; 2]>)> = None;
    for _ in 0..STROKE_TRIES {
        let points: Option<Vec<[f32; 2]>> =
            (0..corners).map(|_| click(&depth, mask, rng)).collect();
        let mut points = points?;
        points.sort_by(|a, b| a[axis].total_cmp(&b[axis]));
        let outside = mask.steps_outside(&points);
        if best.as_ref().is_none_or(|(least, _)| outside < *least) {
            best = Some((outside, points));
        }
    }
    best.map(|(_, points)| Prompt::Scribble { points })
}

/// The visible mask with a border that moves in and out block by block, and with gaps.
fn daub(mask: &Mask, rng: &mut ChaCha8Rng) -> Option<Prompt> {
    let inner = depths(mask, 1);
    let outer = depths(mask, 0);
    let deepest = inner.iter().copied().max().filter(|&d| d > 0)?;
    let scale = scale(mask);
    let base = (rng.random_range(-2..=2) * scale).min(deepest / 3);
    let block = 5 * scale as usize;
    let (w, h) = (mask.width as usize, mask.height as usize);
    let columns = w.div_ceil(block);
    let offsets: Vec<i32> = (0..columns * h.div_ceil(block))
        .map(|_| {
            let gap = rng.random::<f32>() < 0.04;
            let wobble = rng.random_range(-1..=1) * scale;
            if gap { i32::MAX } else { base + wobble }
        })
        .collect();
    let mut painted = Mask::zeros(mask.width, mask.height);
    for (at, pixel) in painted.pixels.iter_mut().enumerate() {
        let signed = if inner[at] > 0 { inner[at] } else { 1 - outer[at] };
        *pixel = u8::from(signed > offsets[at / w / block * columns + at % w / block]);
    }
    let painted = if painted.area() == 0 { mask } else { &painted };
    Some(Prompt::Mask { mask: painted.to_rle() })
}
