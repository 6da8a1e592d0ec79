//! `refvlm data`.

use super::Outcome;
use super::data_build::{Build, Preview};
use super::data_convert::Convert;
use super::data_shard::Shard;
use super::data_stats::Count;
use super::say::{count, say};
use clap::{Args, Subcommand};
use refvlm_native::records::{check_file, record_file};
use std::path::PathBuf;

/// Check records with their pictures and depth maps, build them from photos, or preview them.
#[derive(Debug, Args)]
pub struct Data {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check records with their pictures and depth maps.
    Check(Check),
    /// Build a folder of records from data sets.
    Build(Build),
    /// Build WebDataset shards by a recipe.
    Shard(Shard),
    /// Write a data set or records in the format of another program.
    Convert(Convert),
    /// Count what records hold.
    Stats(Count),
    /// Make a page that shows records with every target drawn.
    Preview(Preview),
}

/// Check records with their pictures and depth maps.
#[derive(Debug, Args)]
struct Check {
    /// The JSON Lines file, or the folder with its `records.jsonl`.
    records: PathBuf,
}

impl Data {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        match self.action {
            Action::Check(command) => command.run(),
            Action::Build(command) => command.run(),
            Action::Shard(command) => command.run(),
            Action::Convert(command) => command.run(),
            Action::Stats(command) => command.run(),
            Action::Preview(command) => command.run(),
        }
    }
}

impl Check {
    fn run(self) -> Outcome {
        let file = record_file(&self.records);
        let report = check_file(&file)?;
        let counts = [
            count(report.records, "record"),
            count(report.turns, "turn"),
            count(report.prompts, "prompt"),
            count(report.targets, "target"),
        ];
        say!("{}: {}", file.display(), counts.join(", "));
        for (line, error) in &report.errors {
            say!("line {line}: {error}");
        }
        if report.bad > report.errors.len() {
            say!("and {} more", report.bad - report.errors.len());
        }
        match report.bad {
            0 => Ok(()),
            bad => Err(format!("{} cannot be used", count(bad, "record")).into()),
        }
    }
}
