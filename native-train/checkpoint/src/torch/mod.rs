//! PyTorch's `.pth`, `.pt` and `.bin`: an archive with a pickle that describes tensors, and one
//! file of numbers for each storage.

mod pickle;
mod zip;

use crate::{CheckpointError, Encoding, MAX_NAME, MAX_TENSORS, Source, Tensor, count};
use pickle::{Id, Pickle, Value, View};
use zip::Archive;

/// Larger than the pickle of any model.
const MAX_PICKLE: u64 = 32 << 20;
/// Dictionaries inside each other.
const MAX_DEPTH: usize = 8;
/// Bytes of all names.
const MAX_NAMES: u64 = 16 << 20;
/// Entries of dictionaries that are looked at; one dictionary may stand in many places.
const MAX_ENTRIES: usize = 1 << 20;
/// What training programs call the weights among other things they save.
const WRAPPERS: [&str; 5] = ["state_dict", "model_state_dict", "model", "module", "params"];

pub(crate) fn read(source: &Source) -> Result<Vec<Tensor>, CheckpointError> {
    let file = source.name();
    let archive = Archive::open(source)?;
    let name = archive.find("data.pkl").ok_or_else(|| CheckpointError::Unsupported {
        file: file.into(),
        what: "an archive without data.pkl".into(),
        remedy: "give the file that torch.save wrote, unpacked from any other archive",
    })?;
    let folder = name.trim_end_matches("data.pkl");
    if let Ok((at, length)) = archive.place(&format!("{folder}byteorder"))
        && length <= 16
        && source.read_vec(at, length)? != b"little"
    {
        return Err(CheckpointError::Unsupported {
            file: file.into(),
            what: "numbers whose highest byte comes first".into(),
            remedy: "save it on a little-endian machine",
        });
    }
    let (at, length) = archive.place(name)?;
    if length > MAX_PICKLE {
        return Err(CheckpointError::too_much(file, "bytes of a pickle", length, MAX_PICKLE));
    }
    let pickle = Pickle::read(file, &source.read_vec(at, length)?)?;
    let mut reader = Reader {
        source,
        archive: &archive,
        folder,
        pickle: &pickle,
        names: 0,
        entries: 0,
        tensors: vec![],
    };
    reader.collect(weights(&pickle), "", 0)?;
    Ok(reader.tensors)
}

/// The dictionary of the weights: the whole, or what is inside one of the usual wrappers.
fn weights(pickle: &Pickle) -> Id {
    let mut id = pickle.root();
    for _ in 0..MAX_DEPTH {
        let Value::Dictionary(entries) = pickle.get(id) else { break };
        let inner = WRAPPERS.iter().find_map(|wrapper| {
            entries.iter().find_map(|&(key, value)| match (pickle.get(key), pickle.get(value)) {
                (Value::Text(key), Value::Dictionary(_)) if **key == **wrapper => Some(value),
                _ => None,
            })
        });
        let tensor = |&(_, value): &(Id, Id)| matches!(pickle.get(value), Value::Tensor(_));
        match inner {
            Some(inner) if !entries.iter().any(tensor) => id = inner,
            _ => break,
        }
    }
    id
}

struct Reader<'a> {
    source: &'a Source,
    archive: &'a Archive<'a>,
    folder: &'a str,
    pickle: &'a Pickle,
    /// Bytes of the names so far.
    names: u64,
    entries: usize,
    tensors: Vec<Tensor>,
}

