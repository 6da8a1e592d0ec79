//! Hugging Face's safetensors: eight bytes of length, a JSON header, the tensors.

use crate::json::{Pairs, Shape};
use crate::{CheckpointError, Encoding, MAX_NAME, Source, Tensor, count};
use serde::Deserialize;

/// A header of 100,000 tensors has some 15 MB.
const MAX_HEADER: u64 = 32 << 20;

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Shape,
    data_offsets: [u64; 2],
}

pub(crate) fn read(source: &Source, file: usize) -> Result<Vec<Tensor>, CheckpointError> {
    let name = source.name();
    let mut length = [0; 8];
    source.read_at(0, &mut length)?;
    let length = u64::from_le_bytes(length);
    source.check(8, length)?;
    if length > MAX_HEADER {
        return Err(CheckpointError::too_much(name, "bytes of a header", length, MAX_HEADER));
    }
    let header = source.read_vec(8, length)?;
    let Pairs(pairs): Pairs<Entry> =
        serde_json::from_slice(&header).map_err(|e| CheckpointError::damaged(name, e))?;
    drop(header);
    let start = 8 + length;
    let mut tensors = vec![];
    for (tensor, entry) in pairs {
        if tensor.len() as u64 > MAX_NAME {
            let count = tensor.len() as u64;
            return Err(CheckpointError::too_much(name, "bytes of a name", count, MAX_NAME));
        }
        let Entry { dtype, shape: Shape(shape), data_offsets: [begin, end] } = entry;
        let Some(encoding) = encoding(&dtype) else {
            return Err(CheckpointError::Dtype { file: name.into(), tensor, dtype });
        };
        let bytes = count(&shape).and_then(|n| encoding.bytes(n));
        let at = start.checked_add(begin);
        let (Some(at), Some(bytes)) = (at, bytes.filter(|&n| begin.checked_add(n) == Some(end)))
        else {
            let reason = format!("{dtype} does not take the bytes {begin}..{end}");
            return Err(CheckpointError::Shape { file: name.into(), tensor, shape, reason });
        };
        source.check(at, bytes)?;
        tensors.push(Tensor { name: tensor, shape, encoding, file, at, bytes, strides: None });
    }
    tensors.sort_by_key(|tensor| (tensor.at, tensor.bytes));
    let mut end = start;
    for tensor in &tensors {
        if tensor.at != end {
            let reason = format!("{} begins at {}, not at {end}", tensor.name, tensor.at);
            return Err(CheckpointError::damaged(name, reason));
        }
        end += tensor.bytes;
    }
    if end != source.length() {
        let reason = format!("{} bytes belong to no tensor", source.length() - end);
        return Err(CheckpointError::damaged(name, reason));
    }
    Ok(tensors)
}

fn encoding(dtype: &str) -> Option<Encoding> {
    Some(match dtype {
        "F64" => Encoding::F64,
        "F32" => Encoding::F32,
        "F16" => Encoding::F16,
        "BF16" => Encoding::BF16,
        "I64" => Encoding::I64,
        "U64" => Encoding::U64,
        "I32" => Encoding::I32,
        "U32" => Encoding::U32,
        "I16" => Encoding::I16,
        "U16" => Encoding::U16,
        "I8" => Encoding::I8,
        "U8" => Encoding::U8,
        "BOOL" => Encoding::Bool,
        _ => return None,
    })
}
