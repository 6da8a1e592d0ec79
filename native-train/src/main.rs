//! `refvlm`: scenes, training, evaluation, export and answers of REF-VLM.

mod commands;

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever closed the pipe has read enough.
        Err(error) if commands::say::is_closed_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            // There is no other place to say it.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            let mut cause = error.source();
            while let Some(found) = cause.filter(|_| commands::say::verbose()) {
                let _ = writeln!(std::io::stderr(), "because of: {found}");
                cause = found.source();
            }
            ExitCode::FAILURE
        }
    }
}