impl Reader<'_> {
    /// The tensors of a dictionary and of the dictionaries in it, their keys joined by dots.
    fn collect(&mut self, id: Id, prefix: &str, depth: usize) -> Result<(), CheckpointError> {
        let file = self.source.name();
        let Value::Dictionary(entries) = self.pickle.get(id) else {
            if depth > 0 {
                return Ok(());
            }
            return Err(CheckpointError::Unsupported {
                file: file.into(),
                what: "the pickle holds no dictionary of tensors".into(),
                remedy: "save the state_dict of the model, not the model",
            });
        };
        for &(key, value) in entries {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                let (count, limit) = (self.entries as u64, MAX_ENTRIES as u64);
                return Err(CheckpointError::too_much(file, "entries", count, limit));
            }
            let Value::Text(key) = self.pickle.get(key) else { continue };
            let value_at = self.pickle.get(value);
            if !matches!(value_at, Value::Dictionary(_) | Value::Tensor(_)) {
                continue;
            }
            let count = (prefix.len() + key.len() + 1) as u64;
            if count > MAX_NAME {
                return Err(CheckpointError::too_much(file, "bytes of a name", count, MAX_NAME));
            }
            let name = format!("{prefix}{key}");
            match value_at {
                Value::Tensor(view) => self.add(name, view)?,
                _ if depth < MAX_DEPTH => self.collect(value, &format!("{name}."), depth + 1)?,
                _ => return Err(CheckpointError::damaged(file, "too many nested dictionaries")),
            }
        }
        Ok(())
    }

    fn add(&mut self, name: String, view: &View) -> Result<(), CheckpointError> {
        let file = self.source.name();
        self.names += name.len() as u64;
        for (what, count, limit) in [
            ("tensors", self.tensors.len() as u64, MAX_TENSORS - 1),
            ("bytes of names", self.names, MAX_NAMES),
        ] {
            if count > limit {
                return Err(CheckpointError::too_much(file, what, count, limit));
            }
        }
        let View { storage, first, shape, strides } = view;
        let wrong = |reason: &str| CheckpointError::Shape {
            file: file.into(),
            tensor: name.clone(),
            shape: shape.clone(),
            reason: reason.into(),
        };
        let Some(encoding) = encoding(storage.kind) else {
            let (file, dtype) = (file.into(), storage.kind.to_string());
            return Err(CheckpointError::Dtype { file, tensor: name, dtype });
        };
        let size = encoding.block_bytes() as u64;
        let (start, length) =
            self.archive.place(&format!("{}data/{}", self.folder, storage.key))?;
        let held = storage.numbers.checked_mul(size).filter(|&bytes| bytes <= length);
        let numbers = count(shape).ok_or_else(|| wrong("too large"))?;
        // An axis of stride zero would repeat numbers without end.
        let stretch = stretch(shape, strides).filter(|&n| n >= numbers as u64);
        let bytes = stretch.and_then(|n| n.checked_mul(size));
        let begin = first.checked_mul(size);
        let inside = held.zip(begin).zip(bytes).filter(|&((held, begin), bytes)| {
            begin.checked_add(bytes).is_some_and(|end| end <= held)
        });
        let Some((_, bytes)) = inside else {
            return Err(wrong("its numbers are not all in its storage, each once"));
        };
        let at = start + begin.unwrap_or(0);
        let strides = (!is_contiguous(shape, strides)).then(|| strides.clone());
        let shape = shape.clone();
        self.tensors.push(Tensor { name, shape, encoding, file: 0, at, bytes, strides });
        Ok(())
    }
}

/// Numbers from the first to the last that a view sees.
fn stretch(shape: &[usize], strides: &[usize]) -> Option<u64> {
    if shape.contains(&0) {
        return Some(0);
    }
    let mut last = 0u64;
    for (&n, &stride) in shape.iter().zip(strides) {
        last = last.checked_add((n as u64 - 1).checked_mul(stride as u64)?)?;
    }
    last.checked_add(1)
}

fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1usize;
    for (&n, &stride) in shape.iter().zip(strides).rev() {
        if n != 1 && stride != expected {
            return shape.contains(&0);
        }
        expected = expected.saturating_mul(n);
    }
    true
}

fn encoding(kind: &str) -> Option<Encoding> {
    use Encoding::{BF16, Bool, F16, F32, F64, I8, I16, I32, I64, U8};
    [F64, F32, F16, BF16, I64, I32, I16, I8, U8, Bool].into_iter().find(|e| e.name() == kind)
}
