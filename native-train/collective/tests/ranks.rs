//! The same operations over every transport: threads, TCP on one host, and MPI where there is one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use half::bf16;
use refvlm_collective::{Collective, Place, RankError, Traffic, even_cuts, in_pairs, tcp, threads};
use std::net::TcpListener;
use std::process::{Command, Stdio};

/// Numbers whose sum depends on the order of summation.
fn number(rank: usize, index: usize) -> f32 {
    let mixed = (rank as u64 + 1) * 2_654_435_761 + index as u64 * 40_503;
    (mixed % 10_007) as f32 * 1e-3 * 10f32.powi((mixed % 7) as i32 - 3)
}

const LEN: usize = 1001;

/// What all ranks must hold after a sum.
fn sum(size: usize, index: usize) -> f32 {
    in_pairs((0..size).map(|rank| number(rank, index)).collect(), |a, b| a + b).unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Does everything once and holds it to what one rank can work out alone.
fn everything(ranks: &dyn Collective) {
    let (rank, size) = (ranks.rank(), ranks.size());
    let mine: Vec<f32> = (0..LEN).map(|i| number(rank, i)).collect();
    let sums: Vec<f32> = (0..LEN).map(|i| sum(size, i)).collect();

    let mut values = mine.clone();
    ranks.all_reduce_sum(values.as_mut_slice().into()).unwrap();
    assert_eq!(bits(&values), bits(&sums));

    // Shares of very different sizes, one of them empty.
    let mut cuts = vec![0; size];
    cuts.push(LEN);
    if size > 2 {
        cuts[2] = 10;
        cuts[3..size].fill(300);
    }
    let mut values = mine.clone();
    ranks.reduce_scatter_sum(values.as_mut_slice().into(), &cuts).unwrap();
    let share = cuts[rank]..cuts[rank + 1];
    assert_eq!(bits(&values[share.clone()]), bits(&sums[share.clone()]));
    assert_eq!(values[..share.start], mine[..share.start]);
    ranks.all_gather(values.as_mut_slice().into(), &cuts).unwrap();
    assert_eq!(bits(&values), bits(&sums));

    // Summed in 32 bits, rounded once.
    let half = |rank: usize, i: usize| bf16::from_f32(number(rank, i));
    let mut values: Vec<bf16> = (0..LEN).map(|i| half(rank, i)).collect();
    ranks.all_reduce_sum(values.as_mut_slice().into()).unwrap();
    for (i, value) in values.iter().enumerate() {
        let summands = (0..size).map(|rank| half(rank, i).to_f32()).collect();
        let sum = in_pairs(summands, |a: f32, b| a + b).unwrap();
        assert_eq!(*value, bf16::from_f32(sum));
    }

    let text = |rank: usize| vec![rank as u8; 3 * rank];
    let last = size - 1;
    assert_eq!(ranks.broadcast(text(rank), last).unwrap(), text(last));
    let gathered = ranks.gather(text(rank), 0).unwrap();
    let expected: Vec<_> = (0..size).map(text).collect();
    assert_eq!(gathered, if rank == 0 { expected } else { Vec::new() });

    let wrong = ranks.all_gather(values.as_mut_slice().into(), &[0]);
    assert!(matches!(wrong, Err(RankError::Cuts { .. })));

    let before = ranks.traffic();
    ranks.all_reduce_sum(values.as_mut_slice().into()).unwrap();
    let after = ranks.traffic();
    // Its summands to each of the others, then its share of the sum to each.
    let share = |rank: usize| 2 * (even_cuts(LEN, size)[rank + 1] - even_cuts(LEN, size)[rank]);
    let bytes = 2 * LEN - share(rank) + last * share(rank);
    let sent = Traffic { messages: 2 * last as u64, bytes: bytes as u64 };
    assert_eq!(after.messages - before.messages, sent.messages);
    assert_eq!(after.bytes - before.bytes, sent.bytes);
    ranks.barrier().unwrap();
    ranks.leave().unwrap();
}

/// Runs a function as every rank, each on a thread.
fn as_threads(size: usize, work: impl Fn(&dyn Collective) + Sync) {
    std::thread::scope(|scope| {
        for rank in threads::threads(size) {
            let work = &work;
            scope.spawn(move || work(&rank));
        }
    });
}

/// A port that nobody uses now.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn as_tcp(size: usize, work: impl Fn(&dyn Collective) + Sync) {
    let port = free_port();
    std::thread::scope(|scope| {
        for rank in 0..size {
            let work = &work;
            scope.spawn(move || {
                let place = Place { rank, size, local_rank: rank, host: "127.0.0.1".into(), port };
                work(&tcp::join(&place, Box::new(|_| ())).unwrap());
            });
        }
    });
}

#[test]
fn threads_agree_to_the_bit() {
    for size in [1, 2, 3, 4, 8] {
        as_threads(size, everything);
    }
}

#[test]
fn processes_over_tcp_agree_to_the_bit() {
    for size in [2, 3, 5] {
        as_tcp(size, everything);
    }
}

