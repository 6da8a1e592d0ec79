//! PyTorch's `.pth`, `.pt` and `.bin`: a pickle that describes tensors, and storages that hold their
//! numbers. The two forms of the file differ in where a storage lies and in nothing else.

mod archive;
mod legacy;
mod machine;
mod pickle;
mod zip;

use crate::{CheckpointError, MAX_NAME, MAX_TENSORS, Source, Tensor, count};
use pickle::{Id, Pickle, Value, View};

/// Dictionaries inside each other.
const MAX_DEPTH: usize = 8;
/// Bytes of all names.
const MAX_NAMES: u64 = 8 << 20;
/// Entries of dictionaries that are looked at; one dictionary may stand in many places.
const MAX_ENTRIES: usize = 1 << 20;
/// Objects of other classes that are counted.
const MAX_FOREIGN: usize = 1000;
/// What training programs call the weights among other things they save.
const WRAPPERS: [&str; 5] = ["state_dict", "model_state_dict", "model", "module", "params"];

/// The forms of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Archive,
    /// Of PyTorch before 1.6.
    Legacy,
}

impl Form {
    /// That of a file which begins so.
    pub fn of(start: &[u8]) -> Option<Self> {
        match start {
            [b'P', b'K', 3, 4, ..] => Some(Form::Archive),
            // A pickle that says its protocol.
            [0x80, 2..=5, ..] => Some(Form::Legacy),
            _ => None,
        }
    }
}

/// What a form knows of the storages.
trait Storages {
    /// The first byte of a storage and how many there are.
    fn place(&self, key: &str) -> Result<(u64, u64), CheckpointError>;
}

/// The tensors, and what a person should know of them.
pub(crate) fn read(
    source: &Source,
    form: Form,
) -> Result<(Vec<Tensor>, Vec<String>), CheckpointError> {
    match form {
        Form::Archive => tensors(source, &archive::open(source)?),
        Form::Legacy => tensors(source, &legacy::open(source)?),
    }
}

fn tensors(
    source: &Source,
    (pickle, storages): &(Pickle, impl Storages),
) -> Result<(Vec<Tensor>, Vec<String>), CheckpointError> {
    let root = pickle.root();
    let deepspeed = ["ds_version", "ds_config"].iter().any(|key| pickle.entry(root, key).is_some());
    if deepspeed {
        check_deepspeed(source, pickle)?;
    }
    let mut reader =
        Reader { source, pickle, storages, names: 0, entries: 0, tensors: vec![], foreign: vec![] };
    reader.collect(weights(pickle), "", 0)?;
    let Reader { mut tensors, foreign, .. } = reader;
    let mut notes = vec![];
    if deepspeed {
        // The third stage of ZeRO leaves empty tensors where the weights were.
        if tensors.is_empty() || tensors.iter().any(|tensor| tensor.numel() == 0) {
            return Err(partitioned(source));
        }
        notes.push(
            "weights of DeepSpeed in the type that the model was trained in; zero_to_fp32.py gives \
             those of the optimizer"
                .into(),
        );
    }
    if LIGHTNING.iter().any(|key| pickle.entry(root, key).is_some())
        && crate::names::strip(&mut tensors, "model.")
    {
        notes.push(format!("a checkpoint of Lightning: {}", crate::names::note("model.")));
    }
    if let Some(first) = foreign.first() {
        let count = foreign.len();
        notes.push(format!("{count} entries that are no plain tensors were left out: {first}"));
    }
    Ok((tensors, notes))
}

/// Keys that say Lightning's version.
const LIGHTNING: [&str; 2] = ["pytorch-lightning_version", "pytorch_lightning_version"];
/// How weights come out of a DeepSpeed checkpoint.
pub(crate) const ZERO_TO_FP32: &str = "make one file of it with the script that DeepSpeed put into \
    its folder, `python zero_to_fp32.py . OUT`, and give what is in OUT";

fn partitioned(source: &Source) -> CheckpointError {
    CheckpointError::Unsupported {
        file: source.name().into(),
        what: "one of the parts of a DeepSpeed checkpoint, without whole weights".into(),
        remedy: ZERO_TO_FP32,
    }
}

/// Whether a file of DeepSpeed can hold all weights.
fn check_deepspeed(source: &Source, pickle: &Pickle) -> Result<(), CheckpointError> {
    let module = pickle.entry(pickle.root(), "module").map(|id| pickle.get(id));
    if !matches!(module, Some(Value::Dictionary(entries)) if !entries.is_empty()) {
        return Err(partitioned(source));
    }
    let ranks = pickle.entry(pickle.root(), "mp_world_size").map(|id| pickle.get(id));
    match ranks {
        Some(&Value::Integer(ranks)) if ranks > 1 => Err(CheckpointError::Unsupported {
            file: source.name().into(),
            what: format!("a model that DeepSpeed split over {ranks} devices"),
            remedy: "gather it with the program that trained it, and save its state_dict",
        }),
        _ => Ok(()),
    }
}

