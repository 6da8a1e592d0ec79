//! The header of a safetensors file, checked before a byte of it is believed.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// As in the reference implementation; a header of a real shard has some 100 KB.
const MAX_HEADER: usize = 100_000_000;

/// Element types a package may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Dtype {
    F32,
    F16,
    BF16,
    U32,
}

impl Dtype {
    fn size(self) -> usize {
        match self {
            Dtype::F32 | Dtype::U32 => 4,
            Dtype::F16 | Dtype::BF16 => 2,
        }
    }
}

/// A tensor within a shard.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: &'a [u8],
}

#[derive(Deserialize)]
struct RawEntry {
    dtype: Dtype,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// Pairs in file order: a map would silently keep one of two equal keys.
struct RawHeader(Vec<(String, RawEntry)>);

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = RawHeader;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a safetensors header")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
                let mut pairs = vec![];
                while let Some(key) = map.next_key::<String>()? {
                    if key == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        pairs.push((key, map.next_value()?));
                    }
                }
                Ok(RawHeader(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// The tensors of a safetensors file in the order of their bytes.
///
/// # Errors
/// Says what is wrong with the file.
pub(super) fn entries(file: &[u8]) -> Result<Vec<Entry<'_>>, String> {
    let (length, rest) = file.split_first_chunk::<8>().ok_or("shorter than 8 bytes")?;
    let length = u64::from_le_bytes(*length);
    let header = usize::try_from(length).ok().filter(|&n| n <= MAX_HEADER.min(rest.len()));
    let header = header.ok_or_else(|| format!("a header of {length} bytes"))?;
    let (header, data) = rest.split_at(header);
    let RawHeader(mut pairs) = serde_json::from_slice(header).map_err(|e| e.to_string())?;

    let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("two tensors are called {}", twice[0]));
    }

    pairs.sort_by_key(|(_, raw)| raw.data_offsets);
    let (mut entries, mut at) = (vec![], 0);
    for (name, RawEntry { dtype, shape, data_offsets: [begin, end] }) in pairs {
        let size = shape.iter().try_fold(dtype.size(), |size, &n| size.checked_mul(n));
        let bytes = data.get(begin..end).filter(|bytes| begin == at && Some(bytes.len()) == size);
        let Some(bytes) = bytes else {
            return Err(format!(
                "{name} {shape:?} is said to be at {begin}..{end}, after {at}, of {} bytes",
                data.len()
            ));
        };
        at = end;
        entries.push(Entry { name, dtype, shape, bytes });
    }
    if at != data.len() {
        return Err(format!("{} bytes belong to no tensor", data.len() - at));
    }
    Ok(entries)
}
