//! From a visual prompt to a region: a weight for each cell of a grid over the padded square.

use crate::image::{Frame, ImageError, resize_bicubic, share_of_cells};
use refvlm_record::{Mask, Prompt, RecordError, RleError};
use serde::{Deserialize, Serialize};

/// The most corners a scribble may have; a browser's pointer gives a few hundred per second.
pub const MAX_SCRIBBLE_POINTS: usize = 4096;

/// Why a prompt does not give a region.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PromptError {
    /// The prompt lies outside the picture, is empty, not finite or damaged.
    #[error(transparent)]
    Prompt(#[from] RecordError),
    /// A mask that cannot be decoded.
    #[error("prompt mask: {0}")]
    Mask(#[from] RleError),
    /// The mask has another size than the picture.
    #[error("prompt {0}")]
    Image(#[from] ImageError),
    /// The scribble has too many points.
    #[error(
        "scribble of {count} points, at most {MAX_SCRIBBLE_POINTS} are allowed: simplify the line"
    )]
    Scribble {
        /// Points given.
        count: usize,
    },
    /// The grid has no cells, or the brush no size.
    #[error("{0}")]
    Config(String),
}

/// How regions are made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegionConfig {
    /// What a cell's weight says.
    pub mode: RegionMode,
    /// Radius of the disc that a click stands for.
    pub point_radius: Radius,
    /// Half the width of a scribble's line.
    pub brush_radius: Radius,
}

impl Default for RegionConfig {
    /// The published 10 px for clicks, half of that for lines, and coverage.
    fn default() -> Self {
        Self {
            mode: RegionMode::Coverage,
            point_radius: Radius::Px(10.0),
            brush_radius: Radius::Px(5.0),
        }
    }
}

/// What the weight of a cell says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegionMode {
    /// 0 or 1 as in the published code: a cell counts only when one of the input's four pixels
    /// around its centre is set, so small regions may vanish. For weights trained that way.
    Reference,
    /// The share of the cell that the region covers: nothing is too small to count.
    Coverage,
}

/// A length on the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Radius {
    /// In px of the original picture.
    Px(f32),
    /// As a share of the padded square's side.
    Share(f32),
}

impl Radius {
    fn px(self, frame: &Frame) -> Result<f64, PromptError> {
        let length = match self {
            Radius::Px(px) => f64::from(px),
            Radius::Share(share) => f64::from(share) * f64::from(frame.side),
        };
        if length.is_finite() && length >= 0.0 {
            Ok(length)
        } else {
            let problem = format!("radius {self:?}: must be a finite number, 0 or more");
            Err(PromptError::Config(problem))
        }
    }
}

impl RegionConfig {
    /// The region of a prompt on a grid over the padded square.
    ///
    /// # Shapes
    /// returns `grid[0]` rows of `grid[1]` weights in 0..=1
    ///
    /// # Errors
    /// When the prompt lies outside the picture, is empty or damaged, or the grid has no cells.
    pub fn region(
        &self,
        prompt: &Prompt,
        frame: &Frame,
        grid: [usize; 2],
    ) -> Result<Vec<f32>, PromptError> {
        if grid.contains(&0) {
            return Err(PromptError::Config(format!("grid of {grid:?} cells: must not be empty")));
        }
        let shape = self.shape(prompt, frame)?;
        let side = frame.side as usize;
        Ok(match self.mode {
            RegionMode::Reference => set_cells(&shape.to_input(frame), frame.size as usize, grid),
            RegionMode::Coverage => share_of_cells([side; 2], grid, |y, row| {
                shape.fill_row(frame, y, row);
                clear_padding(frame, y, row);
            }),
        })
    }

