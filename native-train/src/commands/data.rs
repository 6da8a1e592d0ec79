//! `refvlm data`.

use super::Outcome;
use clap::Args;
use refvlm_native::records::check_file;
use std::path::PathBuf;

/// Check a file of records with its pictures and depth maps.
#[derive(Debug, Args)]
pub struct Data {
    /// The JSON Lines file.
    #[arg(long, value_name = "FILE")]
    check: PathBuf,
}

impl Data {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let report = check_file(&self.check)?;
        println!(
            "{}: {} records, {} turns, {} prompts, {} targets",
            self.check.display(),
            report.records,
            report.turns,
            report.prompts,
            report.targets
        );
        for (line, error) in &report.errors {
            println!("line {line}: {error}");
        }
        match report.errors.len() {
            0 => Ok(()),
            n => Err(format!("{n} records cannot be used").into()),
        }
    }
}
