//! `refvlm` as a person meets it: exit codes, messages, and that nothing half-written is left.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use refvlm_helpers::Folder;
use refvlm_model::event::Event;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What is done in a folder.
trait Workplace {
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

#[test]
fn a_question_is_answered_from_any_folder() {
    let folder = Folder::new("answer");
    folder.picture("picture.png", 90, 60);
    let ask = ["infer", "picture.png", "--point", "30,20", "--ask", "What is this?"];
    let [text, notes] = folder.done(&[&ask[..], &["--out", "out.png"]].concat());
    assert!(text.contains("first token"), "{text}");
    assert!(notes.contains("for photos give --model"), "{notes}");
    assert_eq!(folder.names(), ["out.png", "picture.png"]);
    assert!(image::open(folder.0.join("out.png")).unwrap().width() >= 90);
}

#[test]
fn events_are_json_lines() {
    let folder = Folder::new("json");
    folder.picture("picture.png", 64, 64);
    let [text, _] = folder.done(&["infer", "picture.png", "--task", "depth", "--json"]);
    let events: Vec<Event> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(matches!(events.last(), Some(Event::Done { .. })));
}

#[test]
fn every_kind_of_prompt_is_taken() {
    let folder = Folder::new("prompts");
    folder.picture("picture.png", 80, 60);
    let mask = image::GrayImage::from_fn(80, 60, |x, _| image::Luma([u8::from(x < 20) * 255]));
    mask.save(folder.0.join("mask.png")).unwrap();
    let point = ["--point", "30,20", "--box", "5,5,20,20", "--scribble", "40,40 50,45 60,40"];
    let ask = ["infer", "picture.png", "--task", "grounding_segmentation", "--mask", "mask.png"];
    let words = ["--ask", "Segment [prompt 1] and [prompt 4]."];
    folder.done(&[&ask[..], &point[..], &words[..]].concat());
}

#[test]
fn bad_pictures_and_prompts_are_refused() {
    let folder = Folder::new("bad");
    folder.picture("good.png", 50, 40);
    folder.file("empty.png", b"");
    folder.file("text.jpg", b"this is no picture");
    let png = fs::read(folder.0.join("good.png")).unwrap();
    folder.file("cut.png", &png[..png.len() / 2]);
    image::GrayImage::new(50, 40).save(folder.0.join("black.png")).unwrap();
    let before = folder.names();
    for name in ["empty.png", "text.jpg", "cut.png", "absent.png"] {
        folder.refused(&["infer", name, "--out", "out.png"], &[name]);
    }
    let asks: [(&[&str], &[&str]); 8] = [
        (&["--point", "60,10"], &["prompt 1", "outside", "50x40"]),
        (&["--point", "10"], &["--point 10", "2 numbers"]),
        (&["--point", "nan,1"], &["2 numbers"]),
        (&["--box", "10,10,0,5"], &["no area"]),
        (&["--scribble", "1,1 70,2"], &["outside"]),
        (&["--mask", "black.png"], &["empty"]),
        (&["--ask", "What is [prompt 2]?", "--point", "5,5"], &["[prompt 2]", "1 prompts"]),
        (&["--ask", "What is <REF>?"], &["<REF>"]),
    ];
    for (arguments, words) in asks {
        folder.refused(&[&["infer", "good.png", "--out", "out.png"], arguments].concat(), words);
    }
    assert_eq!(folder.names(), before, "a refused command left files");
}

#[test]
fn broken_packages_are_refused() {
    let folder = Folder::new("package");
    folder.picture("good.png", 50, 40);
    let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../www/models/scenes");
    let copy = folder.0.join("package");
    let fresh = || {
        let _ = fs::remove_dir_all(&copy);
        fs::create_dir_all(&copy).unwrap();
        for entry in fs::read_dir(&embedded).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
        }
    };
    let ask = ["infer", "good.png", "--model", "package", "--budget", "40"];
    let name = "model-00001-of-00001.safetensors";
    fresh();
    folder.done(&ask);
    let bytes = fs::read(copy.join(name)).unwrap();
    fs::write(copy.join(name), &bytes[..bytes.len() - 9]).unwrap();
    folder.refused(&ask, &[name]);
    let mut flipped = bytes;
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(copy.join(name), &flipped).unwrap();
    folder.refused(&ask, &[name, "sha-256"]);
    fresh();
    fs::remove_file(copy.join("tokenizer.json")).unwrap();
    folder.refused(&ask, &["tokenizer.json"]);
    fresh();
    fs::write(copy.join("refvlm.json"), b"{\"version\": 1}").unwrap();
    folder.refused(&ask, &["refvlm.json"]);
}

#[test]
fn records_are_made_checked_and_refused() {
    let folder = Folder::new("records");
    folder.done(&["scenes", "--count", "2", "--side", "64", "--out", "set"]);
    let [text, _] = folder.done(&["data", "--check", "set/records.jsonl"]);
    assert!(text.contains("records"), "{text}");
    let path = folder.0.join("set/records.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"turns\":[{", "\"turns\":[{\"mood\":1,", 1)).unwrap();
    folder.refused(&["data", "--check", "set/records.jsonl"], &["line 1", "mood"]);
}

#[test]
fn unknown_settings_are_refused() {
    let folder = Folder::new("config");
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/scenes.toml");
    let text = fs::read_to_string(config).unwrap();
    let unknown = text.replacen("tower_size = ", "towersize = 1\ntower_size = ", 1);
    folder.file("unknown.toml", unknown.as_bytes());
    folder.refused(&["train", "unknown.toml"], &["unknown.toml", "towersize"]);
    let misfit = text.replacen("tower_size = 128", "tower_size = 130", 1);
    folder.file("misfit.toml", misfit.as_bytes());
    folder.refused(&["train", "misfit.toml"], &["misfit.toml", "tower_size", "multiple"]);
    assert_eq!(folder.names(), ["misfit.toml", "unknown.toml"]);
}

/// Real photos, where the project stands beside the shared folder that holds some.
#[test]
fn real_photos_are_answered() {
    let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/coco-free/images");
    let Ok(entries) = fs::read_dir(&photos) else {
        eprintln!("skipped: no real photos beside the project");
        return;
    };
    let mut paths: Vec<std::path::PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    paths.sort();
    let folder = Folder::new("photos");
    for (path, task) in paths.iter().step_by(40).zip(["vqa", "detection", "depth", "segmentation"])
    {
        let path = path.to_str().unwrap();
        let [text, notes] = folder.done(&["infer", path, "--task", task, "--out", "out.png"]);
        assert!(text.contains("answer"), "{text}");
        assert!(notes.contains("for photos give --model"), "{notes}");
    }
}
