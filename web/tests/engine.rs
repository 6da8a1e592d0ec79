//! The worker's engine natively: loading in every order, refusing, drawing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use refvlm_protocol::{Ask, Event, Failure, FailureKind, Task};
use refvlm_record::{AnswerPart, Unit};
use refvlm_web::{Device, Engine, WantedShard, WebError};

const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../www/models/scenes/");

fn read(name: &str) -> Vec<u8> {
    std::fs::read(format!("{PACKAGE}{name}")).unwrap()
}

fn begun() -> (Engine, Vec<WantedShard>) {
    let mut engine = Engine::new(|| 0.0);
    let wanted = engine.begin(&read("refvlm.json"), Device::flex()).unwrap();
    (engine, wanted)
}

fn kind(error: WebError) -> FailureKind {
    let failure = Failure::from(error);
    assert!(!failure.message.is_empty() && !failure.remedy.is_empty(), "{failure:?}");
    failure.kind
}

async fn answer(engine: &mut Engine, ask: &Ask, stop: usize) -> (bool, Vec<Event>) {
    let mut events = Vec::new();
    let keep = async |event: Event| {
        events.push(event);
        events.len() < stop
    };
    let ended = engine.ask(ask, keep).await.unwrap();
    (ended, events)
}

#[test]
fn a_damaged_shard_can_be_given_again() {
    let (mut engine, wanted) = begun();
    let file = &wanted[0].file;
    let mut bytes = read(file);
    assert_eq!(wanted[0].bytes, bytes.len() as u64);
    assert_eq!(kind(engine.shard(file, &bytes[1..]).unwrap_err()), FailureKind::Truncated);
    bytes[5000] ^= 1;
    assert_eq!(kind(engine.shard(file, &bytes).unwrap_err()), FailureKind::HashMismatch);
    bytes[5000] ^= 1;
    engine.shard(file, &bytes).unwrap();
    engine.tokenizer(&read("tokenizer.json")).unwrap();
    let loaded = engine.finish().unwrap();
    assert_eq!(loaded.preset, "scenes");
    assert!(loaded.package_bytes > bytes.len() as u64 && loaded.parameters > 1_000_000);
}

#[test]
fn a_second_package_takes_the_place_of_the_first() {
    let (mut engine, wanted) = begun();
    let ask = Ask::new(Task::Vqa, "Describe the picture.", vec![]);
    let picture = |engine: &mut Engine| {
        let drawn = engine.scene(7, 64).unwrap();
        let [width, height] = [drawn.scene.width, drawn.scene.height];
        pollster::block_on(engine.set_image(width, height, &drawn.rgba)).unwrap();
        let (ended, events) = pollster::block_on(answer(engine, &ask, usize::MAX));
        assert!(ended);
        events.len()
    };
    let mut lengths = Vec::new();
    // As a page does it, one model at a time; and while the one before still answers.
    for unload in [false, true, false] {
        if unload {
            engine.unload();
        }
        engine.begin(&read("refvlm.json"), Device::flex()).unwrap();
        engine.tokenizer(&read("tokenizer.json")).unwrap();
        for WantedShard { file, .. } in &wanted {
            engine.shard(file, &read(file)).unwrap();
        }
        engine.finish().unwrap();
        // It has not seen the picture of the one before.
        let early = pollster::block_on(engine.ask(&ask, async |_: Event| true));
        assert_eq!(kind(early.unwrap_err()), FailureKind::NoPicture);
        lengths.push(picture(&mut engine));
    }
    assert_eq!(lengths, [lengths[0]; 3]);
}

