//! One file per command.

mod data;
mod eval;
mod export;
mod infer;
mod scenes;
mod tokenizer;
mod train;

use burn::tensor::Device;
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use refvlm_native::package::{LoadError, Package};
use std::error::Error;
use std::path::Path;

/// What every command returns: an error is printed with its causes named in its text.
pub type Outcome = Result<(), Box<dyn Error>>;

/// A vision language model that people talk to by pointing.
#[derive(Debug, Parser)]
#[command(name = "refvlm", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask about a picture.
    Infer(infer::Infer),
    /// Generate scenes with records, or a page to look at.
    Scenes(scenes::Scenes),
    /// Check a file of records.
    Data(data::Data),
    /// Train a model from a configuration file.
    Train(train::Train),
    /// Score a package on held-out scenes or on records.
    Eval(eval::Eval),
    /// Make a package of a run.
    Export(export::Export),
    /// Train the vocabulary of a model on dialogues about scenes.
    Tokenizer(tokenizer::TrainTokenizer),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever the command failed on.
    pub fn run(self) -> Outcome {
        match self.command {
            Command::Infer(command) => command.run(),
            Command::Scenes(command) => command.run(),
            Command::Data(command) => command.run(),
            Command::Train(command) => command.run(),
            Command::Eval(command) => command.run(),
            Command::Export(command) => command.run(),
            Command::Tokenizer(command) => command.run(),
        }
    }
}

/// The package in a folder, or the one inside the program.
fn package(dir: Option<&Path>) -> Result<Package, LoadError> {
    let device = Device::flex();
    match dir {
        Some(dir) => Package::read(dir, &device),
        None => Package::embedded(&device),
    }
}

/// A bar for long work; silent where nobody looks.
fn bar(length: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(length).with_message(what);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {eta} left") {
        bar.set_style(style);
    }
    bar
}