/// A rank in a process of its own, for the tests below: `TEST --exact one_process --ignored`.
#[test]
#[ignore = "a rank of other tests"]
fn one_process() {
    let ranks = refvlm_collective::join(Box::new(|_| ())).unwrap();
    assert!(ranks.size() > 1, "start it as one of several");
    everything(&*ranks);
}

const ONE_PROCESS: [&str; 3] = ["--exact", "one_process", "--ignored"];

#[test]
fn mpirun_starts_ranks_that_agree_to_the_bit() {
    let mut mpirun = Command::new("mpirun");
    mpirun.args(["--allow-run-as-root", "--oversubscribe", "-n", "4"]);
    mpirun.arg(std::env::current_exe().unwrap()).args(ONE_PROCESS);
    match mpirun.env("MASTER_PORT", free_port().to_string()).output() {
        Err(error) => eprintln!("skipped: mpirun: {error}"),
        Ok(output) => {
            assert!(output.status.success(), "{output:?}");
            let text = String::from_utf8_lossy(&output.stdout);
            assert_eq!(text.matches("1 passed").count(), 4, "{text}");
        }
    }
}

/// Two network namespaces with a cable between them, removed in the end.
struct Hosts([String; 2]);

impl Hosts {
    /// None where this process may not make namespaces.
    fn new() -> Option<Self> {
        let id = std::process::id();
        let hosts = Self([format!("refvlm-a-{id}"), format!("refvlm-b-{id}")]);
        let ends = [format!("ra{id}"), format!("rb{id}")];
        let ip = |args: &[&str]| {
            let status = Command::new("ip").args(args).stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success()).then_some(())
        };
        let [a, b] = &hosts.0;
        ip(&["netns", "add", a])?;
        ip(&["netns", "add", b])?;
        ip(&["link", "add", &ends[0], "netns", a, "type", "veth", "peer", &ends[1], "netns", b])?;
        for (host, end, address) in [(a, &ends[0], "10.99.0.1/24"), (b, &ends[1], "10.99.0.2/24")] {
            ip(&["-n", host, "address", "add", address, "dev", end])?;
            ip(&["-n", host, "link", "set", end, "up"])?;
            ip(&["-n", host, "link", "set", "lo", "up"])?;
        }
        Some(hosts)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in &self.0 {
            let _ = Command::new("ip").args(["netns", "del", host]).stderr(Stdio::null()).status();
        }
    }
}

#[test]
fn ranks_of_two_hosts_agree_to_the_bit() {
    let Some(hosts) = Hosts::new() else {
        return eprintln!("skipped: no network namespaces can be made here");
    };
    // Ranks 0 and 1 on one host, 2 and 3 on the other.
    let start = |rank: usize| {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &hosts.0[rank / 2]]);
        command.arg(std::env::current_exe().unwrap()).args(ONE_PROCESS);
        command.env("RANK", rank.to_string()).env("WORLD_SIZE", "4");
        command.env("MASTER_ADDR", "10.99.0.1").stdout(Stdio::piped()).spawn().unwrap()
    };
    let ranks: Vec<_> = (0..4).map(start).collect();
    for rank in ranks {
        let output = rank.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// Of four ranks, one leaves the others alone; each of them must name it, not another.
fn deserted(work: &dyn Collective) {
    let mut values = vec![1f32; LEN];
    let mut sum = || work.all_reduce_sum(values.as_mut_slice().into());
    if work.rank() == 2 {
        sum().unwrap();
    } else {
        // It may be gone before the first sum has come everywhere.
        let error = (0..4).find_map(|_| sum().err()).unwrap();
        assert_eq!(error.culprit(), Some(2), "{error}");
        assert!(error.to_string().contains("resumes from the last checkpoint"), "{error}");
    }
}

#[test]
fn a_rank_that_ends_early_is_named_by_all_others() {
    as_threads(4, deserted);
    as_tcp(4, deserted);
}

#[test]
fn ranks_that_disagree_about_lengths_are_told_so() {
    as_threads(2, |ranks| {
        let mut values = vec![0f32; 4 + ranks.rank()];
        let cuts = even_cuts(values.len(), 2);
        let error = ranks.all_gather(values.as_mut_slice().into(), &cuts);
        // Shares of 2 and 2 against 3 and 2: only one can notice.
        if let Err(error) = error {
            assert!(error.to_string().contains("the same configuration"), "{error}");
            assert_eq!(ranks.rank(), 1);
        } else {
            assert_eq!(ranks.rank(), 0);
        }
    });
}

#[test]
fn two_processes_of_one_number_are_refused() {
    let port = free_port();
    let join = |rank| {
        let place = Place { rank, size: 3, local_rank: 0, host: "127.0.0.1".into(), port };
        tcp::join(&place, Box::new(|_| ())).map(|_| ()).map_err(|e| e.to_string())
    };
    std::thread::scope(|scope| {
        let twice = [scope.spawn(|| join(1)), scope.spawn(|| join(1))];
        let error = join(0).unwrap_err();
        assert!(error.contains("call themselves rank 1"), "{error}");
        for other in twice {
            assert!(other.join().unwrap().is_err());
        }
    });
}
