//! `refvlm eval`.

use super::say::{count, say};
use super::{Outcome, bar, package};
use burn::tensor::Device;
use clap::Args;
use refvlm_model::event::Timings;
use refvlm_native::evaluate::{self, Sample, TABLE_KINDS, kind_of, on_groups, on_scenes};
use refvlm_native::files::write_atomic;
use refvlm_native::metrics::Summary;
use refvlm_native::output::check_file;
use refvlm_native::records::{
    DataError, Records, folder_of, load_depths, load_picture, record_file,
};
use refvlm_native::report::{Card, Sheet, worst_first};
use refvlm_record::Record;
use refvlm_scenes::dialog::Kind;
use refvlm_scenes::{SceneOptions, Split, World};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Score a package on held-out scenes, or on a folder of records.
#[derive(Debug, Args)]
pub struct Eval {
    /// A file of records, or the folder with its `records.jsonl`, as `refvlm scenes --out` makes
    /// it; held-out scenes are drawn when absent.
    records: Option<PathBuf>,
    /// Folder of a package; the embedded model by default.
    #[arg(long)]
    model: Option<PathBuf>,
    /// Number of held-out scenes.
    #[arg(long, default_value_t = 500)]
    scenes: u64,
    /// First held-out seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Ask every kind of question, also those outside the results table.
    #[arg(long)]
    all_kinds: bool,
    /// Where to write all numbers.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where to write a page with pictures, worst answers first.
    #[arg(long)]
    html: Option<PathBuf>,
    /// Replace the files at `--json` and `--html`.
    #[arg(long)]
    force: bool,
}

impl Eval {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let records = self.records.as_deref().map(record_file);
        for out in [&self.json, &self.html].into_iter().flatten() {
            let inputs: Vec<&Path> = records.iter().map(PathBuf::as_path).collect();
            check_file(out, &inputs, self.force)?;
        }
        let package = package(self.model.as_deref())?;
        let started = Instant::now();
        let outcome = match &records {
            Some(file) => {
                of_records(&package, file).map_err(|e| -> Box<dyn std::error::Error> { e })?
            }
            None => {
                let world = World::new()?;
                let options = SceneOptions::embedded(Split::HeldOut);
                let kinds: &[Kind] = if self.all_kinds { &Kind::ALL } else { &TABLE_KINDS };
                let bar = bar(self.scenes, "scenes");
                let seeds = self.seed..self.seed.saturating_add(self.scenes);
                let session = || package.session(&Device::flex());
                let outcome = on_scenes(session, &world, seeds, &options, kinds, || bar.inc(1))?;
                bar.finish_and_clear();
                outcome
            }
        };
        let summary = Summary::of(&outcome.scores);
        let mut rows = summary.rows();
        for row in &rows {
            say!("{:40} {}", row.name, row.value);
        }
        let speed = Speed::of(&outcome.timings);
        say!(
            "{} in {:.0} s; {speed}",
            count(outcome.timings.len(), "answer"),
            started.elapsed().as_secs_f64()
        );
        if let Some(path) = &self.json {
            let json = serde_json::json!({
                "summary": summary,
                "scores": outcome.scores,
                "measure": "refvlm eval",
                "samples": outcome.samples,
                "answers": outcome.timings.len(),
                "quantisation": package.manifest.quantisation,
                "package_bytes": package.bytes,
            });
            write_atomic(path, &serde_json::to_vec_pretty(&json)?)?;
        }
        if let Some(path) = &self.html {
            let mut cards: Vec<Card> = outcome.kept.iter().map(Card::of_answer).collect();
            worst_first(&mut cards);
            let sheet = Sheet {
                title: "Evaluation".into(),
                subtitle: format!(
                    "{} answers, {:?}",
                    outcome.timings.len(),
                    package.manifest.quantisation
                ),
                rows: std::mem::take(&mut rows),
                cards,
            };
            sheet.write(path)?;
            say!("{}", path.display());
        }
        Ok(())
    }
}

/// What ends an evaluation, on whichever core.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Asks the turns of records. Records of one picture that follow each other look at it once.
fn of_records(
    package: &refvlm_native::package::Package,
    file: &Path,
) -> Result<evaluate::Outcome, Failure> {
    let mut groups: Vec<Vec<Record>> = Vec::new();
    let folder = folder_of(file);
    for record in Records::open(file)? {
        let (_, record) = record?;
        match groups.last_mut() {
            Some(group) if group[0].image == record.image => group.push(record),
            _ => groups.push(vec![record]),
        }
    }
    if groups.is_empty() {
        return Err(DataError::None { path: file.into() }.into());
    }
    let load = |records: &Vec<Record>| -> Result<_, Failure> {
        let picture = load_picture(folder, &records[0])?;
        let mut samples = Vec::new();
        for record in records {
            let mut record = record.clone();
            load_depths(folder, &mut record)?;
            let turns = std::mem::take(&mut record.turns);
            samples.extend(turns.into_iter().map(|turn| {
                let record = Record { turns: vec![turn], ..record.clone() };
                let kind = match record.source.strip_prefix("refvlm-scenes:") {
                    Some(kind) => kind.to_string(),
                    None => kind_of(&record),
                };
                Sample { kind, record }
            }));
        }
        Ok((picture, samples))
    };
    let bar = bar(groups.len() as u64, "pictures");
    let session = || package.session(&Device::flex());
    let outcome = on_groups(session, &groups, load, || bar.inc(1))?;
    bar.finish_and_clear();
    Ok(outcome)
}

/// Mean seconds.
struct Speed {
    first_token_s: f64,
    answer_s: f64,
    tokens_per_s: f64,
}

impl Speed {
    fn of(timings: &[Timings]) -> Self {
        let n = timings.len().max(1) as f64;
        let mean = |value: fn(&Timings) -> f64| timings.iter().map(value).sum::<f64>() / n;
        let total: f64 = timings.iter().map(|t| t.total_s).sum();
        let tokens: usize = timings.iter().map(|t| t.tokens).sum();
        Self {
            first_token_s: mean(|t| t.first_token_s),
            answer_s: mean(|t| t.total_s),
            tokens_per_s: tokens as f64 / total.max(1e-9),
        }
    }
}

impl std::fmt::Display for Speed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "first token {:.3} s, answer {:.3} s, {:.0} tokens/s",
            self.first_token_s, self.answer_s, self.tokens_per_s
        )
    }
}
