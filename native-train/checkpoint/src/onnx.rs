//! Weights of an ONNX graph: its initialisers, found by walking the protobuf without loading it.
//!
//! PyTorch's exporter stores the transposed weight of a linear map under a name such as
//! `onnx::MatMul_17`. The `MatMul` that uses it is still called after its module, so such weights
//! get the module's name and shape back.

use crate::source::Cursor;
use crate::{CheckpointError, Encoding, MAX_AXES, MAX_NAME, MAX_TENSORS, Source, Tensor, count};
use std::collections::HashMap;

/// Field numbers of ONNX's messages.
mod field {
    pub const MODEL_GRAPH: u64 = 7;
    pub const GRAPH_NODE: u64 = 1;
    pub const GRAPH_INITIALIZER: u64 = 5;
    pub const NODE_INPUT: u64 = 1;
    pub const NODE_NAME: u64 = 3;
    pub const NODE_OP: u64 = 4;
    pub const TENSOR_DIMS: u64 = 1;
    pub const TENSOR_TYPE: u64 = 2;
    pub const TENSOR_FLOATS: u64 = 4;
    pub const TENSOR_INT32S: u64 = 5;
    pub const TENSOR_INT64S: u64 = 7;
    pub const TENSOR_NAME: u64 = 8;
    pub const TENSOR_RAW: u64 = 9;
    pub const TENSOR_DOUBLES: u64 = 10;
    pub const TENSOR_UINT64S: u64 = 11;
    pub const TENSOR_EXTERNAL: u64 = 13;
    pub const TENSOR_LOCATION: u64 = 14;
}

/// What stands behind a field's number.
enum Wire {
    Number(u64),
    /// So many bytes from here on.
    Bytes(u64),
}

/// Whether the file can be an ONNX model: its first field is the version of the format.
pub(crate) fn is_one(start: &[u8]) -> bool {
    matches!(start, [0x08, version, 0x12 | 0x3a | 0x42, ..] if (1..32).contains(version))
}

pub(crate) fn read(source: &Source) -> Result<Vec<Tensor>, CheckpointError> {
    let mut graph = Graph::default();
    let mut cursor = Cursor::new(source, 0, source.length());
    fields(&mut cursor, source.length(), &mut |cursor, number, wire| match (number, wire) {
        (field::MODEL_GRAPH, Wire::Bytes(length)) => {
            fields(cursor, length, &mut |cursor, number, wire| match (number, wire) {
                (field::GRAPH_NODE, Wire::Bytes(length)) => graph.node(cursor, length),
                (field::GRAPH_INITIALIZER, Wire::Bytes(length)) => {
                    graph.initializer(cursor, length)
                }
                (_, wire) => pass(cursor, &wire),
            })
        }
        (_, wire) => pass(cursor, &wire),
    })?;
    Ok(graph.tensors())
}

#[derive(Default)]
struct Graph {
    tensors: Vec<Tensor>,
    /// Module by the anonymous initialiser its `MatMul` uses.
    modules: HashMap<String, String>,
    /// Bytes of those names.
    names: u64,
}

impl Graph {
    fn tensors(self) -> Vec<Tensor> {
        let Self { mut tensors, modules, .. } = self;
        for tensor in &mut tensors {
            let (Some(module), &[rows, columns]) = (modules.get(&tensor.name), &*tensor.shape)
            else {
                continue;
            };
            tensor.name = format!("{module}.weight");
            tensor.shape = vec![columns, rows];
            tensor.strides = Some(vec![1, columns]);
        }
        tensors
    }

    fn node(&mut self, cursor: &mut Cursor<'_>, length: u64) -> Result<(), CheckpointError> {
        let (mut op, mut name, mut weight) = (String::new(), String::new(), None);
        fields(cursor, length, &mut |cursor, number, wire| {
            match (number, wire) {
                (field::NODE_OP, Wire::Bytes(n)) => op = cursor.text(n, MAX_NAME)?,
                (field::NODE_NAME, Wire::Bytes(n)) => name = cursor.text(n, MAX_NAME)?,
                (field::NODE_INPUT, Wire::Bytes(n)) => {
                    let input = cursor.text(n, MAX_NAME)?;
                    if input.starts_with("onnx::MatMul_") {
                        weight = Some(input);
                    }
                }
                (_, wire) => pass(cursor, &wire)?,
            }
            Ok(())
        })?;
        let module = name.strip_prefix('/').and_then(|name| name.strip_suffix("/MatMul"));
        if let ("MatMul", Some(module), Some(weight)) = (op.as_str(), module, weight) {
            self.names += (module.len() + weight.len()) as u64;
            let (count, limit) = (self.names, MAX_TENSORS * 64);
            if count > limit {
                return Err(CheckpointError::too_much(
                    cursor.file(),
                    "bytes of names",
                    count,
                    limit,
                ));
            }
            self.modules.insert(weight, module.replace('/', "."));
        }
        Ok(())
    }

