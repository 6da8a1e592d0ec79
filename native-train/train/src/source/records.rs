//! Records as a source: what people build from their own pictures, or shards of any size.

use super::{Drawn, Source};
use crate::config::{RecordConfig, TrainFile};
use crate::task::Part;
use crate::tower::FrozenTowers;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use refvlm_data::RecordSet;
use refvlm_model::image::Picture;
use refvlm_model::learning::example::Example;
use refvlm_model::triplet::Tokenizer;
use refvlm_record::{Record, Unit};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Records of the held-out loss that the log follows.
const HELD_OUT: u64 = 32;
/// Draws until a record of the wanted side is found: a hundredth may be held out.
const TRIES: u64 = 600;
/// Records that may be bad whatever their share.
const ALWAYS_BORNE: usize = 3;

/// Records as a source. Which record and which of its turns a picture of a step is follows from its
/// number alone, whatever the number of threads.
pub struct RecordSource<'a> {
    file: &'a TrainFile,
    config: &'a RecordConfig,
    sets: &'a [RecordSet],
    tokenizer: &'a Tokenizer,
    towers: Option<&'a FrozenTowers>,
    first_seed: u64,
    pictures: usize,
    dialogues: bool,
    drawn: AtomicUsize,
    bad: Mutex<BTreeSet<usize>>,
}

/// Which records are drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Train,
    HeldOut,
}

impl<'a> RecordSource<'a> {
    /// Records for a stage that takes `pictures` of them a step from seed `first_seed` on, with
    /// dialogues where it reads words.
    pub fn new(
        file: &'a TrainFile,
        config: &'a RecordConfig,
        sets: &'a [RecordSet],
        (tokenizer, towers): (&'a Tokenizer, Option<&'a FrozenTowers>),
        (first_seed, pictures): (u64, usize),
        dialogues: bool,
    ) -> Self {
        let (drawn, bad) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
        Self { file, config, sets, tokenizer, towers, first_seed, pictures, dialogues, drawn, bad }
    }

    fn of_seeds(&self, seeds: std::ops::Range<u64>, side: Side) -> Result<Drawn, String> {
        let drawn: Vec<_> =
            seeds.into_par_iter().map(|seed| self.picture(seed, side)).collect::<Result<_, _>>()?;
        let (mut examples, mut pointing) = (Vec::new(), Vec::new());
        for example in drawn.into_iter().flatten() {
            examples.extend(self.dialogues.then(|| example.clone()));
            pointing.push(example);
        }
        Ok(Drawn { examples, pointing, ..Drawn::default() })
    }

