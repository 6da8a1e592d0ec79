//! llama.cpp's GGUF, versions 2 and 3, little-endian: settings, tensor directory, tensors.

use crate::source::Cursor;
use crate::{CheckpointError, Encoding, MAX_AXES, MAX_NAME, MAX_TENSORS, Source, Tensor, count};
use std::collections::BTreeMap;

/// Settings; real files have some thirty.
const MAX_KEYS: u64 = 10_000;
/// Elements of all arrays; the largest vocabularies have 300,000 tokens, with scores and merges.
const MAX_ELEMENTS: u64 = 1 << 20;
/// Bytes of a text; chat templates have some 10,000.
const MAX_TEXT: u64 = 1 << 20;

/// A setting.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Whole numbers that have no sign.
    Unsigned(u64),
    /// Whole numbers.
    Signed(i64),
    /// Numbers of 32 or 64 bits.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// Text.
    Text(String),
    /// Many whole numbers or truth values.
    Integers(Vec<i64>),
    /// Many numbers.
    Floats(Vec<f64>),
    /// Many texts.
    Texts(Vec<String>),
}

/// The settings of a file by key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    file: String,
    values: BTreeMap<String, Value>,
}

impl Metadata {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// One, if it is there.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// A whole number.
    ///
    /// # Errors
    /// When it is missing, or is something else. So for the others.
    pub fn integer(&self, key: &str) -> Result<usize, CheckpointError> {
        let number = match self.get(key) {
            Some(&Value::Unsigned(n)) => usize::try_from(n).ok(),
            Some(&Value::Signed(n)) => usize::try_from(n).ok(),
            _ => None,
        };
        number.ok_or_else(|| self.not(key, "a whole number"))
    }

    /// A number.
    #[allow(missing_docs, clippy::missing_errors_doc)]
    pub fn float(&self, key: &str) -> Result<f64, CheckpointError> {
        match self.get(key) {
            Some(&Value::Float(x)) => Ok(x),
            _ => Err(self.not(key, "a number")),
        }
    }

    /// A text.
    #[allow(missing_docs, clippy::missing_errors_doc)]
    pub fn text(&self, key: &str) -> Result<&str, CheckpointError> {
        match self.get(key) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(self.not(key, "a text")),
        }
    }

    /// Texts, such as the tokens of the vocabulary.
    #[allow(missing_docs, clippy::missing_errors_doc)]
    pub fn texts(&self, key: &str) -> Result<&[String], CheckpointError> {
        match self.get(key) {
            Some(Value::Texts(texts)) => Ok(texts),
            _ => Err(self.not(key, "an array of texts")),
        }
    }

    /// Whole numbers, such as the kinds of the tokens.
    #[allow(missing_docs, clippy::missing_errors_doc)]
    pub fn integers(&self, key: &str) -> Result<&[i64], CheckpointError> {
        match self.get(key) {
            Some(Value::Integers(numbers)) => Ok(numbers),
            _ => Err(self.not(key, "an array of whole numbers")),
        }
    }

    /// Numbers, such as the scores of the tokens.
    #[allow(missing_docs, clippy::missing_errors_doc)]
    pub fn floats(&self, key: &str) -> Result<&[f64], CheckpointError> {
        match self.get(key) {
            Some(Value::Floats(numbers)) => Ok(numbers),
            _ => Err(self.not(key, "an array of numbers")),
        }
    }

    fn not(&self, key: &str, what: &str) -> CheckpointError {
        let reason =
            if self.values.contains_key(key) { format!("is not {what}") } else { "missing".into() };
        CheckpointError::Metadata { file: self.file.clone(), key: key.into(), reason }
    }
}

/// Whether a file begins as GGUF.
pub(crate) fn is_one(source: &Source) -> bool {
    let mut magic = [0; 4];
    source.read_at(0, &mut magic).is_ok() && magic == *b"GGUF"
}

/// Which part of a split file this is, counted from 0, and how many there are.
pub(crate) fn split(metadata: &Metadata) -> Option<(u64, u64)> {
    let number = |key: &str| metadata.integer(key).ok().map(|n| n as u64);
    Some((number("split.no")?, number("split.count")?))
}

