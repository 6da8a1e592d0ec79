//! `refvlm` as a person meets it: exit codes, messages, and that nothing half-written is left.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/shell.rs"]
mod shell;

use refvlm_helpers::Folder;
use refvlm_model::event::Event;
use shell::Workplace;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn a_question_is_answered_from_any_folder() {
    let folder = Folder::new("answer");
    folder.picture("picture.png", 90, 60);
    let ask = ["infer", "picture.png", "--point", "30,20", "--ask", "What is this?"];
    let [text, notes] = folder.done(&[&ask[..], &["--out", "out.png"]].concat());
    assert!(text.contains("first token"), "{text}");
    assert!(!notes.contains("drawn scenes"), "{notes}");
    assert_eq!(folder.names(), ["out.png", "picture.png"]);
    let [_, notes] = folder.done(&[&ask[..], &["--model", "scenes"]].concat());
    assert!(notes.contains("for photos give --model pocket"), "{notes}");
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
    // Numbered as typed: the box is the second.
    let wrong = ["infer", "picture.png", "--point", "30,20", "--box", "5,5,200,20"];
    folder.refused(&wrong, &["prompt 2", "box 5,5,200,20"]);
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
        (&["--ask", "What is [prompt 2]?", "--point", "5,5"], &["[prompt 2]", "1 prompt is given"]),
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
    let [text, _] = folder.done(&["data", "check", "set/records.jsonl"]);
    assert!(text.contains("records"), "{text}");
    let path = folder.0.join("set/records.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"turns\":[{", "\"turns\":[{\"mood\":1,", 1)).unwrap();
    folder.refused(&["data", "check", "set/records.jsonl"], &["line 1", "mood"]);
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

#[test]
fn nothing_is_overwritten() {
    let folder = Folder::new("guard");
    folder.picture("photo.png", 60, 40);
    folder.file("mine.png", b"mine");
    folder.file("page.html", b"mine");
    let photo = fs::read(folder.0.join("photo.png")).unwrap();
    let ask = ["infer", "photo.png", "--task", "depth", "-o"];
    let out = |name: &str, words: &[&str]| folder.refused(&[&ask[..], &[name]].concat(), words);
    out("./photo.png", &["input"]);
    out("mine.png", &["mine.png", "--force"]);
    out("answer.gif", &["ending", ".png"]);
    out("answer", &["ending"]);
    out("photo.png/x.png", &["cannot be written"]);
    folder.refused(&[&ask[..], &["photo.png", "--force"]].concat(), &["input"]);
    folder.refused(&["scenes", "--count", "1", "--preview", "page.html"], &["--force"]);
    folder.refused(&["scenes", "--count", "1", "--out", "."], &["not empty", "--force"]);
    folder.refused(&["eval", "--scenes", "1", "--html", "page.html"], &["--force"]);
    folder.refused(&["eval", "--scenes", "1", "--json", "mine.png/x"], &["cannot be written"]);
    assert_eq!(folder.names(), ["mine.png", "page.html", "photo.png"]);
    assert_eq!(fs::read(folder.0.join("photo.png")).unwrap(), photo);
    assert_eq!(fs::read(folder.0.join("page.html")).unwrap(), b"mine");
    for (name, start) in [("a.jpg", &b"\xFF\xD8"[..]), ("a.webp", b"RIFF"), ("mine.png", b"\x89P")]
    {
        folder.done(&[&ask[..], &[name, "--force"]].concat());
        assert!(fs::read(folder.0.join(name)).unwrap().starts_with(start), "{name}");
    }
}

#[test]
fn several_pictures_are_a_line_each() {
    let folder = Folder::new("several");
    for name in ["a.png", "b.png"] {
        folder.picture(name, 60, 40);
    }
    folder.file("c.png", b"no picture");
    let all = ["infer", ".", "--task", "depth", "--json", "--out", "drawn"];
    let output = folder.run(&all);
    assert!(!output.status.success(), "c.png is no picture");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0]["picture"].as_str().unwrap().ends_with("a.png"));
    assert_eq!(lines[1]["targets"][0]["unit"], "depth", "{text}");
    assert!(lines[2]["error"].as_str().unwrap().contains("c.png"));
    let drawn = fs::read_dir(folder.0.join("drawn")).unwrap();
    assert_eq!(drawn.count(), 2);
}

