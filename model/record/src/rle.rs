//! Binary masks and their COCO run-length form.

use serde::{Deserialize, Serialize};

/// The largest picture side, in pixels, that any mask or record may claim.
pub const MAX_SIDE_PX: u32 = 1 << 14;

/// A binary mask, row-major, one byte (0 or 1) per pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width * height` bytes, each 0 or 1.
    pub pixels: Vec<u8>,
}

/// COCO run lengths: columns first, the first run counts zeros. `size` is `[height, width]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rle {
    /// `[height, width]` in pixels.
    pub size: [u32; 2],
    /// Run lengths, alternating zeros and ones, column-major.
    pub counts: Counts,
}

/// Run lengths as numbers or in COCO's printable compression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "run lengths from 0 on, or COCO's text of them, are expected")]
pub enum Counts {
    /// The compressed string that COCO tools write.
    Compressed(String),
    /// Plain numbers.
    Runs(Vec<u32>),
}

/// Why run lengths do not describe a mask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RleError {
    /// The size is zero or beyond [`MAX_SIDE_PX`].
    #[error("mask of {width}x{height} px: sides must be 1..={MAX_SIDE_PX}")]
    Size {
        /// Columns the header claims.
        width: u32,
        /// Rows the header claims.
        height: u32,
    },
    /// The runs do not add up to the number of pixels.
    #[error("mask runs cover {covered} px, the size says {expected}: re-encode the mask")]
    Length {
        /// Pixels covered by the runs.
        covered: u64,
        /// Pixels of the picture.
        expected: u64,
    },
    /// The compressed string has a byte outside COCO's alphabet or ends inside a number.
    #[error("mask string is damaged at byte {at}: re-encode the mask")]
    Text {
        /// Offset of the offending byte.
        at: usize,
    },
}

impl Mask {
    /// An empty mask.
    pub fn zeros(width: u32, height: u32) -> Self {
        Self { width, height, pixels: vec![0; width as usize * height as usize] }
    }

    /// Number of set pixels.
    pub fn area(&self) -> u64 {
        self.pixels.iter().map(|&p| u64::from(p)).sum()
    }

    /// Steps of a line in px that are not on the mask, of eight per segment.
    pub fn steps_outside(&self, line: &[[f32; 2]]) -> usize {
        let on = |x: f32, y: f32| {
            let at = y as usize * self.width as usize + x as usize;
            self.pixels.get(at).is_some_and(|&p| p == 1)
        };
        let segments = line.windows(2).flat_map(|pair| {
            (1..8).map(move |step| {
                let t = step as f32 / 8.0;
                [0, 1].map(|axis| pair[0][axis] + t * (pair[1][axis] - pair[0][axis]))
            })
        });
        segments.filter(|[x, y]| !on(*x, *y)).count()
    }

    /// The tight rectangle around the set pixels, `[x, y, w, h]` in px; none when empty.
    pub fn bounds(&self) -> Option<[u32; 4]> {
        let (mut x0, mut y0, mut x1, mut y1) = (u32::MAX, u32::MAX, 0, 0);
        for (y, row) in self.pixels.chunks_exact(self.width.max(1) as usize).enumerate() {
            let Some(first) = row.iter().position(|&p| p != 0) else { continue };
            let last = row.iter().rposition(|&p| p != 0).unwrap_or(first);
            x0 = x0.min(first as u32);
            x1 = x1.max(last as u32 + 1);
            y0 = y0.min(y as u32);
            y1 = y as u32 + 1;
        }
        (x0 < x1).then(|| [x0, y0, x1 - x0, y1 - y0])
    }

    /// Intersection over union with a mask of the same size; 1 when both are empty.
    pub fn iou(&self, other: &Mask) -> f32 {
        let (mut inter, mut union) = (0u64, 0u64);
        for (&a, &b) in self.pixels.iter().zip(&other.pixels) {
            inter += u64::from(a & b);
            union += u64::from(a | b);
        }
        if union == 0 { 1.0 } else { inter as f32 / union as f32 }
    }

