//! `refvlm train` killed at random moments goes on to the weights of an unbroken run; the same when
//! the disk was full for a while. `REFVLM_KILLS=50` tries as many moments.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;
#[path = "../train/tests/support/tiny.rs"]
mod tiny;

use burn::tensor::Device;
use refvlm_native::train::TrainFile;
use refvlm_native::train::checkpoint::Checkpoint;
use refvlm_native::train::journal::{LOSSES, Row, SCORES, read};
use refvlm_native::train::stage::Student;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::{Folder, Tensors, tensors};

/// Steps of both stages.
const STEPS: [(&str, &str, usize); 2] = [("sight", "sight", 4), ("train", "full", 8)];

/// A short run in both stages with a checkpoint after each step.
struct Training(Folder);

impl Training {
    fn new(name: &str) -> Self {
        let mut table = tiny::table();
        for (stage, _, steps) in STEPS {
            let stage = table[stage].as_table_mut().unwrap();
            stage.insert("pictures".into(), 2.into());
            let settings = stage["loop"].as_table_mut().unwrap();
            let values = [("steps", steps), ("threads", 2), ("checkpoint_every", 1)];
            for (key, value) in values.into_iter().chain([("log_every", 1), ("score_every", 4)]) {
                settings.insert(key.into(), (value as i64).into());
            }
        }
        let folder = Folder::new(name);
        folder.file("tiny.toml", toml::to_string(&table).unwrap().as_bytes());
        Self(folder)
    }

    fn arguments(&self, run: &Path) -> Vec<String> {
        let vocabulary = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/scenes-tokenizer.json");
        let run = run.display().to_string();
        ["train", &self.0.path("tiny.toml"), "--tokenizer", vocabulary, "--run", &run]
            .map(String::from)
            .to_vec()
    }

    fn start(&self, run: &Path) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refvlm"));
        command.args(self.arguments(run)).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    fn finish(&self, run: &Path) -> (Ends, String) {
        let output = self.start(run).wait_with_output().unwrap();
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        (self.ends(run), said)
    }

    fn ends(&self, run: &Path) -> Ends {
        let file = TrainFile::read(&self.0.0.join("tiny.toml"), None).unwrap();
        let student = Student::new(&file.model, &Device::flex()).unwrap();
        let checkpoint = Checkpoint::latest(&run.join("full")).unwrap().unwrap();
        assert_eq!(checkpoint.state().unwrap().step, STEPS[1].2);
        let weights = tensors(&checkpoint.weights(student).unwrap().model);
        let mut numbers = Vec::new();
        for (_, stage, _) in STEPS {
            let [losses, scores] = [LOSSES, SCORES].map(|name| read(&run.join(stage).join(name)));
            let learned: BTreeSet<String> = losses.iter().map(|row| row.name.clone()).collect();
            let of_machine = |row: &Row| row.name.contains("_per_s") || row.name.contains("_bytes");
            for row in losses.into_iter().chain(scores).filter(|row| !of_machine(row)) {
                // Which session is asked what is chance, and with it the last digits of answers.
                let known = learned.contains(&row.name);
                let value = if known { row.value.to_bits() } else { 0 };
                numbers.push((row.step, row.name, value));
            }
        }
        Ends { weights, numbers }
    }
}

/// What a run leads to: its weights, and every number that follows from what it learned.
#[derive(PartialEq)]
struct Ends {
    weights: Tensors,
    numbers: Vec<(usize, String, u64)>,
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}

#[test]
fn a_killed_run_ends_like_an_unbroken_one() {
    let training = Training::new("killed");
    let started = Instant::now();
    let (unbroken, said) = training.finish(&training.0.0.join("unbroken"));
    let whole = started.elapsed();
    assert!(said.contains("refvlm export --run "), "{said}");
    let page = std::fs::read_to_string(training.0.0.join("unbroken/report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("data:image/jpeg") && page.contains("scene-0"));
    assert!(page.contains("This stage is finished.") && !page.contains("data-goes-on>"));
    assert!(unbroken.numbers.len() > 100, "{}", unbroken.numbers.len());
    let kills: u64 = std::env::var("REFVLM_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let mut random = u64::from(std::process::id());
    let (mut equal, mut late) = (0, 0);
    for trial in 0..kills {
        let run = training.0.0.join(format!("run-{trial}"));
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let moment = whole.mul_f64((random >> 33) as f64 / f64::from(1u32 << 31));
        let mut child = training.start(&run);
        std::thread::sleep(moment);
        late += u64::from(child.try_wait().unwrap().is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        let left: Vec<String> = STEPS
            .map(|(_, stage, _)| match Checkpoint::latest(&run.join(stage)).unwrap() {
                Some(checkpoint) => format!("{stage} {}", checkpoint.state().unwrap().step),
                None => format!("{stage} -"),
            })
            .to_vec();
        let (ends, _) = training.finish(&run);
        println!("{trial}: killed after {moment:.2?} of {whole:.2?}, left {}", left.join(", "));
        assert!(ends.weights == unbroken.weights, "trial {trial}: other weights");
        assert!(ends.numbers == unbroken.numbers, "trial {trial}: other numbers");
        equal += 1;
        std::fs::remove_dir_all(&run).unwrap();
    }
    println!("{equal} of {kills} ends are bit-equal; {late} runs were over before");
}

/// A limit on the size of files stands for a full disk: the weights fit, the optimiser's state does
/// not.
#[test]
fn a_full_disk_costs_no_checkpoint() {
    let training = Training::new("full");
    let run = training.0.0.join("run");
    let quoted = training.arguments(&run).iter().map(|a| format!("'{a}'")).collect::<Vec<_>>();
    let program = env!("CARGO_BIN_EXE_refvlm");
    let script = format!("trap '' XFSZ; ulimit -f {FITS}; exec '{program}' {}", quoted.join(" "));
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    let text = said(&output);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("no room for the checkpoint of step 1 ("), "{text}");
    assert!(text.contains("the run goes on, and there is no older checkpoint"), "{text}");
    let end = "no room for the checkpoint of step 4 (";
    assert!(text.contains(end) && text.contains("give the same command to go on"), "{text}");
    assert!(!run.join("sight/writing").exists());

    let (unbroken, _) = training.finish(&training.0.0.join("unbroken"));
    let (ends, _) = training.finish(&run);
    assert!(ends == unbroken, "another end than of an unbroken run");
}

/// Blocks of 1024 bytes.
const FITS: u64 = 350;

#[test]
fn a_run_has_one_writer() {
    let training = Training::new("writer");
    let run = training.0.0.join("run");
    let mut first = training.start(&run);
    let lock = run.join("lock");
    let started = Instant::now();
    while std::fs::read_to_string(&lock).unwrap_or_default().is_empty() {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = training.start(&run).wait_with_output().unwrap();
    let text = said(&output);
    let id = first.id();
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(!output.status.success(), "{text}");
    assert!(
        text.contains(&format!("process {id}")) && text.contains("take another --run"),
        "{text}"
    );
    // A killed process holds nothing.
    training.finish(&run);
}
