//! What a stage leaves to be read: lines on the terminal and in `train.log`, every number in
//! `losses.csv` and `scores.csv`, and the same for TensorBoard. A disk without room does not end the
//! run: the fault is told once, and writing is tried again with the next line.

mod events;
mod rows;

pub use rows::{LOSSES, Row, SCORES, read};

use crate::score::{self, Score};
use events::Events;
use refvlm_collective::Collective;
use std::cell::{Cell, RefCell};
use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time between two states of the line that a terminal shows.
const BETWEEN: Duration = Duration::from_millis(200);
/// Names of what is no loss, for TensorBoard's groups.
const OF_MACHINE: [&str; 5] = ["norm", "lr", "pictures_per_s", "tokens_per_s", "peak_memory_bytes"];

/// The journal of a stage: rank 0 writes it.
pub(crate) struct Journal {
    dir: Option<PathBuf>,
    events: RefCell<Option<Events>>,
    /// When a terminal was last told the step.
    shown: Cell<Option<Instant>>,
    terminal: bool,
    faulty: Cell<bool>,
}

impl Journal {
    /// The journal in the folder of a stage.
    pub(crate) fn new(dir: &Path, ranks: &dyn Collective) -> Self {
        let terminal = io::stderr().is_terminal();
        let dir = (ranks.rank() == 0).then(|| dir.to_path_buf());
        let (events, shown, faulty) = (RefCell::new(None), Cell::new(None), Cell::new(false));
        Self { dir, events, shown, terminal, faulty }
    }

    /// The stage's folder, where this rank writes what a run leaves behind.
    pub(crate) fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// Takes off what was written behind a step that the run goes on from.
    pub(crate) fn begin(&self, step: usize) {
        let Some(dir) = &self.dir else { return };
        self.tell(
            [LOSSES, SCORES].into_iter().try_for_each(|name| rows::cut(&dir.join(name), step)),
        );
        let begun = std::fs::create_dir_all(dir).and_then(|()| Events::begin(dir, step));
        *self.events.borrow_mut() = self.tell(begun);
    }

    /// Prints a line and appends it to the log.
    pub(crate) fn say(&self, line: &str) {
        let Some(dir) = &self.dir else { return };
        self.clear();
        eprintln!("{line}");
        self.tell(append(&dir.join("train.log"), &format!("{line}\n")));
    }

    /// Shows a line on a terminal that the next one replaces; says nothing elsewhere.
    pub(crate) fn show(&self, line: impl FnOnce() -> String) {
        let fresh = self.shown.get().is_none_or(|shown| shown.elapsed() > BETWEEN);
        if self.dir.is_some() && self.terminal && fresh {
            self.clear();
            eprint!("{}", line());
            self.shown.set(Some(Instant::now()));
        }
    }

    fn clear(&self) {
        if self.terminal && self.shown.take().is_some() {
            eprint!("\r\x1b[2K");
        }
    }

    /// Adds what was learned until a step, after so many seconds of training.
    pub(crate) fn losses(&self, step: usize, seconds: f64, values: &[(String, f64)]) {
        self.add(LOSSES, step, seconds, values.iter().map(|(name, x)| (name.as_str(), *x)));
        let tag = |name: &str| match OF_MACHINE.contains(&name) {
            true => format!("run/{name}"),
            false => format!("train/{name}"),
        };
        self.events(step, values.iter().map(|(name, value)| (tag(name), *value)));
    }

    /// Adds the scores of a step, in one go, so that a run that is killed has all or none of them.
    /// Each kind has a name in the log.
    pub(crate) fn scores(&self, step: usize, seconds: f64, kinds: [(&str, &[Score]); 2]) {
        let all = kinds.iter().flat_map(|(_, scores)| scores.iter());
        self.add(SCORES, step, seconds, all.map(|x| (x.name.as_str(), x.value)));
        for (of, scores) in kinds.into_iter().filter(|(_, scores)| !scores.is_empty()) {
            self.say(&format!("step {step} {of}: {}", score::line(scores)));
            let tags = scores.iter().map(|score| (format!("{of}/{}", score.name), score.value));
            self.events(step, tags);
        }
    }

    /// Whether there are scores of a step.
    pub(crate) fn has_scores(&self, step: usize) -> bool {
        let Some(dir) = &self.dir else { return false };
        read(&dir.join(SCORES)).iter().any(|row| row.step == step)
    }

    fn add<'a>(
        &self,
        name: &str,
        step: usize,
        seconds: f64,
        values: impl Iterator<Item = (&'a str, f64)>,
    ) {
        let Some(dir) = &self.dir else { return };
        self.tell(append(&dir.join(name), &rows::text(step, seconds, values)));
    }

    fn events(&self, step: usize, values: impl Iterator<Item = (String, f64)>) {
        if let Some(events) = self.events.borrow_mut().as_mut() {
            self.tell(events.add(step, values));
        }
    }

    /// Tells the first of several faults in a row.
    pub(crate) fn tell<T, E: std::fmt::Display>(&self, done: Result<T, E>) -> Option<T> {
        match done {
            Ok(value) => {
                self.faulty.set(false);
                Some(value)
            }
            Err(error) => {
                if !self.faulty.replace(true) {
                    self.clear();
                    eprintln!("not written: {error}; check free space and permissions");
                }
                None
            }
        }
    }
}

/// Adds text to a file, as one write. A file that does not end with a line got half of one before.
fn append(path: &Path, text: &str) -> io::Result<()> {
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
    let put = || {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes())
    };
    put().map_err(named)
}