pub(crate) fn read(source: &Source) -> Result<(Metadata, Vec<Tensor>), CheckpointError> {
    let file = source.name();
    let mut cursor = Cursor::new(source, 4, source.length());
    let version = cursor.u32()?;
    if !matches!(version, 2 | 3) {
        let what = format!("GGUF of version {version}");
        let remedy = "convert it anew to version 3; big-endian files are not read";
        return Err(CheckpointError::Unsupported { file: file.into(), what, remedy });
    }
    let (tensors, keys) = (cursor.u64()?, cursor.u64()?);
    for (what, count, limit) in [("tensors", tensors, MAX_TENSORS), ("settings", keys, MAX_KEYS)] {
        if count > limit {
            return Err(CheckpointError::too_much(file, what, count, limit));
        }
    }
    let mut metadata = Metadata { file: file.into(), values: BTreeMap::new() };
    let mut elements = 0;
    for _ in 0..keys {
        let key = text(&mut cursor, MAX_NAME)?;
        let value = value(&mut cursor, &mut elements).map_err(|error| name_key(error, &key))?;
        if metadata.values.insert(key.clone(), value).is_some() {
            return Err(CheckpointError::damaged(file, format!("the setting {key} comes twice")));
        }
    }
    let mut directory = vec![];
    for _ in 0..tensors {
        directory.push(entry(&mut cursor)?);
    }
    let alignment = match metadata.get("general.alignment") {
        None => 32,
        Some(_) => metadata.integer("general.alignment")? as u64,
    };
    if alignment == 0 || alignment % 8 != 0 {
        return Err(CheckpointError::damaged(file, format!("alignment {alignment}")));
    }
    let start = cursor.at().next_multiple_of(alignment.min(1 << 32));
    for tensor in &mut directory {
        if tensor.at % alignment != 0 {
            let reason = format!("{} is not aligned to {alignment} bytes", tensor.name);
            return Err(CheckpointError::damaged(file, reason));
        }
        tensor.at = start.saturating_add(tensor.at);
        source.check(tensor.at, tensor.bytes)?;
    }
    Ok((metadata, directory))
}

fn name_key(error: CheckpointError, key: &str) -> CheckpointError {
    match error {
        CheckpointError::Damaged { file, reason } => {
            CheckpointError::Damaged { file, reason: format!("{key}: {reason}") }
        }
        other => other,
    }
}

fn text(cursor: &mut Cursor<'_>, limit: u64) -> Result<String, CheckpointError> {
    let length = cursor.u64()?;
    cursor.text(length, limit)
}

/// Numbers of the types of values.
mod kind {
    pub const U8: u32 = 0;
    pub const I8: u32 = 1;
    pub const U16: u32 = 2;
    pub const I16: u32 = 3;
    pub const U32: u32 = 4;
    pub const I32: u32 = 5;
    pub const F32: u32 = 6;
    pub const BOOL: u32 = 7;
    pub const TEXT: u32 = 8;
    pub const ARRAY: u32 = 9;
    pub const U64: u32 = 10;
    pub const I64: u32 = 11;
    pub const F64: u32 = 12;
}

fn value(cursor: &mut Cursor<'_>, elements: &mut u64) -> Result<Value, CheckpointError> {
    match cursor.u32()? {
        kind::ARRAY => array(cursor, elements),
        other => scalar(cursor, other),
    }
}

fn scalar(cursor: &mut Cursor<'_>, kind: u32) -> Result<Value, CheckpointError> {
    Ok(match kind {
        kind::U8 => Value::Unsigned(cursor.u8()?.into()),
        kind::U16 => Value::Unsigned(cursor.u16()?.into()),
        kind::U32 => Value::Unsigned(cursor.u32()?.into()),
        kind::U64 => Value::Unsigned(cursor.u64()?),
        kind::I8 => Value::Signed(cursor.u8()?.cast_signed().into()),
        kind::I16 => Value::Signed(cursor.u16()?.cast_signed().into()),
        kind::I32 => Value::Signed(cursor.u32()?.cast_signed().into()),
        kind::I64 => Value::Signed(cursor.u64()?.cast_signed()),
        kind::F32 => Value::Float(f32::from_bits(cursor.u32()?).into()),
        kind::F64 => Value::Float(f64::from_bits(cursor.u64()?)),
        kind::BOOL => Value::Bool(cursor.u8()? != 0),
        kind::TEXT => Value::Text(text(cursor, MAX_TEXT)?),
        other => {
            return Err(CheckpointError::damaged(
                cursor.file(),
                format!("a value of type {other}"),
            ));
        }
    })
}

fn array(cursor: &mut Cursor<'_>, elements: &mut u64) -> Result<Value, CheckpointError> {
    let (kind, length) = (cursor.u32()?, cursor.u64()?);
    *elements = elements.saturating_add(length);
    if *elements > MAX_ELEMENTS {
        let (file, count) = (cursor.file(), *elements);
        return Err(CheckpointError::too_much(file, "elements in arrays", count, MAX_ELEMENTS));
    }
    // Nothing is reserved: an array that claims more than there is ends at the end of the file.
    let mut array = match kind {
        kind::TEXT => Value::Texts(vec![]),
        kind::F32 | kind::F64 => Value::Floats(vec![]),
        _ => Value::Integers(vec![]),
    };
    for _ in 0..length {
        match (&mut array, scalar(cursor, kind)?) {
            (Value::Texts(texts), Value::Text(text)) => texts.push(text),
            (Value::Floats(numbers), Value::Float(x)) => numbers.push(x),
            (Value::Integers(numbers), Value::Signed(n)) => numbers.push(n),
            (Value::Integers(numbers), Value::Bool(b)) => numbers.push(b.into()),
            (Value::Integers(numbers), Value::Unsigned(n)) => {
                numbers.push(i64::try_from(n).map_err(|_| {
                    CheckpointError::damaged(cursor.file(), format!("the number {n} in an array"))
                })?);
            }
            _ => return Err(CheckpointError::damaged(cursor.file(), "an array of mixed types")),
        }
    }
    Ok(array)
}

