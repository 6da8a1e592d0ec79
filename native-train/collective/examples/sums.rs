//! How long a sum over ranks takes: `cargo run --release -p refvlm-collective --example sums` with
//! two threads, or started twice with RANK, WORLD_SIZE and MASTER_ADDR, or by `mpirun`.

#![allow(clippy::unwrap_used, reason = "a measurement fails by panicking")]

use refvlm_collective::threads::threads;
use refvlm_collective::{Collective, Place, even_cuts, join};
use std::time::Instant;

/// Sums `len` values some times; prints the median time and what was sent, counted and computed.
fn measure(ranks: &dyn Collective, len: usize) {
    let mut values = vec![1f32; len];
    let mut seconds: Vec<f64> = (0..15)
        .map(|_| {
            ranks.barrier().unwrap();
            let (before, started) = (ranks.traffic(), Instant::now());
            ranks.all_reduce_sum(values.as_mut_slice().into()).unwrap();
            let (seconds, after) = (started.elapsed().as_secs_f64(), ranks.traffic());
            let (rank, others) = (ranks.rank(), ranks.size() - 1);
            let cuts = even_cuts(len, ranks.size());
            let share = cuts[rank + 1] - cuts[rank];
            assert_eq!(after.bytes - before.bytes, 4 * (len - share + others * share) as u64);
            assert_eq!(after.messages - before.messages, 2 * others as u64);
            seconds
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    if ranks.rank() == 0 {
        let (median, bytes) = (seconds[seconds.len() / 2], 4.0 * len as f64);
        println!(
            "{:>12.3} MB summed over {} ranks: {:>9.3} ms, {:>6.2} GB/s",
            bytes / 1e6,
            ranks.size(),
            median * 1e3,
            bytes / median / 1e9
        );
    }
}

fn all(ranks: &dyn Collective) {
    for len in [1 << 8, 1 << 14, 1 << 18, 1 << 20, 1 << 22, 1 << 24] {
        measure(ranks, len);
    }
    ranks.leave().unwrap();
}

fn main() {
    if Place::from_environment().unwrap().size > 1 {
        all(&*join(Box::new(|loss| eprintln!("{loss}"))).unwrap());
    } else {
        std::thread::scope(|scope| {
            for rank in threads(2) {
                scope.spawn(move || all(&rank));
            }
        });
    }
}
