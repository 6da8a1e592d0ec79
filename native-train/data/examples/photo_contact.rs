//! A contact sheet of augmented photos with masks, boxes, joints and prompts drawn, and their
//! dialogues as text: `cargo run --release -p refvlm-data --example photo_contact -- FOLDER SHEET.png
//! [COUNT] [SEED] [whole|view|paste]`.

use image::{Rgb, RgbImage, imageops};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use refvlm_data::{Collection, DialogueOptions, Photo, View, dialogues, paste, pointing};
use refvlm_record::{AnswerPart, Prompt, Record, Target};
use std::error::Error;
use std::path::Path;

const TILE_PX: u32 = 224;
const COLUMNS: u32 = 8;
const COLOURS: [[u8; 3]; 7] = [
    [230, 60, 60],
    [60, 200, 80],
    [70, 110, 255],
    [240, 200, 40],
    [220, 80, 220],
    [50, 210, 220],
    [255, 140, 40],
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, out, rest @ ..] = arguments.as_slice() else {
        return Err("give FOLDER SHEET.png [COUNT] [SEED] [whole|view|paste]".into());
    };
    let count: u32 = rest.first().map_or(Ok(48), |text| text.parse())?;
    let seed: u64 = rest.get(1).map_or(Ok(0), |text| text.parse())?;
    let mode = rest.get(2).map_or("view", String::as_str);
    let collection = Collection::open(Path::new(folder))?;
    for fault in &collection.faults {
        println!("fault: {fault}");
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rows = count.div_ceil(COLUMNS);
    let mut sheet = RgbImage::new(COLUMNS * TILE_PX, rows * TILE_PX);
    for k in 0..count {
        let Some(photo) = collection.photos.choose(&mut rng) else { break };
        let picture = photo.load()?;
        let view = if mode == "whole" { View::whole() } else { View::draw(&mut rng, photo) };
        let (mut photo, mut seen) = view.scaled_to(TILE_PX).apply(photo, &picture);
        if mode == "paste"
            && let Some(donor) = collection.photos.choose(&mut rng)
        {
            (photo, seen) = paste((&photo, &seen), &[(donor, &donor.load()?)], &mut rng);
        }
        println!("== {k} {} {}x{}", photo.stem(), photo.width, photo.height);
        tell(&photo, &mut rng);
        if let Some(record) = pointing(&photo, usize::MAX, &mut rng) {
            record.check()?;
            draw(&mut seen, &record, &mut rng);
        }
        let (x, y) = (k % COLUMNS * TILE_PX, k / COLUMNS * TILE_PX);
        imageops::replace(&mut sheet, &seen, x.into(), y.into());
    }
    sheet.save(out)?;
    Ok(())
}

fn tell(photo: &Photo, rng: &mut ChaCha8Rng) {
    let Some(dialogue) = dialogues(photo, rng, &DialogueOptions::default()) else { return };
    for (turn, kind) in dialogue.record.turns.iter().zip(&dialogue.kinds) {
        let answer: String = turn
            .answer
            .iter()
            .map(|part| match part {
                AnswerPart::Text(text) => text.clone(),
                AnswerPart::Triplet { concept, targets, .. } => {
                    format!("<{concept}>x{}", targets.len())
                }
            })
            .collect();
        println!("{kind}: {} -> {answer}", Record::question_text(turn));
    }
}

fn draw(picture: &mut RgbImage, record: &Record, rng: &mut ChaCha8Rng) {
    let start = rng.random_range(0..COLOURS.len());
    for (k, target) in record.targets.iter().enumerate() {
        draw_target(picture, target, COLOURS[(start + k) % COLOURS.len()]);
    }
    for (k, prompt) in record.prompts.iter().enumerate() {
        draw_prompt(picture, prompt, COLOURS[(start + k) % COLOURS.len()]);
    }
}

fn draw_target(picture: &mut RgbImage, target: &Target, colour: [u8; 3]) {
    if let Some(mask) = target.mask.as_ref().and_then(|mask| mask.to_mask().ok()) {
        for (pixel, &set) in picture.pixels_mut().zip(&mask.pixels) {
            if set == 1 {
                pixel.0 = [0, 1, 2]
                    .map(|c| ((u16::from(pixel.0[c]) * 3 + u16::from(colour[c])) / 4) as u8);
            }
        }
    }
    if let Some([x, y, w, h]) = target.bbox {
        let corners = [[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]];
        corners.windows(2).for_each(|pair| line(picture, pair[0], pair[1], colour));
    }
    for joint in target.keypoints.iter().flatten().filter(|joint| joint[2] > 0.0) {
        dot(picture, [joint[0], joint[1]], 2, colour);
    }
}

fn draw_prompt(picture: &mut RgbImage, prompt: &Prompt, colour: [u8; 3]) {
    match prompt {
        Prompt::Point { x, y } => {
            dot(picture, [*x, *y], 4, [255; 3]);
            dot(picture, [*x, *y], 3, colour);
        }
        Prompt::Box { x, y, w, h } => {
            let corners = [[*x, *y], [x + w, *y], [x + w, y + h], [*x, y + h], [*x, *y]];
            corners.windows(2).for_each(|pair| line(picture, pair[0], pair[1], [255; 3]));
        }
        Prompt::Scribble { points } => {
            points.windows(2).for_each(|pair| line(picture, pair[0], pair[1], [255; 3]));
            points.iter().for_each(|point| dot(picture, *point, 2, colour));
        }
        Prompt::Mask { mask } => {
            let Ok(mask) = mask.to_mask() else { return };
            for outline in mask.outline() {
                outline.windows(2).for_each(|pair| line(picture, pair[0], pair[1], [255; 3]));
            }
        }
    }
}

fn line(picture: &mut RgbImage, a: [f32; 2], b: [f32; 2], colour: [u8; 3]) {
    let steps = (b[0] - a[0]).abs().max((b[1] - a[1]).abs()).ceil().max(1.0);
    for k in 0..=steps as u32 {
        let t = k as f32 / steps;
        dot(picture, [a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])], 0, colour);
    }
}

fn dot(picture: &mut RgbImage, [x, y]: [f32; 2], radius: i32, colour: [u8; 3]) {
    for dy in -radius..=radius {
        for dx in -radius..=radius {
            let (px, py) = ((x as i32 + dx) as u32, (y as i32 + dy) as u32);
            if dx * dx + dy * dy <= radius * radius
                && let Some(pixel) = picture.get_pixel_mut_checked(px, py)
            {
                *pixel = Rgb(colour);
            }
        }
    }
}
