//! `refvlm infer` as strangers type it: what stands where a picture should, what is left out, and
//! pictures of which a part is missing.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/shell.rs"]
mod shell;

use refvlm_helpers::Folder;
use serde_json::Value;
use shell::Workplace;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

/// A JPEG of noise, so that every part of it has bytes.
fn jpeg(folder: &Folder, name: &str) -> Vec<u8> {
    let shade = |x: u32, y: u32| ((x * 7919) ^ (y * 104_729)) as u8;
    let paint = |x, y| image::Rgb([shade(x, y), shade(y, x), shade(x + y, x)]);
    image::RgbImage::from_fn(96, 80, paint).save(folder.0.join(name)).unwrap();
    fs::read(folder.0.join(name)).unwrap()
}

#[test]
fn what_is_not_a_picture_is_told_before_the_work() {
    let folder = Folder::new("names");
    folder.picture("photo.png", 60, 40);
    folder.refused(&["infer", "photo.png", "What is this?"], &["--ask 'What is this?'"]);
    folder.refused(&["infer", "photo.png", "Describe", "--json"], &["\"failed\"", "--ask"]);
    folder.refused(&["infer", "photo.png", "--point", "5", "5"], &["--point 40,90"]);
    folder.refused(&["infer", "*.bmp"], &["*.bmp", "no picture matches"]);
    folder.refused(&["infer", "-", "-"], &["stands twice"]);
    folder.refused(&["infer", "data:image/png;base64,aa"], &["not an address"]);
    folder.refused(&["infer", "photo.png", "--model", "Pocket"], &["pocket or scenes"]);
    folder.refused(&["infer", "photo.png", "--model", "photo.png"], &["a file", "refvlm import"]);
    folder.refused(&["infer", "photo.png", "--budget", "-5"], &["whole number"]);
    let grounding = ["infer", "photo.png", "--task", "grounding_segmentation"];
    folder.refused(&grounding, &["give --point", "--ask"]);
    folder.refused(&["infer", "photo.png", "--box", "10,10,59,39"], &["--box 10,10,49,29"]);
    folder.refused(&["infer", "photo.png", "--ask", "Is [Prompt 2] red?"], &["[prompt 2]"]);
    folder.refused(&["train", "configs/none.toml"], &["check the path"]);
    folder.refused(&["inspect", "none.gguf"], &["check the path"]);
}

#[test]
fn patterns_are_opened_and_pictures_are_not_drawn_over() {
    let folder = Folder::new("patterns");
    for name in ["a.png", "b.png", "c.jpg"] {
        folder.picture(name, 60, 40);
    }
    let before = fs::read(folder.0.join("a.png")).unwrap();
    let ask = ["infer", "[ab].png", "--task", "depth", "-q"];
    folder.refused(&[&ask[..], &["-o", ".", "--force"]].concat(), &["a.png", "input"]);
    folder.refused(&[&ask[..], &["-o", "drawn.png"]].concat(), &["folder"]);
    assert_eq!(fs::read(folder.0.join("a.png")).unwrap(), before);
    let [text, _] = folder.done(&[&ask[..], &["--raw", "-o", "drawn"]].concat());
    // Whose answer it is, also with markup.
    assert!(text.contains("a.png\n<Task>") && text.contains("b.png\n<Task>"), "{text}");
    assert_eq!(fs::read_dir(folder.0.join("drawn")).unwrap().count(), 2);
}

