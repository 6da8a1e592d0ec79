//! Building: a recipe and a folder of data sets become one sequence of records, the same at every
//! time and for any number of threads.
//!
//! Each source is read by a thread of its own (`stream`); the recipe's order says which source the
//! next entry is taken from. A batch of entries is made into records side by side (`make`) and
//! then counted, compared with pictures seen before and capped in order. After each batch
//! [`Build::state`] says all that is needed to go on from there.
//!
//! A part builds every n-th entry of each source. Parts know nothing of each other: together they
//! hold every entry once.

mod folder;
mod make;
mod part;
mod same;
mod stream;
mod tally;

pub use folder::write_folder;
pub use make::{PictureFile, Sample};
pub use part::{Part, PartError};
pub use tally::{SourceState, State, Tally};

use crate::border::{mixed, unit};
use crate::error::DataError;
use crate::readers::{self, Found};
use crate::recipe::{Missing, Order, Recipe, SourceRecipe, Until};
use make::Maker;
use rayon::prelude::*;
use same::{Evaluations, Known, Same};
use std::path::Path;
use stream::{Entry, Reading, Stream};

/// Entries that are made side by side. A cut between shards lies between two batches.
const BATCH: usize = 64;

/// A recipe at work on a folder.
pub struct Build {
    recipe: Recipe,
    part: Part,
    evaluations: Evaluations,
    sources: Vec<Live>,
    /// Pictures that earlier entries had, where these are looked for.
    seen: Known,
    draws: u64,
    /// Sources and evaluation sets that are not there.
    missing: Vec<String>,
}

/// A source that is being read.
struct Live {
    /// Where it is in the recipe.
    recipe: usize,
    /// What is read, until reading has begun.
    found: Vec<Found>,
    stream: Option<Stream>,
    most: Option<u64>,
    state: SourceState,
}