    /// The prompt as a shape in the padded square.
    fn shape(&self, prompt: &Prompt, frame: &Frame) -> Result<Shape, PromptError> {
        prompt.check("prompt", frame.width, frame.height)?;
        let (left, top) = (f64::from(frame.pad_x), f64::from(frame.pad_y));
        let place = |x: f32, y: f32| [f64::from(x) + left, f64::from(y) + top];
        let reference = self.mode == RegionMode::Reference;
        // A line thinner than this could pass between the centres of the pixels.
        let visible = |radius: f64| radius.max(0.75);
        Ok(match prompt {
            Prompt::Point { x, y } => {
                let (centre, radius) = (place(*x, *y), self.point_radius.px(frame)?);
                if reference {
                    Shape::Disc { centre, radius }
                } else {
                    Shape::Stroke { points: vec![centre], radius: visible(radius) }
                }
            }
            Prompt::Box { x, y, w, h } => {
                let (from, to) = (place(*x, *y), place(x + w, y + h));
                if reference {
                    Shape::Box { from: from.map(f64::trunc), to: to.map(f64::trunc) }
                } else {
                    Shape::Box { from: from.map(f64::floor), to: to.map(f64::ceil) }
                }
            }
            Prompt::Scribble { points } => {
                if points.len() > MAX_SCRIBBLE_POINTS {
                    return Err(PromptError::Scribble { count: points.len() });
                }
                let points = points.iter().map(|&[x, y]| place(x, y)).collect();
                Shape::Stroke { points, radius: visible(self.brush_radius.px(frame)?) }
            }
            Prompt::Mask { mask } => {
                let mask = mask.to_mask()?;
                frame.check_mask(&mask)?;
                Shape::Mask(mask)
            }
        })
    }
}

/// A prompt in px of the padded square.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// The pixels whose index is at most `radius` from the truncated centre: the published disc.
    Disc {
        /// `[x, y]`.
        centre: [f64; 2],
        /// In px.
        radius: f64,
    },
    /// The pixels from the one corner up to, not including, the other.
    Box {
        /// Left and top.
        from: [f64; 2],
        /// Right and bottom.
        to: [f64; 2],
    },
    /// The pixels whose centre is at most `radius` from the line.
    Stroke {
        /// Corners of the line; a single one makes a disc.
        points: Vec<[f64; 2]>,
        /// Half the width of the line in px.
        radius: f64,
    },
    /// The set pixels of a mask of the picture.
    Mask(Mask),
}

impl Shape {
    /// Row `y` of the padded square, 1 on the shape and 0 elsewhere.
    pub fn fill_row(&self, frame: &Frame, y: usize, row: &mut [u8]) {
        row.fill(0);
        match self {
            Shape::Disc { centre, radius } => {
                let [cx, cy] = centre.map(f64::trunc);
                let left = radius * radius - (y as f64 - cy).powi(2);
                if left >= 0.0 {
                    // Half a pixel more than the reach lies between the last pixel and the next.
                    let reach = left.sqrt().floor() + 0.5;
                    set(row, cx + 0.5 - reach, cx + 0.5 + reach);
                }
            }
            Shape::Box { from, to } => {
                if (from[1]..to[1]).contains(&(y as f64)) {
                    set(row, from[0], to[0]);
                }
            }
            Shape::Stroke { points, radius } => {
                let y = y as f64 + 0.5;
                if let [point] = points.as_slice() {
                    set_segment(row, y, *point, *point, *radius);
                }
                for pair in points.windows(2) {
                    set_segment(row, y, pair[0], pair[1], *radius);
                }
            }
            Shape::Mask(mask) => frame.mask_row(mask, y, row),
        }
    }

    /// The shape at the size of the tower's input, by the bicubic resize of 0/1 bytes of the
    /// published code.
    ///
    /// # Shapes
    /// returns `[size, size]` bytes, each 0 or 1
    pub fn to_input(&self, frame: &Frame) -> Vec<u8> {
        let (side, size) = (frame.side as usize, frame.size as usize);
        resize_bicubic::<1>([side; 2], [size; 2], |y, row| self.fill_row(frame, y, row))
    }
}

