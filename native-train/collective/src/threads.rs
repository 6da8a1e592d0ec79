//! Ranks that are threads of one process: messages stay in its memory.

use crate::Collective;
use crate::connected::Connected;
use crate::error::RankError;
use crate::link::Link;
use crate::place::longest_wait;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// As many ranks as asked for, in their order; each is for a thread of its own. A thread that ends
/// without [`Collective::leave`] fails the others at their next operation.
pub fn threads(size: usize) -> Vec<impl Collective + Send> {
    let wait = longest_wait();
    let cause: Arc<Mutex<Option<RankError>>> = Arc::default();
    let mut ranks: Vec<Threads> = (0..size)
        .map(|rank| Threads { rank, wait, to: Vec::new(), from: Vec::new(), cause: cause.clone() })
        .collect();
    for to in 0..size {
        for from in 0..size {
            let (send, receive) = channel();
            ranks[from].to.push(send);
            ranks[to].from.push(receive);
        }
    }
    ranks.into_iter().map(Connected::new).collect()
}

struct Threads {
    rank: usize,
    wait: Duration,
    to: Vec<Sender<Vec<u8>>>,
    from: Vec<Receiver<Vec<u8>>>,
    /// The first failure that a rank noticed: it ends that rank too, which others notice then.
    cause: Arc<Mutex<Option<RankError>>>,
}

impl Threads {
    fn gone(&self, rank: usize) -> RankError {
        let reason = "its thread ended before this one was done".into();
        self.first(RankError::Gone { rank, name: self.name(rank), reason })
    }

    fn first(&self, error: RankError) -> RankError {
        let mut cause = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        cause.get_or_insert(error).clone()
    }
}

impl Link for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn name(&self, _rank: usize) -> String {
        "a thread of this process".into()
    }

    fn send(&self, to: usize, bytes: &[u8]) -> Result<(), RankError> {
        self.to[to].send(bytes.to_vec()).map_err(|_| self.gone(to))
    }

    fn receive(&self, from: usize) -> Result<Vec<u8>, RankError> {
        self.from[from].recv_timeout(self.wait).map_err(|error| match error {
            RecvTimeoutError::Disconnected => self.gone(from),
            RecvTimeoutError::Timeout => {
                let seconds = self.wait.as_secs();
                self.first(RankError::Late { rank: from, name: self.name(from), seconds })
            }
        })
    }
}
