//! A source that is read by a thread of its own, a few entries ahead.

use super::part::Part;
use crate::border::{fnv, mixed, unit};
use crate::error::DataError;
use crate::readers::{Event, Found, Item, Wanted};
use crate::recipe::{Recipe, SourceRecipe};
use crate::wording::WordingSet;
use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Entries that are handed over at once.
const CHUNK: usize = 32;
/// Chunks that wait.
const WAITING: usize = 4;

/// An entry of a source: what it became and what was wrong with it.
pub(super) struct Entry {
    /// Its number; those of folders and rounds are counted on.
    pub position: u64,
    /// Which reading of the source this is.
    pub round: u32,
    pub items: Vec<Item>,
    pub faults: Vec<DataError>,
}

/// Which entries are wanted, and how often the source is read.
pub(super) struct Reading {
    start: u64,
    part: Part,
    seed: u64,
    share: f64,
    repeat: u32,
    wordings: WordingSet,
}

impl Reading {
    pub fn new(recipe: &Recipe, source: &SourceRecipe, part: Part, start: u64) -> Self {
        Self {
            start,
            part,
            seed: recipe.seed ^ fnv(&source.name),
            share: source.share,
            repeat: source.repeat,
            wordings: source.wordings.into(),
        }
    }

    fn wants(&self, position: u64) -> bool {
        position >= self.start
            && self.part.has(position)
            && (self.share >= 1.0 || unit(mixed(self.seed ^ mixed(position))) < self.share)
    }
}

type Message = Result<Vec<Entry>, DataError>;

/// The entries that are still to come.
pub(super) struct Stream {
    receiver: Receiver<Message>,
    ready: VecDeque<Entry>,
}

impl Stream {
    /// Begins to read.
    pub fn open(found: Vec<Found>, reading: Reading) -> Self {
        let (sender, receiver) = sync_channel(WAITING);
        // It ends when the source does, or when the receiver is gone.
        std::thread::spawn(move || run(&found, &reading, &sender));
        Self { receiver, ready: VecDeque::new() }
    }

    /// The next entry; none at the end.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn next(&mut self) -> Result<Option<Entry>, DataError> {
        while self.ready.is_empty() {
            match self.receiver.recv() {
                Ok(chunk) => self.ready.extend(chunk?),
                Err(_) => return Ok(None),
            }
        }
        Ok(self.ready.pop_front())
    }
}

fn run(found: &[Found], reading: &Reading, sender: &SyncSender<Message>) {
    let next = Cell::new(0);
    for round in 0..reading.repeat {
        for source in found {
            let base = next.get();
            let wants = |entry: u64| {
                next.set(base + entry + 1);
                reading.wants(base + entry)
            };
            let seed = mixed(reading.seed ^ mixed(u64::from(round)));
            let wanted = Wanted { wants: &wants, wordings: reading.wordings, seed };
            let mut chunk = Chunk { entries: Vec::new(), sender, round };
            let ended = source.stream(&wanted, &mut |entry, event| chunk.add(base + entry, event));
            let sent = match ended {
                Ok(()) => chunk.send(),
                Err(error) => {
                    // Where nobody listens any more, nobody needs the error.
                    let _ = sender.send(Err(error));
                    return;
                }
            };
            if sent.is_break() {
                return;
            }
        }
    }
}

struct Chunk<'a> {
    entries: Vec<Entry>,
    sender: &'a SyncSender<Message>,
    round: u32,
}

impl Chunk<'_> {
    /// Joins the events of an entry, which follow each other.
    fn add(&mut self, position: u64, event: Event) -> ControlFlow<()> {
        let same = self.entries.last().is_some_and(|entry| entry.position == position);
        if !same && self.entries.len() >= CHUNK {
            self.send()?;
        }
        if !same {
            let (items, faults) = (Vec::new(), Vec::new());
            self.entries.push(Entry { position, round: self.round, items, faults });
        }
        if let Some(entry) = self.entries.last_mut() {
            match event {
                Ok(item) => entry.items.push(item),
                Err(error) => entry.faults.push(error),
            }
        }
        ControlFlow::Continue(())
    }

    fn send(&mut self) -> ControlFlow<()> {
        match self.sender.send(Ok(std::mem::take(&mut self.entries))) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}
