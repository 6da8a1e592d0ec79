//! Masks as spans of pixels, columns first, as COCO counts them: overlaps without decoding.

use crate::MetricError;
use refvlm_record::{Counts, MAX_SIDE_PX, Mask, Rle};

/// A binary mask: sorted, disjoint spans of set pixels in the order of columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    width: u32,
    height: u32,
    spans: Vec<[u32; 2]>,
}

/// Polygons are drawn on a grid this many times finer than the pixels, as in COCO's tools.
const FINER: f64 = 5.0;

impl Region {
    /// The mask of COCO run lengths.
    ///
    /// # Errors
    /// When the size is out of bounds, the string is damaged, or the runs do not fill the picture.
    pub fn from_rle(rle: &Rle) -> Result<Self, MetricError> {
        let [height, width] = rle.size;
        let pixels = checked_size(width, height)?;
        let decoded;
        let runs = match &rle.counts {
            Counts::Runs(runs) => runs,
            Counts::Compressed(text) => {
                decoded = decompress(text)?;
                &decoded
            }
        };
        let (mut at, mut spans) = (0u64, Vec::<[u32; 2]>::with_capacity(runs.len() / 2));
        for (i, &run) in runs.iter().enumerate() {
            let end = at + u64::from(run);
            if end > pixels {
                at = end;
                break;
            }
            if i % 2 == 1 && run > 0 {
                push(&mut spans, at as u32, end as u32);
            }
            at = end;
        }
        if at != pixels {
            return Err(MetricError::Mask(format!(
                "runs cover {at} px, {width}x{height} has {pixels}: encode it at the picture's size"
            )));
        }
        Ok(Self { width, height, spans })
    }

    /// A mask of pixels.
    ///
    /// # Errors
    /// When the size is out of bounds.
    pub fn from_mask(mask: &Mask) -> Result<Self, MetricError> {
        checked_size(mask.width, mask.height)?;
        Self::from_rle(&mask.to_rle())
    }

    /// The union of polygons, each a list `x, y, x, y, ...` in px, drawn as COCO's tools draw them.
    ///
    /// # Errors
    /// When the size is out of bounds or a polygon has fewer than three points, an odd list or a
    /// number that is not finite.
    pub fn from_polygons(
        polygons: &[Vec<f64>],
        width: u32,
        height: u32,
    ) -> Result<Self, MetricError> {
        checked_size(width, height)?;
        let mut whole = Self { width, height, spans: Vec::new() };
        for polygon in polygons {
            if polygon.len() < 6 || polygon.len() % 2 == 1 {
                return Err(MetricError::Mask(format!(
                    "a polygon of {} numbers: give x, y of three points or more",
                    polygon.len()
                )));
            }
            if polygon.iter().any(|v| !v.is_finite() || v.abs() > f64::from(MAX_SIDE_PX) * 4.0) {
                return Err(MetricError::Mask("a polygon's point lies at no place".into()));
            }
            whole.spans = union(&whole.spans, &fill(polygon, width, height));
        }
        Ok(whole)
    }

    /// Width and height in px.
    pub fn size(&self) -> [u32; 2] {
        [self.width, self.height]
    }

    /// Set pixels.
    pub fn area(&self) -> u64 {
        self.spans.iter().map(|[start, end]| u64::from(end - start)).sum()
    }

    /// The tight box `[x, y, width, height]` in px around the set pixels; all 0 when there are none.
    pub fn bounds(&self) -> [f64; 4] {
        let (mut x, mut y) = ([u32::MAX, 0], [u32::MAX, 0]);
        for &[start, end] in &self.spans {
            let [first, last] = [start, end - 1];
            let [left, right] = [first / self.height, last / self.height];
            x = [x[0].min(left), x[1].max(right + 1)];
            if left < right {
                y = [0, self.height];
            } else {
                y = [y[0].min(first % self.height), y[1].max(last % self.height + 1)];
            }
        }
        if self.spans.is_empty() {
            return [0.0; 4];
        }
        [x[0], y[0], x[1] - x[0], y[1] - y[0]].map(f64::from)
    }

    /// Pixels set in both.
    ///
    /// # Errors
    /// When the sizes differ.
    pub fn intersection(&self, other: &Self) -> Result<u64, MetricError> {
        if self.size() != other.size() {
            return Err(MetricError::Size {
                what: "the mask",
                found: self.size().map(|side| side as usize).to_vec(),
                expected: other.size().map(|side| side as usize).to_vec(),
            });
        }
        let (mut a, mut b) = (self.spans.iter().peekable(), other.spans.iter().peekable());
        let mut shared = 0;
        while let (Some(&&[a0, a1]), Some(&&[b0, b1])) = (a.peek(), b.peek()) {
            shared += u64::from(a1.min(b1).saturating_sub(a0.max(b0)));
            if a1 <= b1 {
                a.next();
            } else {
                b.next();
            }
        }
        Ok(shared)
    }
}

