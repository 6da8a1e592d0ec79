//! One file per command.

mod tokenizer;
mod train;

use clap::{Parser, Subcommand};
use std::error::Error;

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
    /// Train a model from a configuration file.
    Train(train::Train),
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
            Command::Train(command) => command.run(),
            Command::Tokenizer(command) => command.run(),
        }
    }
}
