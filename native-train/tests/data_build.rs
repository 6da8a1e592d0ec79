//! `refvlm data build` and `preview`: from a folder in COCO format to records and a page.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use refvlm_record::Record;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

struct Folder(PathBuf);

impl Folder {
    /// Twenty photos of a square, some on each side of the border.
    fn new(name: &str) -> Self {
        let name = format!("refvlm-data-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("squares/images")).unwrap();
        let (mut images, mut annotations) = (Vec::new(), Vec::new());
        for k in 0..20 {
            let name = format!("{k}.png");
            let paint = |x: u32, y: u32| image::Rgb([(x * 3) as u8, (y * 5) as u8, 9 * k as u8]);
            let picture = image::RgbImage::from_fn(40, 30, paint);
            picture.save(path.join("squares/images").join(&name)).unwrap();
            images.push(serde_json::json!(
                { "id": k, "file_name": name, "width": 40, "height": 30 }
            ));
            annotations.push(serde_json::json!({
                "id": k, "image_id": k, "category_id": 1, "bbox": [5, 5, 20, 15],
                "segmentation": [[5, 5, 25, 5, 25, 20, 5, 20]],
            }));
        }
        let categories = serde_json::json!([{ "id": 1, "name": "square" }]);
        let file = serde_json::json!(
            { "images": images, "annotations": annotations, "categories": categories }
        );
        fs::write(path.join("squares/instances.json"), file.to_string()).unwrap();
        Self(path)
    }

    fn run(&self, arguments: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_refvlm"))
            .current_dir(&self.0)
            .args(arguments.split(' '))
            .output()
            .unwrap()
    }

    fn done(&self, arguments: &str) {
        let output = self.run(arguments);
        let notes = String::from_utf8_lossy(&output.stderr).to_string();
        assert!(output.status.success(), "{arguments}: {notes}");
    }

    fn records(&self, folder: &str) -> Vec<Record> {
        let text = fs::read_to_string(self.0.join(folder).join("records.jsonl")).unwrap();
        text.lines().map(|line| Record::from_json(line).unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn photos_become_records_and_records_a_page() {
    let folder = Folder::new("built");
    folder.done("data build --data squares --out train --per-picture 3");
    folder.done("data build --data squares --out judged --split validation --recipe judge");
    folder.done("data build --data squares --out again --per-picture 3");
    folder.done("data check train/records.jsonl");
    folder.done("data check judged/records.jsonl");
    let (train, judged) = (folder.records("train"), folder.records("judged"));
    assert!(train.iter().all(|record| record.turns.len() == 3));
    assert_eq!(train, folder.records("again"), "the same seed asks the same");
    let photos = judged.len() / 5;
    assert_eq!(train.len() + photos, 20, "every photo is on one side");
    assert!(photos > 0 && judged.len() == 5 * photos);
    let pictures = fs::read_dir(folder.0.join("judged/pictures")).unwrap().count();
    assert_eq!(pictures, photos, "records of a photo share its picture");

    folder.done("data preview --records train/records.jsonl --out page.html --count 4");
    let page = fs::read_to_string(folder.0.join("page.html")).unwrap();
    assert_eq!(page.matches("<article").count(), 4);
    assert!(page.contains("square"));
}

#[test]
fn what_cannot_be_built_is_said() {
    let folder = Folder::new("refused");
    let message = |output: Output| String::from_utf8_lossy(&output.stderr).to_string();
    assert!(message(folder.run("data build --data train --out out")).contains("train"));
    fs::write(folder.0.join("squares/instances.json"), "[").unwrap();
    let said = message(folder.run("data build --data squares --out out"));
    assert!(said.contains("instances.json") && said.contains("line 1"), "{said}");
    assert!(!folder.0.join("out/records.jsonl").exists());
    assert!(!folder.run("data").status.success());
}