#[test]
fn what_a_budget_bends_is_said() {
    let folder = Folder::new("budget");
    folder.picture("photo.png", 60, 40);
    let ask = |budget: &str| {
        let ask = ["infer", "photo.png", "--task", "depth", "--json", "--budget", budget];
        folder.done(&ask)
    };
    assert!(ask("192")[0].contains("\"reason\":\"end\""));
    let [text, notes] = ask("12");
    assert!(text.contains("\"reason\":\"length\""), "{text}");
    assert!(notes.contains("raise --budget"), "{notes}");
    let long = "word ".repeat(2000);
    folder.refused(&["infer", "photo.png", "--ask", &long], &["tokens", "shorten"]);
    for (option, value) in [("--temperature", "-1"), ("--temperature", "nan"), ("--top-p", "7")] {
        folder.refused(&["infer", "photo.png", option, value], &["give a", "0"]);
    }
}

#[test]
fn the_command_line_has_manners() {
    let folder = Folder::new("manners");
    folder.picture("photo.png", 60, 40);
    // Negative numbers are numbers.
    folder.refused(&["infer", "photo.png", "--point", "-5,10"], &["-5,10", "outside"]);
    // An early failure is an event too.
    let output = folder.run(&["infer", "absent.png", "--json"]);
    let event: Event = serde_json::from_slice(&output.stdout).unwrap();
    assert!(matches!(event, Event::Failed { error } if error.contains("absent.png")));
    let alone = ["infer", "--preset", "photo", "--text-only", "Hi?"];
    for ignored in [["--out", "a.png"], ["--point", "1,2"], ["--task", "depth"]] {
        folder.refused(&[&alone[..], &ignored].concat(), &["cannot be used with"]);
    }
    for side in ["0", "100000"] {
        folder.refused(&["scenes", "--side", side, "--out", "set"], &["16..=4096"]);
    }
    // No markup, and nothing but the answer when quiet.
    let [text, notes] = folder.done(&["infer", "photo.png", "--task", "detection", "-q"]);
    assert!(!text.contains('<') && !text.contains("tokens") && notes.is_empty(), "{text}{notes}");
    let [raw, _] = folder.done(&["infer", "photo.png", "--task", "detection", "--raw"]);
    assert!(raw.contains("<Task>"), "{raw}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_processor_passes_its_selftest() {
    let folder = Folder::new("selftest");
    let [table, _] = folder.done(&["selftest"]);
    for name in ["softmax", "convolution 7x7 of each channel", "a step of the whole model", "words"]
    {
        assert!(table.contains(name), "{name} is missing in {table}");
    }
    assert!(table.contains("everything agrees") && !table.contains("DIFFERS"), "{table}");
}

#[test]
fn a_closed_pipe_and_a_full_disk_are_no_panic() {
    let folder = Folder::new("pipe");
    folder.picture("photo.png", 60, 40);
    let run = |out: std::process::Stdio, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refvlm"));
        let command = command.current_dir(&folder.0).args(arguments).stdout(out);
        command.output().unwrap()
    };
    let commands: [&[&str]; 3] = [
        &["infer", "photo.png", "--json"],
        &["inspect", "--preset", "scenes"],
        &["scenes", "--count", "1", "--preview", "page.html", "--force"],
    ];
    for arguments in commands {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = run(full.into(), arguments);
        let message = String::from_utf8_lossy(&output.stderr).to_string();
        assert!(!output.status.success() && !message.contains("panicked"), "{message}");
        assert!(message.contains("No space left"), "{message}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = run(writer.into(), arguments);
        let message = String::from_utf8_lossy(&output.stderr).to_string();
        assert!(output.status.success() && !message.contains("error"), "{message}");
    }
}

/// What was done to the names of weights is said.
#[test]
fn notes_about_weights_are_shown() {
    let folder = Folder::new("notes");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("checkpoint/tests/fixtures/wrapped");
    let file = fixtures.join("parallel.pth");
    let [text, _] = folder.done(&["inspect", file.to_str().unwrap()]);
    assert!(text.contains("note: `module.` was taken off"), "{text}");
}

/// The record in the documentation passes as it stands there.
#[test]
fn the_printed_record_passes() {
    let folder = Folder::new("printed");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/data.md");
    let page = fs::read_to_string(page).unwrap();
    let record = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    folder.file("records.jsonl", record.as_bytes());
    folder.picture("dog.png", 640, 480);
    let [text, _] = folder.done(&["data", "check", "."]);
    assert!(text.contains("1 record, 1 turn, 1 prompt, 1 target\n"), "{text}");
    folder.file("records.jsonl", b"");
    folder.refused(&["data", "check", "."], &["no record"]);
    folder.refused(&["eval", "."], &["no record"]);
}

#[test]
fn an_evaluation_goes_on_and_lists_what_cannot_be_asked() {
    let folder = Folder::new("evaluation");
    folder.done(&["scenes", "--count", "3", "--side", "64", "--out", "set"]);
    let eval = |more: &[&'static str]| [&["eval", "set"], more].concat();
    folder.done(&eval(&["--answers", "a.jsonl", "--json", "a.json", "--csv", "a.csv"]));
    let whole = fs::read(folder.0.join("a.jsonl")).unwrap();
    let lines = whole.iter().filter(|&&byte| byte == b'\n').count();
    assert!(lines > 10, "{lines} answers");
    let csv = fs::read_to_string(folder.0.join("a.csv")).unwrap();
    assert_eq!(csv.lines().count(), lines + 1);

    // Killed while it wrote a line.
    folder.file("b.jsonl", &whole[..whole.len() / 2]);
    let [_, notes] = folder.done(&eval(&["--answers", "b.jsonl", "--resume", "--json", "b.json"]));
    assert!(notes.contains("answers in b.jsonl"), "{notes}");
    // What stood there stays as it was; what is asked again may differ by rounding, since how many
    // rows a product has depends on what was asked before.
    let kept = whole[..whole.len() / 2].iter().rposition(|&byte| byte == b'\n').unwrap();
    assert!(fs::read(folder.0.join("b.jsonl")).unwrap().starts_with(&whole[..=kept]));
    let [a, b] = ["a.json", "b.json"].map(|name| {
        let text = fs::read_to_string(folder.0.join(name)).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["samples"].clone()
    });
    let [a, b] = [a, b].map(|samples| samples.as_array().unwrap().clone());
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        let of = |sample: &serde_json::Value| {
            let (kind, score) = sample["scores"].as_object().unwrap().iter().next().unwrap();
            (sample["id"].clone(), kind.clone(), score.as_f64().unwrap())
        };
        let ((id, kind, score), (other, of, again)) = (of(a), of(b));
        assert_eq!((&id, &kind), (&other, &of));
        assert!((score - again).abs() < 1e-3, "{id}: {score} and {again}");
    }
    folder.refused(&eval(&["--answers", "a.jsonl"]), &["--force"]);
    folder.refused(&eval(&["--tasks", "chess"]), &["no task chess", "vqa"]);
    folder.refused(&eval(&["--min-confidence", "2"]), &["0 to 1"]);

    // Clicks in place of questions.
    let clicks = ["--clicks", "2", "--hands", "tools,proposals", "--threads", "1"];
    let files = ["--json", "c.json", "--html", "c.html"];
    let [text, _] = folder.done(&eval(&[&clicks[..], &files].concat()));
    for line in ["Clicks (tools), NoC@85", "Clicks (proposals), IoU@2", "n = "] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("Answers that parse"), "{text}");
    let json = fs::read_to_string(folder.0.join("c.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["clicks"].as_array().unwrap().len(), 2);
    assert_eq!(json["clicks"][0]["curve"].as_array().unwrap().len(), 2);
    let html = fs::read_to_string(folder.0.join("c.html")).unwrap();
    assert!(html.contains("Mean IoU after each click"));
    folder.refused(&eval(&["--clicks", "0"]), &["--clicks", "1..=100"]);
    folder.refused(&eval(&["--clicks", "2", "--hands", "left"]), &["left", "tools, page"]);
    folder.refused(&eval(&["--clicks", "2", "--tasks", "vqa"]), &["one mask by one prompt"]);
    if cfg!(not(feature = "cuda")) {
        folder.refused(&eval(&["--device", "cuda"]), &["--features cuda"]);
    }

    // A line that is no record, and a picture that is gone.
    let path = folder.0.join("set/records.jsonl");
    let mut text = fs::read_to_string(&path).unwrap();
    text.insert_str(0, "{\"id\": 1}\n");
    fs::write(&path, text).unwrap();
    fs::remove_file(folder.0.join("set/scene-1.png")).unwrap();
    folder.refused(&eval(&[]), &["records.jsonl:1", "scene-1.png", "--bad-share"]);
    let [text, _] = folder.done(&eval(&["--bad-share", "0.9", "--limit", "100"]));
    assert!(text.contains("answers in"), "{text}");
}

/// Real photos, where the project stands beside the shared folder that holds some.
#[test]
fn real_photos_are_answered() {
    let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/coco-free/images");
    let Ok(entries) = fs::read_dir(&photos) else {
        eprintln!("skipped: no real photos beside the project");
        return;
    };
    let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    paths.sort();
    let folder = Folder::new("photos");
    for (path, task) in paths.iter().step_by(40).zip(["vqa", "detection", "depth", "segmentation"])
    {
        let path = path.to_str().unwrap();
        let [text, notes] =
            folder.done(&["infer", path, "--task", task, "--out", "out.png", "--force"]);
        assert!(text.contains("answer"), "{text}");
        assert!(!notes.contains("drawn scenes"), "{notes}");
    }
}
