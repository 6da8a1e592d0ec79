//! What carries messages from one rank to another.

use crate::error::RankError;

/// Messages between pairs of ranks, which arrive whole and in the order they were sent.
pub(crate) trait Link {
    /// Number of this rank.
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn size(&self) -> usize;

    /// Where a rank runs, in words.
    fn name(&self, rank: usize) -> String;

    /// Sends a message to another rank. May return before it has arrived.
    fn send(&self, to: usize, bytes: &[u8]) -> Result<(), RankError>;

    /// The next message of another rank.
    fn receive(&self, from: usize) -> Result<Vec<u8>, RankError>;

    /// Sends one message and receives another, while all other ranks do the same.
    fn swap(&self, to: usize, bytes: &[u8], from: usize) -> Result<Vec<u8>, RankError> {
        self.send(to, bytes)?;
        self.receive(from)
    }

    /// The other ranks need no longer hear of this one.
    fn close(&self) {}
}