/// An entry of the directory, its place still counted from the beginning of the data.
fn entry(cursor: &mut Cursor<'_>) -> Result<Tensor, CheckpointError> {
    let name = text(cursor, MAX_NAME)?;
    let axes = cursor.u32()?;
    if axes as usize > MAX_AXES {
        return Err(CheckpointError::damaged(cursor.file(), format!("{name}: {axes} axes")));
    }
    let mut shape = vec![];
    for _ in 0..axes {
        shape.push(usize::try_from(cursor.u64()?).unwrap_or(usize::MAX));
    }
    // The file counts axes from the fastest.
    shape.reverse();
    let (kind, at) = (cursor.u32()?, cursor.u64()?);
    let file = cursor.file().to_string();
    let encoding = match encoding(kind) {
        Ok(encoding) => encoding,
        Err(dtype) => return Err(CheckpointError::Dtype { file, tensor: name, dtype }),
    };
    let width = shape.last().copied().unwrap_or(1);
    let bytes = count(&shape).filter(|_| width % encoding.block() == 0);
    let Some(bytes) = bytes.and_then(|n| encoding.bytes(n)) else {
        let reason = format!("{} has rows of whole blocks", encoding.name());
        return Err(CheckpointError::Shape { file, tensor: name, shape, reason });
    };
    Ok(Tensor { name, shape, encoding, file: 0, at, bytes, strides: None })
}

/// The types of GGML by number, and how they are read; those without an encoding are not.
const TYPES: [(u32, &str, Option<Encoding>); 42] = {
    use Encoding as E;
    [
        (0, "F32", Some(E::F32)),
        (1, "F16", Some(E::F16)),
        (2, "Q4_0", Some(E::Q4_0)),
        (3, "Q4_1", Some(E::Q4_1)),
        (4, "Q4_2", None),
        (5, "Q4_3", None),
        (6, "Q5_0", Some(E::Q5_0)),
        (7, "Q5_1", Some(E::Q5_1)),
        (8, "Q8_0", Some(E::Q8_0)),
        (9, "Q8_1", None),
        (10, "Q2_K", Some(E::Q2_K)),
        (11, "Q3_K", Some(E::Q3_K)),
        (12, "Q4_K", Some(E::Q4_K)),
        (13, "Q5_K", Some(E::Q5_K)),
        (14, "Q6_K", Some(E::Q6_K)),
        (15, "Q8_K", None),
        (16, "IQ2_XXS", Some(E::IQ2_XXS)),
        (17, "IQ2_XS", Some(E::IQ2_XS)),
        (18, "IQ3_XXS", Some(E::IQ3_XXS)),
        (19, "IQ1_S", Some(E::IQ1_S)),
        (20, "IQ4_NL", Some(E::IQ4_NL)),
        (21, "IQ3_S", Some(E::IQ3_S)),
        (22, "IQ2_S", Some(E::IQ2_S)),
        (23, "IQ4_XS", Some(E::IQ4_XS)),
        (24, "I8", Some(E::I8)),
        (25, "I16", Some(E::I16)),
        (26, "I32", Some(E::I32)),
        (27, "I64", Some(E::I64)),
        (28, "F64", Some(E::F64)),
        (29, "IQ1_M", Some(E::IQ1_M)),
        (30, "BF16", Some(E::BF16)),
        // Orders of Q4_0 and IQ4_NL that llama.cpp no longer stores.
        (31, "Q4_0_4_4", None),
        (32, "Q4_0_4_8", None),
        (33, "Q4_0_8_8", None),
        (34, "TQ1_0", Some(E::TQ1_0)),
        (35, "TQ2_0", Some(E::TQ2_0)),
        (36, "IQ4_NL_4_4", None),
        (37, "IQ4_NL_4_8", None),
        (38, "IQ4_NL_8_8", None),
        (39, "MXFP4", Some(E::MXFP4)),
        // Needs a scale that lies in a tensor of its own.
        (40, "NVFP4", None),
        (41, "Q1_0", None),
    ]
};

/// How a type is read, or what errors call it.
fn encoding(kind: u32) -> Result<Encoding, String> {
    match TYPES.iter().find(|(number, ..)| *number == kind) {
        Some((_, _, Some(encoding))) => Ok(*encoding),
        Some((_, name, None)) => Err(format!("{name} (GGML's type {kind})")),
        None => Err(format!("of GGML's type {kind}, newer than this program")),
    }
}
