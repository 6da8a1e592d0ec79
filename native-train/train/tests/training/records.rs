//! Records as a source of training: drawn by number alone, held out by picture, bad ones left out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
use crate::support::{Folder, Tiny};
use refvlm_data::RecordSet;
use refvlm_files::picture::Picture;
use refvlm_files::records::RecordWriter;
use refvlm_model::learning::example::{Example, Look};
use refvlm_scenes::dialog::dialogues;
use refvlm_scenes::{SceneOptions, Split, Stream, scene_rng};
use refvlm_train::config::RecordConfig;
use refvlm_train::source::Source;
use refvlm_train::source::records::RecordSource;
use refvlm_train::stage::FullTask;
use refvlm_train::{Part, Task};
use std::fs;
use std::path::Path;

/// Scenes as records, as `refvlm scenes` writes them.
fn records(tiny: &Tiny, folder: &Path, count: u64) {
    let mut writer = RecordWriter::create(&folder.join("records.jsonl")).unwrap();
    let options = SceneOptions { split: Split::HeldOut, side_px: 64, ..tiny.file.scenes.clone() };
    for seed in 0..count {
        let scene = tiny.world.scene(seed, &options);
        let mut rng = scene_rng(seed, Split::HeldOut, Stream::Dialogues);
        let mut record = dialogues(&scene, &mut rng, &tiny.file.dialogues).record;
        record.image.path = format!("pictures/{seed}.png");
        let (width, height, rgb) = (scene.width, scene.height, scene.rgb.clone());
        writer.add(&record, &Picture { width, height, rgb }).unwrap();
    }
    writer.finish().unwrap();
}

fn source<'a>(tiny: &'a Tiny, config: &'a RecordConfig, sets: &'a [RecordSet]) -> RecordSource<'a> {
    RecordSource::new(&tiny.file, config, sets, (&tiny.tokenizer, None), (0, 12), true)
}

/// What tells examples apart: their first pixels and all ids.
fn signs(examples: &[Example]) -> Vec<(Vec<u32>, Vec<Vec<i64>>)> {
    let sign = |example: &Example| {
        let Look::Pixels(pixels) = &example.look else { panic!("maps without towers") };
        let bits = pixels.encoder.iter().take(2000).map(|v| v.to_bits()).collect();
        (bits, example.turns.iter().map(|turn| turn.ids.clone()).collect())
    };
    examples.iter().map(sign).collect()
}

#[test]
fn a_step_is_the_same_however_it_is_split_and_never_held_out() {
    let tiny = Tiny::new();
    let folder = Folder::new("records");
    records(&tiny, &folder.0, 40);
    let sets = [RecordSet::open(&folder.0, None).unwrap()];
    let config = RecordConfig { held_out: 0.3, turns: 3, ..RecordConfig::default() };
    let source = source(&tiny, &config, &sets);
    let part = |step, index, of| source.draw(step, Part { index, of }).unwrap().examples;
    let whole = signs(&part(5, 0, 1));
    let halves = [part(5, 0, 2), part(5, 1, 2)].concat();
    assert_eq!(whole.len(), 12);
    assert_eq!(whole, signs(&halves));
    assert!(whole.iter().all(|(_, turns)| (1..=3).contains(&turns.len())));
    let learned: Vec<_> = (0..20).flat_map(|step| signs(&part(step, 0, 1))).collect();
    let held_out = signs(&source.held_out().unwrap().examples);
    assert!(!held_out.is_empty());
    assert!(held_out.iter().all(|(pixels, _)| learned.iter().all(|(seen, _)| seen != pixels)));
    let task = FullTask::new(&tiny.file, &tiny.tokenizer, &source).unwrap();
    let item = task.item(0, Part { index: 0, of: 1 }).unwrap();
    let losses = task.loss(&tiny.student(3), item, &tiny.device).unwrap();
    assert!(losses.total.into_scalar::<f32>().is_finite());
}

#[test]
fn few_bad_records_are_left_out_and_many_end_the_run() {
    let tiny = Tiny::new();
    let folder = Folder::new("bad records");
    records(&tiny, &folder.0, 30);
    let file = folder.0.join("records.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    lines[4] = "{\"id\": 4}".into();
    fs::remove_file(folder.0.join("pictures/7.png")).unwrap();
    let write = |lines: &[String]| fs::write(&file, lines.join("\n\n")).unwrap();
    write(&lines);
    let config = RecordConfig { held_out: 0.0, ..RecordConfig::default() };
    let run = || {
        let sets = [RecordSet::open(&folder.0, None).unwrap()];
        let source = source(&tiny, &config, &sets);
        (0..12).try_for_each(|step| {
            let drawn = source.draw(step, Part { index: 0, of: 1 })?;
            assert_eq!(drawn.examples.len(), 12);
            Ok::<_, String>(())
        })
    };
    run().unwrap();
    for line in lines.iter_mut().take(12) {
        *line = "{}".into();
    }
    write(&lines);
    let problem = run().unwrap_err();
    for words in ["records.jsonl", "data check", "records.bad_share"] {
        assert!(problem.contains(words), "{problem}");
    }
}