    /// Run-length form with plain numbers.
    pub fn to_rle(&self) -> Rle {
        let w = self.width as usize;
        let (mut runs, mut value, mut run) = (Vec::new(), 0u8, 0u32);
        let [x, y, bw, bh] = self.bounds().unwrap_or_default();
        // Columns are walked across rows, which is slow: only within the bounds.
        for column in x..x + bw {
            let mut add = |pixel: u8, count: u32| {
                if pixel == value || count == 0 {
                    run += count;
                } else {
                    runs.push(run);
                    value ^= 1;
                    run = count;
                }
            };
            if column == x {
                add(0, x * self.height);
            }
            add(0, y);
            for row in y..y + bh {
                add(self.pixels[row as usize * w + column as usize], 1);
            }
            add(0, self.height - y - bh);
        }
        let left = self.width - x - bw;
        if value == 1 && left > 0 {
            runs.push(run);
            run = 0;
        }
        runs.push(run + left * self.height);
        Rle { size: [self.height, self.width], counts: Counts::Runs(runs) }
    }
}

impl Rle {
    /// The same runs in COCO's printable compression, the only form that `pycocotools` takes in
    /// results.
    pub fn compressed(&self) -> Self {
        let counts = match &self.counts {
            Counts::Compressed(text) => text.clone(),
            Counts::Runs(runs) => compress(runs),
        };
        Self { size: self.size, counts: Counts::Compressed(counts) }
    }

    /// The mask that the runs describe.
    ///
    /// # Errors
    /// When the size is out of bounds, the string is damaged, or the runs do not fill the picture.
    pub fn to_mask(&self) -> Result<Mask, RleError> {
        let [height, width] = self.size;
        let side = 1..=MAX_SIDE_PX;
        if !side.contains(&width) || !side.contains(&height) {
            return Err(RleError::Size { width, height });
        }
        let decoded;
        let runs = match &self.counts {
            Counts::Runs(runs) => runs,
            Counts::Compressed(text) => {
                decoded = decompress(text)?;
                &decoded
            }
        };
        let (w, h) = (width as usize, height as usize);
        let covered: u64 = runs.iter().map(|&r| u64::from(r)).sum();
        if covered != (w * h) as u64 {
            return Err(RleError::Length { covered, expected: (w * h) as u64 });
        }
        let mut mask = Mask::zeros(width, height);
        let (mut at, mut value) = (0usize, 0u8);
        for &run in runs {
            if value == 1 {
                let (mut x, mut y, mut left) = (at / h, at % h, run as usize);
                while left > 0 {
                    let rows = left.min(h - y);
                    let column = mask.pixels[y * w + x..].iter_mut().step_by(w);
                    column.take(rows).for_each(|pixel| *pixel = 1);
                    (x, y, left) = (x + 1, 0, left - rows);
                }
            }
            at += run as usize;
            value ^= 1;
        }
        Ok(mask)
    }
}

/// What [`decompress`] reads.
fn compress(runs: &[u32]) -> String {
    let mut text = String::new();
    for (at, &run) in runs.iter().enumerate() {
        let before = if at > 2 { runs[at - 2] } else { 0 };
        let mut value = i64::from(run) - i64::from(before);
        loop {
            let group = (value & 31) as u8;
            value >>= 5;
            // The highest bit of the last group is the sign.
            let ends = value == if group & 16 == 0 { 0 } else { -1 };
            text.push(char::from(48 + group + if ends { 0 } else { 32 }));
            if ends {
                break;
            }
        }
    }
    text
}