/// Whether it is a tar archive, which came before all forms that are read.
pub(crate) fn is_tar(source: &Source) -> bool {
    let mut magic = [0; 5];
    source.read_at(257, &mut magic).is_ok() && magic == *b"ustar"
}

fn big_endian(file: &str) -> CheckpointError {
    CheckpointError::Unsupported {
        file: file.into(),
        what: "numbers whose highest byte comes first".into(),
        remedy: "save it on a little-endian machine",
    }
}

/// The dictionary of the weights: the whole, or what is inside one of the usual wrappers.
fn weights(pickle: &Pickle) -> Id {
    let mut id = pickle.root();
    for _ in 0..MAX_DEPTH {
        let Value::Dictionary(entries) = pickle.get(id) else { break };
        let inner = WRAPPERS.iter().find_map(|wrapper| {
            let inner = pickle.entry(id, wrapper)?;
            matches!(pickle.get(inner), Value::Dictionary(_)).then_some(inner)
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
    pickle: &'a Pickle,
    storages: &'a dyn Storages,
    /// Bytes of the names so far.
    names: u64,
    entries: usize,
    tensors: Vec<Tensor>,
    /// Keys of objects of other classes, with the class.
    foreign: Vec<String>,
}

impl Reader<'_> {
    /// The tensors of a dictionary and of the dictionaries in it, their keys joined by dots.
    fn collect(&mut self, id: Id, prefix: &str, depth: usize) -> Result<(), CheckpointError> {
        let file = self.source.name();
        let Value::Dictionary(entries) = self.pickle.get(id) else {
            if depth > 0 {
                return Ok(());
            }
            if let Value::Foreign(global) = self.pickle.get(id) {
                let (file, global) = (file.into(), global.to_string());
                return Err(CheckpointError::Global { file, global });
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
            if let Value::Foreign(global) = value_at
                && self.foreign.len() < MAX_FOREIGN
            {
                let short = |text: &str| text.chars().take(80).collect::<String>();
                let place = short(&format!("{prefix}{key}"));
                self.foreign.push(format!("{place} ({})", short(global)));
            }
            if !matches!(value_at, Value::Dictionary(_) | Value::Tensor(_)) {
                continue;
            }
            let count = (prefix.len() + key.len() + 1) as u64;
            if count > MAX_NAME {
                return Err(CheckpointError::too_much(file, "bytes of a name", count, MAX_NAME));
            }
            let name = format!("{prefix}{key}");
            match value_at {
                &Value::Tensor(parts) => self.add(name, parts)?,
                _ if depth < MAX_DEPTH => self.collect(value, &format!("{name}."), depth + 1)?,
                _ => return Err(CheckpointError::damaged(file, "too many nested dictionaries")),
            }
        }
        Ok(())
    }

    fn add(&mut self, name: String, parts: [Id; 4]) -> Result<(), CheckpointError> {
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
        let Some(View { storage, first, shape, strides }) = self.pickle.view(parts) else {
            let reason = format!("{name} lacks a storage, a place in it, a shape or strides");
            return Err(CheckpointError::damaged(file, reason));
        };
        let wrong = |reason: &str| CheckpointError::Shape {
            file: file.into(),
            tensor: name.clone(),
            shape: shape.clone(),
            reason: reason.into(),
        };
        let encoding = storage.encoding;
        let size = encoding.block_bytes() as u64;
        let (start, length) = self.storages.place(self.pickle.key(storage))?;
        let held = storage.numbers.checked_mul(size).filter(|&bytes| bytes <= length);
        let numbers = count(&shape).ok_or_else(|| wrong("too large"))?;
        // An axis of stride zero would repeat numbers without end.
        let stretch = stretch(&shape, &strides).filter(|&n| n >= numbers as u64);
        let bytes = stretch.and_then(|n| n.checked_mul(size));
        let begin = first.checked_mul(size);
        let inside = held.zip(begin).zip(bytes).filter(|&((held, begin), bytes)| {
            begin.checked_add(bytes).is_some_and(|end| end <= held)
        });
        let Some((_, bytes)) = inside else {
            return Err(wrong("its numbers are not all in its storage, each once"));
        };
        let at = start + begin.unwrap_or(0);
        let strides = (!is_contiguous(&shape, &strides)).then_some(strides);
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
