//! Sources of questions and answers, in the exact layouts, with the odd cases of each.

use crate::support;
use crate::support::Folder;
use refvlm_data::readers::{self, Item};
use refvlm_record::{AnswerPart, QuestionPart, Record, Task};
use serde_json::json;
use std::ops::ControlFlow;

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
    let outcome = reader.read(&mut take).unwrap();
    assert_eq!(outcome.dropped, outcome.faults.len());
    assert_eq!(outcome.kept, records.len());
    let faults: Vec<String> = outcome.faults.iter().map(ToString::to_string).collect();
    (reader.reader.name, records, faults.join("\n"))
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

/// What Python's `pickle.dumps` makes of three refs, by protocol.
#[rustfmt::skip]
const PICKLES: [(u8, &[u8]); 3] = [
    (0, b"(lp0\x0a(dp1\x0aVsent_ids\x0ap2\x0a(lp3\x0aI0\x0aaI1\x0aasVfile_name\x0ap4\x0aVCOCO_train2014_000000000009_1.jpg\x0ap5\x0asVann_id\x0ap6\x0aI77\x0asVref_id\x0ap7\x0aI0\x0asVimage_id\x0ap8\x0aI9\x0asVsplit\x0ap9\x0aVtestA\x0ap10\x0asVsentences\x0ap11\x0a(lp12\x0a(dp13\x0aVtokens\x0ap14\x0a(lp15\x0aVthe\x0ap16\x0aaVman's\x0ap17\x0aaVdog\x0ap18\x0aasVraw\x0ap19\x0aVthe man's dog\x0ap20\x0asVsent_id\x0ap21\x0aI0\x0asVsent\x0ap22\x0ag20\x0asa(dp23\x0ag14\x0a(lp24\x0aVleft\x0ap25\x0aasg19\x0aVLEFT\x0ap26\x0asg21\x0aI1\x0asg22\x0aVleft \xe4\x0ap27\x0asasVcategory_id\x0ap28\x0aI18\x0asa(dp29\x0ag2\x0a(lp30\x0aI2\x0aasg4\x0aVx\x0ap31\x0asg6\x0aI78\x0asg7\x0aI70000\x0asg8\x0aI9\x0asg9\x0aVval\x0ap32\x0asg11\x0a(lp33\x0asg28\x0aI18\x0asa(dp34\x0ag2\x0a(lp35\x0aI2\x0aasg4\x0ag31\x0asg6\x0aI99\x0asg7\x0aI2\x0asg8\x0aI9\x0asg9\x0ag32\x0asg11\x0a(lp36\x0asg28\x0aI18\x0asa."),
    (2, b"\x80\x02]q\x00(}q\x01(X\x08\x00\x00\x00sent_idsq\x02]q\x03(K\x00K\x01eX\x09\x00\x00\x00file_nameq\x04X!\x00\x00\x00COCO_train2014_000000000009_1.jpgq\x05X\x06\x00\x00\x00ann_idq\x06KMX\x06\x00\x00\x00ref_idq\x07K\x00X\x08\x00\x00\x00image_idq\x08K\x09X\x05\x00\x00\x00splitq\x09X\x05\x00\x00\x00testAq\x0aX\x09\x00\x00\x00sentencesq\x0b]q\x0c(}q\x0d(X\x06\x00\x00\x00tokensq\x0e]q\x0f(X\x03\x00\x00\x00theq\x10X\x05\x00\x00\x00man'sq\x11X\x03\x00\x00\x00dogq\x12eX\x03\x00\x00\x00rawq\x13X\x0d\x00\x00\x00the man's dogq\x14X\x07\x00\x00\x00sent_idq\x15K\x00X\x04\x00\x00\x00sentq\x16h\x14u}q\x17(h\x0e]q\x18X\x04\x00\x00\x00leftq\x19ah\x13X\x04\x00\x00\x00LEFTq\x1ah\x15K\x01h\x16X\x07\x00\x00\x00left \xc3\xa4q\x1bueX\x0b\x00\x00\x00category_idq\x1cK\x12u}q\x1d(h\x02]q\x1eK\x02ah\x04X\x01\x00\x00\x00xq\x1fh\x06KNh\x07Jp\x11\x01\x00h\x08K\x09h\x09X\x03\x00\x00\x00valq h\x0b]q!h\x1cK\x12u}q\x22(h\x02]q#K\x02ah\x04h\x1fh\x06Kch\x07K\x02h\x08K\x09h\x09h h\x0b]q$h\x1cK\x12ue."),
    (4, b"\x80\x04\x95o\x01\x00\x00\x00\x00\x00\x00]\x94(}\x94(\x8c\x08sent_ids\x94]\x94(K\x00K\x01e\x8c\x09file_name\x94\x8c!COCO_train2014_000000000009_1.jpg\x94\x8c\x06ann_id\x94KM\x8c\x06ref_id\x94K\x00\x8c\x08image_id\x94K\x09\x8c\x05split\x94\x8c\x05testA\x94\x8c\x09sentences\x94]\x94(}\x94(\x8c\x06tokens\x94]\x94(\x8c\x03the\x94\x8c\x05man's\x94\x8c\x03dog\x94e\x8c\x03raw\x94\x8c\x0dthe man's dog\x94\x8c\x07sent_id\x94K\x00\x8c\x04sent\x94h\x14u}\x94(h\x0e]\x94\x8c\x04left\x94ah\x13\x8c\x04LEFT\x94h\x15K\x01h\x16\x8c\x07left \xc3\xa4\x94ue\x8c\x0bcategory_id\x94K\x12u}\x94(h\x02]\x94K\x02ah\x04\x8c\x01x\x94h\x06KNh\x07Jp\x11\x01\x00h\x08K\x09h\x09\x8c\x03val\x94h\x0b]\x94h\x1cK\x12u}\x94(h\x02]\x94K\x02ah\x04h\x1fh\x06Kch\x07K\x02h\x08K\x09h\x09h h\x0b]\x94h\x1cK\x12ue."),
];

