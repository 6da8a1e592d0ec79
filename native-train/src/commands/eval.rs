//! `refvlm eval`.

mod groups;
mod speed;

use super::device::Answering;
use super::say::{count, left_out, note, say};
use super::{Outcome, bar, package_on, put};
use clap::Args;
use groups::{Groups, Load, line_count, tasks_of};
use refvlm_native::answers::AnswerFile;
use refvlm_native::clicks::Table;
use refvlm_native::coco::KINDS;
use refvlm_native::evaluate::{self, Keep, Manner, TABLE_KINDS};
use refvlm_native::files::sha256;
use refvlm_native::hands::{Clicking, Hand};
use refvlm_native::metrics::Summary;
use refvlm_native::objects::Objects;
use refvlm_native::output::{check_files, check_folder};
use refvlm_native::package::{Embedded, Package};
use refvlm_native::records::{DataError, Records, folder_of, record_file};
use refvlm_native::report::{Card, Sheet, worst_first};
use refvlm_native::work::{on_groups, on_scenes};
use refvlm_scenes::dialog::Kind;
use refvlm_scenes::{SceneOptions, Split, World};
use speed::Speed;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The hand of a name.
fn hand(name: &str) -> Result<Hand, String> {
    let hand = Hand::ALL.into_iter().find(|hand| hand.name() == name);
    hand.ok_or_else(|| format!("use {}", Hand::ALL.map(Hand::name).join(", ")))
}

/// Score a package on held-out scenes, or on records.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  refvlm eval --scenes 60 --html page.html
  refvlm eval mine/ --json scores.json --answers answers.jsonl
  refvlm eval mine/ --answers answers.jsonl --resume      (goes on after Ctrl-C)
  refvlm eval mine/ --tasks vqa,grounding_segmentation --limit 200
  refvlm eval mine/ --model pocket --clicks 20 --html clicks.html")]
pub struct Eval {
    /// A file of records, or the folder with its `records.jsonl`, as `refvlm data build` and
    /// `refvlm scenes` make it; held-out scenes are drawn when absent.
    records: Option<PathBuf>,
    /// Folder of a package, or one inside the program: scenes (drawn scenes, the default) or pocket
    /// (photos).
    #[arg(long)]
    model: Option<PathBuf>,
    /// Number of held-out scenes.
    #[arg(long, default_value_t = 500, conflicts_with = "records")]
    scenes: u64,
    /// First held-out seed.
    #[arg(long, default_value_t = 0, conflicts_with = "records")]
    seed: u64,
    /// Ask every kind of question, also those outside the results table.
    #[arg(long, conflicts_with = "records")]
    all_kinds: bool,
    /// Only the first so many records.
    #[arg(long, requires = "records")]
    limit: Option<usize>,
    /// Click on each thing whose mask one prompt asks for, in place of asking: at most so many times,
    /// each where the answer is most wrong. Tells how many clicks reach IoU 0.85 and 0.90, and what
    /// the second one gains.
    #[arg(
        long, value_parser = clap::value_parser!(u16).range(1..=100),
        conflicts_with_all = ["answers", "coco", "all_kinds"]
    )]
    clicks: Option<u16>,
    /// How the clicks are put to the model: tools (as the server answers annotation tools), page (as
    /// the page where live mode is off), proposals (the proposal that agrees with most clicks),
    /// repainted (the mask so far, with the click's disc painted or cut, as the page cuts what live
    /// mode shows).
    #[arg(
        long, requires = "clicks", value_delimiter = ',', value_name = "HAND",
        default_value = "tools", value_parser = hand
    )]
    hands: Vec<Hand>,
    /// Only turns of these tasks, such as `vqa,grounding_segmentation`.
    #[arg(long, value_delimiter = ',', requires = "records")]
    tasks: Vec<String>,
    /// What is found with less confidence counts as not found, 0 to 1.
    #[arg(long, default_value_t = 0.0, value_parser = super::share)]
    min_confidence: f32,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = Answering::Cpu)]
    device: Answering,
    /// Questions that are asked at a time; all cores without it, one on a graphics card.
    #[arg(long)]
    threads: Option<usize>,
    /// Share of records that may be damaged or impossible to ask before the command fails.
    #[arg(long, default_value_t = 0.01, value_parser = super::share)]
    bad_share: f32,
    /// Where to write each answer as it comes, one line of JSON each: what `refvlm score` reads.
    #[arg(long)]
    answers: Option<PathBuf>,
    /// Go on with the file at `--answers`: what stands there is not asked again.
    #[arg(long, requires = "answers")]
    resume: bool,
    /// Where to write all numbers, and the score of each sample for `refvlm compare`.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where to write the score of each sample as CSV.
    #[arg(long)]
    csv: Option<PathBuf>,
    /// Where to write a page with curves, tables and pictures, worst answers first.
    #[arg(long)]
    html: Option<PathBuf>,
    /// Folder for COCO's files: `boxes.json` (results) and `boxes-truth.json`, and so for masks and
    /// keypoints. Each question is a picture, each phrase a category.
    #[arg(long)]
    coco: Option<PathBuf>,
    /// Replace the files that the command is to write.
    #[arg(long)]
    force: bool,
}

