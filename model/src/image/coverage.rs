//! What share of a grid's cells a mask covers, by rows that are produced on demand.

/// The share of each grid cell that set pixels cover: an area average, in which nothing is too
/// small to count.
///
/// # Shapes
/// `from` is `[width, height]`, `row(y, buffer)` fills one row of 0/1 bytes, for `y` from 0 up;
/// returns `grid[0]` rows of `grid[1]` shares in 0..=1.
pub fn share_of_cells(
    from: [usize; 2],
    grid: [usize; 2],
    mut row: impl FnMut(usize, &mut [u8]),
) -> Vec<f32> {
    let ([width, height], [rows, columns]) = (from, grid);
    let mut source = vec![0u8; width];
    let mut before = vec![0u32; width + 1];
    let mut shares = vec![0.0f64; rows * columns];
    let cell = [height as f64 / rows as f64, width as f64 / columns as f64];
    let scale = 1.0 / (cell[0] * cell[1]);
    for y in 0..height {
        row(y, &mut source);
        let mut count = 0;
        for (after, &value) in before[1..].iter_mut().zip(&source) {
            count += u32::from(value);
            *after = count;
        }
        if count == 0 {
            continue;
        }
        // Set length to the left of a position between pixels.
        let left_of = |x: f64| {
            let whole = (x as usize).min(width);
            let part = source.get(whole).map_or(0.0, |&value| f64::from(value));
            f64::from(before[whole]) + part * (x - whole as f64)
        };
        let (top, bottom) = (y as f64, (y + 1) as f64);
        let first = (top / cell[0]) as usize;
        let last = ((bottom / cell[0]).ceil() as usize).min(rows);
        for (r, shares) in shares.chunks_exact_mut(columns).enumerate().take(last).skip(first) {
            let (cell_top, cell_bottom) = (r as f64 * cell[0], (r + 1) as f64 * cell[0]);
            let overlap = bottom.min(cell_bottom) - top.max(cell_top);
            for (c, share) in shares.iter_mut().enumerate() {
                let length = left_of((c + 1) as f64 * cell[1]) - left_of(c as f64 * cell[1]);
                *share += overlap.max(0.0) * length * scale;
            }
        }
    }
    shares.into_iter().map(|share| share.clamp(0.0, 1.0) as f32).collect()
}
