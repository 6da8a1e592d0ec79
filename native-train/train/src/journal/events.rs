//! Numbers for TensorBoard: its event files are TFRecords of a few fields of protocol buffers.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The number of a field with its wire type.
const fn key(field: u8, wire: u8) -> u8 {
    field << 3 | wire
}
const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const BYTES: u8 = 2;
const FIXED_32: u8 = 5;

/// `SessionLog.START`: what stands behind its step belongs to a run that was ended.
const START: u64 = 1;

/// The event file of one start of a stage.
#[derive(Debug)]
pub(super) struct Events(File);

impl Events {
    /// Begins a file in a folder, for a run that goes on from a step.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn begin(dir: &Path, step: usize) -> io::Result<Self> {
        // A run may be begun twice in a second.
        static BEGUN: AtomicUsize = AtomicUsize::new(0);
        let begun = BEGUN.fetch_add(1, Ordering::Relaxed);
        let name = format!("events.out.tfevents.{:.0}.{}.{begun}", now(), std::process::id());
        let mut events = Self(File::create(dir.join(name))?);
        let mut version = Vec::new();
        bytes(&mut version, 3, b"brain.Event:2");
        events.put(0, &version)?;
        if step > 0 {
            let (mut session, mut log) = (Vec::new(), Vec::new());
            number(&mut session, 1, START);
            bytes(&mut log, 7, &session);
            events.put(step + 1, &log)?;
        }
        Ok(events)
    }

    /// Adds numbers of a step.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn add(
        &mut self,
        step: usize,
        values: impl Iterator<Item = (String, f64)>,
    ) -> io::Result<()> {
        let mut summary = Vec::new();
        for (tag, value) in values {
            let mut one = Vec::new();
            bytes(&mut one, 1, tag.as_bytes());
            one.push(key(2, FIXED_32));
            one.extend((value as f32).to_le_bytes());
            bytes(&mut summary, 1, &one);
        }
        let mut what = Vec::new();
        bytes(&mut what, 5, &summary);
        self.put(step, &what)
    }

    fn put(&mut self, step: usize, what: &[u8]) -> io::Result<()> {
        let mut event = vec![key(1, FIXED_64)];
        event.extend(now().to_le_bytes());
        number(&mut event, 2, step as u64);
        event.extend(what);
        self.0.write_all(&record(&event))
    }
}

/// A TFRecord: length, its check, the data, their check.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let check = |bytes: &[u8]| {
        let crc = crc32c::crc32c(bytes);
        crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
    };
    [&length[..], &check(&length), data, &check(data)].concat()
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(key(field, VARINT));
    varint(out, value);
}

fn bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.push(key(field, BYTES));
    varint(out, value.len() as u64);
    out.extend(value);
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_files::files::hex;
    use refvlm_helpers::Folder;

    /// What `RecordWriter.write(b"abc")` of TensorBoard 2.21.0 writes.
    #[test]
    fn a_record_is_tensorboards() {
        let expected = "0300000000000000b099490e6162636e57f121";
        assert_eq!(hex(&record(b"abc")), expected);
    }

    #[test]
    fn a_file_has_a_record_for_each_step() {
        let folder = Folder::new("events");
        let mut events = Events::begin(&folder.0, 300).unwrap();
        events.add(301, [("train/loss".to_string(), 0.5)].into_iter()).unwrap();
        let path = std::fs::read_dir(&folder.0).unwrap().next().unwrap().unwrap().path();
        let bytes = std::fs::read(path).unwrap();
        let (mut at, mut records) = (0, Vec::new());
        while at < bytes.len() {
            let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
            records.push(&bytes[at + 12..at + 12 + length]);
            assert_eq!(bytes[at..at + 16 + length], record(records.last().unwrap()));
            at += 16 + length;
        }
        assert_eq!(records.len(), 3);
        assert!(records[0].ends_with(b"brain.Event:2"));
        // Step 301 is 0xad 0x02; session_log (7) holds status (1) START (1).
        assert!(records[1].ends_with(&[0x10, 0xad, 0x02, 0x3a, 2, 0x08, 1]));
        assert!(records[2].ends_with(&[0x15, 0, 0, 0, 0x3f]));
    }
}
