//! One file per command.

mod bench;
mod compare;
mod data;
mod data_build;
mod data_convert;
mod data_shard;
mod data_stats;
mod device;
mod eval;
mod export;
mod import;
mod infer;
mod inputs;
mod inspect;
mod meteor;
mod plan;
mod pointing;
pub mod say;
mod scenes;
mod score;
mod selftest;
mod serve;
mod show;
mod tokenizer;
mod train;

use burn::tensor::Device;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use refvlm_model::package::Quantisation;
use refvlm_native::fetch::{FetchError, Pinned, Source, announcement};
use refvlm_native::files::write_atomic;
use refvlm_native::package::{Embedded, LoadError, Package};
use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What a shell expects of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// What every command returns: an error is printed with its causes named in its text.
pub type Outcome = Result<(), Box<dyn Error>>;

/// A vision language model that people talk to by pointing.
#[derive(Debug, Parser)]
#[command(name = "refvlm", version, about)]
pub struct Cli {
    /// Leave out notes and figures.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say more: what was read, what is asked, and what an error comes from.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask about a picture.
    Infer(infer::Infer),
    /// Answer over HTTP: for programs, browsers and annotation tools.
    Serve(serve::Serve),
    /// Generate scenes with records, or a page to look at.
    Scenes(scenes::Scenes),
    /// Check records, build them from photos, or preview them.
    Data(data::Data),
    /// Train a model from a configuration file.
    Train(train::Train),
    /// Say what training on some devices needs: memory, bytes between them, time.
    Plan(plan::Plan),
    /// Score a package on held-out scenes or on records.
    Eval(eval::Eval),
    /// Score the predictions of any model: COCO results, or answers as JSON Lines.
    Score(score::Score),
    /// Compare two models by what `score --json` wrote of each.
    Compare(compare::Compare),
    /// Check whether a device computes what the CPU computes.
    Selftest(selftest::Selftest),
    /// Measure how fast this machine answers.
    Bench(bench::Bench),
    /// Export a run as a package.
    Export(export::Export),
    /// Import published weights as a package.
    Import(import::ImportWeights),
    /// Print what a checkpoint, a package or a preset holds.
    Inspect(inspect::Inspect),
    /// Train the vocabulary of a model on dialogues about scenes.
    Tokenizer(tokenizer::TrainTokenizer),
    /// Print what makes a shell complete commands and options.
    Completions(Completions),
}

/// Print what makes a shell complete commands and options.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  refvlm completions bash > ~/.local/share/bash-completion/completions/refvlm
  refvlm completions zsh > ~/.zfunc/_refvlm      (with ~/.zfunc in fpath)
  refvlm completions fish > ~/.config/fish/completions/refvlm.fish")]
struct Completions {
    /// The shell.
    shell: clap_complete::Shell,
}

impl Completions {
    fn run(&self) -> Outcome {
        // Printed by way of memory: a closed pipe would make the generator panic.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "refvlm", &mut script);
        say::line(format_args!("{}", String::from_utf8_lossy(&script).trim_end()))?;
        Ok(())
    }
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// When the command fails.
    pub fn run(self) -> Outcome {
        if self.quiet {
            say::be_quiet();
        }
        if self.verbose {
            say::be_verbose();
        }
        // Training saves a checkpoint instead, and a server finishes its answers.
        if !matches!(self.command, Command::Train(_) | Command::Serve(_)) {
            ctrlc::set_handler(|| {
                refvlm_native::output::abandon();
                std::process::exit(INTERRUPTED);
            })?;
        }
        match self.command {
            Command::Infer(command) => command.run(),
            Command::Serve(command) => command.run(),
            Command::Scenes(command) => command.run(),
            Command::Data(command) => command.run(),
            Command::Train(command) => command.run(),
            Command::Plan(command) => command.run(),
            Command::Eval(command) => command.run(),
            Command::Score(command) => command.run(),
            Command::Compare(command) => command.run(),
            Command::Selftest(command) => command.run(),
            Command::Bench(command) => command.run(),
            Command::Export(command) => command.run(),
            Command::Import(command) => command.run(),
            Command::Inspect(command) => command.run(),
            Command::Tokenizer(command) => command.run(),
            Command::Completions(command) => command.run(),
        }
    }
}