/// COCO's string: little-endian groups of 5 bits, offset 48, bit 5 continues; from the third run
/// on, the difference to the run two before is stored.
fn decompress(text: &str) -> Result<Vec<u32>, RleError> {
    let bytes = text.as_bytes();
    let mut runs: Vec<u32> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (mut value, mut shift) = (0i64, 0u32);
        loop {
            let byte = *bytes.get(at).ok_or(RleError::Text { at })?;
            let group = byte.checked_sub(48).filter(|g| *g < 64).ok_or(RleError::Text { at })?;
            if shift > 30 {
                return Err(RleError::Text { at });
            }
            value |= i64::from(group & 31) << shift;
            shift += 5;
            at += 1;
            if group & 32 == 0 {
                if group & 16 != 0 {
                    value |= -1i64 << shift;
                }
                break;
            }
        }
        if runs.len() > 2 {
            value += i64::from(runs[runs.len() - 2]);
        }
        runs.push(u32::try_from(value).map_err(|_| RleError::Text { at })?);
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checker(width: u32, height: u32) -> Mask {
        let mut mask = Mask::zeros(width, height);
        for (i, p) in mask.pixels.iter_mut().enumerate() {
            *p = u8::from((i * 7 + i / 3) % 5 < 2);
        }
        mask
    }

    #[test]
    fn run_lengths_come_back() {
        for (w, h) in [(1, 1), (5, 3), (17, 9), (300, 200)] {
            let mask = checker(w, h);
            assert_eq!(mask.to_rle().to_mask().unwrap(), mask);
            assert_eq!(mask.to_rle().compressed().to_mask().unwrap(), mask);
        }
    }

    #[test]
    fn runs_are_those_of_the_columns_one_after_the_other() {
        let (w, h) = (7u32, 5u32);
        for [x, y, bw, bh] in [[0, 0, 7, 5], [2, 1, 3, 2], [0, 0, 1, 1], [6, 4, 1, 1], [3, 0, 1, 5]]
        {
            let mut mask = Mask::zeros(w, h);
            for at in (0..w * h).filter(|at| (x..x + bw).contains(&(at % w))) {
                mask.pixels[at as usize] = u8::from((y..y + bh).contains(&(at / w)));
            }
            let columns = (0..w).flat_map(|c| (0..h).map(move |r| (r * w + c) as usize));
            let mut wanted = vec![0];
            let mut value = 0;
            for at in columns {
                if mask.pixels[at] != value {
                    value ^= 1;
                    wanted.push(0);
                }
                *wanted.last_mut().unwrap() += 1;
            }
            assert_eq!(mask.to_rle().counts, Counts::Runs(wanted));
        }
        assert_eq!(Mask::zeros(w, h).to_rle().counts, Counts::Runs(vec![w * h]));
    }

    #[test]
    fn a_coco_string_is_read() {
        // 3x3, only the middle pixel: runs 4, 1, 4 are the characters '4', '1', '4'.
        let rle = Rle { size: [3, 3], counts: Counts::Compressed("414".into()) };
        let mask = rle.to_mask().unwrap();
        assert_eq!(mask.bounds(), Some([1, 1, 1, 1]));
        // The fourth run is stored as the difference to the second: 2, 3, 2, 3-1=2.
        let rle = Rle { size: [3, 3], counts: Counts::Compressed("232O".into()) };
        assert_eq!(rle.to_mask().unwrap().area(), 5);
        assert_eq!(Rle { size: [3, 3], counts: Counts::Runs(vec![2, 3, 2, 2]) }.compressed(), rle);
    }

    #[test]
    fn damage_is_an_error() {
        let damaged = |size, counts| Rle { size, counts }.to_mask().unwrap_err();
        assert!(matches!(damaged([0, 3], Counts::Runs(vec![])), RleError::Size { .. }));
        assert!(matches!(damaged([u32::MAX, 3], Counts::Runs(vec![])), RleError::Size { .. }));
        assert!(matches!(damaged([3, 3], Counts::Runs(vec![4, 1])), RleError::Length { .. }));
        assert!(matches!(
            damaged([3, 3], Counts::Compressed("4\u{7f}".into())),
            RleError::Text { at: 1 }
        ));
        assert!(matches!(damaged([3, 3], Counts::Compressed("P".into())), RleError::Text { .. }));
    }
}
