//! Predictions, truth and scores of strangers.

use super::{refused, refvlm};
use refvlm_helpers::Folder;
use std::fs;
use std::process::Stdio;

const TRUTH: &str = r#"{"images": [{"id": 1, "width": 20, "height": 10}], "categories": [{"id": 1}],
"annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5], "area": 25,
"segmentation": {"size": [10, 20], "counts": [0, 5, 195]}}]}"#;
const FOUND: &str = r#"[{"image_id": 1, "category_id": 1, "score": 0.9, "bbox": [0, 0, 5, 5],
"segmentation": {"size": [10, 20], "counts": [0, 5, 195]}}]"#;
const ANSWERS: &str = "{\"id\": \"a\", \"answer\": \"yes\"}\n{\"id\": 7, \"answer\": \"no\"}\n";
const SCORES: &str =
    r#"{"measure": "boxes", "rows": [], "samples": [{"id": "1", "scores": {"AP": 0.5}}]}"#;

const BOXES: &str = "score found.json truth.json --as boxes";
const MASKS: &str = "score found.json truth.json --as masks";
const JOINTS: &str = "score found.json truth.json --as keypoints";
const VQA: &str = "score answers.jsonl true.jsonl --as vqa";
const POPE: &str = "score answers.jsonl true.jsonl --as pope";
const COMPARE: &str = "compare a.json b.json";

