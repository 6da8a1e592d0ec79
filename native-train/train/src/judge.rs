//! Answers to a fixed set of held-out questions while a model learns, scored as `refvlm eval` scores
//! them, and the run's page.
//!
//! The loop knows [`Judge`] alone, which [`Examiner`] is: it asks a [`Student`] with the engine.

mod page;
mod questions;

pub use questions::{Questions, SCORE};

use crate::config::TrainFile;
use crate::score::Score;
use crate::stage::Student;
use crate::task::{Judge, Standing};
use burn::module::Module;
use burn::tensor::Device;
use refvlm_eval::evaluate::{Keep, Manner};
use refvlm_eval::report::Card;
use refvlm_eval::report::run::cards;
use refvlm_eval::work::on_groups;
use refvlm_files::files::write_atomic;
use refvlm_files::picture::Picture;
use refvlm_model::engine::Session;
use refvlm_model::triplet::Tokenizer;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The page of a run, in its folder.
pub const REPORT: &str = "report.html";
/// The held-out pictures that the page shows, as they were answered last.
const PICTURES: &str = "report-pictures.html";
/// Time between two states of the page, unless the run ends.
const BETWEEN: Duration = Duration::from_secs(10);

/// Asks a student and writes the page of its run.
pub struct Examiner<'a> {
    run: PathBuf,
    file: &'a TrainFile,
    tokenizer: &'a Tokenizer,
    questions: Questions,
    shown: Mutex<Option<Instant>>,
}

impl<'a> Examiner<'a> {
    /// For a run in the folder `run`. Without questions it only writes the page.
    pub fn new(
        run: &Path,
        file: &'a TrainFile,
        tokenizer: &'a Tokenizer,
        questions: Questions,
    ) -> Self {
        Self { run: run.into(), file, tokenizer, questions, shown: Mutex::new(None) }
    }
}

impl Judge<Student> for Examiner<'_> {
    fn judge(&self, student: &Student, device: &Device) -> Result<Vec<Score>, String> {
        let questions = &self.questions;
        if questions.groups.is_empty() {
            return Ok(Vec::new());
        }
        let model = student.valid().model;
        let session = || {
            let (config, model, words) =
                (self.file.model.clone(), model.clone(), self.tokenizer.clone());
            Session::new(config, model, words, device.clone(), seconds)
        };
        let load = |group: &(Picture, Vec<_>)| Ok::<_, Infallible>(group.clone());
        let manner = Manner { keep: Keep::These(&questions.shown), ..Manner::default() };
        let groups = questions.groups.iter();
        let outcome =
            on_groups(session, groups, load, manner, |_| {}).map_err(|e| e.to_string())?;
        let drawn: Vec<Card> = outcome.kept.iter().map(Card::of_answer).collect();
        let path = self.run.join(PICTURES);
        let html = cards(&drawn, &path).map_err(|e| e.to_string())?;
        write_atomic(&path, html.as_bytes()).map_err(|e| format!("{}: {e}", path.display()))?;
        if let (0, Some(fault)) = (outcome.answers, outcome.faults.first()) {
            return Err(format!("no question could be asked: {fault}"));
        }
        let mut kinds: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for (kind, score) in outcome.samples.iter().flat_map(|sample| &sample.scores) {
            for kind in [SCORE, kind.as_str()] {
                let sum = kinds.entry(kind).or_default();
                *sum = (sum.0 + f64::from(*score), sum.1 + 1.0);
            }
        }
        let all = kinds.remove_entry(SCORE).into_iter().chain(kinds);
        Ok(all.map(|(kind, (sum, count))| Score::of_answers(kind, sum / count)).collect())
    }

    fn show(&self, dir: &Path, standing: Standing) -> Result<(), String> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if !standing.ends && shown.is_some_and(|at| at.elapsed() < BETWEEN) {
            return Ok(());
        }
        *shown = Some(Instant::now());
        let pictures = std::fs::read_to_string(self.run.join(PICTURES)).unwrap_or_default();
        let html = page::of(&self.run, dir, standing, pictures).html();
        let path = self.run.join(REPORT);
        write_atomic(&path, html.as_bytes()).map_err(|e| format!("{}: {e}", path.display()))
    }
}

/// Seconds since a session first asked.
fn seconds() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_secs_f64()
}
