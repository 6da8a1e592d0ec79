//! The form before PyTorch 1.6: pickles one after the other, which are a magic number, the version
//! of the form, how the machine stores numbers, the tensors, and a list of storages; then the
//! storages in this order, each a count of 64 bits and so many numbers.

use super::machine::read_pickle;
use super::pickle::{Pickle, Value};
use super::{Storages, big_endian};
use crate::source::Cursor;
use crate::{CheckpointError, MAX_TENSORS, Source};
use std::collections::HashMap;

/// 0x1950a86a20f9469cfc6c, its lowest byte first.
const MAGIC: [u8; 10] = *b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
const VERSION: i64 = 1001;

/// Storages by key: their first byte and how many there are.
pub(super) struct List<'a> {
    source: &'a Source,
    places: HashMap<String, (u64, u64)>,
}

pub(super) fn open(source: &Source) -> Result<(Pickle, List<'_>), CheckpointError> {
    let mut cursor = Cursor::new(source, 0, source.length());
    front(&mut cursor)?;
    let pickle = read_pickle(&mut cursor)?;
    let keys = read_pickle(&mut cursor)?;
    let places = places(source, cursor.at(), &pickle, &keys)?;
    Ok((pickle, List { source, places }))
}

/// What stands before the tensors.
fn front(cursor: &mut Cursor<'_>) -> Result<(), CheckpointError> {
    let file = cursor.file().to_string();
    let magic = read_pickle(cursor)?;
    if !matches!(magic.get(magic.root()), Value::Long(number) if **number == MAGIC) {
        return Err(CheckpointError::Unsupported {
            file,
            what: "a pickle that torch.save did not write".into(),
            remedy: "save the state_dict of the model with torch.save",
        });
    }
    let version = read_pickle(cursor)?;
    if !matches!(version.get(version.root()), &Value::Integer(VERSION)) {
        return Err(CheckpointError::Unsupported {
            file,
            what: format!("a file of torch.save whose version is not {VERSION}"),
            remedy: "load it and save it again with a newer torch.save",
        });
    }
    let machine = read_pickle(cursor)?;
    let little = machine.entry(machine.root(), "little_endian").map(|id| machine.get(id));
    match little {
        Some(Value::Bool(true)) => Ok(()),
        Some(Value::Bool(false)) => Err(big_endian(&file)),
        _ => Err(CheckpointError::damaged(&file, "no word on the order of bytes")),
    }
}

/// Where the storages lie that are listed in `keys`, the first of them at `at`.
fn places(
    source: &Source,
    mut at: u64,
    pickle: &Pickle,
    keys: &Pickle,
) -> Result<HashMap<String, (u64, u64)>, CheckpointError> {
    let file = source.name();
    let damaged = |reason: String| CheckpointError::damaged(file, reason);
    let mut storages = HashMap::new();
    for storage in pickle.storages() {
        let key = pickle.key(storage);
        let known = storages.entry(key).or_insert(storage);
        if (known.encoding, known.numbers) != (storage.encoding, storage.numbers) {
            return Err(damaged(format!("storage {key} is described in two ways")));
        }
        let count = storages.len() as u64;
        if count > MAX_TENSORS {
            return Err(CheckpointError::too_much(file, "storages", count, MAX_TENSORS));
        }
    }
    let Value::Sequence(keys_in_order) = keys.get(keys.root()) else {
        return Err(damaged("no list of storages behind the pickle".into()));
    };
    let mut places = HashMap::new();
    for &id in keys_in_order {
        let known = match keys.get(id) {
            Value::Text(key) => storages.remove_entry(&**key),
            _ => None,
        };
        // Each once: what has been seen is gone.
        let (key, storage) = known
            .ok_or_else(|| damaged("its list of storages is not that of its tensors".into()))?;
        let mut count = [0; 8];
        source.read_at(at, &mut count)?;
        let count = u64::from_le_bytes(count);
        if count != storage.numbers {
            let numbers = storage.numbers;
            return Err(damaged(format!("storage {key} has {count} numbers instead of {numbers}")));
        }
        let bytes = count.checked_mul(storage.encoding.block_bytes() as u64);
        let bytes = bytes.ok_or_else(|| damaged(format!("{count} numbers in storage {key}")))?;
        source.check(at + 8, bytes)?;
        places.insert(key.to_string(), (at + 8, bytes));
        at += 8 + bytes;
    }
    Ok(places)
}

impl Storages for List<'_> {
    fn place(&self, key: &str) -> Result<(u64, u64), CheckpointError> {
        let damaged = || {
            let reason = format!("storage {key} is not in the list of storages");
            CheckpointError::damaged(self.source.name(), reason)
        };
        self.places.get(key).copied().ok_or_else(damaged)
    }
}
