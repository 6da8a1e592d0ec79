//! `refvlm data stats`: what a set of records holds.

use super::Outcome;
use super::say::say;
use clap::Args;
use refvlm_data::stats::Stats;
use refvlm_native::records::{Records, record_file};
use std::path::PathBuf;

/// Count tasks, nouns, prompts, lengths, sizes and licences of records.
#[derive(Debug, Args)]
pub struct Count {
    /// The JSON Lines file, or the folder with its `records.jsonl`.
    records: PathBuf,
}

impl Count {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let mut stats = Stats::default();
        for line in Records::open(&record_file(&self.records))? {
            let (_, record) = line?;
            stats.add(&record);
        }
        say!("{}", stats.to_string().trim_end());
        Ok(())
    }
}
