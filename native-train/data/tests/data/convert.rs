//! The way out and back: what a format can say comes back as it was.

use crate::support::{Folder, scene};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use refvlm_data::convert::{Converted, Converter, Format};
use refvlm_data::stats::Stats;
use refvlm_data::{Collection, DialogueOptions, Photo, Thing, dialogues};
use refvlm_record::Task;
use std::path::Path;

fn there_and_back(photos: &[Photo], format: Format) -> (Vec<Photo>, Converted) {
    let out = Folder::new("out");
    std::fs::remove_dir(out.0.join("images")).unwrap();
    let mut converter = Converter::default();
    photos.iter().cloned().for_each(|photo| converter.photo(photo));
    let converted = converter.write(format, &out.0).unwrap();
    let mut back = Collection::open(&out.0).unwrap();
    assert!(back.faults.is_empty(), "{format:?}: {:?}", back.faults);
    back.photos.sort_by_key(Photo::stem);
    (back.photos, converted)
}

/// Category, mask's pixels and joints must be equal, boxes to a hundredth of a px.
fn equal(a: &Thing, b: &Thing, joints: bool, masks: bool) {
    assert_eq!(a.category, b.category);
    if masks {
        assert_eq!(a.decoded(), b.decoded(), "{}", a.category);
    }
    if joints {
        let (a, b) = (a.joints.map(|j| j.concat()), b.joints.map(|j| j.concat()));
        let near = a.iter().flatten().zip(b.iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-2);
        assert!(a.is_some() == b.is_some() && near);
    }
    if a.mask.is_none() || !masks {
        let near = a.bbox.iter().zip(b.bbox).all(|(a, b)| (a - b).abs() < 1e-2);
        assert!(near, "{:?} {:?}", a.bbox, b.bbox);
    }
}

fn round_trips(mut photos: Vec<Photo>) {
    photos.sort_by_key(Photo::stem);
    for (format, joints, masks) in [
        (Format::Coco, true, true),
        (Format::Yolo, false, true),
        (Format::YoloPose, true, false),
        (Format::LabelMe, false, true),
    ] {
        let (back, converted) = there_and_back(&photos, format);
        assert_eq!((back.len(), converted.written), (photos.len(), photos.len()), "{format:?}");
        for (a, b) in photos.iter().zip(&back) {
            assert_eq!((a.stem(), a.width, a.height), (b.stem(), b.width, b.height));
            assert_eq!(a.things.len(), b.things.len(), "{format:?} {}", a.stem());
            a.things.iter().zip(&b.things).for_each(|(a, b)| equal(a, b, joints, masks));
            if format == Format::Coco {
                assert_eq!((&a.captions, &a.licence), (&b.captions, &b.licence));
            }
        }
    }
}

#[test]
fn a_photo_comes_back() {
    let folder = scene();
    let photos = Collection::open(&folder.0).unwrap().photos;
    let (_, converted) = there_and_back(&photos, Format::Yolo);
    assert_eq!(converted.lost, [("captions", 2), ("poses", 1)].into_iter().collect());
    let (_, converted) = there_and_back(&photos, Format::Coco);
    assert!(converted.lost.is_empty(), "{converted}");
    round_trips(photos);
}

#[test]
fn real_photos_come_back() {
    for source in ["../../../shared/data/photos/food-id", "../../../shared/data/coco-free"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
        if !path.is_dir() {
            println!("skipped: {} is not there", path.display());
            continue;
        }
        let photos = Collection::open(&path).unwrap().photos;
        round_trips(photos.into_iter().take(60).collect());
    }
}

#[test]
fn records_become_conversations_and_are_counted() {
    let folder = scene();
    let photo = Collection::open(&folder.0).unwrap().photos.remove(0);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let options = DialogueOptions { turns: 40, ..DialogueOptions::default() };
    let record = dialogues(&photo, &mut rng, &options).unwrap().record;
    let mut stats = Stats::default();
    stats.add(&record);
    stats.add(&record);
    assert_eq!((stats.records, stats.turns.most, stats.longer_side.least), (2, 40, 96));
    assert_eq!(stats.tasks.iter().sum::<u64>(), 80);
    let place = Task::ALL.iter().position(|task| *task == Task::Vqa).unwrap();
    let asked = record.turns.iter().filter(|turn| turn.task == Task::Vqa).count();
    assert_eq!(stats.tasks[place], 2 * asked as u64);
    let shown = stats.to_string();
    assert!(
        shown.contains("2 records, 80 turns") && shown.contains("CC0") && shown.contains("dog")
    );

    let out = Folder::new("out");
    let mut converter = Converter::default();
    converter.record(record.clone(), &photo.path);
    let converted = converter.write(Format::Llava, &out.0).unwrap();
    assert_eq!(converted.written, 1);
    let back = refvlm_data::readers::find(&out.0).unwrap().unwrap();
    assert_eq!(back.reader.name, "llava");
    let pointing = converted.lost["turns that point"];
    let mut turns = 0;
    let mut take = |item| {
        let refvlm_data::readers::Item::Conversation(told) = item else { panic!("a photo") };
        turns += told.record.turns.len();
        std::ops::ControlFlow::Continue(())
    };
    let outcome = back.read(&mut take).unwrap();
    assert!(outcome.faults.is_empty(), "{:?}", outcome.faults);
    assert_eq!(turns + pointing, 40);
}