/// What is broken, the file, what stands there, what stands there instead (of everything where
/// the former is empty), the command, and words of the message.
type Fault =
    (&'static str, &'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

const FAULTS: [Fault; 36] = [
    ("empty predictions", "found.json", "", "", BOXES, &["the predictions", "is empty", "a list"]),
    ("no list", "found.json", "", TRUTH, BOXES, &["an object stands here", "a list is expected"]),
    ("cut in the middle", "found.json", "195]}}]", "19", MASKS, &["prediction 1", "too early"]),
    ("an archive", "found.json", "", "PK\x03\x04", BOXES, &["an archive", "unpack"]),
    (
        "unknown picture",
        "found.json",
        "\"image_id\": 1",
        "\"image_id\": 4",
        BOXES,
        &["prediction 1 (image 4)", "not in the truth"],
    ),
    (
        "unknown category",
        "found.json",
        "\"category_id\": 1",
        "\"category_id\": 4",
        BOXES,
        &["prediction 1 (image 1)", "category_id 4", "correct it"],
    ),
    (
        "id as text",
        "found.json",
        "\"image_id\": 1",
        "\"image_id\": \"1\"",
        BOXES,
        &["prediction 1, image_id", "\"1\"", "a whole number is expected"],
    ),
    (
        "NaN",
        "found.json",
        "0.9",
        "NaN",
        BOXES,
        &["prediction 1, score", "column", "NaN", "no such number"],
    ),
    (
        "a number beyond all",
        "found.json",
        "0.9",
        "1e999",
        BOXES,
        &["prediction 1, score", "out of range"],
    ),
    (
        "no score",
        "found.json",
        "\"score\": 0.9, ",
        "",
        BOXES,
        &["prediction 1", "missing field `score`"],
    ),
    (
        "negative size",
        "found.json",
        "[0, 0, 5, 5]",
        "[0, 0, -5, 5]",
        BOXES,
        &["prediction 1 (image 1)", "width is -5", "0 or more"],
    ),
    (
        "three numbers",
        "found.json",
        "[0, 0, 5, 5]",
        "[0, 0, 5]",
        BOXES,
        &["bbox has 3 numbers", "[x, y, width, height]"],
    ),
    (
        "another mask size",
        "found.json",
        "[10, 20]",
        "[20, 10]",
        MASKS,
        &["the mask is 10x20 px, the picture 20x10"],
    ),
    (
        "runs too short",
        "found.json",
        "195",
        "100",
        MASKS,
        &["prediction 1", "runs cover 105 px", "has 200"],
    ),
    (
        "damaged run lengths",
        "found.json",
        "[0, 5, 195]",
        "\"~~\"",
        MASKS,
        &["prediction 1", "damaged at byte 0"],
    ),
    (
        "negative run",
        "found.json",
        "[0, 5, 195]",
        "[-1, 5, 195]",
        MASKS,
        &["prediction 1, segmentation", "run lengths from 0 on"],
    ),
    (
        "a line as polygon",
        "found.json",
        "{\"size\": [10, 20], \"counts\": [0, 5, 195]}",
        "[[1, 1, 2, 2]]",
        MASKS,
        &["a polygon of 4 numbers", "three points"],
    ),
    (
        "no joints",
        "truth.json",
        "\"bbox\"",
        "\"keypoints\": [1, 2, 2], \"bbox\"",
        JOINTS,
        &["annotation 1", "keypoints have 3 numbers", "51"],
    ),
    (
        "two annotations of one id",
        "truth.json",
        "\"annotations\": [",
        "\"annotations\": [{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"area\": 1, \"bbox\": [0, 0, 1, 1]},",
        BOXES,
        &["annotation 1 of the truth", "used twice"],
    ),
    (
        "two categories of one id",
        "truth.json",
        "[{\"id\": 1}]",
        "[{\"id\": 1}, {\"id\": 1}]",
        BOXES,
        &["category 1 of the truth", "used twice"],
    ),
    (
        "negative area",
        "truth.json",
        "25",
        "-25",
        BOXES,
        &["annotation 1 of the truth", "area is -25"],
    ),
    (
        "no picture size",
        "truth.json",
        ", \"width\": 20, \"height\": 10",
        "",
        MASKS,
        &["annotation 1", "no width and height"],
    ),
    ("answers: empty", "answers.jsonl", "", "\n \n", VQA, &["the predictions", "is empty"]),
    (
        "answers: another code",
        "answers.jsonl",
        "",
        "\u{fffd}",
        VQA,
        &["line 1 of the predictions", "no JSON from column 1"],
    ),
    (
        "answers: an id twice, as number and as text",
        "answers.jsonl",
        "\"a\"",
        "\"7\"",
        VQA,
        &["line 2", "id 7", "stands in line 1"],
    ),
    (
        "answers: an unknown id",
        "answers.jsonl",
        "",
        "{\"id\": \"a\", \"answer\": \"\"}\n{\"id\": 7, \"answer\": \"\"}\n{\"id\": 8, \"answer\": \"\"}",
        VQA,
        &["line 3 of the predictions", "id 8 is not in the truth"],
    ),
    (
        "answers: one is absent",
        "answers.jsonl",
        "{\"id\": 7, \"answer\": \"no\"}\n",
        "",
        VQA,
        &["line 2 of the truth", "no id 7", "add it"],
    ),
    (
        "answers: a broken id",
        "answers.jsonl",
        "7",
        "7.5",
        VQA,
        &["line 2 of the predictions, id", "a text or a whole number"],
    ),
    (
        "answers: a number",
        "answers.jsonl",
        "\"no\"",
        "3",
        VQA,
        &["line 2 of the predictions, answer", "a text is expected"],
    ),
    (
        "answers: null",
        "answers.jsonl",
        "\"no\"",
        "null",
        VQA,
        &["line 2 of the predictions", "answer is missing"],
    ),
    (
        "neither yes nor no",
        "true.jsonl",
        "\"no\"",
        "\"two\"",
        POPE,
        &["id 7 of the truth", "yes or no"],
    ),
    (
        "scores of another kind",
        "b.json",
        "boxes",
        "masks",
        COMPARE,
        &["score both in the same way"],
    ),
    (
        "scores of another set",
        "b.json",
        "\"1\"",
        "\"2\"",
        COMPARE,
        &["b.json has no sample 1", "same truth"],
    ),
    (
        "scores by other names",
        "b.json",
        "AP",
        "AR",
        COMPARE,
        &["a.json and b.json have no score in common"],
    ),
    (
        "scores: NaN",
        "b.json",
        "0.5",
        "NaN",
        COMPARE,
        &["b.json, samples[0].scores.AP", "NaN", "no such number"],
    ),
    (
        "scores: a sample twice",
        "b.json",
        "[{",
        "[{\"id\": \"1\", \"scores\": {}}, {",
        COMPARE,
        &["sample 1 stands there twice"],
    ),
];

fn fresh(name: &str) -> Folder {
    let folder = Folder::new(name);
    for (name, text) in [
        ("truth.json", TRUTH),
        ("found.json", FOUND),
        ("answers.jsonl", ANSWERS),
        ("true.jsonl", ANSWERS),
        ("a.json", SCORES),
        ("b.json", SCORES),
    ] {
        folder.file(name, text.as_bytes());
    }
    folder
}

#[test]
fn broken_predictions_and_scores_are_refused_with_their_place() {
    for command in [BOXES, MASKS, VQA, POPE, COMPARE] {
        let output = refvlm(&fresh("sound"), command, Stdio::piped());
        assert!(output.status.success(), "{command}: {output:?}");
    }
    for (what, file, from, to, command, words) in FAULTS {
        let folder = fresh("broken");
        let path = folder.0.join(file);
        let text = fs::read_to_string(&path).unwrap();
        let broken = if from.is_empty() { to.to_string() } else { text.replacen(from, to, 1) };
        assert_ne!(broken, text, "{what}");
        fs::write(&path, broken).unwrap();
        refused(&folder, what, command, words);
    }
}

#[test]
fn outputs_that_cannot_be_written_lose_nothing() {
    let folder = fresh("outputs");
    fs::create_dir(folder.0.join("folder")).unwrap();
    let cases: [(&str, &str, &[&str]); 8] = [
        ("the output is an input", "found.json", &["an input of the same command"]),
        ("the output exists", "a.json", &["a.json: exists already", "--force"]),
        ("a file as folder", "a.json/x.json", &["a.json/x.json: cannot be written"]),
        ("a folder as file", "folder", &["this is a folder"]),
        ("a full disk", "/dev/full", &["/dev/full", "No space left", "free space"]),
        ("predictions in a folder", "", &["folder: this is a folder: name the file"]),
        ("no such file", "", &["absent.json", "check the path"]),
        ("scores that are none", "", &["true.jsonl"]),
    ];
    for (what, out, words) in cases {
        let command = match what {
            "predictions in a folder" => "score folder truth.json --as boxes".to_string(),
            "no such file" => "score absent.json truth.json --as boxes".to_string(),
            "scores that are none" => "compare true.jsonl a.json".to_string(),
            _ => format!("{BOXES} --json {out}"),
        };
        refused(&folder, what, &command, words);
    }
    for command in [BOXES, VQA, COMPARE] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = refvlm(&folder, command, full.into());
        let message = String::from_utf8_lossy(&output.stderr).to_string();
        assert_eq!(output.status.code(), Some(1), "{command}: {message}");
        assert!(message.contains("No space left") && !message.contains("panicked"), "{message}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert!(refvlm(&folder, command, writer.into()).status.success(), "{command}");
    }
    // What exists is replaced where that is asked for, and then is whole.
    let output = refvlm(&folder, &format!("{BOXES} --json a.json --force"), Stdio::piped());
    assert!(output.status.success(), "{output:?}");
    let written: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.0.join("a.json")).unwrap()).unwrap();
    assert_eq!(written["samples"][0]["id"], "1");
}
