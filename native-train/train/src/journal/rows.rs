//! Numbers of a stage as CSV: a line for each number, since not every step has every part.

use refvlm_files::files::write_atomic;
use std::fmt::Write;
use std::io;
use std::path::Path;

/// What was learned: every number of every line of the log.
pub const LOSSES: &str = "losses.csv";
/// Scores on what is never learned from.
pub const SCORES: &str = "scores.csv";

const HEAD: &str = "step,seconds,name,value\n";

/// A number of a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Steps done.
    pub step: usize,
    /// Seconds of training over all runs.
    pub seconds: f64,
    /// What was measured.
    pub name: String,
    /// The number; not finite where the run was not.
    pub value: f64,
}

/// Lines of a file. Names have no commas: they are those of losses and scores.
pub(super) fn text<'a>(
    step: usize,
    seconds: f64,
    values: impl Iterator<Item = (&'a str, f64)>,
) -> String {
    let mut text = String::new();
    for (name, value) in values {
        let name = name.replace([',', '\n', '"'], " ");
        let _ = writeln!(text, "{step},{seconds:.3},{name},{value}");
    }
    text
}

fn row(line: &str) -> Option<Row> {
    let mut parts = line.strip_suffix('\n')?.split(',');
    let (step, seconds) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let (name, value) = (parts.next()?.to_string(), parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(Row { step, seconds, name, value })
}

/// The numbers of a file, in its order; empty where there is none. A line that was cut off is left
/// out.
pub fn read(path: &Path) -> Vec<Row> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_inclusive('\n').filter_map(row).collect()
}

/// Takes off the lines behind a step, and what is no line; a file that is missing gets its head.
pub(super) fn cut(path: &Path, step: usize) -> io::Result<()> {
    let mut kept = String::from(HEAD);
    for row in read(path).iter().filter(|row| row.step <= step) {
        kept += &text(row.step, row.seconds, [(row.name.as_str(), row.value)].into_iter());
    }
    match std::fs::read(path) {
        Ok(bytes) if bytes == kept.as_bytes() => Ok(()),
        _ => write_atomic(path, kept.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_helpers::Folder;

    #[test]
    fn what_lies_behind_the_step_and_half_a_line_are_taken_off() {
        let folder = Folder::new("rows");
        let path = folder.0.join(LOSSES);
        cut(&path, 0).unwrap();
        let of = |step| text(step, 1.5, [("loss", f64::NAN), ("box.l1", 0.25)].into_iter());
        let whole = format!("{HEAD}{}{}", of(1), of(2));
        std::fs::write(&path, format!("{whole}{}4,1.0,lo", of(3))).unwrap();
        assert_eq!(read(&path).len(), 6);
        cut(&path, 2).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
        let rows = read(&path);
        assert_eq!((rows.len(), rows[3].step, rows[3].value), (4, 2, 0.25));
        assert!(rows[0].value.is_nan());
    }
}
