//! What a stage keeps: whole checkpoints, the newest and the best, and numbers that a resumed run
//! goes on with.

use crate::support::{Folder, Tiny, bits, log};
use burn::tensor::{Device, Tensor};
use refvlm_collective::alone;
use refvlm_model::layers::Linear;
use refvlm_train::ahead::ahead;
use refvlm_train::checkpoint::{Best, Checkpoint, Wanted};
use refvlm_train::config::LoopConfig;
use refvlm_train::journal::{LOSSES, Row, SCORES, read};
use refvlm_train::{Losses, Part, RunError, Score, Task, run};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Learns the sum of two numbers, and raises `stop` in a step.
struct Sum<'a> {
    stop: &'a AtomicBool,
    stop_at: Option<usize>,
}

impl Task for Sum<'_> {
    type Module = Linear;
    type Item = usize;

    fn item(&self, step: usize, _: Part) -> Result<usize, String> {
        Ok(step)
    }

    fn loss(&self, module: &Linear, step: usize, device: &Device) -> Result<Losses, String> {
        if self.stop_at == Some(step) {
            self.stop.store(true, Ordering::Relaxed);
        }
        let x = Tensor::<2>::from_floats([[step as f32 / 4.0, 1.0]], device);
        let loss = (module.forward(x.clone()) - x.sum_dim(1)).square().mean();
        let mut losses = Losses::new(Tensor::zeros([1], device), [1, 2]);
        losses.add("square", loss, 1.0);
        Ok(losses)
    }

    fn score(&self, module: &Linear, _: &Device) -> Result<Vec<Score>, String> {
        let weight = module.weight.val().into_data().iter::<f32>().next().unwrap();
        Ok(vec![Score::of_loss("loss", 0.5), Score::of_loss("weight", weight.into())])
    }
}

fn config(steps: usize) -> LoopConfig {
    let config = Tiny::new().file.train.run;
    let (log_every, checkpoint_every, score_every) = (1, 1, 2);
    LoopConfig { steps, log_every, checkpoint_every, score_every, threads: 1, keep: 3, ..config }
}

/// Trains until a step or the end; returns the bits of the weights.
fn train(dir: &Path, config: &LoopConfig, stop_at: Option<usize>) -> Result<Vec<u32>, RunError> {
    let device = Device::flex().autodiff();
    let mut module = Linear::new(2, 1, true, &device);
    module.weight = module.weight.map(|w| (w * 0.0 + 0.25).detach().require_grad());
    module.bias = module.bias.map(|b| b.map(|b| (b * 0.0).detach().require_grad()));
    let stop = AtomicBool::new(false);
    let task = Sum { stop: &stop, stop_at };
    let (module, _) = run(&task, module, config, dir, (&device, &alone()), &stop)?;
    Ok(bits(&module))
}

/// The steps of the checkpoints in a folder.
fn kept(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.contains("step-"));
    names.sort();
    names
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        match path.is_dir() {
            true => copy(&path, &to),
            false => assert!(std::fs::copy(&path, &to).is_ok()),
        }
    }
}

/// A way to damage a file.
type Damage<'a> = &'a dyn Fn(&Path);

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_is_taken() {
    let (config, folder) = (config(6), Folder::new("damaged"));
    let unbroken = train(&folder.0.join("unbroken"), &config, None).unwrap();
    let half = folder.0.join("half");
    train(&half, &config, Some(3)).unwrap();
    assert_eq!(kept(&half), ["step-00000002", "step-00000003", "step-00000004"]);
    let flip = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    let cut = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    };
    let empty = |path: &Path| std::fs::write(path, b"").unwrap();
    let gone = |path: &Path| std::fs::remove_file(path).unwrap();
    let ways: [(&str, Damage); 4] =
        [("flip", &flip), ("cut", &cut), ("empty", &empty), ("gone", &gone)];
    for file in ["model.bpk", "average.bpk", "optim.bpk", "state.json", "files.json"] {
        for (way, damage) in ways {
            if (file, way) == ("files.json", "gone") {
                // As an older version left it: nothing is known to be wrong.
                continue;
            }
            let dir = Folder::new("damaged-one");
            copy(&half, &dir.0);
            damage(&dir.0.join("step-00000004").join(file));
            let ended = train(&dir.0, &config, None).unwrap();
            assert!(ended == unbroken, "{way} {file}: another end");
            let log = log(&dir).join("\n");
            let told = log.contains("damaged checkpoint: ") && log.contains("step-00000004: ");
            assert!(told && log.contains("resumed at step 3"), "{way} {file}: {log}");
            assert!(dir.0.join("damaged-step-00000004").is_dir());
        }
    }
    // None whole: nothing is begun anew without a word.
    for step in 2..5 {
        empty(&half.join(format!("step-0000000{step}/model.bpk")));
    }
    let error = train(&half, &config, None).unwrap_err().to_string();
    assert!(error.contains("model.bpk is not what was written"), "{error}");
    assert!(error.contains("remove them to begin anew"), "{error}");
}