impl Eval {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let records = self.records.as_deref().map(record_file);
        let outs = [&self.json, &self.csv, &self.html].into_iter().flatten();
        let outs: Vec<&Path> = outs.chain(&self.answers).map(PathBuf::as_path).collect();
        let inputs: Vec<&Path> = records.iter().map(PathBuf::as_path).collect();
        // The answers that are gone on with are there already.
        let fresh = outs.len() - usize::from(self.resume);
        check_files(&outs[..fresh], &inputs, self.force)?;
        if let Some(answers) = self.answers.as_deref().filter(|_| self.resume) {
            check_files(&[&outs[..fresh], &[answers]].concat(), &inputs, true)?;
        }
        if let Some(folder) = &self.coco {
            check_folder(folder, &inputs, self.force)?;
        }
        let tasks = tasks_of(&self.tasks)?;
        let device = self.device.device()?;
        if let Some(threads) = self.threads.or(self.device.usual_threads()) {
            rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build_global()?;
        }
        let package = package_on(self.model.as_deref(), Embedded::Scenes, &device)?;
        let answers = self.answer_file(&package)?;
        let clicking = self.clicks.map(|most| {
            let mut hands = self.hands.clone();
            hands.sort_unstable();
            hands.dedup();
            Clicking { most: usize::from(most), hands }
        });
        let manner = Manner {
            answers: answers.as_ref(),
            least_confidence: self.min_confidence,
            keep: if self.html.is_some() { Keep::Worst } else { Keep::Nothing },
            keep_objects: self.html.is_some() || self.coco.is_some(),
            clicks: clicking.as_ref(),
        };
        let started = Instant::now();
        let session = || package.session(&device);
        let outcome = match &records {
            Some(file) => {
                let limit = self.limit.unwrap_or(usize::MAX);
                let bar = bar(line_count(file)?.min(limit as u64), "records");
                let load = Load { folder: folder_of(file), tasks };
                let groups = Groups::new(Records::open(file)?.take(limit));
                let load = |group| load.samples(group);
                let tick = |records| bar.inc(records as u64);
                let outcome = on_groups(session, groups, load, manner, tick)?;
                bar.finish_and_clear();
                if outcome.answers == 0 && outcome.faults.is_empty() {
                    return Err(self.nothing(file));
                }
                outcome
            }
            None => {
                let world = World::new()?;
                let options = SceneOptions::embedded(Split::HeldOut);
                let kinds: &[Kind] = match (&clicking, self.all_kinds) {
                    (Some(_), _) => &[Kind::PromptMask],
                    (None, true) => &Kind::ALL,
                    (None, false) => &TABLE_KINDS,
                };
                let bar = bar(self.scenes, "scenes");
                let seeds = self.seed..self.seed.saturating_add(self.scenes);
                let tick = || bar.inc(1);
                let outcome = on_scenes(session, &world, seeds, &options, kinds, manner, tick)?;
                bar.finish_and_clear();
                outcome
            }
        };
        self.report(&package, &outcome, started)?;
        self.judge_faults(&outcome)
    }

    fn answer_file(
        &self,
        package: &Package,
    ) -> Result<Option<AnswerFile>, Box<dyn std::error::Error>> {
        let Some(path) = &self.answers else { return Ok(None) };
        let mut model = sha256(serde_json::to_vec(&package.manifest)?.as_slice())?;
        model.truncate(16);
        let file = match self.resume {
            true => AnswerFile::resume(path, &model)?,
            false => AnswerFile::create(path, &model)?,
        };
        if file.known() > 0 {
            note(format!("{} in {}", count(file.known(), "answer"), path.display()));
        }
        Ok(Some(file))
    }

    fn nothing(&self, file: &Path) -> Box<dyn std::error::Error> {
        if self.clicks.is_some() {
            let text = "no turn asks for one mask by one prompt: leave --clicks out, or name records \
                that do";
            return format!("{}: {text}", file.display()).into();
        }
        match self.tasks.is_empty() {
            true => DataError::None { path: file.into() }.into(),
            false => format!(
                "{}: no turn of the tasks {}: leave --tasks out, or name others",
                file.display(),
                self.tasks.join(", ")
            )
            .into(),
        }
    }

    /// Prints the table and writes what is to be written.
    fn report(&self, package: &Package, outcome: &evaluate::Outcome, started: Instant) -> Outcome {
        let summary = Summary::of(&outcome.scores);
        let clicks = outcome.click_tables();
        let rows = match clicks.is_empty() {
            true => summary.rows(),
            false => clicks.iter().flat_map(Table::lines).collect(),
        };
        for row in &rows {
            say!("{:40} {}", row.name, row.value);
        }
        let speed = Speed::of(&outcome.timings);
        let seconds = started.elapsed().as_secs_f64();
        say!("{} in {seconds:.0} s; {speed}", count(outcome.answers, "answer"));
        if let Some(path) = &self.json {
            let json = serde_json::json!({
                "summary": summary,
                "scores": outcome.scores,
                "measure": if clicks.is_empty() { "refvlm eval" } else { "refvlm eval --clicks" },
                "clicks": clicks,
                "samples": outcome.samples,
                "answers": outcome.answers,
                "faults": outcome.faults,
                "quantisation": package.manifest.quantisation,
                "package_bytes": package.bytes,
            });
            put(path, &serde_json::to_vec_pretty(&json)?)?;
        }
        if let Some(path) = &self.csv {
            let mut csv = String::from("id,kind,score\n");
            for sample in &outcome.samples {
                for (kind, score) in &sample.scores {
                    csv += &format!("\"{}\",{kind},{score}\n", sample.id.replace('"', "\"\""));
                }
            }
            put(path, csv.as_bytes())?;
        }
        if let Some(path) = &self.html {
            let mut cards: Vec<Card> = outcome.kept.iter().map(Card::of_answer).collect();
            worst_first(&mut cards);
            let quantisation = &package.manifest.quantisation;
            let subtitle = format!("{}, {quantisation:?}", count(outcome.answers, "answer"));
            let mut objects = Vec::new();
            for (name, kind) in KINDS {
                let Some(pictures) = outcome.objects.pictures(kind)? else { continue };
                objects.push(Objects::of(name, &pictures, &outcome.objects.names(kind))?);
            }
            let title = "Evaluation".into();
            Sheet { title, subtitle, rows, clicks, objects, cards }.write(path)?;
            say!("{}", path.display());
        }
        if let Some(folder) = &self.coco {
            let names = outcome.objects.write(folder)?;
            say!("{}: {}", folder.display(), names.join(", "));
        }
        Ok(())
    }

    /// Lists what could not be asked; an error when it is more than may be.
    fn judge_faults(&self, outcome: &evaluate::Outcome) -> Outcome {
        let faults = &outcome.faults;
        left_out(faults, faults.len());
        let all = faults.len() + outcome.answers;
        if faults.len() as f32 > all as f32 * self.bad_share {
            return Err(format!(
                "{} of {all} could not be asked: correct them, or allow more by --bad-share",
                faults.len()
            )
            .into());
        }
        Ok(())
    }
}
