//! The values that ranks sum and copy.

use crate::error::RankError;
use half::bf16;
use std::ops::Range;

/// Values in the memory of the host, changed in place.
#[derive(Debug)]
pub enum Values<'a> {
    /// 32 bits each.
    F32(&'a mut [f32]),
    /// 16 bits each; sums are made in 32 bits and rounded once.
    Bf16(&'a mut [bf16]),
}

impl<'a> From<&'a mut [f32]> for Values<'a> {
    fn from(values: &'a mut [f32]) -> Self {
        Self::F32(values)
    }
}

impl<'a> From<&'a mut [bf16]> for Values<'a> {
    fn from(values: &'a mut [bf16]) -> Self {
        Self::Bf16(values)
    }
}

impl Values<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::Bf16(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same values, lent for a shorter time.
    pub fn reborrow(&mut self) -> Values<'_> {
        match self {
            Self::F32(values) => Values::F32(values),
            Self::Bf16(values) => Values::Bf16(values),
        }
    }

    /// The bytes of some of the values, as they lie in memory. All hosts of a run must have the
    /// same order of bytes.
    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        match self {
            Self::F32(values) => bytemuck::cast_slice(&values[range]),
            Self::Bf16(values) => bytemuck::cast_slice(&values[range]),
        }
    }

    /// Puts bytes of another rank, of the same length, in place of some of the values.
    pub(crate) fn set(&mut self, range: Range<usize>, bytes: &[u8]) {
        match self {
            Self::F32(values) => {
                bytemuck::cast_slice_mut(&mut values[range]).copy_from_slice(bytes)
            }
            Self::Bf16(values) => {
                bytemuck::cast_slice_mut(&mut values[range]).copy_from_slice(bytes);
            }
        }
    }

    /// As many f32 as there are values in the bytes.
    pub(crate) fn read(&self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32(_) => bytemuck::pod_collect_to_vec(bytes),
            Self::Bf16(_) => {
                let values: Vec<bf16> = bytemuck::pod_collect_to_vec(bytes);
                values.into_iter().map(bf16::to_f32).collect()
            }
        }
    }

    /// Puts sums in place of some of the values.
    pub(crate) fn round(&mut self, range: Range<usize>, sums: &[f32]) {
        match self {
            Self::F32(values) => values[range].copy_from_slice(sums),
            Self::Bf16(values) => {
                for (value, &sum) in values[range].iter_mut().zip(sums) {
                    *value = bf16::from_f32(sum);
                }
            }
        }
    }
}

/// Cuts that divide `len` values among `size` ranks as evenly as possible.
pub fn even_cuts(len: usize, size: usize) -> Vec<usize> {
    let size = size.max(1);
    let (share, more) = (len / size, len % size);
    (0..=size).map(|rank| rank * share + rank.min(more)).collect()
}

/// Holds cuts against what they divide, so that ranges made of them are within bounds.
pub(crate) fn check_cuts(cuts: &[usize], len: usize, size: usize) -> Result<(), RankError> {
    let end = cuts.last().copied().unwrap_or(0);
    let rises = cuts.is_sorted() && cuts.first() == Some(&0);
    if cuts.len() == size + 1 && end == len && rises {
        Ok(())
    } else {
        Err(RankError::Cuts { cuts: cuts.len(), end, len, size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_differ_by_one_at_most_and_cover_everything() {
        assert_eq!(even_cuts(10, 4), [0, 3, 6, 8, 10]);
        assert_eq!(even_cuts(2, 4), [0, 1, 2, 2, 2]);
        assert_eq!(even_cuts(0, 1), [0, 0]);
    }

    #[test]
    fn cuts_that_leave_something_out_are_refused() {
        assert!(check_cuts(&[0, 3, 5], 5, 2).is_ok());
        for wrong in [&[0, 3, 4][..], &[0, 5], &[0, 4, 3, 5], &[1, 3, 5], &[]] {
            assert!(check_cuts(wrong, 5, 2).is_err(), "{wrong:?}");
        }
    }
}
