//! The program as a person starts it, in a folder of its own.

#![allow(dead_code, reason = "each test file takes what it needs")]

use refvlm_helpers::Folder;
use std::fs;
use std::process::{Command, Output};

/// What is done in a folder.
pub trait Workplace {
    fn names(&self) -> Vec<String>;
    fn picture(&self, name: &str, width: u32, height: u32);
    fn run(&self, arguments: &[&str]) -> Output;
    fn done(&self, arguments: &[&str]) -> [String; 2];
    fn refused(&self, arguments: &[&str], words: &[&str]);
}

impl Workplace for Folder {
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn picture(&self, name: &str, width: u32, height: u32) {
        let paint = |x: u32, y: u32| image::Rgb([(x * 3) as u8, (y * 5) as u8, 120]);
        image::RgbImage::from_fn(width, height, paint).save(self.0.join(name)).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_refvlm"))
            .current_dir(&self.0)
            .args(arguments)
            .output()
            .unwrap()
    }

    /// The command succeeds; returns what it printed on both streams.
    fn done(&self, arguments: &[&str]) -> [String; 2] {
        let output = self.run(arguments);
        let [out, notes] =
            [&output.stdout, &output.stderr].map(|s| String::from_utf8_lossy(s).to_string());
        assert!(output.status.success(), "{arguments:?}: {notes}");
        [out, notes]
    }

    /// The command fails with a message that contains all of `words`.
    fn refused(&self, arguments: &[&str], words: &[&str]) {
        let output = self.run(arguments);
        let message = String::from_utf8_lossy(&output.stderr).to_string()
            + &String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success(), "{arguments:?} succeeded");
        assert!(!message.contains("panicked"), "{arguments:?}: {message}");
        for word in words {
            assert!(message.contains(word), "{arguments:?}: no '{word}' in: {message}");
        }
    }
}
