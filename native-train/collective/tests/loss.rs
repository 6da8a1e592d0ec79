//! Processes that are killed or stopped in the middle of a run: the others end within 10 s and say
//! which rank it was. `REFVLM_LOSSES=20` tries as many random moments.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use refvlm_collective::join;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SIZE: usize = 3;
const LIMIT: Duration = Duration::from_secs(10);

/// One rank of a run that never ends: it computes for a while, then adds. The parent starts it.
#[test]
#[ignore = "a rank of the tests in this file"]
fn a_rank() {
    let lost = |loss: &refvlm_collective::RankError| {
        println!("lost: {loss}");
        std::process::exit(3);
    };
    let ranks = join(Box::new(lost)).unwrap();
    println!("joined");
    let busy: u64 = std::env::var("BUSY_MS").unwrap().parse().unwrap();
    let mut values = vec![1f32; 1 << 18];
    loop {
        std::thread::sleep(Duration::from_millis(busy));
        if let Err(error) = ranks.all_reduce_sum(values.as_mut_slice().into()) {
            println!("lost: {error}");
            std::process::exit(3);
        }
    }
}

struct Run(Vec<Child>);

impl Run {
    fn start(busy_ms: u64) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let start = |rank: usize| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "a_rank", "--ignored", "--nocapture"]);
            command.env("RANK", rank.to_string()).env("WORLD_SIZE", SIZE.to_string());
            command.env("MASTER_PORT", port.to_string()).env("BUSY_MS", busy_ms.to_string());
            command.stdout(Stdio::piped()).spawn().unwrap()
        };
        Self((0..SIZE).map(start).collect())
    }

    fn signal(&self, rank: usize, signal: &str) {
        let id = self.0[rank].id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Waits for the ranks but one. Returns how long that took, and what they said.
    fn end_of_others(&mut self, lost: usize) -> (Duration, Vec<String>) {
        let started = Instant::now();
        let others = || (0..SIZE).filter(|&rank| rank != lost);
        while others().any(|rank| self.0[rank].try_wait().unwrap().is_none()) {
            assert!(started.elapsed() < 2 * LIMIT, "a rank goes on without rank {lost}");
            std::thread::sleep(Duration::from_millis(20));
        }
        let said = others().map(|rank| {
            let mut text = String::new();
            let mut output = self.0[rank].stdout.take().unwrap();
            std::io::Read::read_to_string(&mut output, &mut text).unwrap();
            text
        });
        (started.elapsed(), said.collect())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Loses a rank by a signal, some time after the start, while ranks mostly add or mostly compute.
fn lose(signal: &str, trial: u64) -> Duration {
    let mut random =
        (trial + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(std::process::id());
    let mut below = |limit: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % limit
    };
    let (lost, wait) = (below(SIZE as u64) as usize, 300 + below(700));
    // A step of a minute must not keep a rank from noticing.
    let mut run = Run::start(if below(2) == 0 { 1 } else { 60_000 });
    std::thread::sleep(Duration::from_millis(wait));
    run.signal(lost, signal);
    let (took, said) = run.end_of_others(lost);
    for text in said {
        assert!(text.contains(&format!("lost: rank {lost} (127.0.0.1, process ")), "{text}");
    }
    assert!(took < LIMIT, "{took:?}");
    took
}

fn trials(signal: &str) {
    let trials = std::env::var("REFVLM_LOSSES").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    for trial in 0..trials {
        println!("{signal} {trial}: the others ended after {:.2?}", lose(signal, trial));
    }
}

#[test]
fn a_killed_rank_ends_the_others_with_its_name() {
    trials("-KILL");
}

#[test]
fn a_stopped_rank_ends_the_others_with_its_name() {
    trials("-STOP");
}
