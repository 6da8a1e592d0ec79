//! The loop with both of its stages, on a tiny model.

use crate::interrupted::Interrupted;
use crate::support::{Folder, Tiny, bits, log};
use burn::module::Module;
use refvlm_collective::alone;
use refvlm_train::source::scenes::SceneSource;
use refvlm_train::source::{Drawn, Source};
use refvlm_train::stage::{FullTask, SightTask, Student};
use refvlm_train::{Part, Task, run};
use std::sync::atomic::{AtomicBool, Ordering};

/// The optimiser's moments, the position in the data, the learning rate and the weights all come
/// from the checkpoint, so a run that was stopped ends like one that was not.
#[test]
fn a_stopped_run_goes_on_to_the_same_weights() {
    let tiny = Tiny::new();
    let config = &tiny.file.train.run;
    let source = SceneSource::full(&tiny.file, &tiny.world, &tiny.tokenizer);
    let task = FullTask::new(&tiny.file, &tiny.tokenizer, &source).unwrap();
    let stop = AtomicBool::new(false);

    let unbroken = Folder::new("unbroken");
    let (expected, done) =
        run(&task, tiny.student(1), config, &unbroken.0, (&tiny.device, &alone()), &stop).unwrap();
    assert!(done);

    let broken = Folder::new("broken");
    // Each step has two parts, so the fifth belongs to step 3.
    let halted = Interrupted::new(&task, &stop, Some(5));
    let (half, done) =
        run(&halted, tiny.student(1), config, &broken.0, (&tiny.device, &alone()), &stop).unwrap();
    assert!(!done);
    assert!(log(&broken).last().unwrap().starts_with("stopped at step 3"));
    assert_ne!(bits(&half), bits(&expected));

    stop.store(false, Ordering::Relaxed);
    // Other weights, so that nothing but the checkpoint can lead to the same end.
    let (resumed, done) =
        run(&task, tiny.student(2), config, &broken.0, (&tiny.device, &alone()), &stop).unwrap();
    assert!(done);
    assert!(bits(&resumed) == bits(&expected), "resumed weights differ from unbroken ones");
    let score = |folder: &Folder| log(folder).last().unwrap().clone();
    assert!(score(&broken).starts_with("step 5 held-out: loss "), "{}", score(&broken));
    assert_eq!(score(&broken), score(&unbroken));
}

#[test]
fn one_seed_gives_one_run() {
    let mut tiny = Tiny::new();
    tiny.file.sight.run.steps = 1;
    let config = &tiny.file.sight.run;
    let source = SceneSource::sight(&tiny.file, &tiny.world, &tiny.tokenizer);
    let task = SightTask::new(&tiny.file, &tiny.tokenizer, &source).unwrap();
    let once = |seed: u64, name: &str| {
        let (folder, stop) = (Folder::new(name), AtomicBool::new(false));
        let student = tiny.student(seed);
        let (student, _) =
            run(&task, student, config, &folder.0, (&tiny.device, &alone()), &stop).unwrap();
        (log(&folder), bits(&student))
    };
    let first = once(7, "seed-a");
    assert!(first.0[0].starts_with("step 1/1 loss "), "{:?}", first.0);
    assert!(first == once(7, "seed-b"), "the same seed gives other losses or weights");
    assert_ne!(first.0, once(8, "seed-c").0);
}

/// Scenes of which nothing is known but what the records say: what photos are.
struct Untold<'a>(SceneSource<'a>);

impl Source for Untold<'_> {
    fn draw(&self, step: usize, part: Part) -> Result<Drawn, String> {
        Ok(Drawn { truth: None, ..self.0.draw(step, part)? })
    }

    fn held_out(&self) -> Result<Drawn, String> {
        Ok(Drawn { truth: None, ..self.0.held_out()? })
    }
}

/// The parts of the loss of one step, which all must be finite.
fn parts<T: Task<Module = Student>>(tiny: &Tiny, task: &T) -> Vec<String> {
    let student = tiny.student(3);
    let item = task.item(0, Part { index: 0, of: 1 }).unwrap();
    let losses = task.loss(&student, item, &tiny.device).unwrap();
    let total = losses.total.into_scalar::<f32>();
    assert!(total.is_finite() && total > 0.0, "{total}");
    let read = losses.parts.into_iter().map(|(name, value)| {
        let value = value.into_scalar::<f32>();
        assert!(value.is_finite(), "{name} is {value}");
        name
    });
    read.collect()
}

fn has(parts: &[String], prefix: &str) -> bool {
    parts.iter().any(|name| name.starts_with(prefix))
}

#[test]
fn both_stages_have_all_their_losses_and_teachers_need_truth() {
    let mut tiny = Tiny::new();
    (tiny.file.sight.pictures, tiny.file.train.pictures) = (6, 6);
    tiny.file.dialogues.turns = 12;
    let parameters = tiny.student(0).num_params();
    assert!(parameters < 50_000, "{parameters} parameters");
    let (file, tokenizer) = (&tiny.file, &tiny.tokenizer);

    let source = SceneSource::sight(file, &tiny.world, tokenizer);
    let told = parts(&tiny, &SightTask::new(file, tokenizer, &source).unwrap());
    for name in ["box.", "mask.", "keypoint.", "naming.rows", "naming.prompts", "dense.what"] {
        assert!(has(&told, name), "{name} is missing in {told:?}");
    }
    let untold = Untold(source);
    let without = parts(&tiny, &SightTask::new(file, tokenizer, &untold).unwrap());
    let expected: Vec<_> =
        told.iter().filter(|n| !n.starts_with("naming") && !n.starts_with("dense")).collect();
    assert_eq!(without.iter().collect::<Vec<_>>(), expected);

    let source = SceneSource::full(file, &tiny.world, tokenizer);
    let told = parts(&tiny, &FullTask::new(file, tokenizer, &source).unwrap());
    for name in [
        "text",
        "box.",
        "mask.",
        "keypoint.",
        "depth.",
        "alignment",
        "naming.rows",
        "naming.prompts",
        "pointing.box.",
        "pointing.mask.",
        "pointing.keypoint.",
        "dense.what",
        "dense.extent",
    ] {
        assert!(has(&told, name), "{name} is missing in {told:?}");
    }
    let untold = Untold(source);
    let without = parts(&tiny, &FullTask::new(file, tokenizer, &untold).unwrap());
    let expected: Vec<_> =
        told.iter().filter(|n| !n.starts_with("naming") && !n.starts_with("dense")).collect();
    assert_eq!(without.iter().collect::<Vec<_>>(), expected);
}
