//! Data sets in the exact layouts of their authors, with the odd cases of each.

use crate::support::{Folder, samples};
use refvlm_data::Photo;
use refvlm_data::readers::{self, Conversation, Item};
use refvlm_record::{AnswerPart, Prompt, QuestionPart, Record, Task, Unit};
use std::ops::ControlFlow;

/// What the reader of the folder makes of it: its name, photos, conversations, faults.
fn open(folder: &Folder) -> (&'static str, Vec<Photo>, Vec<Conversation>, String) {
    let found = readers::find(&folder.0).unwrap().unwrap();
    let (mut photos, mut talks) = (Vec::new(), Vec::new());
    let mut take = |item| {
        match item {
            Item::Photo(photo) => photos.push(photo),
            Item::Conversation(told) => talks.push(told),
        }
        ControlFlow::Continue(())
    };
    let outcome = found.read(&mut take).unwrap();
    let faults: Vec<String> = outcome.faults.iter().map(ToString::to_string).collect();
    (found.reader.name, photos, talks, faults.join("\n"))
}

fn answer(record: &Record, turn: usize) -> String {
    let part = |part: &AnswerPart| match part {
        AnswerPart::Text(text) => text.clone(),
        AnswerPart::Triplet { concept, targets, .. } => format!("<{concept}>{targets:?}"),
    };
    record.turns[turn].answer.iter().map(part).collect()
}

fn areas(photo: &Photo) -> Vec<(&str, u64, bool)> {
    let area = |mask: Option<refvlm_record::Mask>| mask.map_or(0, |mask| mask.area());
    photo.things.iter().map(|t| (t.category.as_str(), area(t.decoded()), t.crowd)).collect()
}

#[test]
fn each_sample_is_taken_by_its_reader_and_gives_something() {
    assert_eq!(samples::SAMPLES.len(), readers::READERS.len());
    for ((name, make), reader) in samples::SAMPLES.iter().zip(readers::READERS) {
        let (found, photos, talks, faults) = open(&make());
        assert_eq!((found, reader.name), (*name, *name));
        assert!(!photos.is_empty() || !talks.is_empty(), "{name}: {faults}");
    }
}

#[test]
fn flickr30k_ties_phrases_to_chains_of_boxes() {
    let (name, _, talks, faults) = open(&samples::flickr30k());
    assert_eq!((name, talks.len()), ("flickr30k", 3), "{faults}");
    let records: Vec<&Record> = talks.iter().map(|told| &told.record).collect();
    assert_eq!(answer(records[0], 0), "<Two men>[0, 1] in <grün shirts>[2], near it.");
    assert_eq!(records[0].turns[0].task, Task::GcgDetection);
    // Corners count from one, both ends included.
    assert_eq!(records[0].targets[0].bbox, Some([0.0, 0.0, 4.0, 10.0]));
    assert_eq!(records[0].source, "flickr30k:test");
    assert_eq!(answer(records[1], 0), "A street is seen.");
    assert_eq!(
        (answer(records[2], 0).as_str(), records[2].turns[0].task),
        ("Nobody is named.", Task::Vqa)
    );
    assert!(faults.lines().count() == 1 && faults.contains("99.xml"), "{faults}");
}

#[test]
fn visual_genome_describes_regions_and_relations() {
    let (name, _, talks, faults) = open(&samples::genome());
    let records: Vec<&Record> = talks.iter().map(|told| &told.record).collect();
    assert_eq!((name, records.len()), ("visual-genome", 3), "{faults}");
    assert_eq!(records.iter().map(|r| r.turns.len()).collect::<Vec<_>>(), [8, 2, 1]);
    assert_eq!(answer(records[0], 0), "a brown dog");
    assert_eq!(answer(records[0], 1), "<a brown dog>[0].");
    assert!(Record::question_text(&records[0].turns[1]).to_lowercase().contains("a brown dog"));
    assert_eq!(records[0].prompts[2], Prompt::Box { x: 2.0, y: 1.0, w: 6.0, h: 4.0 });
    assert_eq!(answer(records[2], 0), "on");
    let prompts = records[2].turns[0].question.iter().filter_map(|part| match part {
        QuestionPart::Prompt { prompt } => Some(*prompt),
        QuestionPart::Text(_) => None,
    });
    assert_eq!(prompts.collect::<Vec<_>>(), [0, 1]);
    assert!(faults.contains("[1]") && faults.contains("covers less than"), "{faults}");
}

#[test]
fn panoptic_numbers_are_colours() {
    let (name, photos, _, faults) = open(&samples::panoptic());
    assert_eq!((name, photos.len()), ("coco-panoptic", 1), "{faults}");
    let found = areas(&photos[0]);
    assert_eq!(found, [("person", 50, false), ("tree-merged", 50, false), ("person", 50, true)]);
    assert!(faults.contains("segment 8: no pixel of the map has its number"), "{faults}");
}

#[test]
fn clevr_asks_about_solids() {
    let (name, _, talks, faults) = open(&samples::clevr());
    assert_eq!((name, talks.len()), ("clevr", 1), "{faults}");
    assert_eq!(talks[0].record.source, "CLEVR_v1.0:val");
    assert_eq!(answer(&talks[0].record, 0), "yes");
    assert!(faults.contains("questions[1]: no answer"), "{faults}");
}

#[test]
fn maps_of_classes_become_masks() {
    let (name, photos, _, faults) = open(&samples::ade());
    assert_eq!((name, faults.as_str()), ("semantic", ""));
    assert_eq!(areas(&photos[0]), [("wall", 70, false), ("building", 60, false)]);

    let (name, photos, _, faults) = open(&samples::cityscapes());
    assert_eq!((name, photos.len(), faults.as_str()), ("semantic", 1, ""));
    let found = areas(&photos[0]);
    assert_eq!(
        found,
        [("road", 40, false), ("person", 40, true), ("car", 40, false), ("car", 40, false)]
    );

    let (name, photos, _, faults) = open(&samples::voc_maps());
    assert_eq!((name, faults.as_str()), ("semantic", ""));
    assert_eq!(areas(&photos[0]), [("person", 80, false), ("dog", 60, false)]);
}

#[test]
fn distances_are_maps_beside_pictures() {
    let (name, _, talks, faults) = open(&samples::nyu());
    assert_eq!((name, talks.len()), ("depth", 1), "{faults}");
    let record = &talks[0].record;
    assert_eq!(record.turns[0].task, Task::Depth);
    let AnswerPart::Triplet { unit, .. } = &record.turns[0].answer[0] else { panic!() };
    assert_eq!(*unit, Unit::Depth);
    assert_eq!(record.targets[0].depth.as_ref().unwrap().metres_per_unit, 0.001);
    assert!(talks[0].depths[0].ends_with("sync_depth_00045.png"));
    assert!(faults.contains("sync_depth_00046.png") && faults.contains("rgb_"), "{faults}");

    let (name, _, talks, faults) = open(&samples::kitti());
    assert_eq!((name, talks.len(), faults.as_str()), ("depth", 1, ""));
    assert!(talks[0].picture.ends_with("image_02/data/0000000005.png"));
}
