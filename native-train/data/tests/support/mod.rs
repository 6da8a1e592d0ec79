//! Folders in COCO format, made for one test and removed after it.

pub mod samples;

use image::{Rgb, RgbImage};
use refvlm_record::{Counts, Mask, Rle};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder that goes away with its test.
pub struct Folder(pub PathBuf);

impl Folder {
    /// An empty source of that name.
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir()
            .join(format!("refvlm-data-{}-{number}", std::process::id()))
            .join(name);
        fs::create_dir_all(path.join("images")).unwrap();
        Self(path)
    }

    /// Writes `name` as JSON.
    pub fn json(&self, name: &str, value: &Value) {
        fs::write(self.0.join(name), value.to_string()).unwrap();
    }

    /// Writes a picture whose pixels tell their place.
    pub fn picture(&self, name: &str, width: u32, height: u32) {
        picture(width, height).save(self.0.join("images").join(name)).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.parent().unwrap_or(Path::new("nowhere")));
    }
}

/// A picture whose pixels tell their place.
pub fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, (x * 7 + y * 13) as u8]))
}

/// The run lengths of a filled rectangle with a hole, as JSON.
pub fn runs(width: u32, height: u32, outer: [u32; 4], hole: Option<[u32; 4]>) -> Value {
    let inside = |[x, y, w, h]: [u32; 4], at: u32| {
        (x..x + w).contains(&(at % width)) && (y..y + h).contains(&(at / width))
    };
    let mut mask = Mask::zeros(width, height);
    for (at, pixel) in (0..).zip(&mut mask.pixels) {
        *pixel = u8::from(inside(outer, at) && !hole.is_some_and(|hole| inside(hole, at)));
    }
    let Rle { size, counts: Counts::Runs(counts) } = mask.to_rle() else { panic!("no runs") };
    json!({ "size": size, "counts": counts })
}

/// 17 joints of which the shoulders and hips are visible, the left shoulder at `[x, y]`.
pub fn joints(x: f32, y: f32) -> Value {
    let mut values = vec![0.0; 51];
    for (k, [dx, dy]) in [(5, [0.0, 0.0]), (6, [12.0, 0.0]), (11, [2.0, 20.0]), (12, [10.0, 20.0])]
    {
        values[3 * k..3 * k + 3].copy_from_slice(&[x + dx, y + dy, 2.0]);
    }
    json!(values)
}

/// A source that is complete: two dogs and a person with joints before a tree in 96x64 px.
pub fn scene() -> Folder {
    let folder = Folder::new("made");
    folder
        .json("source.json", &json!({ "complete": true, "complete_for": ["*"], "licence": "CC0" }));
    folder.picture("a.png", 96, 64);
    folder.json(
        "instances.json",
        &json!({
            "images": [{ "id": 1, "file_name": "a.png", "width": 96, "height": 64 }],
            "categories": [
                { "id": 1, "name": "dog" }, { "id": 2, "name": "people" },
                { "id": 3, "name": "tree" }, { "id": 4, "name": "traffic_light" },
                { "id": 5, "name": "zebra" },
            ],
            "annotations": [
                { "id": 1, "image_id": 1, "category_id": 1, "bbox": [4, 40, 16, 12],
                  "segmentation": runs(96, 64, [4, 40, 16, 12], None) },
                { "id": 2, "image_id": 1, "category_id": 1, "bbox": [64, 30, 28, 24],
                  "segmentation": runs(96, 64, [64, 30, 28, 24], Some([70, 34, 4, 4])) },
                { "id": 3, "image_id": 1, "category_id": 2, "bbox": [30, 16, 20, 40],
                  "segmentation": runs(96, 64, [30, 16, 20, 40], None), "keypoints": joints(34.0, 24.0) },
                { "id": 4, "image_id": 1, "category_id": 3, "bbox": [54, 0, 30, 26],
                  "segmentation": [[54, 0, 84, 0, 84, 26, 54, 26]] },
            ],
        }),
    );
    folder.json(
        "captions.json",
        &json!({ "annotations": [
            { "image_id": 1, "id": 1, "caption": "a person  with two dogs" },
            { "image_id": 1, "id": 2, "caption": "A small dog on the left of a person." },
        ]}),
    );
    folder
}
