//! `refvlm train` as two processes, of which one is killed or stopped at a random moment: the other
//! ends within 10 s and names it, and all go on to the weights of an unbroken run.
//! `REFVLM_LOSSES=20` tries as many moments.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;
#[path = "../train/tests/support/tiny.rs"]
mod tiny;

use burn::tensor::Device;
use refvlm_native::train::TrainFile;
use refvlm_native::train::checkpoint::Checkpoint;
use refvlm_native::train::stage::Student;
use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{Folder, Tensors, tensors};

const LIMIT: Duration = Duration::from_secs(10);

/// A short run in both stages, on as many ranks as wanted.
struct Training {
    folder: Folder,
}

impl Training {
    fn new() -> Self {
        let mut table = tiny::table();
        let set = |table: &mut toml::Table, path: &[&str], value: i64| {
            let (last, path) = path.split_last().unwrap();
            let inner = path.iter().fold(table, |t, key| t[*key].as_table_mut().unwrap());
            inner.insert((*last).into(), value.into());
        };
        for (stage, steps) in [("sight", 4), ("train", 8)] {
            set(&mut table, &[stage, "pictures"], 2);
            let settings =
                [("steps", steps), ("threads", 2), ("checkpoint_every", 2), ("log_every", 1)];
            for (key, value) in settings {
                set(&mut table, &[stage, "loop", key], value);
            }
        }
        let folder = Folder::new("ranks-lost");
        folder.file("tiny.toml", toml::to_string(&table).unwrap().as_bytes());
        Self { folder }
    }

    fn command(&self, run: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refvlm"));
        let vocabulary = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/scenes-tokenizer.json");
        command.args(["train", &self.folder.path("tiny.toml"), "--tokenizer", vocabulary]);
        command.arg("--run").arg(run).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn start(&self, run: &Path, size: usize) -> Vec<Child> {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let start = |rank: usize| {
            let mut command = self.command(run);
            command.env("RANK", rank.to_string()).env("WORLD_SIZE", size.to_string());
            command.env("MASTER_PORT", port.to_string()).spawn().unwrap()
        };
        (0..size).map(start).collect()
    }

    fn finish(&self, run: &Path, size: usize) -> Tensors {
        for child in self.start(run, size) {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        self.weights(run)
    }

    fn weights(&self, run: &Path) -> Tensors {
        let file = TrainFile::read(&self.folder.0.join("tiny.toml"), None).unwrap();
        let student = Student::new(&file.model, &Device::flex()).unwrap();
        let checkpoint = Checkpoint::latest(&run.join("full")).unwrap().unwrap();
        assert_eq!(checkpoint.state().unwrap().step, 8);
        tensors(&checkpoint.weights(student).unwrap().model)
    }
}

/// Lines of both stages' logs so far.
fn lines(run: &Path) -> usize {
    let count = |stage: &str| std::fs::read_to_string(run.join(stage).join("train.log"));
    ["sight", "full"].map(|stage| count(stage).map_or(0, |text| text.lines().count())).iter().sum()
}

/// Loses one of two ranks some time after the log has some lines; returns how long the other went
/// on, or nothing where the run was over before.
fn lose(
    training: &Training,
    run: &Path,
    (signal, lost): (&str, usize),
    (line, wait): (usize, Duration),
) -> Option<Duration> {
    let mut ranks = training.start(run, 2);
    while lines(run) < line && ranks[lost].try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(wait);
    let id = ranks[lost].id().to_string();
    let _ = Command::new("kill").args([signal, &id]).status();
    let started = Instant::now();
    let mut other = ranks.swap_remove(1 - lost);
    let status = loop {
        match other.try_wait().unwrap() {
            Some(status) => break status,
            None => assert!(started.elapsed() < 3 * LIMIT, "it goes on without rank {lost}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let took = started.elapsed();
    let mut lost_child = ranks.pop().unwrap();
    let _ = lost_child.kill();
    if lost_child.wait().unwrap().success() {
        return None;
    }
    let mut said = String::new();
    other.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    if !status.success() {
        let name = format!("error: rank {lost} (127.0.0.1, process {id}) has ");
        assert!(said.contains(&name), "{said}");
    }
    Some(took)
}

#[test]
fn a_lost_rank_ends_the_other_and_the_run_goes_on_to_the_same_weights() {
    let training = Training::new();
    let unbroken = training.finish(&training.folder.0.join("unbroken"), 1);
    let trials: u64 = std::env::var("REFVLM_LOSSES").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    let mut random = u64::from(std::process::id());
    let mut below = |limit: u64| {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % limit
    };
    for trial in 0..trials {
        // A log of both stages has fourteen lines, scores included.
        let moment = (1 + below(10) as usize, Duration::from_millis(below(400)));
        let how = (if trial % 4 == 1 { "-STOP" } else { "-KILL" }, below(2) as usize);
        let run = training.folder.0.join(format!("run-{trial}"));
        match lose(&training, &run, how, moment) {
            Some(took) => {
                println!("{trial}: {how:?} after line {moment:?}: the other ended in {took:.1?}");
                assert!(took < LIMIT, "{took:?}");
            }
            None => println!("{trial}: the run was over before"),
        }
        // Half of them go on with another number of ranks.
        let weights = training.finish(&run, 1 + trial as usize % 2);
        assert!(weights == unbroken, "trial {trial}: other weights than of an unbroken run");
    }
}
