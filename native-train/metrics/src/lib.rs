//! Scores as the field defines them: a file for each metric, all behind [`Metric`].
//!
//! A metric takes one sample after the other, can be merged with one that took others, and says
//! its rows at any time, so it works over shards and threads. `tests/oracles.rs` holds each to the
//! official implementation to 1e-6; `docs/metrics.md` names tools, versions and differences.
//!
//! Boxes are `[x, y, width, height]` in px of the original picture, masks are of its size.

pub mod calibration;
pub mod clicks;
pub mod coco;
pub mod compare;
pub mod depth;
pub mod expressions;
pub mod interactive;
pub mod json;
pub mod panoptic;
pub mod semantic;
pub mod text;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// One number of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Name as the field writes it, for example `AP50`.
    pub name: String,
    /// The number; none where nothing could be measured.
    pub value: Option<f64>,
    /// Samples (for averages over classes: classes) that the number is made of.
    pub count: u64,
}

impl Row {
    /// A row of a sum over `count` samples: its mean, or none without samples.
    pub fn mean(name: impl Into<String>, sum: f64, count: u64) -> Self {
        let value = (count > 0).then(|| sum / count as f64);
        Self { name: name.into(), value, count }
    }
}

/// What a sample can have that no score follows from.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// A number that is not finite.
    #[error("{what} is {value}: write a finite number")]
    NotFinite {
        /// Which number.
        what: &'static str,
        /// What stands there.
        value: f64,
    },
    /// A number outside of its range.
    #[error("{what} is {value}: it must be {range}")]
    Range {
        /// Which number.
        what: &'static str,
        /// What stands there.
        value: f64,
        /// Where it may lie.
        range: &'static str,
    },
    /// Two things that must have one size do not.
    #[error("{what} has {found:?}, the truth {expected:?}: resize the prediction to the picture")]
    Size {
        /// What is compared.
        what: &'static str,
        /// Size of the prediction: width, height; or a length.
        found: Vec<usize>,
        /// Size of the truth.
        expected: Vec<usize>,
    },
    /// A mask that cannot be read.
    #[error("mask: {0}")]
    Mask(String),
    /// A list that must not be empty.
    #[error("{0} is empty: give at least one")]
    Empty(&'static str),
    /// A label that the list of segments or classes does not have.
    #[error("{what} {value} is not listed: list it, or correct the label")]
    Unknown {
        /// What kind of label.
        what: &'static str,
        /// The label.
        value: u64,
    },
}

/// A score over samples.
pub trait Metric: Sized {
    /// What is scored: a truth and an answer.
    type Sample<'a>;

    /// Takes one sample.
    ///
    /// # Errors
    /// When no score follows from the sample; the metric is then as before.
    fn add(&mut self, sample: Self::Sample<'_>) -> Result<(), MetricError>;

    /// Takes all samples of another metric of the same settings. The order does not matter, up to
    /// the rounding of sums (1e-15).
    fn merge(&mut self, other: Self);

    /// The numbers over all samples so far.
    fn rows(&self) -> Vec<Row>;
}

/// A metric over many samples, on all cores: `add` is called for each item in a metric of its
/// thread, and these are merged.
///
/// # Errors
/// The first error of `add`.
pub fn gather<M, T, E>(
    items: &[T],
    empty: impl Fn() -> M + Sync,
    add: impl Fn(&mut M, &T) -> Result<(), E> + Sync,
) -> Result<M, E>
where
    M: Metric + Send,
    T: Sync,
    E: Send,
{
    let size = items.len().div_ceil(rayon::current_num_threads() * 4).max(1);
    let parts = items.par_chunks(size).map(|part| {
        let mut metric = empty();
        part.iter().try_for_each(|item| add(&mut metric, item)).map(|()| metric)
    });
    let parts: Result<Vec<M>, E> = parts.collect();
    let mut whole = empty();
    parts?.into_iter().for_each(|part| whole.merge(part));
    Ok(whole)
}

/// The number, if it is finite.
pub(crate) fn finite(what: &'static str, value: f64) -> Result<f64, MetricError> {
    if value.is_finite() { Ok(value) } else { Err(MetricError::NotFinite { what, value }) }
}

/// The number, if it lies in a range.
pub(crate) fn within(
    what: &'static str,
    value: f64,
    (low, high): (f64, f64),
    range: &'static str,
) -> Result<f64, MetricError> {
    finite(what, value)?;
    let fits = (low..=high).contains(&value);
    if fits { Ok(value) } else { Err(MetricError::Range { what, value, range }) }
}