impl Build {
    /// Finds the sources of a recipe in a folder, and reads the pictures of its evaluation sets.
    ///
    /// # Errors
    /// When a source or an evaluation set is missing, unless the recipe passes over these, or
    /// cannot be read.
    pub fn open(recipe: Recipe, data: &Path, part: Part) -> Result<Self, DataError> {
        let (mut sources, mut missing) = (Vec::new(), Vec::new());
        for (k, source) in recipe.sources.iter().enumerate() {
            let found = find(source, data)?;
            if found.is_empty() {
                absent(&recipe, &source.name, &data.join(&source.folder), &mut missing)?;
                continue;
            }
            let most = recipe.most(source).map(|most| part.share(most));
            let state = SourceState { name: source.name.clone(), ..SourceState::default() };
            sources.push(Live { recipe: k, found, stream: None, most, state });
        }
        let mut evaluations = Evaluations::new(recipe.deduplicate.by);
        for evaluation in &recipe.evaluations {
            let folder = data.join(&evaluation.folder);
            if folder.is_dir() {
                evaluations.add(&evaluation.name, &folder)?;
            } else {
                absent(&recipe, &evaluation.name, &folder, &mut missing)?;
            }
        }
        let seen = Known::new(recipe.deduplicate.by);
        Ok(Self { recipe, part, evaluations, sources, seen, draws: 0, missing })
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Which part of it this is.
    pub fn part(&self) -> Part {
        self.part
    }

    /// Names of sources and evaluation sets that are not there and were passed over.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// How far everything is, after the last batch.
    pub fn state(&self) -> State {
        let sources = self.sources.iter().map(|live| live.state.clone()).collect();
        State { draws: self.draws, sources }
    }

    /// Goes on from a state, with the pictures that were seen before it.
    ///
    /// # Errors
    /// When the state is of other sources.
    pub fn resume(
        &mut self,
        state: State,
        seen: impl Iterator<Item = u64>,
    ) -> Result<(), DataError> {
        let names = |state: &SourceState| state.name.clone();
        let (then, now): (Vec<_>, Vec<_>) = (
            state.sources.iter().map(names).collect(),
            self.sources.iter().map(|live| names(&live.state)).collect(),
        );
        if then != now {
            return Err(DataError::OtherSources { then: then.join(", "), now: now.join(", ") });
        }
        for (live, state) in self.sources.iter_mut().zip(state.sources) {
            live.state = state;
        }
        self.draws = state.draws;
        seen.for_each(|hash| self.seen.insert(hash));
        Ok(())
    }

    /// The records of the next entries, in order; none at the end. A batch can be empty.
    ///
    /// # Errors
    /// When a source cannot be read.
    pub fn next_batch(&mut self) -> Result<Option<Vec<Sample>>, DataError> {
        let mut entries: Vec<(usize, Entry)> = Vec::with_capacity(BATCH);
        while entries.len() < BATCH {
            let Some(at) = self.choose() else { break };
            match self.take(at)? {
                Some(entry) => entries.push((at, entry)),
                None => self.end(at),
            }
        }
        if entries.is_empty() {
            return Ok(None);
        }
        let same = Same::new(&self.recipe, &self.evaluations);
        let makers: Vec<Option<Maker<'_>>> =
            self.sources.iter().map(|live| Maker::new(&self.recipe, live.recipe, &same)).collect();
        let made: Vec<_> = entries
            .into_par_iter()
            .filter_map(|(at, entry)| Some((at, makers.get(at)?.as_ref()?.make(entry))))
            .collect();
        drop(makers);
        let across = self.recipe.deduplicate.across;
        let mut samples = Vec::new();
        for (at, made) in made {
            let Some(live) = self.sources.get_mut(at) else { continue };
            let tally = &mut live.state.tally;
            tally.note(&made.faults);
            let mut kept = match made.samples {
                Ok(kept) => kept,
                Err(reason) => {
                    tally.drop(&reason);
                    continue;
                }
            };
            let again = |hash: &u64| across && self.seen.has(*hash);
            if kept.iter().filter_map(|sample| sample.picture_hash).any(|hash| again(&hash)) {
                tally.drop("its picture was there before");
                continue;
            }
            let room = live.most.map_or(u64::MAX, |most| most.saturating_sub(tally.records));
            kept.truncate(usize::try_from(room).unwrap_or(usize::MAX));
            if kept.is_empty() {
                tally.drop("beyond the cap");
                continue;
            }
            if across {
                let hashes = kept.iter().filter_map(|sample| sample.picture_hash);
                hashes.for_each(|hash| self.seen.insert(hash));
            }
            tally.keep(&kept, made.faults.len());
            samples.append(&mut kept);
        }
        for at in 0..self.sources.len() {
            let full = |live: &Live| live.most.is_some_and(|most| live.state.tally.records >= most);
            if self.sources.get(at).is_some_and(full) {
                self.end(at);
            }
        }
        Ok(Some(samples))
    }

    /// The source of the next entry.
    fn choose(&mut self) -> Option<usize> {
        let mix = &self.recipe.mix;
        let open = |at: &usize| self.sources.get(*at).is_some_and(|live| !live.state.done);
        let alive: Vec<usize> = (0..self.sources.len()).filter(open).collect();
        if mix.order == Order::Concatenate {
            return alive.first().copied();
        }
        if mix.until == Until::First && alive.len() < self.sources.len() {
            return None;
        }
        let weight = |at: &usize| {
            let live = self.sources.get(*at);
            live.and_then(|live| self.recipe.sources.get(live.recipe)).map_or(0.0, |s| s.weight)
        };
        let all: f64 = alive.iter().map(weight).sum();
        let mut left = unit(mixed(self.recipe.seed ^ mixed(self.draws))) * all;
        self.draws += 1;
        for at in &alive {
            left -= weight(at);
            if left < 0.0 {
                return Some(*at);
            }
        }
        alive.last().copied()
    }

    fn take(&mut self, at: usize) -> Result<Option<Entry>, DataError> {
        let Some(live) = self.sources.get_mut(at) else { return Ok(None) };
        let Some(source) = self.recipe.sources.get(live.recipe) else { return Ok(None) };
        let stream = live.stream.get_or_insert_with(|| {
            let reading = Reading::new(&self.recipe, source, self.part, live.state.position);
            Stream::open(std::mem::take(&mut live.found), reading)
        });
        let entry = stream.next()?;
        if let Some(entry) = &entry {
            live.state.position = entry.position + 1;
        }
        Ok(entry)
    }

    fn end(&mut self, at: usize) {
        if let Some(live) = self.sources.get_mut(at) {
            live.state.done = true;
            live.stream = None;
        }
    }
}

/// The sources that a recipe's entry means; none where there is no such folder.
fn find(source: &SourceRecipe, data: &Path) -> Result<Vec<Found>, DataError> {
    let folder = data.join(&source.folder);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let layout = source.layout.as_deref();
    let mut found = readers::sources_of(&folder, layout)?;
    if !source.files.is_empty() {
        found.retain_mut(|found| found.only(&source.files));
    }
    Ok(found)
}

fn absent(
    recipe: &Recipe,
    name: &str,
    path: &Path,
    missing: &mut Vec<String>,
) -> Result<(), DataError> {
    match recipe.missing {
        Missing::Error => Err(DataError::Missing { path: path.into(), name: name.into() }),
        Missing::Skip => {
            missing.push(name.into());
            Ok(())
        }
    }
}
