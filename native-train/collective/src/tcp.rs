//! Ranks that are processes, on one host or several, connected by TCP.
//!
//! Rank 0 listens at an address that all know; the others tell it where they listen, and it tells
//! all of them. Then each pair has a connection. A thread per connection reads, so that a rank that
//! computes never keeps another from sending; another says twice a second that this process lives.
//!
//! **A rank is lost** when its connection closes before it has left, or when it is silent for
//! [`SILENCE`]. The rank that notices tells all others which one it was, so that they name the same
//! one and not each other.

mod meet;
mod peer;
mod wire;

use crate::Collective;
use crate::connected::Connected;
use crate::error::RankError;
use crate::link::Link;
use crate::place::{Place, longest_wait};
use peer::{Fate, Peer, Peers};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use peer::{Lost, SILENCE};

/// How often a waiting rank looks whether another is lost; messages wake it at once.
const LOOK: Duration = Duration::from_millis(50);

/// Joins the other ranks and waits until all are there, at most a minute. `lost` is called once,
/// from another thread, when a rank is lost.
///
/// # Errors
/// When the other ranks do not come, or come with another number of ranks or another version.
pub fn join(place: &Place, lost: Lost) -> Result<impl Collective + Send + use<>, RankError> {
    let met = meet::meet(place)?;
    let fate = Arc::new(Fate::new(lost));
    let opened: std::io::Result<Vec<_>> =
        met.into_iter().map(|met| met.map(Peer::new).transpose()).collect();
    let opened = opened.map_err(|problem| {
        let problem = format!("a connection cannot be used: {problem}; start all ranks again");
        RankError::Start { rank: place.rank, size: place.size, problem }
    })?;
    let peers: Peers = Arc::new(opened.iter().map(|o| Some(o.as_ref()?.0.clone())).collect());
    for (peer, incoming) in opened.into_iter().flatten() {
        peer.watch(incoming, &peers, &fate);
    }
    Ok(Connected::new(Tcp { rank: place.rank, peers, fate, wait: longest_wait() }))
}

struct Tcp {
    rank: usize,
    /// By rank; nothing at this rank's own place.
    peers: Peers,
    fate: Arc<Fate>,
    wait: Duration,
}

impl Tcp {
    fn peer(&self, rank: usize) -> Result<&Arc<Peer>, RankError> {
        self.peers.get(rank).and_then(Option::as_ref).ok_or_else(|| RankError::Start {
            rank: self.rank,
            size: self.peers.len(),
            problem: format!("there is no connection to rank {rank}"),
        })
    }
}

impl Link for Tcp {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.peers.len()
    }

    fn name(&self, rank: usize) -> String {
        self.peer(rank).map_or_else(|_| "this process".into(), |peer| peer.name.clone())
    }

    fn send(&self, to: usize, bytes: &[u8]) -> Result<(), RankError> {
        let peer = self.peer(to)?;
        if let Some(loss) = self.fate.loss() {
            return Err(loss);
        }
        let failed =
            |problem: std::io::Error| peer.gone(&format!("nothing can be sent, {problem}"));
        peer.send(bytes).map_err(|problem| self.fate.lose(failed(problem), &self.peers))
    }

    fn receive(&self, from: usize) -> Result<Vec<u8>, RankError> {
        let peer = self.peer(from)?;
        let started = Instant::now();
        loop {
            if let Some(bytes) = peer.next(LOOK) {
                return Ok(bytes);
            }
            if let Some(loss) = self.fate.loss() {
                return Err(loss);
            }
            if started.elapsed() > self.wait {
                let seconds = started.elapsed().as_secs();
                let name = peer.name.clone();
                return Err(self
                    .fate
                    .lose(RankError::Late { rank: from, name, seconds }, &self.peers));
            }
        }
    }

    fn close(&self) {
        for peer in self.peers.iter().flatten() {
            peer.leave();
        }
        // Whoever waits for a third rank still reads from this one.
        let started = Instant::now();
        while !self.peers.iter().flatten().all(|peer| peer.done()) && started.elapsed() < SILENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        for peer in self.peers.iter().flatten() {
            peer.shut();
        }
    }
}
