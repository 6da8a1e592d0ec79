//! Ranks that are processes started by `mpirun`, connected by MPI.
//!
//! MPI itself ends all ranks when one ends, and names it; a rank that hangs is for whoever watches
//! the run to end.

use crate::Collective;
use crate::connected::Connected;
use crate::error::RankError;
use crate::link::Link;
use ::mpi::environment::Universe;
use ::mpi::request::{WaitGuard, scope};
use ::mpi::topology::{Process, SimpleCommunicator};
use ::mpi::traits::{Communicator, Destination, Source};
use std::cell::Cell;

/// The largest message that MPI is given: it counts in 32 bits.
const PIECE: usize = 1 << 30;

/// Joins the ranks that `mpirun` started. MPI can be started once in a process.
///
/// # Errors
/// When MPI has been started before.
pub fn join() -> Result<impl Collective + use<>, RankError> {
    let universe = ::mpi::initialize().ok_or_else(|| {
        RankError::Environment("MPI was started before in this process; join once".into())
    })?;
    let world = universe.world();
    Ok(Connected::new(Mpi { world, closed: Cell::new(false), _universe: universe }))
}

struct Mpi {
    world: SimpleCommunicator,
    closed: Cell<bool>,
    /// MPI ends with it.
    _universe: Universe,
}

impl Mpi {
    fn process(&self, rank: usize) -> Process<'_> {
        self.world.process_at_rank(i32::try_from(rank).unwrap_or(i32::MAX))
    }

    fn read(&self, from: usize) -> Vec<u8> {
        let process = self.process(from);
        let (length, _) = process.receive::<u64>();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        while bytes.len() < length {
            bytes.extend(process.receive_vec::<u8>().0);
        }
        bytes
    }
}

impl Link for Mpi {
    fn rank(&self) -> usize {
        usize::try_from(self.world.rank()).unwrap_or(0)
    }

    fn size(&self) -> usize {
        usize::try_from(self.world.size()).unwrap_or(1)
    }

    fn name(&self, _rank: usize) -> String {
        "a process of mpirun".into()
    }

    fn send(&self, to: usize, bytes: &[u8]) -> Result<(), RankError> {
        let process = self.process(to);
        process.send(&(bytes.len() as u64));
        for piece in bytes.chunks(PIECE) {
            process.send(piece);
        }
        Ok(())
    }

    fn receive(&self, from: usize) -> Result<Vec<u8>, RankError> {
        Ok(self.read(from))
    }

    // A message is not buffered, so all ranks must be able to send before they receive.
    fn swap(&self, to: usize, bytes: &[u8], from: usize) -> Result<Vec<u8>, RankError> {
        let process = self.process(to);
        let length = bytes.len() as u64;
        Ok(scope(|scope| {
            let _length = WaitGuard::from(process.immediate_send(scope, &length));
            let send = |piece| WaitGuard::from(process.immediate_send(scope, piece));
            let _pieces: Vec<_> = bytes.chunks(PIECE).map(send).collect();
            self.read(from)
        }))
    }

    fn close(&self) {
        self.closed.set(true);
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        // Else the others would wait for this rank for ever.
        if !self.closed.get() && self.size() > 1 {
            self.world.abort(1);
        }
    }
}
