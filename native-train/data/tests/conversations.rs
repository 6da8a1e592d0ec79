//! Sources of questions and answers, in the exact layouts, with the odd cases of each.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test uses a part of the support")]

mod support;

use refvlm_data::readers::{self, Item};
use refvlm_record::{AnswerPart, QuestionPart, Record, Task};
use serde_json::json;
use std::ops::ControlFlow;
use support::Folder;

/// The reader that takes the folder, its records, and what was left out, one line each.
fn open(folder: &Folder) -> (&'static str, Vec<Record>, String) {
    let reader = readers::find(&folder.0).unwrap().unwrap();
    let mut records = Vec::new();
    let mut take = |item| {
        let Item::Conversation(told) = item else { panic!("a photo") };
        assert!(told.picture.is_file());
        records.push(told.record);
        ControlFlow::Continue(())
    };
    let outcome = readers::read(&folder.0, reader, &mut take).unwrap();
    assert_eq!(outcome.dropped, outcome.faults.len());
    assert_eq!(outcome.kept, records.len());
    let faults: Vec<String> = outcome.faults.iter().map(ToString::to_string).collect();
    (reader.name(), records, faults.join("\n"))
}

fn answer(record: &Record, turn: usize) -> &str {
    match &record.turns[turn].answer[..] {
        [AnswerPart::Text(text)] => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn vqa_joins_questions_and_answers() {
    let folder = Folder::new("vqa");
    folder.picture("COCO_train2014_000000000009.jpg", 20, 10);
    folder.json(
        "v2_OpenEnded_mscoco_train2014_questions.json",
        &json!({
            "info": {}, "data_type": "mscoco", "questions": [
                { "image_id": 9, "question": "What color is it?", "question_id": 9000 },
                { "image_id": 9, "question": "How many?", "question_id": 9001 },
                { "image_id": 9, "question": "Why?", "question_id": 9002 },
                { "image_id": 9, "question": "Again?", "question_id": 9000 },
                { "image_id": 8, "question": "Where?", "question_id": 8000 },
                { "image_id": 8 },
            ],
        }),
    );
    let given = |words: &[&str]| {
        let list = words.iter().map(|word| json!({ "answer": word, "answer_confidence": "yes" }));
        list.collect::<Vec<_>>()
    };
    folder.json("v2_mscoco_train2014_annotations.json", &json!({ "annotations": [
        { "question_id": 9000, "image_id": 9, "multiple_choice_answer": "net", "answers": given(&["x"]) },
        { "question_id": 9001, "image_id": 9, "answers": given(&["two", "3", "3", "two", "3"]) },
        { "question_id": 8000, "image_id": 8, "multiple_choice_answer": "there" },
    ] }));
    let (name, records, faults) = open(&folder);
    assert_eq!((name, records.len()), ("vqa", 2), "{faults}");
    assert_eq!((answer(&records[0], 0), answer(&records[1], 0)), ("net", "3"));
    assert_eq!(records[0].id, "vqa-9000");
    assert_eq!(faults.lines().count(), 4, "{faults}");
    assert!(faults.contains("questions[4]: no picture 'COCO_train2014_000000000008"), "{faults}");
}

#[test]
fn gqa_is_an_object_of_questions() {
    let folder = Folder::new("gqa");
    folder.picture("n161313.jpg", 20, 10);
    folder.json("train_balanced_questions.json", &json!({
        "02930152": { "imageId": "n161313", "question": "Is the sky dark?", "answer": "yes", "fullAnswer": "Yes, the sky is dark.", "isBalanced": true },
        "02930153": { "imageId": "n161313", "question": "Is it?" },
        "02930154": { "imageId": 17, "question": "Is it?", "answer": "no" },
    }));
    let (name, records, faults) = open(&folder);
    assert_eq!((name, records.len(), faults.lines().count()), ("gqa", 1, 2), "{faults}");
    assert_eq!((records[0].id.as_str(), answer(&records[0], 0)), ("gqa-02930152", "yes"));
}

#[test]
fn pope_is_json_lines() {
    let folder = Folder::new("pope");
    folder.picture("COCO_val2014_000000000001.jpg", 20, 10);
    let lines = "{\"question_id\": 1, \"image\": \"COCO_val2014_000000000001.jpg\", \"text\": \"Is there a snowboard in the image?\", \"label\": \"yes\"}\n\
                 \n{\"question_id\": 2, \"image\": \"COCO_val2014_000000000001.jpg\", \"text\": \"?\", \"label\": \"maybe\"}\n{broken\n\
                 {\"question_id\": 3, \"image\": \"COCO_val2014_000000000001.jpg\", \"text\": \"Is there a dog?\", \"label\": \"no\"}";
    std::fs::write(folder.0.join("coco_pope_random.json"), lines).unwrap();
    let (name, records, faults) = open(&folder);
    assert_eq!((name, records.len()), ("pope", 2), "{faults}");
    assert_eq!(records[1].id, "pope-coco_pope_random-3");
    assert!(faults.contains("line 3: label 'maybe'") && faults.contains("line 4"), "{faults}");
}

#[test]
fn llava_takes_turns_about_one_picture() {
    let folder = Folder::new("llava");
    std::fs::create_dir_all(folder.0.join("coco/train2017")).unwrap();
    support::picture(20, 10).save(folder.0.join("coco/train2017/1.jpg")).unwrap();
    let told = |messages: &[(&str, &str)]| {
        let list = messages.iter().map(|(from, value)| json!({ "from": from, "value": value }));
        json!({ "id": "000001", "image": "coco/train2017/1.jpg", "conversations": list.collect::<Vec<_>>() })
    };
    let mut text_only = told(&[("human", "Hello"), ("gpt", "Hi")]);
    text_only.as_object_mut().unwrap().remove("image");
    folder.json("llava_instruct.json", &json!([
        told(&[("human", "<image>\nWhat is it?"), ("gpt", "A \n dog."), ("human", "Its color?"), ("gpt", "Brown.")]),
        told(&[("human", "What is it?\n<image>"), ("gpt", "A dog.")]),
        told(&[("gpt", "A dog."), ("human", "<image>")]),
        told(&[("human", "<image><image>"), ("gpt", "Two.")]),
        told(&[("human", "<image>\nWhere?"), ("gpt", "[0.1, 0.2, 0.35, 0.4]")]),
        text_only,
        { "id": 5, "image": "../up.jpg", "conversations": [] },
    ]));
    let (name, records, faults) = open(&folder);
    assert_eq!((name, records.len(), faults.lines().count()), ("llava", 2, 5), "{faults}");
    assert_eq!(records[0].turns.len(), 2);
    assert_eq!(Record::question_text(&records[0].turns[0]), "What is it?");
    assert_eq!(answer(&records[0], 0), "A dog.");
    assert_ne!(records[0].id, records[1].id, "the source has one id on several entries");
    assert_eq!(records[0].image.path, "pictures/llava-coco-train2017-1.png");
    assert!(faults.contains("coordinates as text") && faults.contains("leaves the folder"));
}

#[test]
fn osprey_points_with_masks() {
    let folder = Folder::new("osprey");
    folder.picture("000000000009.jpg", 20, 10);
    let square = json!({ "segmentation": [[0, 0, 4, 0, 4, 4, 0, 4]], "bbox": [0, 0, 4, 4] });
    let runs = json!({ "segmentation": support::runs(20, 10, [8, 2, 4, 4], None) });
    let talk = |question: &str| json!([{ "from": "human", "value": question }, { "from": "gpt", "value": "<region1> is red." }]);
    folder.json("osprey_conversation.json", &json!([
        { "id": 1, "file_name": "COCO_train2014_000000000009.jpg", "height": 10, "width": 20,
          "annotation": [square, runs], "conversations": talk("Is <region2> left of <region1>?") },
        { "id": 2, "file_name": "000000000009.jpg", "height": 10, "width": 20,
          "annotation": [square], "description": ["<region1>: A red square."] },
        { "id": 3, "file_name": "000000000009.jpg", "height": 10, "width": 20,
          "annotation": [square], "conversations": talk("What is <region3>?") },
    ]));
    let (name, records, faults) = open(&folder);
    assert_eq!((name, records.len()), ("osprey", 2), "{faults}");
    let question = &records[0].turns[0].question;
    assert_eq!(
        (&question[1], &question[3]),
        (&QuestionPart::Prompt { prompt: 1 }, &QuestionPart::Prompt { prompt: 0 })
    );
    assert_eq!(
        (answer(&records[0], 0), answer(&records[1], 0)),
        ("region1 is red.", "A red square.")
    );
    assert!(faults.contains("index 2, but the record has 1"), "{faults}");
}

#[test]
fn grit_ties_phrases_to_boxes() {
    let folder = Folder::new("grit");
    support::picture(20, 10).save(folder.0.join("000000001.jpg")).unwrap();
    let told = json!({
        "key": "000000001", "caption": "Ein Hündchen: a dog and its tail", "width": 20, "height": 10,
        "noun_chunks": [
            [14, 19, 0.1, 0.2, 0.5, 0.8, 0.9], [14, 19, 0.6, 0.2, 0.9, 0.8, 0.9],
            [16, 19, 0.1, 0.2, 0.5, 0.8, 0.9], [24, 99, 0.1, 0.2, 0.5, 0.8, 0.9],
        ],
        "ref_exps": [[14, 32, 0.1, 0.2, 0.5, 0.8, 0.9]],
    });
    // As img2dataset writes it: over several lines.
    std::fs::write(folder.0.join("000000001.json"), serde_json::to_string_pretty(&told).unwrap())
        .unwrap();
    let (name, records, faults) = open(&folder);
    assert_eq!((name, records.len()), ("grit", 1), "{faults}");
    let turn = &records[0].turns[0];
    assert_eq!(turn.task, Task::GcgDetection);
    let [
        AnswerPart::Text(before),
        AnswerPart::Triplet { concept, targets, .. },
        AnswerPart::Text(after),
    ] = &turn.answer[..]
    else {
        panic!("{:?}", turn.answer)
    };
    assert_eq!(
        (before.as_str(), concept.as_str(), after.as_str()),
        ("Ein Hündchen: ", "a dog", " and its tail")
    );
    assert_eq!(targets.len(), 2);
    let bbox = records[0].targets[targets[0]].bbox.unwrap();
    assert!(bbox.iter().zip([2.0, 2.0, 8.0, 6.0]).all(|(a, b)| (a - b).abs() < 1e-4), "{bbox:?}");
}
