//! The recipes that are shipped: they can be read, and name only what there is.

use crate::support::{Folder, samples};
use refvlm_data::build::{Build, Part, write_folder};
use refvlm_data::recipe::{Recipe, Side, Wordings};
use refvlm_data::shards;
use refvlm_files::records::{Records, check_file};
use std::path::Path;

fn shipped(name: &str) -> Recipe {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/data");
    Recipe::read(&folder.join(name)).unwrap()
}

/// A folder with every sample below it.
fn all() -> Folder {
    let folder = Folder::new("all");
    for (name, make) in samples::SAMPLES {
        let sample = make();
        std::fs::rename(&sample.0, folder.0.join(name)).unwrap();
    }
    folder
}

#[test]
fn photos_builds_from_any_folder_of_sources() {
    let (data, out) = (all(), Folder::new("out"));
    let mut recipe = shipped("photos.toml");
    // The samples share their pictures.
    recipe.deduplicate.across = false;
    recipe.sources[0].split = Side::All;
    let build = Build::open(recipe, &data.0, Part::WHOLE).unwrap();
    let part = shards::write(build, &data.0, &out.0, &mut |_| {}).unwrap();
    let tally = &part.sources[0].tally;
    assert_eq!(tally.read, tally.kept + tally.dropped.values().sum::<u64>());
    for task in ["vqa", "gcg_detection", "grounding_detection", "depth"] {
        assert!(part.shards[0].tasks[task] > 0, "{:?}", part.shards[0].tasks);
    }
}

#[test]
fn vt_instruct_passes_over_what_is_not_there() {
    let (data, out) = (Folder::new("some"), Folder::new("out"));
    for (folder, sample) in [("gqa", samples::SAMPLES[9].1()), ("CLEVR_v1.0", samples::clevr())] {
        std::fs::rename(&sample.0, data.0.join(folder)).unwrap();
    }
    let recipe = shipped("vt-instruct.toml");
    let sources = recipe.sources.len();
    let build = Build::open(recipe, &data.0, Part::WHOLE).unwrap();
    // Two of the sources are there, or one: the sample of GQA has its validation part only.
    assert!(build.missing().len() >= sources + 3 - 2, "{:?}", build.missing());
    let part = shards::write(build, &data.0, &out.0, &mut |_| {}).unwrap();
    assert!(part.sources.iter().all(|source| source.tally.read > 0), "{:?}", part.sources);
}

#[test]
fn a_folder_of_records_holds_photos_and_conversations() {
    let (data, out) = (all(), Folder::new("out"));
    let recipe = Recipe::of_folder(3, Side::All, Wordings::Training, 4);
    let build = Build::open(recipe, &data.0, Part::WHOLE).unwrap();
    let state = write_folder(build, &out.0, u64::MAX, &mut |_| {}).unwrap();
    let file = out.0.join("records.jsonl");
    let report = check_file(&file).unwrap();
    assert_eq!((report.bad, report.records as u64), (0, state.sources[0].tally.records));
    let records: Vec<_> = Records::open(&file).unwrap().map(|record| record.unwrap().1).collect();
    let asks = |source: &str| records.iter().any(|record| record.source.starts_with(source));
    for source in ["coco", "gqa", "grit", "depth", "osprey", "flickr30k", "yolo", "semantic"] {
        assert!(asks(source), "{source}");
    }
    // At most so many, in the same order.
    let short = Folder::new("short");
    let recipe = Recipe::of_folder(3, Side::All, Wordings::Training, 4);
    let build = Build::open(recipe, &data.0, Part::WHOLE).unwrap();
    write_folder(build, &short.0, 5, &mut |_| {}).unwrap();
    let first: Vec<_> = Records::open(&short.0.join("records.jsonl")).unwrap().collect();
    assert_eq!(first.len(), 5);
    assert!(first.into_iter().zip(&records).all(|(a, b)| a.unwrap().1 == *b));
}
