//! Properties of drawn sheets; what they look like is judged by eye (`REFVLM_DRAWINGS`).

use super::*;
use refvlm_files::picture::write_picture;
use refvlm_model::event::{Finish, Timings};
use refvlm_record::{Mask, Unit};

fn gradient(width: u32, height: u32) -> Picture {
    let mut picture = Picture::filled(width, height, [0; 3]);
    for (k, pixel) in picture.rgb.chunks_exact_mut(3).enumerate() {
        let (x, y) = (k as u32 % width, k as u32 / width);
        let sky = y * 2 < height;
        let shade = (x * 60 / width) as u8;
        let rgb = if sky { [150 - shade, 190, 235] } else { [120, 150 + shade / 2, 90] };
        pixel.copy_from_slice(&rgb);
    }
    picture
}

fn ellipse(width: u32, height: u32, [cx, cy, rx, ry]: [f32; 4]) -> Mask {
    let mut mask = Mask::zeros(width, height);
    for (k, pixel) in mask.pixels.iter_mut().enumerate() {
        let (x, y) = ((k as u32 % width) as f32 + 0.5, (k as u32 / width) as f32 + 0.5);
        *pixel = u8::from(((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2) <= 1.0);
    }
    mask
}

fn paint(picture: &mut Picture, mask: &Mask, colour: [u8; 3]) {
    for (pixel, set) in picture.rgb.chunks_exact_mut(3).zip(&mask.pixels) {
        if *set != 0 {
            pixel.copy_from_slice(&colour);
        }
    }
}

fn token(text: &str) -> Event {
    Event::Token { id: 0, text: text.into(), forced: false }
}

fn triplet(triplet: usize, concept: &str, unit: Unit, shapes: Vec<Shape>) -> Vec<Event> {
    let count = shapes.len();
    let mut events = vec![Event::Triplet { triplet, concept: concept.into(), unit, count }];
    events.extend(shapes.into_iter().enumerate().map(|(index, shape)| Event::Unit {
        triplet,
        index,
        confidence: 0.9,
        shape,
    }));
    events
}

fn mask_shape(mask: &Mask) -> Shape {
    let bbox = mask.bounds().unwrap_or_default().map(|v| v as f32);
    Shape::Mask { mask: mask.to_rle(), bbox, others: Vec::new() }
}

const JOINTS: [[f32; 2]; 17] = [
    [0.50, 0.08],
    [0.53, 0.06],
    [0.47, 0.06],
    [0.58, 0.08],
    [0.42, 0.08],
    [0.68, 0.22],
    [0.32, 0.22],
    [0.82, 0.36],
    [0.20, 0.38],
    [0.92, 0.24],
    [0.10, 0.52],
    [0.62, 0.52],
    [0.38, 0.52],
    [0.66, 0.74],
    [0.34, 0.74],
    [0.70, 0.96],
    [0.28, 0.97],
];

/// Everything at once, on a picture of a given size.
fn showcase(width: u32, height: u32) -> (Picture, Vec<Prompt>, Vec<Event>) {
    let (w, h) = (width as f32, height as f32);
    let mut picture = gradient(width, height);
    let ball = ellipse(width, height, [0.22 * w, 0.66 * h, 0.12 * w, 0.12 * w]);
    let bush = ellipse(width, height, [0.46 * w, 0.72 * h, 0.11 * w, 0.1 * h]);
    let cloud = ellipse(width, height, [0.3 * w, 0.2 * h, 0.16 * w, 0.08 * h]);
    paint(&mut picture, &ball, [214, 64, 52]);
    paint(&mut picture, &bush, [40, 110, 60]);
    paint(&mut picture, &cloud, [245, 248, 252]);
    let person = [0.64 * w, 0.34 * h, 0.26 * w, 0.58 * h];
    let joints = |[x, y, pw, ph]: [f32; 4]| {
        JOINTS.iter().map(|p| [x + p[0] * pw, y + p[1] * ph, 0.9]).collect()
    };
    let metres = (0..64 * 48).map(|k| {
        let (x, y) = ((k % 64) as f32 / 64.0, (k / 64) as f32 / 48.0);
        if y < 0.5 { 0.0 } else { (1.2 / (y - 0.42)).min(14.0) - x }
    });
    let phrase = |text: &str, unit: &str, refs: &str| {
        token(&format!("<Phrase>{text}</Phrase>(<Unit>{unit}</Unit>{refs})"))
    };
    let mut events = vec![
        token("<Task>\nUnit decode (True).\n- Name: x Unit: box Num: 1\n</Task>\n"),
        phrase("A red ball", "mask", "[0]<REF>"),
        token(" lies left of "),
        phrase("a round bush", "mask", "[0]<REF>"),
        token(", and "),
        phrase("a person", "keypoint", "[0]<REF>"),
        token(" waves next to it. Above them drifts "),
        phrase("a small white cloud", "box", "[0]<REF>"),
        token("; everything else, shown as "),
        phrase("depth", "depth", "[0]<REF>"),
        token(", recedes towards a horizon that is too far away to measure.</s>"),
    ];
    events.extend(triplet(0, "A red ball", Unit::Mask, vec![mask_shape(&ball)]));
    events.extend(triplet(1, "a round bush", Unit::Mask, vec![mask_shape(&bush)]));
    let keypoints = Shape::Keypoint { bbox: person, keypoints: joints(person) };
    events.extend(triplet(2, "a person", Unit::Keypoint, vec![keypoints]));
    let bbox = Shape::Box { bbox: cloud.bounds().unwrap().map(|v| v as f32) };
    events.extend(triplet(3, "a small white cloud", Unit::Box, vec![bbox]));
    let depth = Shape::Depth { width: 64, height: 48, metres: metres.collect() };
    events.extend(triplet(4, "depth", Unit::Depth, vec![depth]));
    events.push(Event::Done { timings: Timings::default(), reason: Finish::End });
    let prompts = vec![
        Prompt::Point { x: 0.22 * w, y: 0.66 * h },
        Prompt::Box { x: 0.5 * w, y: 0.08 * h, w: 0.2 * w, h: 0.16 * h },
        Prompt::Scribble {
            points: (0..20)
                .map(|k| {
                    let t = k as f32 / 19.0;
                    [(0.05 + 0.3 * t) * w, (0.9 + 0.04 * (t * 12.0).sin()) * h]
                })
                .collect(),
        },
        Prompt::Mask {
            mask: ellipse(width, height, [0.86 * w, 0.15 * h, 0.08 * w, 0.09 * h]).to_rle(),
        },
    ];
    (picture, prompts, events)
}

#[test]
fn a_sheet_holds_picture_depth_and_words() {
    let (picture, prompts, events) = showcase(128, 96);
    let with_depth = annotate(&picture, &prompts, &events);
    // Two panels of 768 px side by side.
    assert!(with_depth.width > 2 * 768 && with_depth.height > 576 + 44);
    let bare = annotate(&picture, &[], &[]);
    assert_eq!((bare.width, bare.height), (768 + 44, 576 + 44));
    assert_eq!(annotate(&picture, &prompts, &events), with_depth);
    for (name, (width, height)) in
        [("small", (128, 96)), ("large", (1600, 1200)), ("tall", (96, 200))]
    {
        let (picture, prompts, events) = showcase(width, height);
        let drawn = annotate(&picture, &prompts, &events);
        if let Ok(folder) = std::env::var("REFVLM_DRAWINGS") {
            write_picture(&std::path::Path::new(&folder).join(format!("{name}.png")), &drawn)
                .unwrap();
        }
    }
}

#[test]
fn what_does_not_fit_is_left_out() {
    let picture = gradient(40, 30);
    let bare = annotate(&picture, &[], &[]);
    let odd = [
        triplet(0, "dog", Unit::Mask, vec![mask_shape(&ellipse(30, 40, [9.0, 9.0, 5.0, 5.0]))]),
        triplet(0, "dog", Unit::Box, vec![Shape::Box { bbox: [f32::NAN, 0.0, 5.0, 5.0] }]),
        triplet(0, "dog", Unit::Mask, vec![mask_shape(&Mask::zeros(40, 30))]),
        triplet(
            0,
            "depth",
            Unit::Depth,
            vec![Shape::Depth { width: 9, height: 9, metres: vec![] }],
        ),
    ]
    .concat();
    assert_eq!(annotate(&picture, &[], &odd), bare);
    // Far outside: nothing to see, nothing to fail.
    let outside = triplet(0, "dog", Unit::Box, vec![Shape::Box { bbox: [1e9, 1e9, 1e9, 1e9] }]);
    annotate(&picture, &[Prompt::Point { x: -1e9, y: 1e9 }], &outside);
    annotate(&Picture { width: 0, height: 0, rgb: vec![] }, &[], &outside);
}

#[test]
fn a_failure_is_written_below() {
    let picture = gradient(40, 30);
    let failed =
        annotate(&picture, &[], &[Event::Failed { error: "the package is damaged".into() }]);
    assert!(failed.height > annotate(&picture, &[], &[]).height);
}
