//! The published stages, shrunk and with random weights: each runs for two steps, and exactly what it
//! trains changes.

use crate::support::changes::{changed, values};
use crate::support::{Folder, Tiny};
use refvlm_collective::{Collective, alone};
use refvlm_record::Unit;
use refvlm_train::TrainFile;
use refvlm_train::run;
use refvlm_train::source::scenes::SceneSource;
use refvlm_train::stage::FullTask;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// What each stage trains: beginnings of names.
const STAGES: [(&str, &[&str]); 11] = [
    ("stage1", &["projector."]),
    ("stage2-nodecoder", &["llm.", "projector.", "vpt_encoder."]),
    ("stage2", &["llm.", "projector.", "vpt_encoder."]),
    ("stage2-decoder", &["llm.", "projector.", "vpt_encoder.", "visual_decoder."]),
    ("stage2-epoch2", &["llm.", "projector.", "vpt_encoder.", "visual_decoder."]),
    ("sft", &["llm.", "projector.", "vpt_encoder.", "visual_decoder."]),
    ("stage2-vd-adapter", &["visual_decoder.boxes."]),
    (
        "stage3-sam",
        &[
            "llm.",
            "projector.",
            "vpt_encoder.",
            "visual_decoder.mask.in_proj_queries.",
            "visual_decoder.mask.sam.mask_decoder.",
        ],
    ),
    ("stage3-keypoint", &["llm.", "projector.", "vpt_encoder.", "visual_decoder.pose."]),
    ("ablation-det", &["llm.", "projector.", "visual_decoder.boxes."]),
    ("ablation-vpt", &["llm.", "projector.", "vpt_encoder."]),
];

/// What is trained but has no loss, as in the publication: SAM's answers beside the first and what it
/// expects of them, and the boxes of the first of two stages of keypoints.
const IDLE: [&str; 5] = [
    "visual_decoder.mask.sam.mask_decoder.iou_prediction_head.",
    "visual_decoder.mask.sam.mask_decoder.output_hypernetworks_mlps.1.",
    "visual_decoder.mask.sam.mask_decoder.output_hypernetworks_mlps.2.",
    "visual_decoder.mask.sam.mask_decoder.output_hypernetworks_mlps.3.",
    "visual_decoder.pose.box_decoder.predictor.",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/published")
}

/// The stage's file with a model that learns in seconds.
fn shrunk(name: &str, dir: &Path) -> TrainFile {
    let whole = folder().join(format!("{name}.toml"));
    let file = TrainFile::read(&whole, None).unwrap();
    let path = dir.join(format!("{name}.toml"));
    let mut text = format!("extends = '{}'\n{}", whole.display(), include_str!("shrunk.toml"));
    if file.model.visual_tower.is_some() {
        text += include_str!("shrunk-tower.toml");
    }
    for (unit, key) in
        [(Unit::Box, "box_decoder"), (Unit::Mask, "mask_decoder"), (Unit::Keypoint, "pose_decoder")]
    {
        if let Some(decoder) = file.model.decoder(unit) {
            let dims = vec![8; decoder.encoder_input_dim.len()];
            text += &format!(
                "[model.{key}]\nencoder_input_dim = {dims:?}\n{}\n",
                include_str!("shrunk-decoder.toml")
            );
        }
    }
    if file.model.sam_decoder.is_some() {
        text += include_str!("shrunk-sam.toml");
    }
    std::fs::write(&path, text).unwrap();
    TrainFile::read(&path, None).unwrap()
}

#[test]
fn each_stage_trains_what_the_publication_trained() {
    let dir = Folder::new("published");
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let files = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_string());
    let files: BTreeSet<String> = files.filter(|name| name != "base").collect();
    assert_eq!(files, STAGES.iter().map(|(name, _)| name.to_string()).collect());
    let mut wrong = Vec::new();
    for (name, starts) in STAGES {
        let mut tiny = Tiny::new();
        tiny.file = shrunk(name, &dir.0);
        let source = SceneSource::full(&tiny.file, &tiny.world, &tiny.tokenizer);
        let task = FullTask::new(&tiny.file, &tiny.tokenizer, &source).unwrap();
        let (before, stop) = (tiny.student(4), AtomicBool::new(false));
        let place = (&tiny.device, &alone() as &dyn Collective);
        let config = &tiny.file.train.run;
        let run_dir = dir.0.join(name);
        let (after, done) = run(&task, before.clone(), config, &run_dir, place, &stop).unwrap();
        assert!(done);
        let expected: BTreeSet<String> = values(&before)
            .into_keys()
            .filter(|name| starts.iter().any(|start| name.starts_with(start)))
            .filter(|name| !IDLE.iter().any(|start| name.starts_with(start)))
            .collect();
        let changed = changed(&before, &after);
        let missing: Vec<_> = expected.difference(&changed).collect();
        let added: Vec<_> = changed.difference(&expected).collect();
        println!("{name}: {} of {} parameters changed", changed.len(), values(&before).len());
        if !missing.is_empty() || !added.is_empty() {
            wrong.push(format!("{name}: did not change: {missing:?}; changed: {added:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
