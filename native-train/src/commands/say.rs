//! What the program says: lines on the standard output, which may be a closed pipe or a full disk,
//! and notes beside them.

use std::error::Error;
use std::fmt::{Arguments, Display};
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

static QUIET: AtomicBool = AtomicBool::new(false);
static VERBOSE: AtomicBool = AtomicBool::new(false);

/// Leaves notes and figures out from now on.
pub fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Says more from now on.
pub fn be_verbose() {
    VERBOSE.store(true, Ordering::Relaxed);
}

/// Whether more is said.
pub fn verbose() -> bool {
    VERBOSE.load(Ordering::Relaxed)
}

/// Prints a remark that only those want who asked for more.
pub fn detail(text: impl Display) {
    if verbose() {
        note(text);
    }
}

/// Whether notes and figures are left out.
pub fn quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Prints a line; ends the function where it cannot be written.
macro_rules! say {
    ($($text:tt)*) => { $crate::commands::say::line(format_args!($($text)*))? };
}
pub(crate) use say;

/// Prints a line.
pub fn line(text: Arguments) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_fmt(text)?;
    out.write_all(b"\n")
}

/// Prints a remark beside the output, unless the program is to be quiet.
pub fn note(text: impl Display) {
    if !quiet() {
        // A remark that cannot be shown is not worth ending for.
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// A number of things: `1 record`, `2 records`.
pub fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// The largest number of faults that are listed; the rest are counted.
const MOST_TOLD: usize = 20;

/// Lists the first of `count` things that were left out, of which `faults` are at least the first.
pub fn left_out(faults: &[impl Display], count: usize) {
    for fault in faults.iter().take(MOST_TOLD) {
        note(format_args!("left out: {fault}"));
    }
    if count > MOST_TOLD {
        note(format_args!("left out: {} more", count - MOST_TOLD));
    }
}

/// Whether nobody reads the output any more, as behind `| head`.
pub fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == ErrorKind::BrokenPipe) {
            return true;
        }
        cause = error.source();
    }
    false
}
