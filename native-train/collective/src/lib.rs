//! Sums and copies between the *ranks* of a run: threads or processes that compute one thing
//! together and are numbered from 0.
//!
//! [`Collective`] says what ranks can do with each other. [`alone`] is the run of one rank,
//! [`threads`] are ranks of one process, [`tcp`] are processes that find each other by an address,
//! `mpi` (feature `mpi`) are those that `mpirun` connects, and [`join`] takes the one that the
//! environment asks for.
//!
//! Every sum is made in the same order, whatever carries it: ranks are added in pairs, then pairs
//! in pairs. So all ranks hold the same bits, and a sum over eight things is the same to the bit
//! whether one rank adds all eight so or four ranks two each ([`in_pairs`]).

mod connected;
mod error;
mod join;
mod link;
#[cfg(feature = "mpi")]
pub mod mpi;
pub mod place;
pub mod tcp;
pub mod threads;
mod values;

pub use connected::{alone, in_pairs};
pub use error::RankError;
pub use join::join;
pub use place::Place;
pub use values::{Values, even_cuts};

/// What ranks do together. All ranks call the same functions in the same order, with values of the
/// same kind and length; each call returns when this rank has what it needs.
///
/// `cuts` divide values among ranks: share `r` goes from `cuts[r]` to `cuts[r + 1]`, so there is
/// one more than there are ranks; [`even_cuts`] makes equal shares.
///
/// # Errors
/// Each function fails when a rank has ended, answers no more or sends something of another
/// length; the error names that rank. After an error the ranks cannot go on together.
pub trait Collective {
    /// Number of this rank, from 0.
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn size(&self) -> usize;

    /// Each rank's own share of `values` becomes the sum over all ranks; the other shares keep
    /// this rank's values.
    fn reduce_scatter_sum(&self, values: Values<'_>, cuts: &[usize]) -> Result<(), RankError>;

    /// Each share of `values` becomes the values of the rank that it belongs to.
    fn all_gather(&self, values: Values<'_>, cuts: &[usize]) -> Result<(), RankError>;

    /// `values` become the sum over all ranks, with the same bits everywhere.
    fn all_reduce_sum(&self, mut values: Values<'_>) -> Result<(), RankError> {
        let cuts = even_cuts(values.len(), self.size());
        self.reduce_scatter_sum(values.reborrow(), &cuts)?;
        self.all_gather(values, &cuts)
    }

    /// The bytes of rank `from`, of any length, on all ranks.
    fn broadcast(&self, bytes: Vec<u8>, from: usize) -> Result<Vec<u8>, RankError>;

    /// The bytes of all ranks, in their order and each of any length, on rank `to`; nothing on the
    /// others.
    fn gather(&self, bytes: Vec<u8>, to: usize) -> Result<Vec<Vec<u8>>, RankError>;

    /// Returns when all ranks have come here.
    fn barrier(&self) -> Result<(), RankError>;

    /// Waits for all ranks, after which each may end. A rank that ends without this has failed, as
    /// far as the others know.
    fn leave(&self) -> Result<(), RankError>;

    /// What this rank has sent.
    fn traffic(&self) -> Traffic;
}

/// What a rank has sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages to other ranks.
    pub messages: u64,
    /// Bytes in them, without what the transport adds.
    pub bytes: u64,
}
