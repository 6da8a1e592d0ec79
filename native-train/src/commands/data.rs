//! `refvlm data`.

use super::Outcome;
use super::data_build::{Build, Preview};
use clap::{Args, Subcommand};
use refvlm_native::records::check_file;
use std::path::PathBuf;

/// Check a file of records with its pictures and depth maps, build one from photos, or preview one.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub struct Data {
    /// The JSON Lines file to check.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Build records from photos in COCO format.
    Build(Build),
    /// Make a page that shows records with every target drawn.
    Preview(Preview),
}

impl Data {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let check = match (self.action, self.check) {
            (Some(Action::Build(command)), _) => return command.run(),
            (Some(Action::Preview(command)), _) => return command.run(),
            (None, Some(check)) => check,
            (None, None) => return Err("give --check FILE, build or preview".into()),
        };
        let report = check_file(&check)?;
        println!(
            "{}: {} records, {} turns, {} prompts, {} targets",
            check.display(),
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