    /// One record of a side; none where that side has none.
    fn picture(&self, seed: u64, side: Side) -> Result<Option<Example>, String> {
        let total: usize = self.sets.iter().map(RecordSet::len).sum();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::from(side == Side::HeldOut));
        for attempt in 0..TRIES {
            let number = rng.random_range(0..total.max(1));
            if self.bad.lock().is_ok_and(|bad| bad.contains(&number)) {
                continue;
            }
            self.drawn.fetch_add(1, Ordering::Relaxed);
            // A generator of its own: whether a record is already known to be bad must not change
            // what is drawn after it.
            let mut turns = ChaCha8Rng::seed_from_u64(seed);
            turns.set_stream(2 + attempt);
            match self.example(number, side, &mut turns) {
                Ok(Some(example)) => return Ok(Some(example)),
                Ok(None) => {}
                Err(problem) => self.bear(number, &problem)?,
            }
        }
        match side {
            Side::HeldOut => Ok(None),
            Side::Train => Err("records: none to learn from; lower records.held_out".into()),
        }
    }

    /// Leaves a record out, as long as not too many are bad.
    fn bear(&self, number: usize, problem: &str) -> Result<(), String> {
        eprintln!("left out: {problem}");
        let bad = self.bad.lock().map(|mut bad| {
            bad.insert(number);
            bad.len()
        });
        let (bad, drawn) = (bad.unwrap_or(usize::MAX), self.drawn.load(Ordering::Relaxed));
        if bad <= ALWAYS_BORNE || bad as f64 <= self.config.bad_share * drawn as f64 {
            return Ok(());
        }
        Err(format!(
            "{bad} of {drawn} records that were drawn cannot be used, the last one: {problem}; \
             `refvlm data check` lists them all, records.bad_share allows more"
        ))
    }

    /// The record with this number over all sets; none where it is on the other side.
    fn example(
        &self,
        number: usize,
        side: Side,
        rng: &mut ChaCha8Rng,
    ) -> Result<Option<Example>, String> {
        let mut index = number;
        let set = self.sets.iter().find(|set| {
            let here = index < set.len();
            index -= if here { 0 } else { set.len() };
            here
        });
        let Some(set) = set else { return Ok(None) };
        let mut record = set.record(index).map_err(|e| e.to_string())?;
        if side_of(&record, self.config.held_out) != side {
            return Ok(None);
        }
        record.turns.shuffle(rng);
        record.turns.truncate(self.config.turns.max(1));
        if record.turns.iter().any(|turn| turn.task.units().contains(&Unit::Depth)) {
            set.fill_depths(index, &mut record).map_err(|e| e.to_string())?;
        }
        let example = self.seen(set, index, &record)?;
        let rows = self.file.model.prompt_rows();
        let room = self.file.model.llm.max_position_embeddings;
        let room = room.saturating_sub(self.file.model.image_rows() + 1);
        let tokens = |turn: &refvlm_model::triplet::Encoded| {
            turn.ids.len() + turn.prompts.len() * rows.saturating_sub(1)
        };
        match example.turns.iter().map(tokens).max() {
            Some(most) if most > room => {
                let problem = format!("a turn has {most} tokens, the model has room for {room}");
                Err(at(set, index, &record, &problem))
            }
            _ => Ok(Some(example)),
        }
    }

    fn seen(&self, set: &RecordSet, index: usize, record: &Record) -> Result<Example, String> {
        let place = |problem: String| at(set, index, record, &problem);
        let setup = self.file.setup(self.tokenizer);
        let size = [record.image.width, record.image.height];
        let read = || set.picture(index, record).map_err(|e| e.to_string());
        if let Some(towers) = self.towers {
            // The hash of a picture would cost its reading: its place says which one it is.
            let id = format!("record {} {}", set.place(index), record.image.path);
            let (frame, look) = towers.look(Some(&id), size, || Ok(read()?.rgb)).map_err(place)?;
            return setup.example_of(record, frame, look).map_err(|e| place(e.to_string()));
        }
        let picture = read()?;
        let picture =
            Picture::new(size[0], size[1], &picture.rgb).map_err(|e| place(e.to_string()))?;
        setup.example(record, picture).map_err(|e| place(e.to_string()))
    }
}

/// A problem with its place.
fn at(set: &RecordSet, index: usize, record: &Record, problem: &str) -> String {
    format!("{}: record '{}': {problem}", set.place(index), record.id)
}

/// All records of one picture are on one side.
fn side_of(record: &Record, held_out: f64) -> Side {
    if is_held_out(record, held_out) { Side::HeldOut } else { Side::Train }
}

/// Whether a record is never learned from, where `held_out` is the share of such.
pub(crate) fn is_held_out(record: &Record, held_out: f64) -> bool {
    let hash = Sha256::digest(format!("{}/{}", record.source, record.image.path));
    let share = f64::from(u16::from_be_bytes([hash[0], hash[1]])) / 65536.0;
    share < held_out
}

impl Source for RecordSource<'_> {
    fn draw(&self, step: usize, part: Part) -> Result<Drawn, String> {
        self.of_seeds(part.seeds(self.first_seed, step, self.pictures), Side::Train)
    }

    fn held_out(&self) -> Result<Drawn, String> {
        self.of_seeds(0..HELD_OUT, Side::HeldOut)
    }
}
