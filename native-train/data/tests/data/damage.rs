//! Damaged files: whatever is wrong with the files of a source, reading it ends with faults or an
//! error that names the file, in bounded memory, and never panics.

use crate::support::samples::SAMPLES;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use refvlm_data::readers::{self, Item};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Damaged copies of each sample; more by `REFVLM_DAMAGES`.
const DAMAGES: u64 = 300;
/// Pieces that mean something to some format.
const PIECES: [&[u8]; 12] = [
    b"-1",
    b"1e308",
    b"null",
    b"[",
    b"}",
    b"\"",
    b"<",
    b"\xff\xfe",
    b"99999999999999999999",
    b"",
    b"0.0",
    b"\n",
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn damaged(bytes: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        let at = rng.random_range(0..=bytes.len());
        let end = (at + rng.random_range(0..9)).min(bytes.len());
        match rng.random_range(0..6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.iter_mut().skip(at).take(1).for_each(|b| *b ^= 1 << rng.random_range(0..8)),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            4 => {
                // A number becomes another one.
                let digit = bytes.iter().skip(at).position(u8::is_ascii_digit);
                if let Some(digit) = digit {
                    bytes[at + digit] = rng.random_range(b'0'..=b'9');
                }
            }
            _ => {
                let piece = PIECES[rng.random_range(0..PIECES.len())];
                bytes.splice(at..end, piece.iter().copied());
            }
        }
    }
    bytes
}

#[test]
fn damaged_sources_are_faults_or_errors() {
    let count = std::env::var("REFVLM_DAMAGES").ok().and_then(|text| text.parse().ok());
    let count = count.unwrap_or(DAMAGES);
    for (name, make) in SAMPLES {
        let folder = make();
        let files = files(&folder.0);
        let (mut errors, mut faults, mut items) = (0, 0, 0);
        for seed in 0..count {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let path = &files[rng.random_range(0..files.len())];
            let sound = fs::read(path).unwrap();
            fs::write(path, damaged(&sound, &mut rng)).unwrap();
            let mut take = |item: Item| {
                items += 1;
                match item {
                    Item::Photo(photo) => {
                        let size = [photo.width, photo.height];
                        for thing in &photo.things {
                            let [x, y, w, h] = thing.bbox;
                            let inside = x >= 0.0 && y >= 0.0 && w > 0.0 && h > 0.0;
                            assert!(inside && x + w <= size[0] as f32 + 0.01, "{name} {seed}");
                        }
                    }
                    Item::Conversation(told) => told.record.check().unwrap(),
                }
                ControlFlow::Continue(())
            };
            match readers::find(&folder.0).unwrap().map(|found| found.read(&mut take)) {
                // No reader knows it any more.
                None => {}
                Some(Ok(outcome)) => faults += outcome.dropped,
                Some(Err(error)) => {
                    let text = error.to_string();
                    assert!(text.contains(&*folder.0.to_string_lossy()), "{name} {seed}: {text}");
                    errors += 1;
                }
            }
            fs::write(path, sound).unwrap();
        }
        println!("{name}: {count} damaged: {errors} errors, {faults} faults, {items} items");
        assert!(errors + faults > 0, "{name}: nothing was noticed");
    }
}