#[test]
fn what_has_less_confidence_is_left_out_and_counted() {
    let folder = Folder::new("confidence");
    folder.picture("photo.png", 60, 40);
    let ask = ["infer", "photo.png", "--task", "detection"];
    let units = |text: &str| text.matches("\"event\":\"unit\"").count();
    let [all, _] = folder.done(&[&ask[..], &["--json"]].concat());
    let found = units(&all);
    assert!(found > 0 && !all.contains("left_out"), "{all}");
    let none = [&ask[..], &["--min-confidence", "1"]].concat();
    let [text, notes] = folder.done(&[&none[..], &["--json"]].concat());
    assert_eq!(units(&text), 0);
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (last["event"].as_str(), last["left_out"].as_u64()),
        (Some("done"), Some(found as u64))
    );
    assert!(notes.contains(&format!("{found} of {found} target")), "{notes}");
    let [text, _] = folder.done(&none);
    assert!(text.contains(": 0 box") && !text.contains("confidence"), "{text}");
    // Nothing is drawn of it either: the sheet has no box.
    let drawn = |name: &str, more: &[&str]| {
        folder.done(&[&ask[..], &["-o", name], more].concat());
        image::open(folder.0.join(name)).unwrap().into_rgb8()
    };
    assert_ne!(drawn("all.png", &[]), drawn("none.png", &["--min-confidence", "1"]));
    let [lines, _] =
        folder.done(&["infer", ".", "--task", "detection", "--min-confidence", "1", "--json"]);
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(
            line["targets"].as_array().unwrap().is_empty() && line["left_out"].is_u64(),
            "{line}"
        );
    }
    folder.refused(&[&ask[..], &["--min-confidence", "-1"]].concat(), &["0 to 1"]);
}

#[test]
fn half_a_picture_is_answered_with_a_note_and_not_learned_from() {
    let folder = Folder::new("half");
    let whole = jpeg(&folder, "whole.jpg");
    folder.file("half.jpg", &[&whole[..whole.len() / 2], b"\xFF\xD9"].concat());
    let [_, notes] = folder.done(&["infer", "whole.jpg", "--task", "vqa"]);
    assert!(!notes.contains("missing"), "{notes}");
    let [text, notes] = folder.done(&["infer", "half.jpg", "whole.jpg", "--task", "vqa", "--json"]);
    assert!(notes.contains("half.jpg: a part is missing"), "{notes}");
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(lines[0]["notes"][0].as_str().unwrap().contains("missing"), "{text}");
    assert!(lines[1].get("notes").is_none(), "{text}");
    let record = |name: &str| {
        format!(
            "{{\"id\":\"{name}\",\"image\":{{\"path\":\"{name}\",\"width\":96,\"height\":80}},\"turns\":\
             [{{\"task\":\"vqa\",\"question\":[\"What?\"],\"answer\":[\"noise\"]}}]}}\n"
        )
    };
    folder.file("records.jsonl", (record("whole.jpg") + &record("half.jpg")).as_bytes());
    folder.refused(&["data", "check", "."], &["line 2", "half.jpg", "ends early", "1 record,"]);
}

#[test]
fn a_picture_is_fetched_from_its_address() {
    let folder = Folder::new("address");
    folder.picture("photo.png", 60, 40);
    let bytes = fs::read(folder.0.join("photo.png")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request = lines.next().unwrap().unwrap();
            let _: Vec<_> = lines.map_while(Result::ok).take_while(|l| !l.is_empty()).collect();
            let (status, body) = match request.contains("/pictures/photo.png") {
                true => ("200 OK", &bytes[..]),
                false => ("404 Not Found", &b"gone"[..]),
            };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    let found = format!("{base}/pictures/photo.png?size=1");
    let [text, _] =
        folder.done(&["infer", &found, "photo.png", "--task", "vqa", "--json", "-o", "drawn"]);
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines[0]["picture"], *found);
    assert_eq!(lines[0]["text"], lines[1]["text"], "{text}");
    assert!(folder.0.join("drawn/photo-2.png").exists());
    folder.refused(&["infer", &format!("{base}/gone.png")], &["gone.png", "404", "give its path"]);
}

#[test]
fn more_is_said_on_request_and_shells_complete() {
    let folder = Folder::new("verbose");
    folder.picture("photo.png", 60, 40);
    let ask = ["infer", "photo.png", "--task", "vqa", "--ask", "What is this?"];
    let [_, usual] = folder.done(&ask);
    let [_, more] = folder.done(&[&ask[..], &["-v"]].concat());
    for word in ["60x40 px", "pocket", "What is this?"] {
        assert!(more.contains(word) && !usual.contains(word), "{word}: {more}");
    }
    folder.refused(&[&ask[..], &["-v", "-q"]].concat(), &["cannot be used with"]);
    for (shell, word) in
        [("bash", "complete"), ("zsh", "#compdef refvlm"), ("fish", "complete -c refvlm")]
    {
        let [script, _] = folder.done(&["completions", shell]);
        assert!(script.contains(word) && script.contains("min-confidence"), "{shell}");
    }
}