fn instances(folder: &Folder) {
    folder.picture("COCO_train2014_000000000009.jpg", 20, 10);
    let thing = |id: u32, x: u32| {
        json!({ "id": id, "image_id": 9, "category_id": 18, "iscrowd": 0, "bbox": [x, 1, 4, 4],
            "segmentation": [[x, 1, x + 4, 1, x + 4, 5, x, 5]] })
    };
    folder.json("instances.json", &json!({
        "images": [{ "id": 9, "file_name": "COCO_train2014_000000000009.jpg", "width": 20, "height": 10 }],
        "categories": [{ "id": 18, "name": "dog" }],
        "annotations": [thing(77, 2), thing(78, 12)],
    }));
}

#[test]
fn refcoco_is_a_pickle_beside_instances() {
    let folder = Folder::new("refcoco");
    instances(&folder);
    for (protocol, bytes) in PICKLES {
        std::fs::write(folder.0.join("refs(unc).p"), bytes).unwrap();
        let (name, records, faults) = open(&folder);
        assert_eq!((name, records.len()), ("refcoco", 1), "{protocol}: {faults}");
        assert_eq!((records[0].source.as_str(), records[0].turns.len()), ("refcoco:testA", 4));
        let asked = Record::question_text(&records[0].turns[0]).to_lowercase();
        assert!(asked.contains("the man's dog"), "{asked}");
        let asked = Record::question_text(&records[0].turns[2]).to_lowercase();
        assert!(asked.contains("left ä"), "{asked}");
        let [AnswerPart::Triplet { concept, targets, .. }, _] = &records[0].turns[1].answer[..]
        else {
            panic!("{:?}", records[0].turns[1])
        };
        assert_eq!((concept.as_str(), targets.as_slice()), ("dog", &[0][..]));
        let target = &records[0].targets[0];
        assert_eq!(target.mask.as_ref().unwrap().to_mask().unwrap().area(), 16);
        assert!(faults.contains("ref_id 70000") && faults.contains("ann_id is not"), "{faults}");
        // Cut anywhere, it is an error and no panic.
        for end in 0..bytes.len() {
            std::fs::write(folder.0.join("refs(unc).p"), &bytes[..end]).unwrap();
            let reader = readers::find(&folder.0).unwrap().unwrap();
            let error = reader.read(&mut |_| ControlFlow::Continue(()));
            assert!(error.unwrap_err().to_string().contains("pickle"), "{protocol} {end}");
        }
    }
    std::fs::write(folder.0.join("refs(unc).p"), b"cos\nsystem\n.").unwrap();
    let reader = readers::find(&folder.0).unwrap().unwrap();
    let error = reader.read(&mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(error.to_string().contains("opcode 0x63"), "{error}");
}

#[test]
fn grefcoco_means_several_things_or_nothing() {
    let folder = Folder::new("grefcoco");
    instances(&folder);
    let entry = |id: u32, things: serde_json::Value| {
        json!({ "ref_id": id, "ann_id": things, "image_id": 9, "split": "train", "category_id": [18],
            "file_name": "COCO_train2014_000000000009_0.jpg", "sentences": [{ "sent": "both dogs", "sent_id": 1 }] })
    };
    folder.json("grefs(unc).json", &json!([entry(1, json!([77, 78])), entry(2, json!([-1]))]));
    let (name, records, faults) = open(&folder);
    assert_eq!((name, records.len(), faults.as_str()), ("refcoco", 2, ""));
    let AnswerPart::Triplet { targets, .. } = &records[0].turns[0].answer[0] else { panic!() };
    assert_eq!(targets.len(), 2);
    assert!(answer(&records[1], 0).starts_with("There is nothing"));
}
