//! What was downloaded, held against what the engine finds natively.

use crate::known::Known;
use crate::page::Row;
use refvlm_record::{Mask, Rle};
use serde_json::{Value, from_value};

/// The picture with everything on it: each mask is coloured, and what is far from all of them is
/// as it was.
pub fn annotated(png: &[u8], known: &Known, masks: &[Mask]) {
    let drawn = image::load_from_memory(png).unwrap().to_rgba8();
    let [width, height] = known.size;
    assert_eq!(drawn.width().max(drawn.height()), 1024, "small pictures are enlarged");
    let ratio = drawn.width() as f32 / width as f32;
    let plain = known.image();
    let differs = |x: u32, y: u32| {
        let at = [x, y].map(|v| ((v as f32 + 0.5) * ratio) as u32);
        let (a, b) = (drawn.get_pixel(at[0], at[1]).0, plain.get_pixel(x, y).0);
        (0..3).any(|c| a[c].abs_diff(b[c]) > 12)
    };
    let bounds: Vec<_> = masks.iter().filter_map(Mask::bounds).collect();
    let (mut inside, mut hit, mut outside, mut stray) = (0, 0, 0, 0);
    for y in 0..height {
        for x in 0..width {
            let at = (y * width + x) as usize;
            let near = bounds.iter().any(|[bx, by, w, h]| {
                x + 60 >= *bx && y + 60 >= *by && x <= bx + w + 60 && y <= by + h + 60
            });
            if masks.iter().any(|mask| mask.pixels[at] != 0) {
                inside += 1;
                hit += u32::from(differs(x, y));
            } else if !near {
                outside += 1;
                stray += u32::from(differs(x, y));
            }
        }
    }
    assert!(hit * 4 > inside * 3, "of {inside} px of masks {hit} are coloured");
    assert!(stray * 50 <= outside, "of {outside} px far from masks {stray} are changed");
}

/// A ZIP of one PNG per mask.
pub fn mask_files(zip: &[u8], masks: &[Mask]) {
    let files = stored(zip);
    assert_eq!(files.len(), masks.len());
    for ((name, png), mask) in files.iter().zip(masks) {
        assert!(name.ends_with(".png"), "{name}");
        let found = image::load_from_memory(png).unwrap().to_luma8();
        assert_eq!(found.dimensions(), (mask.width, mask.height), "{name}");
        let pixels = found.into_raw().into_iter().map(|v| u8::from(v == 255)).collect();
        let found = Mask { width: mask.width, height: mask.height, pixels };
        assert!(found.iou(mask) > 0.99, "{name} is another mask");
    }
}

/// A ZIP of one PNG per mask: what it covers of the picture, see-through elsewhere.
pub fn cutout_files(zip: &[u8], known: &Known, masks: &[Mask]) {
    let files = stored(zip);
    assert_eq!(files.len(), masks.len());
    let picture = known.image();
    for ((name, png), mask) in files.iter().zip(masks) {
        let found = image::load_from_memory(png).unwrap().to_rgba8();
        let [left, top, width, height] = mask.bounds().unwrap();
        assert_eq!(found.dimensions(), (width, height), "{name}");
        let right = found.enumerate_pixels().filter(|(x, y, pixel)| {
            let [x, y] = [left + x, top + y];
            let inside = mask.pixels[(y * mask.width + x) as usize] != 0;
            if inside { *pixel == picture.get_pixel(x, y) } else { pixel[3] == 0 }
        });
        let share = right.count() as f32 / (width * height) as f32;
        assert!(share > 0.99, "{name}: {share} of the pixels are right");
    }
}

/// COCO JSON: an annotation for each row, with its mask, box and name.
pub fn coco(json: &[u8], rows: &[Row], masks: &[Mask]) {
    let coco: Value = serde_json::from_slice(json).unwrap();
    let [image] = coco["images"].as_array().unwrap().as_slice() else { panic!("{coco}") };
    assert!(image["file_name"].as_str().unwrap().ends_with(".png"), "{image}");
    assert_eq!(image["width"], masks[0].width);
    assert_eq!(image["height"], masks[0].height);
    let categories = coco["categories"].as_array().unwrap();
    let annotations = coco["annotations"].as_array().unwrap();
    assert_eq!(annotations.len(), masks.len());
    for ((annotation, row), mask) in annotations.iter().zip(rows).zip(masks) {
        assert_eq!(annotation["image_id"], image["id"]);
        let named = categories.iter().find(|c| c["id"] == annotation["category_id"]).unwrap();
        assert_eq!(annotation["phrase"], row.concept.as_str());
        let class = named["name"].as_str().unwrap();
        assert!(row.concept.to_lowercase().contains(class), "{class} of {}", row.concept);
        assert!(annotation["iscrowd"] == 0 && annotation["area"].is_number());
        let found: Rle = from_value(annotation["segmentation"].clone()).unwrap();
        assert!(found.to_mask().unwrap().iou(mask) > 0.99, "{} has another mask", row.concept);
        let bbox: [f32; 4] = from_value(annotation["bbox"].clone()).unwrap();
        let bounds = mask.bounds().unwrap().map(|v| v as f32);
        assert!(bbox.iter().zip(bounds).all(|(a, b)| (a - b).abs() <= 1.0), "{bbox:?}, {bounds:?}");
        let score = annotation["score"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&score), "{score}");
    }
}

/// The files of a ZIP that compresses none.
fn stored(zip: &[u8]) -> Vec<(String, Vec<u8>)> {
    let number = |at: usize, bytes: usize| {
        zip[at..at + bytes].iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte))
    };
    let (mut files, mut at) = (Vec::new(), 0);
    while zip[at..].starts_with(b"PK\x03\x04") {
        assert_eq!(number(at + 8, 2), 0, "compressed");
        let (size, name, extra) = (number(at + 18, 4), number(at + 26, 2), number(at + 28, 2));
        let from = at + 30 + name + extra;
        let words = String::from_utf8(zip[at + 30..at + 30 + name].to_vec()).unwrap();
        files.push((words, zip[from..from + size].to_vec()));
        at = from + size;
    }
    assert!(zip[at..].starts_with(b"PK\x01\x02"), "no directory");
    files
}
