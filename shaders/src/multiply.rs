//! Dense products by the crate that burn's CPU backend takes too.

use gemm::Parallelism;
use std::marker::PhantomData;
use std::ops::Range;

/// A matrix `[inner, out]`.
#[derive(Clone, Copy)]
pub(crate) struct Right<'a> {
    numbers: &'a [f32],
    inner: usize,
    /// From one row to the next, and from one column to the next.
    strides: [isize; 2],
}

impl<'a> Right<'a> {
    /// One that is stored `[inner, out]`.
    pub fn plain(numbers: &'a [f32], out: usize) -> Self {
        Self { numbers, inner: numbers.len() / out.max(1), strides: [out as isize, 1] }
    }

    /// One that is stored `[out, inner]`.
    pub fn transposed(numbers: &'a [f32], inner: usize) -> Self {
        Self { numbers, inner, strides: [1, inner as isize] }
    }
}

/// A result `[rows, out]`, of which each thread writes other columns.
pub(crate) struct Columns<'a> {
    y: *mut f32,
    rows: usize,
    out: usize,
    borrowed: PhantomData<&'a mut [f32]>,
}

// SAFETY: `put` is unsafe, and its caller vouches that no two threads write the same columns.
unsafe impl Sync for Columns<'_> {}

impl<'a> Columns<'a> {
    /// # Panics
    /// When `y` has another length.
    pub fn new(y: &'a mut [f32], rows: usize, out: usize) -> Self {
        assert_eq!(y.len(), rows * out);
        Self { y: y.as_mut_ptr(), rows, out, borrowed: PhantomData }
    }

    /// Puts `scale * x right` into the columns `at`, or adds it to what is there.
    ///
    /// # Safety
    /// Nobody else uses these columns.
    ///
    /// # Panics
    /// When lengths don't agree.
    pub unsafe fn put(&self, x: &[f32], right: Right<'_>, at: Range<usize>, scale: f32, add: bool) {
        let Right { numbers, inner, strides: [down, across] } = right;
        assert!(at.start <= at.end && at.end <= self.out);
        assert!(x.len() == self.rows * inner && numbers.len() == at.len() * inner);
        // SAFETY: all sizes were checked, and the columns are the caller's.
        unsafe {
            gemm::gemm(
                self.rows,
                at.len(),
                inner,
                self.y.add(at.start),
                1,
                self.out as isize,
                add,
                x.as_ptr(),
                1,
                inner as isize,
                numbers.as_ptr(),
                across,
                down,
                f32::from(add),
                scale,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }
}
