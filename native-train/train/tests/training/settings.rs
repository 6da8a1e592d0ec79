//! Configuration files: what the command line sets, and what a file extends.

use refvlm_helpers::Folder;
use refvlm_train::TrainFile;
use refvlm_train::config::Setting;
use refvlm_train::resolved::{CONFIG_FILE, keep};
use std::path::Path;

fn scenes() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/scenes.toml")
}

fn with(settings: &[&str]) -> Result<TrainFile, String> {
    let settings: Result<Vec<Setting>, String> = settings.iter().map(|s| s.parse()).collect();
    TrainFile::read_with(&scenes(), None, &settings?).map_err(|e| e.to_string())
}

#[test]
fn settings_stand_in_place_of_the_file_and_are_kept_with_the_run() {
    let before = with(&[]).unwrap();
    let file = with(&[
        "train.loop.optim.lr=2e-5",
        "train.loop.steps = 7",
        "train.loop.parts=[{names=['llm.*'], trained=false}]",
        "tower='pinned:efficientnet-lite2'",
    ])
    .unwrap();
    assert_ne!(before.train.run.optim.lr, 2e-5);
    assert_eq!((file.train.run.optim.lr, file.train.run.steps), (2e-5, 7));
    assert_eq!(file.train.run.parts[0].trained, Some(false));
    assert_eq!(file.tower.as_deref(), Some("pinned:efficientnet-lite2"));
    assert_eq!(file.sight, before.sight);
    let folder = Folder::new("settings");
    keep(&folder.0, &file, b"words").unwrap();
    assert_eq!(TrainFile::read(&folder.0.join(CONFIG_FILE), None).unwrap(), file);
}

#[test]
fn a_wrong_setting_says_what_is_right() {
    for (setting, expected) in [
        ("train.loop.stepz=3", "did you mean `steps`?"),
        ("train.optim.lr=2e-5", "did you mean `train.loop.optim.lr`?"),
        ("model.llm.hiden_size=8", "did you mean `hidden_size`?"),
        ("model.llm.zzz=8", "unknown key `model.llm.zzz`; correct or remove it"),
        ("seed", "write KEY=VALUE"),
        ("tower=pinned:x", "write KEY=VALUE"),
        ("train.loop.steps='many'", "train.loop.steps"),
    ] {
        let error = with(&[setting]).unwrap_err();
        assert!(error.contains(expected), "{setting}: {error}");
    }
}

#[test]
fn a_file_extends_another_table_by_table() {
    let folder = Folder::new("extends");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.0.join(name), text).unwrap();
        folder.0.join(name)
    };
    let scenes = scenes();
    let base = write("base.toml", &std::fs::read_to_string(&scenes).unwrap());
    let path = write("more.toml", "extends = 'base.toml'\nseed = 5\n[train.loop]\nsteps = 9\n");
    let (base, file) =
        (TrainFile::read(&base, None).unwrap(), TrainFile::read(&path, None).unwrap());
    assert_eq!((file.seed, file.train.run.steps), (5, 9));
    assert_eq!((&file.train.run.optim, &file.model), (&base.train.run.optim, &base.model));

    let path = write("wrong.toml", "extends = 'base.toml'\n[train.loop]\nstepz = 9\n");
    let error = TrainFile::read(&path, None).unwrap_err().to_string();
    assert!(error.contains("did you mean `steps`?"), "{error}");
    // The line of the file itself.
    let text = std::fs::read_to_string(&scenes)
        .unwrap()
        .replace("[sight.loop]\n", "[sight.loop]\nlogevery = 1\n");
    let error = TrainFile::read(&write("line.toml", &text), None).unwrap_err().to_string();
    let at = text.lines().position(|line| line.starts_with("logevery")).unwrap() + 1;
    assert!(error.contains(&format!("line {at},")), "{error}");

    let path = write("circle.toml", "extends = 'circle.toml'\n");
    let error = TrainFile::read(&path, None).unwrap_err().to_string();
    assert!(error.contains("extend each other"), "{error}");
}
