//! Memory of this process.

/// The most bytes that this process had in memory at once so far; none where the system does not
/// say.
pub fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// `140 KiB`, `812 MiB`, `1.6 GiB`.
pub fn of(bytes: u64) -> String {
    const MIB: f64 = 1_048_576.0;
    match bytes as f64 / MIB {
        mib if mib < 1.0 => format!("{:.0} KiB", mib * 1024.0),
        mib if mib < 1000.0 => format!("{mib:.0} MiB"),
        mib => format!("{:.1} GiB", mib / 1024.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_counts() {
        assert_eq!([3 << 10, 3 << 20, 3 << 29].map(of), ["3 KiB", "3 MiB", "1.5 GiB"]);
        let Some(before) = peak() else { return println!("skipped: this system does not say") };
        let used = std::hint::black_box(vec![1u8; before as usize + (64 << 20)]);
        assert!(peak().unwrap() >= used.len() as u64);
    }
}