#[test]
fn the_newest_and_the_best_are_kept() {
    let folder = Folder::new("best");
    // The weight rises towards 1, so as a loss the first score is the best.
    let config = LoopConfig {
        keep: 1,
        keep_best: Some("weight".into()),
        checkpoint_every: 100,
        ..config(6)
    };
    train(&folder.0, &config, None).unwrap();
    assert_eq!(kept(&folder.0), ["step-00000002", "step-00000006"]);
    let best = Best::read(&folder.0).unwrap();
    assert_eq!((best.name.as_str(), best.step), ("weight", 2));
    for (wanted, step) in [("best", 2), ("latest", 6), ("2", 2), ("6", 6)] {
        let found = Checkpoint::find(&folder.0, wanted.parse().unwrap()).unwrap().unwrap();
        assert_eq!(found.state().unwrap().step, step, "{wanted}");
    }
    let error = Checkpoint::find(&folder.0, Wanted::Step(4)).unwrap_err().to_string();
    assert!(error.contains("no checkpoint of step 4; there are: 2, 6;"), "{error}");
    assert!("newest".parse::<Wanted>().unwrap_err().contains("latest, best"));
    assert!(Checkpoint::find(&folder.0.join("full"), Wanted::Best).unwrap().is_none());
    let told = log(&folder).join("\n");
    assert!(told.contains("step 2 is the best so far: weight 0."), "{told}");

    let other = Folder::new("no-best");
    train(&other.0, &LoopConfig { keep_best: Some("oks".into()), ..config }, None).unwrap();
    let told = log(&other).join("\n");
    assert!(told.contains("there is no score oks; these are: loss, weight"), "{told}");
    assert!(Checkpoint::best(&other.0).unwrap_err().to_string().contains("keep_best"));
}

/// The numbers of a file that follow from what is learned.
fn numbers(dir: &Path, name: &str) -> Vec<(usize, String, f64)> {
    let of_machine = |row: &Row| row.name.ends_with("_per_s") || row.name.ends_with("_bytes");
    let rows = read(&dir.join(name)).into_iter().filter(|row| !of_machine(row));
    rows.map(|row| (row.step, row.name, row.value)).collect()
}

#[test]
fn the_numbers_of_a_resumed_run_are_those_of_an_unbroken_one() {
    let (config, folder) = (config(6), Folder::new("numbers"));
    let [unbroken, broken] = ["unbroken", "broken"].map(|name| folder.0.join(name));
    train(&unbroken, &config, None).unwrap();
    // What stands behind the checkpoint was learned by a run that was killed.
    train(&broken, &config, Some(4)).unwrap();
    std::fs::remove_dir_all(broken.join("step-00000005")).unwrap();
    train(&broken, &config, None).unwrap();
    for name in [LOSSES, SCORES] {
        let expected = numbers(&unbroken, name);
        assert_eq!(numbers(&broken, name), expected);
        let steps: Vec<_> = expected.iter().map(|row| row.0).collect();
        assert!(steps.is_sorted() && steps.last() == Some(&6), "{steps:?}");
    }
    let losses = numbers(&unbroken, LOSSES);
    for name in ["loss", "square", "norm", "lr"] {
        assert_eq!(losses.iter().filter(|row| row.1 == name).count(), 6, "{name}");
    }
    let events = |dir: &Path| {
        let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name());
        entries.filter(|name| name.to_string_lossy().starts_with("events.out.tfevents.")).count()
    };
    assert_eq!(events(&unbroken), 1);

    // Killed between the last checkpoint and its scores.
    let scores = unbroken.join(SCORES);
    let text = std::fs::read_to_string(&scores).unwrap();
    let without: String = text.split_inclusive('\n').filter(|l| !l.starts_with("6,")).collect();
    std::fs::write(&scores, without).unwrap();
    train(&unbroken, &config, None).unwrap();
    assert_eq!(numbers(&unbroken, SCORES), numbers(&broken, SCORES));
}

#[test]
fn what_other_lengths_will_do_is_said_before() {
    let folder = Folder::new("ahead");
    let mut settings = config(4);
    settings.optim.decay_share = 0.5;
    let said =
        |a: &LoopConfig, b: &LoopConfig| ahead(&folder.0, &[("sight", a), ("full", b)]).unwrap();
    assert!(said(&settings, &settings).is_empty());
    train(&folder.0.join("sight"), &settings, None).unwrap();
    train(&folder.0.join("full"), &settings, Some(1)).unwrap();
    assert!(said(&settings, &settings).is_empty());

    let longer = LoopConfig { steps: 10, ..settings.clone() };
    let lines = said(&longer, &settings);
    assert_eq!(lines.len(), 2, "{lines:?}");
    let start = "sight was finished at step 4; it goes on to 10 with the optimiser as it was: ";
    assert!(lines[0].starts_with(start), "{lines:?}");
    assert!(lines[0].contains("stays so until step 5 and then falls to"), "{lines:?}");
    assert!(lines[1].starts_with("full has a checkpoint already"), "{lines:?}");

    let lines = said(&settings, &longer);
    assert!(lines[0].starts_with("full was to end at step 4 and is at 2; it goes on to 10"));
    let shorter = LoopConfig { steps: 3, ..settings.clone() };
    let lines = said(&shorter, &settings);
    assert!(lines[0].starts_with("sight is at step 4 already"), "{lines:?}");
}