/// Sets the pixels whose centre lies in `from..=to`.
fn set(row: &mut [u8], from: f64, to: f64) {
    let first = (from - 0.5).ceil().max(0.0) as usize;
    let end = ((to - 0.5).floor() + 1.0).clamp(0.0, row.len() as f64) as usize;
    if let Some(pixels) = row.get_mut(first..end) {
        pixels.fill(1);
    }
}

/// Sets the pixels of the row at height `y` whose centre is at most `radius` from a segment. What
/// a row shares with a segment's neighbourhood is one interval, because that is convex: the hull
/// of its parts in the discs around both ends and in the band between them.
fn set_segment(row: &mut [u8], y: f64, a: [f64; 2], b: [f64; 2], radius: f64) {
    if y < a[1].min(b[1]) - radius || y > a[1].max(b[1]) + radius {
        return;
    }
    let mut from = f64::INFINITY;
    let mut to = f64::NEG_INFINITY;
    let mut join = |start: f64, end: f64| {
        if start <= end {
            from = from.min(start);
            to = to.max(end);
        }
    };
    for [x, centre_y] in [a, b] {
        let left = radius * radius - (y - centre_y).powi(2);
        if left >= 0.0 {
            join(x - left.sqrt(), x + left.sqrt());
        }
    }
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let length = dx.hypot(dy);
    if length > 0.0 {
        let (ux, uy) = (dx / length, dy / length);
        let height = y - a[1];
        // Along the segment: 0 <= (x - ax) ux + height uy <= length; across: within the radius.
        let along = interval(ux, -height * uy, length - height * uy);
        let across = interval(uy, height * ux - radius, height * ux + radius);
        join(a[0] + along.0.max(across.0), a[0] + along.1.min(across.1));
    }
    set(row, from, to);
}

/// The `x` with `low <= slope * x <= high`, as an interval; an empty one ends before it starts.
fn interval(slope: f64, low: f64, high: f64) -> (f64, f64) {
    if slope.abs() < 1e-12 {
        let all = low <= 0.0 && 0.0 <= high;
        return if all { (f64::NEG_INFINITY, f64::INFINITY) } else { (1.0, 0.0) };
    }
    let (a, b) = (low / slope, high / slope);
    (a.min(b), a.max(b))
}

/// Clears what lies beside the picture in a row of the padded square.
fn clear_padding(frame: &Frame, y: usize, row: &mut [u8]) {
    let (top, left) = (frame.pad_y as usize, frame.pad_x as usize);
    let right = left + frame.width as usize;
    if (top..top + frame.height as usize).contains(&y) {
        row[..left].fill(0);
        row[right..].fill(0);
    } else {
        row.fill(0);
    }
}

/// The cells of a grid that the published code counts as touched: those where a bilinear resize
/// without antialiasing gives more than 0, so one of the four pixels around the centre is set.
///
/// # Shapes
/// `mask` is `[size, size]` bytes; returns `grid[0]` rows of `grid[1]` values, each 0 or 1
pub fn set_cells(mask: &[u8], size: usize, [rows, columns]: [usize; 2]) -> Vec<f32> {
    let around = |i: usize, cells: usize| {
        let at = ((i as f64 + 0.5) * size as f64 / cells as f64 - 0.5).max(0.0);
        let low = (at as usize).min(size - 1);
        // On a pixel's centre, its neighbour has no weight.
        let high = if at.fract() > 0.0 { (low + 1).min(size - 1) } else { low };
        [low, high]
    };
    let mut cells = Vec::with_capacity(rows * columns);
    for row in (0..rows).map(|i| around(i, rows)) {
        for column in (0..columns).map(|i| around(i, columns)) {
            let set = row.iter().any(|y| column.iter().any(|x| mask.get(y * size + x) == Some(&1)));
            cells.push(f32::from(u8::from(set)));
        }
    }
    cells
}