/// How weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// 32 bits.
    F32,
    /// 16 bits.
    F16,
    /// 16 bits with the range of 32.
    Bf16,
    /// Matrices with 8 bits per weight.
    Q8,
    /// Matrices with 4 bits per weight.
    Q4,
}

impl From<Form> for Quantisation {
    fn from(form: Form) -> Self {
        match form {
            Form::F32 => Quantisation::F32,
            Form::F16 => Quantisation::F16,
            Form::Bf16 => Quantisation::Bf16,
            Form::Q8 => Quantisation::Q8,
            Form::Q4 => Quantisation::Q4,
        }
    }
}

/// The largest file of scores or predictions that is read.
const MOST_BYTES: u64 = 4 << 30;

/// The bytes of a file of scores or predictions.
fn foreign(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    if path.is_dir() {
        return Err(format!("{shown}: this is a folder: name the file in it"));
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Err(e) => Err(format!("{shown}: {e}: check the path and its permissions")),
        Ok(_) if bytes.len() as u64 > MOST_BYTES => {
            Err(format!("{shown}: larger than {} GiB: score it in parts", MOST_BYTES >> 30))
        }
        Ok(_) => Ok(bytes),
    }
}

/// Writes a file, whole or not at all.
fn put(path: &Path, bytes: &[u8]) -> Result<(), String> {
    write_atomic(path, bytes)
        .map_err(|e| format!("{}: {e}: check free space and permissions", path.display()))
}

/// A whole number that is not negative.
fn whole<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "a whole number from 0 on is needed, and not too large a one".into())
}

/// A number from 0 to 1.
fn share(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a number from 0 to 1 is needed".into()),
    }
}

/// The package in a folder, one inside the program by its name, or the `usual` one, on a device.
fn package_on(
    model: Option<&Path>,
    usual: Embedded,
    device: &Device,
) -> Result<Package, LoadError> {
    if let Some(path) = model.filter(|path| path.is_file()) {
        return Err(LoadError::NoFolder { path: path.display().to_string() });
    }
    let named = |path: &Path| Embedded::ALL.into_iter().find(|e| path == Path::new(e.name()));
    match model {
        None => Package::embedded(usual, device),
        Some(path) => match named(path).filter(|_| !path.exists()) {
            Some(embedded) => Package::embedded(embedded, device),
            None if !path.exists() => {
                let names = Embedded::ALL.map(|embedded| embedded.name()).join(" or ");
                Err(LoadError::Absent { path: path.display().to_string(), names })
            }
            None => Package::read(path, device),
        },
    }
}

/// The path of a pinned file, fetched with a bar if the cache does not have it.
fn fetched(pinned: &Pinned) -> Result<PathBuf, FetchError> {
    let bar = bytes_bar(0);
    let path = Source::from_env()?.fetch(pinned, &mut |at, end| {
        if bar.length() == Some(0) {
            say::note(announcement(pinned));
            bar.reset();
        }
        bar.set_length(end.unwrap_or(at).max(1));
        bar.set_position(at);
    });
    bar.finish_and_clear();
    path
}

/// A progress bar for long work; silent when the output is not a terminal.
fn bar(length: u64, what: &'static str) -> ProgressBar {
    styled(length, "{msg} {bar:30} {pos}/{len} {eta} left").with_message(what)
}

/// A counter for work whose length is not known; silent as [`bar`].
fn counter(what: &'static str) -> ProgressBar {
    styled(0, "{pos} {msg}, {per_sec}").with_message(what)
}

/// A progress bar for bytes read or written.
fn bytes_bar(length: u64) -> ProgressBar {
    styled(length, "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left")
}

fn styled(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