#[test]
fn steps_out_of_order_are_refused() {
    let mut engine = Engine::new(|| 0.0);
    assert_eq!(kind(engine.shard("a", &[]).unwrap_err()), FailureKind::BadRequest);
    assert_eq!(kind(engine.finish().unwrap_err()), FailureKind::BadRequest);
    assert_eq!(kind(engine.begin(b"{}", Device::flex()).unwrap_err()), FailureKind::BadPackage);
    let set = pollster::block_on(engine.set_image(1, 1, &[0; 4]));
    assert_eq!(kind(set.unwrap_err()), FailureKind::NotLoaded);
    let (mut engine, _) = begun();
    engine.tokenizer(&read("tokenizer.json")).unwrap();
    assert_eq!(kind(engine.tokenizer(b"{}").unwrap_err()), FailureKind::Truncated);
    assert_eq!(kind(engine.finish().unwrap_err()), FailureKind::BadPackage);
}

#[test]
fn the_vocabulary_is_the_listed_one_where_one_is_listed() {
    let (mut engine, _) = begun();
    let mut json = read("tokenizer.json");
    assert_eq!(kind(engine.tokenizer(&json[1..]).unwrap_err()), FailureKind::Truncated);
    // White space at the end is all that differs, so that it would be read.
    json.push(b' ');
    assert_eq!(kind(engine.tokenizer(&json).unwrap_err()), FailureKind::Truncated);
    let mut manifest: serde_json::Value = serde_json::from_slice(&read("refvlm.json")).unwrap();
    assert!(manifest.as_object_mut().unwrap().remove("tokenizer").is_some());
    engine.begin(manifest.to_string().as_bytes(), Device::flex()).unwrap();
    engine.tokenizer(&json).unwrap();
}

#[test]
fn a_scene_is_set_asked_about_and_aborted() {
    let (mut engine, wanted) = begun();
    engine.tokenizer(&read("tokenizer.json")).unwrap();
    for WantedShard { file, .. } in &wanted {
        engine.shard(file, &read(file)).unwrap();
    }
    engine.finish().unwrap();
    let drawn = engine.scene(7, 100).unwrap();
    let scene = &drawn.scene;
    assert_eq!(scene.width.max(scene.height), 100);
    let pixels = (scene.width * scene.height) as usize;
    assert_eq!((drawn.rgba.len(), drawn.depth.len()), (pixels * 4, pixels));
    scene.record.check().unwrap();
    let named: Vec<usize> = scene.record.turns[0]
        .answer
        .iter()
        .filter_map(|part| match part {
            AnswerPart::Triplet { unit: Unit::Mask, targets, .. } => Some(targets.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    let objects = scene.record.targets.iter().filter(|target| target.bbox.is_some()).count();
    assert_eq!(named.len(), objects, "the first turn names everything");

    pollster::block_on(async {
        let ask = Ask::new(Task::Segmentation, "Segment everything.", vec![]);
        let early = engine.ask(&ask, async |_: Event| true).await;
        assert_eq!(kind(early.unwrap_err()), FailureKind::NoPicture);
        let wrong = engine.set_image(scene.width, scene.height, &drawn.rgba[4..]).await;
        assert_eq!(kind(wrong.unwrap_err()), FailureKind::BadPicture);
        engine.set_image(scene.width, scene.height, &drawn.rgba).await.unwrap();
        let (ended, whole) = answer(&mut engine, &ask, usize::MAX).await;
        assert!(ended && matches!(whole.last(), Some(Event::Done { .. })));
        let (ended, part) = answer(&mut engine, &ask, 6).await;
        assert!(!ended && part.len() == 6);
        // Timings tell what was in the cache; the rest of the second answer is as the first, up to
        // rounding, since few rows are multiplied otherwise than many.
        let (_, again) = answer(&mut engine, &ask, usize::MAX).await;
        assert_eq!(again.len(), whole.len());
        for (again, mut whole) in again.iter().zip(whole).take(again.len() - 1) {
            if let (Event::Unit { confidence: a, .. }, Event::Unit { confidence: b, .. }) =
                (again, &mut whole)
            {
                assert!((*a - *b).abs() < 1e-4, "{a} {b}");
                *b = *a;
            }
            assert_eq!(*again, whole);
        }
    });
}
