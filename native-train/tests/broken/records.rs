//! Records, pictures and outputs of an evaluation.

use super::{files, refused, refvlm};
use refvlm_helpers::Folder;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The first records of a drawn scene, one turn each.
fn records(folder: &Folder) -> Vec<String> {
    let output = refvlm(folder, "scenes --count 1 --side 64 --out set", Stdio::piped());
    assert!(output.status.success(), "{output:?}");
    let text = fs::read_to_string(folder.0.join("set/records.jsonl")).unwrap();
    text.lines().take(3).map(str::to_string).collect()
}

#[test]
fn broken_records_are_listed_and_never_scored() {
    let folder = Folder::new("broken-records");
    let good = records(&folder);
    let picture = fs::read(folder.0.join("set/scene-0.png")).unwrap();
    folder.file("set/cut.png", &picture[..picture.len() / 2]);
    folder.file("set/text.png", b"this is no picture");
    let first = good[0].as_str();
    let with = |from: &str, to: &str| {
        let changed = first.replacen(from, to, 1);
        assert_ne!(changed, first, "{from}");
        changed
    };
    let box_of = first.split("\"box\":[").nth(1).unwrap().split(']').next().unwrap().to_string();
    let wrong_box = |numbers: &str| with(&format!("[{box_of}]"), &format!("[{numbers}]"));
    let cases: [(&str, String, &[&str]); 11] = [
        ("a record: an id twice", good[1].clone(), &["this id occurs twice", "its own"]),
        ("a record: cut", first[..first.len() / 2].into(), &["records.jsonl:3", "ends inside"]),
        ("a record: no JSON", "dog, 7".into(), &["records.jsonl:3", "no JSON", "write it as JSON"]),
        ("a record: NaN", wrong_box("NaN,1,2,2"), &["records.jsonl:3", "no such number"]),
        ("a record: negative size", wrong_box("1,1,-2,2"), &["records.jsonl:3", "targets[0].box"]),
        (
            "a record: another mask size",
            with("\"size\":[64", "\"size\":[63"),
            &["records.jsonl:3", "targets[0].mask"],
        ),
        (
            "a record: another picture size",
            with("\"height\":64", "\"height\":63"),
            &["records.jsonl:3", "63"],
        ),
        ("a picture is gone", with("scene-0.png", "gone.png"), &["image.path", "gone.png"]),
        ("a picture is cut", with("scene-0.png", "cut.png"), &["image.path", "cut.png"]),
        ("a picture is none", with("scene-0.png", "text.png"), &["image.path", "text.png"]),
        (
            "a picture elsewhere",
            with("scene-0.png", "../scene-0.png"),
            &["image.path", "below the record file"],
        ),
    ];
    for (what, record, words) in cases {
        let record = match what.contains("twice") {
            true => record,
            false => record.replacen("\"id\":\"", "\"id\":\"other-", 1),
        };
        let lines = [good[1].clone(), good[2].clone(), record].join("\n");
        folder.file("set/records.jsonl", (lines + "\n").as_bytes());
        let output = refvlm(&folder, "eval set --json scores.json --force", Stdio::piped());
        let message = String::from_utf8_lossy(&output.stderr).to_string();
        assert_eq!(output.status.code(), Some(1), "{what}: {message}");
        for word in words.iter().chain(&["1 of 3 could not be asked", "--bad-share"]) {
            assert!(message.contains(word), "{what}: no '{word}' in: {message}");
        }
        // The two good ones are scored, and the file says what was left out.
        let scores: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.0.join("scores.json")).unwrap()).unwrap();
        assert_eq!(scores["samples"].as_array().unwrap().len(), 2, "{what}");
        assert_eq!(scores["faults"].as_array().unwrap().len(), 1, "{what}");
        let told = message.lines().next().unwrap().trim_start_matches("left out: ");
        let told = told.replace(&folder.0.display().to_string(), "").replace('|', "\\|");
        println!("| {what} | `eval set --json scores.json` | {told} |");
    }
    folder.file("set/records.jsonl", b"");
    fs::remove_file(folder.0.join("scores.json")).unwrap();
    refused(&folder, "no record", "eval set --json scores.json", &["no record in it"]);
    folder.file("set/records.jsonl", (good.join("\n") + "\n").as_bytes());
    let twice = "eval set --json s.x --csv s.x";
    refused(&folder, "two outputs of one name", twice, &["s.x: two outputs have this name"]);
    let full = "eval set --answers /dev/full";
    refused(&folder, "answers on a full disk", full, &["/dev/full", "No space left"]);
    let full = "eval set --json /dev/full";
    refused(&folder, "scores on a full disk", full, &["/dev/full", "No space left"]);
    let same = "eval set --answers set/records.jsonl --resume";
    refused(&folder, "answers in the place of records", same, &["an input of the same command"]);
}

/// Ctrl-C: the code that a shell expects, whole lines, and nothing else; `--resume` goes on.
#[cfg(unix)]
#[test]
fn an_interrupted_evaluation_leaves_whole_answers() {
    let folder = Folder::new("interrupted");
    let arguments = "eval --scenes 400 --answers a.jsonl --json s.json --html s.html";
    let mut program = Command::new(env!("CARGO_BIN_EXE_refvlm"));
    let command = program.current_dir(&folder.0).args(arguments.split(' '));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let path = folder.0.join("a.jsonl");
    let lines = || fs::read(&path).unwrap_or_default().iter().filter(|&&b| b == b'\n').count();
    let started = Instant::now();
    while lines() < 3 {
        assert!(started.elapsed() < Duration::from_secs(300), "no answers");
        std::thread::sleep(Duration::from_millis(20));
    }
    let number = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &number]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let names: Vec<String> = files(&folder).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a.jsonl"]);
    let resumed = "eval --scenes 1 --answers a.jsonl --resume --json s.json";
    let output = refvlm(&folder, resumed, Stdio::piped());
    assert!(output.status.success(), "{output:?}");
    let notes = String::from_utf8_lossy(&output.stderr).to_string();
    assert!(notes.contains("answers in a.jsonl"), "{notes}");
}