    fn initializer(&mut self, cursor: &mut Cursor<'_>, length: u64) -> Result<(), CheckpointError> {
        let (mut name, mut shape, mut kind) = (String::new(), vec![], 0);
        let (mut place, mut packed, mut external) = (None, false, false);
        fields(cursor, length, &mut |cursor, number, wire| {
            let file = cursor.file().to_string();
            match (number, wire) {
                (field::TENSOR_DIMS, Wire::Number(n)) => axis(&file, &mut shape, n)?,
                (field::TENSOR_DIMS, Wire::Bytes(length)) => {
                    let end = cursor.at() + length.min(cursor.left());
                    while cursor.at() < end {
                        axis(&file, &mut shape, varint(cursor)?)?;
                    }
                }
                (field::TENSOR_TYPE, Wire::Number(n)) => kind = n,
                (field::TENSOR_NAME, Wire::Bytes(n)) => name = cursor.text(n, MAX_NAME)?,
                (field::TENSOR_LOCATION, Wire::Number(n)) => external |= n != 0,
                (field::TENSOR_EXTERNAL, wire) => {
                    external = true;
                    pass(cursor, &wire)?;
                }
                (
                    number @ (field::TENSOR_RAW
                    | field::TENSOR_FLOATS
                    | field::TENSOR_DOUBLES
                    | field::TENSOR_INT32S
                    | field::TENSOR_INT64S
                    | field::TENSOR_UINT64S),
                    Wire::Bytes(length),
                ) => {
                    if place.replace((cursor.at(), length)).is_some() {
                        return Err(CheckpointError::damaged(&file, "values in several pieces"));
                    }
                    packed = matches!(
                        number,
                        field::TENSOR_INT32S | field::TENSOR_INT64S | field::TENSOR_UINT64S
                    );
                    cursor.skip(length)?;
                }
                (_, wire) => pass(cursor, &wire)?,
            }
            Ok(())
        })?;
        let file = cursor.file().to_string();
        if external {
            let what = format!("the values of {name} are in another file");
            let remedy = "save the model with its weights inside";
            return Err(CheckpointError::Unsupported { file, what, remedy });
        }
        if self.tensors.len() as u64 >= MAX_TENSORS {
            let count = MAX_TENSORS + 1;
            return Err(CheckpointError::too_much(&file, "initialisers", count, MAX_TENSORS));
        }
        let encoding = match encoding(kind) {
            // 16-bit floats among the varints are bit patterns, which no exporter writes.
            Some(encoding) if packed && encoding.is_float() => None,
            Some(_) if packed => Some(Encoding::Varint),
            other => other,
        };
        let Some(encoding) = encoding else {
            let dtype = format!("of ONNX's type {kind}");
            return Err(CheckpointError::Dtype { file, tensor: name, dtype });
        };
        let (at, bytes) = place.unwrap_or((cursor.at(), 0));
        let numbers = count(&shape);
        let fits = match encoding {
            Encoding::Varint => numbers.is_some_and(|n| n as u64 <= bytes),
            _ => numbers.and_then(|n| encoding.bytes(n)) == Some(bytes),
        };
        if !fits {
            let reason = format!("{bytes} bytes of {}", encoding.name());
            return Err(CheckpointError::Shape { file, tensor: name, shape, reason });
        }
        self.tensors.push(Tensor { name, shape, encoding, file: 0, at, bytes, strides: None });
        Ok(())
    }
}

fn axis(file: &str, shape: &mut Vec<usize>, n: u64) -> Result<(), CheckpointError> {
    if shape.len() >= MAX_AXES {
        return Err(CheckpointError::damaged(file, format!("more than {MAX_AXES} axes")));
    }
    shape.push(usize::try_from(n).unwrap_or(usize::MAX));
    Ok(())
}

/// Hands each field of a message of `length` bytes to `each`, which has to read or skip its bytes.
fn fields(
    cursor: &mut Cursor<'_>,
    length: u64,
    each: &mut dyn FnMut(&mut Cursor<'_>, u64, Wire) -> Result<(), CheckpointError>,
) -> Result<(), CheckpointError> {
    let outer = cursor.enter(length)?;
    while cursor.left() > 0 {
        let tag = varint(cursor)?;
        match tag & 7 {
            0 => {
                let number = varint(cursor)?;
                each(cursor, tag >> 3, Wire::Number(number))?;
            }
            1 => cursor.skip(8)?,
            2 => {
                let length = varint(cursor)?;
                each(cursor, tag >> 3, Wire::Bytes(length))?;
            }
            5 => cursor.skip(4)?,
            wire => {
                let reason = format!("no protobuf: wire type {wire} at {}", cursor.at());
                return Err(CheckpointError::damaged(cursor.file(), reason));
            }
        }
    }
    cursor.leave(outer);
    Ok(())
}

fn pass(cursor: &mut Cursor<'_>, wire: &Wire) -> Result<(), CheckpointError> {
    match *wire {
        Wire::Number(_) => Ok(()),
        Wire::Bytes(length) => cursor.skip(length),
    }
}

fn varint(cursor: &mut Cursor<'_>) -> Result<u64, CheckpointError> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = cursor.u8()?;
        number |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Ok(number);
        }
    }
    Err(CheckpointError::damaged(cursor.file(), "a number of more than ten bytes"))
}

/// The numbers of a stretch of varints, which have to be exactly `out.len()`.
pub(crate) fn decode_varints(bytes: &[u8], out: &mut [f32]) -> Option<()> {
    let mut bytes = bytes.iter();
    for out in out {
        let (mut number, mut shift) = (0u64, 0);
        loop {
            let byte = *bytes.next()?;
            number |= u64::from(byte & 127).checked_shl(shift)?;
            shift += 7;
            if byte < 128 {
                break;
            }
        }
        *out = number.cast_signed() as f32;
    }
    bytes.next().is_none().then_some(())
}

fn encoding(kind: u64) -> Option<Encoding> {
    Some(match kind {
        1 => Encoding::F32,
        2 => Encoding::U8,
        3 => Encoding::I8,
        4 => Encoding::U16,
        5 => Encoding::I16,
        6 => Encoding::I32,
        7 => Encoding::I64,
        9 => Encoding::Bool,
        10 => Encoding::F16,
        11 => Encoding::F64,
        12 => Encoding::U32,
        13 => Encoding::U64,
        16 => Encoding::BF16,
        _ => return None,
    })
}
