//! A set written, read, damaged and checked.

use super::*;
use refvlm_helpers::Folder;
use refvlm_record::{AnswerPart, Image, Prompt, QuestionPart, Target, Task, Turn, Unit};
use std::fs;

fn record(id: &str) -> Record {
    let metres = vec![0.0, 1.5, 2.25, 3.0, 70.0, 0.0001];
    let depth = DepthMap { path: format!("{id}.depth.png"), metres_per_unit: 0.001, metres };
    Record {
        id: id.into(),
        source: String::new(),
        licence: String::new(),
        image: Image { path: format!("pictures/{id}.png"), width: 3, height: 2 },
        targets: vec![Target { depth: Some(depth), ..Target::default() }],
        prompts: vec![Prompt::Point { x: 1.0, y: 1.0 }],
        turns: vec![Turn {
            task: Task::Depth,
            question: vec![QuestionPart::Text("How far?".into())],
            answer: vec![AnswerPart::Triplet {
                concept: "depth".into(),
                unit: Unit::Depth,
                targets: vec![0],
            }],
        }],
    }
}

fn write(folder: &Folder, ids: &[&str]) -> PathBuf {
    let path = folder.0.join("set/records.jsonl");
    let mut writer = RecordWriter::create(&path).unwrap();
    for id in ids {
        writer.add(&record(id), &Picture::filled(3, 2, [7, 8, 9])).unwrap();
    }
    writer.finish().unwrap();
    path
}

#[test]
fn a_written_set_is_read_and_counted() {
    let folder = Folder::new("round");
    let path = write(&folder, &["a", "b"]);
    let read: Vec<_> = Records::open(&path).unwrap().map(Result::unwrap).collect();
    assert_eq!(
        read.iter().map(|(line, r)| (*line, r.id.as_str())).collect::<Vec<_>>(),
        [(1, "a"), (2, "b")]
    );
    let mut first = read[0].1.clone();
    assert_eq!(load_picture(folder_of(&path), &first).unwrap(), Picture::filled(3, 2, [7, 8, 9]));
    load_depths(folder_of(&path), &mut first).unwrap();
    let metres = &first.targets[0].depth.as_ref().unwrap().metres;
    // Unknown stays 0, beyond the range is the range's end, below a step is one step.
    for (found, wanted) in metres.iter().zip([0.0, 1.5, 2.25, 3.0, 65.535, 0.001]) {
        assert!((found - wanted).abs() < 1e-4, "{found} {wanted}");
    }
    let report = check_file(&path).unwrap();
    assert_eq!((report.records, report.turns, report.prompts, report.targets), (2, 2, 2, 2));
    assert_eq!((report.tasks["depth"], report.bad), (2, 0));
    assert_eq!(fs::read_dir(folder_of(&path)).unwrap().count(), 4);
}

#[test]
fn damage_is_reported_with_its_line_and_reading_goes_on() {
    let folder = Folder::new("damage");
    let path = write(&folder, &["a", "b", "c"]);
    let good = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let outside = lines[2].replace("pictures/c.png", "../../secret.png").replace("\"c\"", "\"d\"");
    let target = lines[2].replace("\"targets\":[0]", "\"targets\":[7]");
    let text = [lines[0], "", "{\"id\": 1}", &target, &outside, lines[0], lines[1]].join("\n");
    fs::write(&path, text).unwrap();
    fs::write(folder_of(&path).join("pictures/b.png"), b"").unwrap();
    let report = check_file(&path).unwrap();
    assert_eq!((report.records, report.bad), (1, 5));
    let lines: Vec<usize> = report.errors.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 4, 5, 6, 7]);
    let text = |k: usize| report.errors[k].1.as_str();
    assert!(text(1).contains("turns[0].answer[0].targets[0]: index 7"), "{}", text(1));
    assert!(text(2).contains("image.path: '../../secret.png'"), "{}", text(2));
    assert!(text(3).contains("twice") && text(4).contains("0 bytes"));
    // Written under Windows.
    let mut windows = record("w");
    windows.image.path = "pictures\\b.png".into();
    let error = load_picture(folder_of(&path), &windows).unwrap_err().to_string();
    assert!(error.contains("pictures/b.png"), "{error}");
}

#[test]
fn a_wrong_size_or_eight_bit_depth_is_named() {
    let folder = Folder::new("size");
    let path = write(&folder, &["a"]);
    let here = folder_of(&path);
    let mut record = record("a");
    let grey = image::GrayImage::new(3, 2);
    grey.save(here.join("a.depth.png")).unwrap();
    let error = load_depths(here, &mut record).unwrap_err();
    assert!(matches!(error, DataError::DepthFormat { .. }), "{error}");
    record.image.width = 4;
    let error = load_picture(here, &record).unwrap_err();
    assert!(matches!(error, DataError::Size { found_width: 3, width: 4, .. }), "{error}");
}

#[test]
fn an_unfinished_set_leaves_the_old_one() {
    let folder = Folder::new("unfinished");
    let path = write(&folder, &["a"]);
    let old = fs::read(&path).unwrap();
    let mut writer = RecordWriter::create(&path).unwrap();
    writer.add(&record("b"), &Picture::filled(3, 2, [0; 3])).unwrap();
    assert!(writer.add(&record("c"), &Picture::filled(9, 9, [0; 3])).is_err());
    drop(writer);
    assert_eq!(fs::read(&path).unwrap(), old);
    let left = fs::read_dir(folder_of(&path)).unwrap();
    assert!(left.flatten().all(|f| !f.file_name().to_string_lossy().ends_with(".tmp")));
}

#[test]
fn other_files_are_told_what_they_are() {
    let folder = Folder::new("forms");
    let path = write(&folder, &["a", "b"]);
    let good = fs::read_to_string(&path).unwrap();
    let spread = good.lines().next().unwrap().replacen('{', "{\n ", 1);
    let utf16: Vec<u8> =
        std::iter::once(0xFEFF).chain(good.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for (text, word) in [
        (format!("[{}]", good.lines().collect::<Vec<_>>().join(",")).into_bytes(), "jq -c '.[]'"),
        (spread.into_bytes(), "line of its own"),
        (utf16, "UTF-16"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), "not a text"),
        (b"{\"info\": {}, \"images\": [], \"annotations\": []}".to_vec(), "COCO"),
        (b"{\n  \"images\": []\n}".to_vec(), "COCO"),
    ] {
        fs::write(&path, text).unwrap();
        let error = check_file(&path).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("records.jsonl"), "{word}: {error}");
    }
    fs::write(&path, b"\n\n").unwrap();
    assert!(matches!(check_file(&path), Err(DataError::None { .. })));
    let marked = [b"\xEF\xBB\xBF", good.as_bytes()].concat();
    fs::write(&path, marked).unwrap();
    assert_eq!(check_file(&path).unwrap().records, 2);
    assert_eq!(record_file(folder_of(&path)), path);
    assert_eq!(record_file(&path), path);
}

#[test]
fn all_bad_records_are_counted() {
    let folder = Folder::new("many");
    let path = write(&folder, &["a"]);
    fs::write(&path, "{}\n".repeat(1500)).unwrap();
    let report = check_file(&path).unwrap();
    assert_eq!((report.records, report.bad), (0, 1500));
    assert!(report.errors.len() < 1500);
}
