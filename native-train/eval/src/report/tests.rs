//! The page's text; how it looks is judged by eye (`REFVLM_DRAWINGS`).

use super::*;
use crate::clicks::Table;
use crate::hands::Hand;
use crate::metrics::{Scores, Summary};
use crate::objects::{Class, Objects};
use refvlm_record::{AnswerPart, Image, Mask, Prompt, QuestionPart, Task, Turn};

fn disc(width: u32, height: u32, [cx, cy, r]: [f32; 3]) -> Mask {
    let mut mask = Mask::zeros(width, height);
    for (k, pixel) in mask.pixels.iter_mut().enumerate() {
        let (x, y) = ((k as u32 % width) as f32, (k as u32 / width) as f32);
        *pixel = u8::from((x - cx).hypot(y - cy) <= r);
    }
    mask
}

fn example() -> (Picture, Record, Vec<String>) {
    let (width, height) = (128, 96);
    let mut picture = Picture::filled(width, height, [186, 214, 190]);
    let discs = [[30.0, 60.0, 16.0], [80.0, 50.0, 22.0]];
    let masks = discs.map(|d| disc(width, height, d));
    for (mask, colour) in masks.iter().zip([[206, 70, 60], [250, 210, 90]]) {
        for (pixel, set) in picture.rgb.chunks_exact_mut(3).zip(&mask.pixels) {
            if *set != 0 {
                pixel.copy_from_slice(&colour);
            }
        }
    }
    let target = |mask: &Mask| Target {
        bbox: mask.bounds().map(|b| b.map(|v| v as f32)),
        mask: Some(mask.to_rle()),
        ..Target::default()
    };
    let answer = vec![
        AnswerPart::Triplet { concept: "The red ball".into(), unit: Unit::Mask, targets: vec![0] },
        AnswerPart::Text(" lies left of ".into()),
        AnswerPart::Triplet { concept: "a yellow one".into(), unit: Unit::Mask, targets: vec![1] },
        AnswerPart::Text(".".into()),
    ];
    let question =
        vec![QuestionPart::Text("What is at ".into()), QuestionPart::Prompt { prompt: 0 }];
    let record = Record {
        id: "scene-7 <b>".into(),
        source: String::new(),
        licence: String::new(),
        image: Image { path: "a.png".into(), width, height },
        targets: masks.iter().map(target).collect(),
        prompts: vec![Prompt::Point { x: 30.0, y: 62.0 }],
        turns: vec![Turn { task: Task::GcgSegmentation, question, answer }],
    };
    (picture, record, vec!["red ball".into(), "yellow ball".into()])
}

fn objects() -> Objects {
    Objects {
        what: "boxes".into(),
        curves: vec![(0.5, vec![1.0, 1.0, 0.0])],
        reliability: vec![(0.3, 0.2, 5), (0.9, 0.8, 20)],
        calibration_error: Some(0.1),
        classes: vec![Class { name: "<dog>".into(), wanted: 7, precision: 0.4 }],
        names: vec!["<dog>".into()],
        confusion: vec![vec![5, 2], vec![1, 0]],
        ..Objects::default()
    }
}

#[test]
fn a_sheet_shows_scores_and_the_worst_first() {
    let (picture, record, names) = example();
    let size = [picture.width, picture.height];
    let turn = &record.turns[0];
    let truth = Answer::from_truth(&turn.answer, &record.targets, size);
    let mut wrong = truth.clone();
    let shifted = disc(128, 96, [38.0, 60.0, 16.0]);
    let bbox = shifted.bounds().unwrap().map(|v| v as f32);
    wrong.triplets[0].shapes[0].1 =
        Shape::Mask { mask: shifted.to_rle(), bbox, others: Vec::new() };
    wrong.triplets[1].shapes.clear();
    let mut scores = Scores::default();
    let mut cards = Vec::new();
    for (kind, answer) in
        [("caption_masks", &truth), ("prompt_mask.point", &wrong), ("prompt_mask.box", &truth)]
    {
        let score = scores.add(kind, &turn.answer, &record.targets, size, answer);
        cards.push(Card::of_answer(&Answered {
            title: format!("{} · {kind}", record.id),
            kind: kind.into(),
            picture: picture.clone(),
            prompts: record.prompts.clone(),
            question: Record::question_text(turn),
            truth: truth.clone(),
            answer: answer.clone(),
            score,
        }));
    }
    worst_first(&mut cards);
    assert!(cards.windows(2).all(|pair| pair[0].score <= pair[1].score));
    cards.push(Card::of_record(&picture, &record, &names));
    let rows = Summary::of(&scores).rows();
    let objects = vec![objects()];
    let subtitle = "refvlm eval --package www/models/scenes --records held-out.jsonl";
    let clicks = vec![Table { hand: Hand::Tools, rows: Vec::new(), curve: vec![0.5, 1.0] }];
    let (title, subtitle) = ("Held-out scenes".into(), subtitle.into());
    let sheet = Sheet { title, subtitle, rows, clicks, objects, cards };
    let html = sheet.html(Path::new("sheet.html")).unwrap();
    assert_eq!(html.matches("<article ").count(), 4);
    assert_eq!(html.matches("data:image/jpeg;base64,/9j/").count(), 7);
    assert!(html.contains("scene-7 &lt;b&gt;") && !html.contains("scene-7 <b>"));
    assert!(html.contains("What is at [prompt 1]\n→ The red ball lies left of a yellow one."));
    assert!(
        html.contains("data-kind=\"prompt_mask.box\"") && html.contains("<option>caption_masks")
    );
    // Half of the recall at full precision, then none; x from 40 to 300, y from 10 to 210.
    assert!(html.contains("points=\"40.0,10.0 170.0,10.0 300.0,210.0\""), "curve");
    assert!(html.contains("<th scope=\"row\">&lt;dog&gt;</th>"), "confusion");
    // One click of two, then two.
    assert!(html.contains("points=\"170.0,110.0 300.0,10.0\""), "clicks");
    assert!(html.contains("1 red ball  ·  2 yellow ball"));
    if let Ok(folder) = std::env::var("REFVLM_DRAWINGS") {
        sheet.write(&Path::new(&folder).join("sheet.html")).unwrap();
    }
}

#[test]
fn base64_pads_as_it_should() {
    let pairs = [("", ""), ("M", "TQ=="), ("Ma", "TWE="), ("Man", "TWFu"), ("Many", "TWFueQ==")];
    for (plain, text) in pairs {
        assert_eq!(base64(plain.as_bytes()), text);
    }
}
