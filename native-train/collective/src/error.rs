//! What can go wrong between ranks.

use thiserror::Error;

/// Why ranks cannot go on together. Names the rank that is the cause, by number and by whatever
/// helps to find it: the host's address and the process.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RankError {
    /// A rank has ended before its work was done.
    #[error(
        "rank {rank} ({name}) has ended: {reason}; its own output says why, and starting all \
         ranks again resumes from the last checkpoint"
    )]
    Gone {
        /// Number of the rank.
        rank: usize,
        /// Where it ran.
        name: String,
        /// How it was noticed.
        reason: String,
    },
    /// A rank's process gives no sign of life.
    #[error(
        "rank {rank} ({name}) has been silent for {seconds} s; end it if it still exists, look at \
         its host and network, and start all ranks again: they resume from the last checkpoint"
    )]
    Silent {
        /// Number of the rank.
        rank: usize,
        /// Where it runs.
        name: String,
        /// For how long.
        seconds: u64,
    },
    /// A rank lives but does not come to where the others wait for it.
    #[error(
        "rank {rank} ({name}) lives but has sent nothing for {seconds} s; look at what it does, or \
         wait longer with REFVLM_RANK_WAIT_S"
    )]
    Late {
        /// Number of the rank.
        rank: usize,
        /// Where it runs.
        name: String,
        /// For how long.
        seconds: u64,
    },
    /// A rank sends something else than this one expects.
    #[error(
        "rank {rank} ({name}) sent {found} bytes where {expected} were expected; start all ranks \
         with the same program and the same configuration"
    )]
    Length {
        /// Number of the rank.
        rank: usize,
        /// Where it runs.
        name: String,
        /// Bytes received.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// Values cannot be divided as asked.
    #[error("{cuts} cuts up to {end} do not divide {len} values among {size} ranks")]
    Cuts {
        /// Number of cuts.
        cuts: usize,
        /// The last cut.
        end: usize,
        /// Number of values.
        len: usize,
        /// Number of ranks.
        size: usize,
    },
    /// The ranks cannot find each other.
    #[error("rank {rank} of {size}: {problem}")]
    Start {
        /// Number of the rank.
        rank: usize,
        /// How many ranks there are.
        size: usize,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// The environment does not say which rank this is.
    #[error("{0}")]
    Environment(String),
}

impl RankError {
    /// The rank that is the cause, where one is.
    pub fn culprit(&self) -> Option<usize> {
        match *self {
            Self::Gone { rank, .. }
            | Self::Silent { rank, .. }
            | Self::Late { rank, .. }
            | Self::Length { rank, .. } => Some(rank),
            Self::Cuts { .. } | Self::Start { .. } | Self::Environment(_) => None,
        }
    }
}
