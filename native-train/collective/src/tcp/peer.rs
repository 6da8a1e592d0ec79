//! Connections to other ranks, and what is known of their loss.

use super::meet::Met;
use super::wire::{self, Kind};
use crate::error::RankError;
use std::io::Result;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a rank says that it lives.
const BEAT: Duration = Duration::from_millis(500);

/// How long a rank may give no sign of life. The others end within a second more.
pub const SILENCE: Duration = Duration::from_secs(6);

/// How long the others have to read that a rank is lost.
const TELLING: Duration = Duration::from_millis(200);

/// What is done when a rank is lost; another thread does it.
pub type Lost = Box<dyn Fn(&RankError) + Send + Sync>;

pub(super) struct Peer {
    pub(super) rank: usize,
    /// Where it runs.
    pub(super) name: String,
    stream: TcpStream,
    /// One message at a time is written.
    writing: Mutex<()>,
    messages: Mutex<Receiver<Vec<u8>>>,
    started: Instant,
    /// When it was heard last, in ms since `started`.
    heard: AtomicU64,
    /// It has done its work, so its end means nothing any more.
    done: AtomicBool,
    /// This rank wants nothing more of it.
    shut: AtomicBool,
}

/// All peers of a rank, by their number.
pub(super) type Peers = Arc<Vec<Option<Arc<Peer>>>>;

impl Peer {
    /// Takes over a connection. What is read from it goes into the second value.
    pub(super) fn new(met: Met) -> Result<(Arc<Self>, Sender<Vec<u8>>)> {
        let Met { rank, name, stream } = met;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(None)?;
        stream.set_write_timeout(Some(SILENCE))?;
        let (incoming, messages) = channel();
        let peer = Self {
            rank,
            name,
            stream,
            writing: Mutex::new(()),
            messages: Mutex::new(messages),
            started: Instant::now(),
            heard: AtomicU64::new(0),
            done: AtomicBool::new(false),
            shut: AtomicBool::new(false),
        };
        Ok((Arc::new(peer), incoming))
    }

    /// Starts the threads that read from it and look whether it lives.
    pub(super) fn watch(
        self: &Arc<Self>,
        incoming: Sender<Vec<u8>>,
        peers: &Peers,
        fate: &Arc<Fate>,
    ) {
        let (peer, all, end) = (self.clone(), peers.clone(), fate.clone());
        std::thread::spawn(move || peer.read(&incoming, &all, &end));
        let (peer, all, end) = (self.clone(), peers.clone(), fate.clone());
        std::thread::spawn(move || peer.beat(&all, &end));
    }

    pub(super) fn gone(&self, reason: &str) -> RankError {
        RankError::Gone { rank: self.rank, name: self.name.clone(), reason: reason.into() }
    }

    pub(super) fn send(&self, bytes: &[u8]) -> Result<()> {
        self.write(Kind::Data, bytes)
    }

    /// The next message, if one comes in time.
    pub(super) fn next(&self, wait: Duration) -> Option<Vec<u8>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(wait).ok()
    }

    /// Says that another rank is lost. It may be lost itself, which is no matter now.
    pub(super) fn tell(&self, loss: &RankError) {
        let _ = self.write(Kind::Lost, wire::loss_text(loss).as_bytes());
    }

    /// Says that this rank has done its work.
    pub(super) fn leave(&self) {
        let _ = self.write(Kind::Leaves, &[]);
    }

    /// Whether it has done its work.
    pub(super) fn done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    /// Closes the connection.
    pub(super) fn shut(&self) {
        self.shut.store(true, Ordering::Relaxed);
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn write(&self, kind: Kind, bytes: &[u8]) -> Result<()> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        wire::write(&mut &self.stream, kind, bytes)
    }

    fn over(&self) -> bool {
        self.done() || self.shut.load(Ordering::Relaxed)
    }

    fn read(&self, incoming: &Sender<Vec<u8>>, peers: &Peers, fate: &Fate) {
        let heard = || {
            let now = self.started.elapsed().as_millis();
            self.heard.store(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Relaxed);
        };
        loop {
            match wire::read(&mut &self.stream, heard) {
                Ok((Kind::Data, bytes)) => {
                    if incoming.send(bytes).is_err() {
                        return;
                    }
                }
                Ok((Kind::Alive, _)) => {}
                Ok((Kind::Leaves, _)) => self.done.store(true, Ordering::Relaxed),
                Ok((Kind::Lost, bytes)) => {
                    let loss = wire::loss_of(&bytes);
                    fate.lose(loss.unwrap_or_else(|| self.gone("it gave up")), peers);
                    return;
                }
                Err(_) if self.over() => return,
                Err(error) => {
                    fate.lose(self.gone(&format!("its connection broke, {error}")), peers);
                    return;
                }
            }
        }
    }

    fn beat(&self, peers: &Peers, fate: &Fate) {
        while !self.over() && fate.loss().is_none() {
            // What fails here fails in `read`, too.
            let _ = self.write(Kind::Alive, &[]);
            std::thread::sleep(BEAT);
            let heard = Duration::from_millis(self.heard.load(Ordering::Relaxed));
            let silent = self.started.elapsed().saturating_sub(heard);
            if silent > SILENCE && !self.over() {
                let (rank, name, seconds) = (self.rank, self.name.clone(), silent.as_secs());
                fate.lose(RankError::Silent { rank, name, seconds }, peers);
            }
        }
    }
}

/// What is known of the end of this run, shared by all connections of this rank.
pub(super) struct Fate {
    loss: Mutex<Option<RankError>>,
    lost: Lost,
}

impl Fate {
    pub(super) fn new(lost: Lost) -> Self {
        Self { loss: Mutex::new(None), lost }
    }

    pub(super) fn loss(&self) -> Option<RankError> {
        self.loss.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a loss and returns it, or the one that is known: whatever is lost later is lost
    /// because of the first. Tells the other ranks, then whoever wants to know here.
    pub(super) fn lose(&self, loss: RankError, peers: &[Option<Arc<Peer>>]) -> RankError {
        // Held while others are told, so that this process does not end before.
        let mut known = self.loss.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known {
            return known.clone();
        }
        for peer in peers.iter().flatten().filter(|peer| Some(peer.rank) != loss.culprit()) {
            peer.tell(&loss);
        }
        // A connection that is closed with something unread takes what was sent on it along.
        std::thread::sleep(TELLING);
        *known = Some(loss.clone());
        drop(known);
        (self.lost)(&loss);
        loss
    }
}