fn checked_size(width: u32, height: u32) -> Result<u64, MetricError> {
    let sides = 1..=MAX_SIDE_PX;
    if sides.contains(&width) && sides.contains(&height) {
        return Ok(u64::from(width) * u64::from(height));
    }
    Err(MetricError::Mask(format!("{width}x{height} px: sides must be 1..={MAX_SIDE_PX}")))
}

/// Adds a span behind the last, joining those that touch.
fn push(spans: &mut Vec<[u32; 2]>, start: u32, end: u32) {
    match spans.last_mut() {
        Some(last) if last[1] >= start => last[1] = last[1].max(end),
        _ => spans.push([start, end]),
    }
}

fn union(a: &[[u32; 2]], b: &[[u32; 2]]) -> Vec<[u32; 2]> {
    let mut all = [a, b].concat();
    all.sort_unstable();
    let mut joined = Vec::with_capacity(all.len());
    all.iter().for_each(|&[start, end]| push(&mut joined, start, end));
    joined
}

/// COCO's string: groups of 5 bits from the lowest, offset 48, bit 5 says that more follow; from
/// the fourth run on, the difference to the run two before is stored.
fn decompress(text: &str) -> Result<Vec<u32>, MetricError> {
    let damaged = |at: usize| {
        MetricError::Mask(format!("string is damaged at byte {at}: encode the mask again"))
    };
    let mut runs: Vec<u32> = Vec::new();
    let (mut value, mut shift) = (0i64, 0u32);
    for (at, byte) in text.bytes().enumerate() {
        let group = byte.checked_sub(48).filter(|group| *group < 64).ok_or(damaged(at))?;
        if shift > 30 {
            return Err(damaged(at));
        }
        value |= i64::from(group & 31) << shift;
        shift += 5;
        if group & 32 != 0 {
            continue;
        }
        if group & 16 != 0 {
            value |= -1i64 << shift;
        }
        if runs.len() > 2 {
            value += i64::from(runs[runs.len() - 2]);
        }
        runs.push(u32::try_from(value).map_err(|_| damaged(at))?);
        (value, shift) = (0, 0);
    }
    if shift > 0 { Err(damaged(text.len())) } else { Ok(runs) }
}

/// The spans of one polygon. The outline is walked on the finer grid; where it passes from one
/// column's centre to the next, the mask changes from that row on.
fn fill(polygon: &[f64], width: u32, height: u32) -> Vec<[u32; 2]> {
    let point = |at: usize| [polygon[2 * at], polygon[2 * at + 1]];
    let fine = |value: f64| (FINER * value + 0.5) as i64;
    let count = polygon.len() / 2;
    let mut outline: Vec<[i64; 2]> = Vec::new();
    for corner in 0..count {
        let [from, to] = [point(corner), point((corner + 1) % count)].map(|p| p.map(fine));
        walk(from, to, &mut outline);
    }
    let mut changes = Vec::new();
    for pair in outline.windows(2) {
        let [[x0, y0], [x1, y1]] = [pair[0], pair[1]];
        if x0 == x1 {
            continue;
        }
        let column = (if x1 < x0 { x1 } else { x1 - 1 }) as f64;
        let column = (column + 0.5) / FINER - 0.5;
        if column.floor() != column || column < 0.0 || column > f64::from(width) - 1.0 {
            continue;
        }
        let row = ((y0.min(y1) as f64 + 0.5) / FINER - 0.5).clamp(0.0, f64::from(height)).ceil();
        changes.push(column as u32 * height + row as u32);
    }
    changes.sort_unstable();
    changes.push(width * height);
    let mut spans = Vec::new();
    for pair in changes.chunks_exact(2) {
        if pair[0] < pair[1] {
            push(&mut spans, pair[0], pair[1]);
        }
    }
    spans
}

/// The points of a line on the finer grid, both ends included, in the direction of the outline.
fn walk(from: [i64; 2], to: [i64; 2], outline: &mut Vec<[i64; 2]>) {
    let [dx, dy] = [0, 1].map(|axis| (to[axis] - from[axis]).abs());
    let along = usize::from(dx < dy);
    let across = 1 - along;
    let turned = from[along] > to[along];
    let [low, high] = if turned { [to, from] } else { [from, to] };
    let length = dx.max(dy);
    let slope = (high[across] - low[across]) as f64 / length.max(1) as f64;
    for step in 0..=length {
        let step = if turned { length - step } else { step };
        let mut place = [0; 2];
        place[along] = low[along] + step;
        place[across] = (low[across] as f64 + slope * step as f64 + 0.5) as i64;
        outline.push(place);
    }
}
