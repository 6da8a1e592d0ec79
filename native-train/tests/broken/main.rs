//! `refvlm score`, `compare` and `eval` on broken inputs: each is refused with its place and the
//! remedy, nothing is half written. Prints the table of `docs/broken-scores.md`:
//! `cargo test --release --workspace --test broken -- --nocapture --test-threads 1`.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod records;
mod scores;

use refvlm_helpers::Folder;
use std::fs;
use std::process::{Command, Output, Stdio};

fn refvlm(folder: &Folder, command: &str, out: Stdio) -> Output {
    let mut refvlm = Command::new(env!("CARGO_BIN_EXE_refvlm"));
    refvlm.current_dir(&folder.0).args(command.split(' ')).stdout(out).output().unwrap()
}

fn files(folder: &Folder) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(&folder.0).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        all.push((name, fs::read(&path).unwrap_or_default()));
    }
    all.sort();
    all
}

/// The command fails with code 1 and a message that holds all of `words`, and every file stays as
/// it is; returns the message.
fn refused(folder: &Folder, what: &str, command: &str, words: &[&str]) -> String {
    let before = files(folder);
    let output = refvlm(folder, command, Stdio::piped());
    let message = String::from_utf8_lossy(&output.stderr).trim().to_string();
    assert_eq!(output.status.code(), Some(1), "{what}: {message}");
    for word in words {
        assert!(message.contains(word), "{what}: no '{word}' in: {message}");
    }
    for bad in ["panicked", "untagged", "expected i64", "expected a map"] {
        assert!(!message.contains(bad), "{what}: {message}");
    }
    assert!(files(folder) == before, "{what}: a file changed");
    let told = message.lines().last().unwrap().trim_start_matches("error: ").replace('|', "\\|");
    println!("| {what} | `{command}` | {told} |");
    message
}
