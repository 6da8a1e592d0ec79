//! JSON objects whose keys may come twice: a map would silently keep one of them.

use crate::{CheckpointError, MAX_AXES, MAX_TENSORS, Source};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// Larger than the index of any model.
const MAX_INDEX: u64 = 16 << 20;

/// Pairs in the order of the file, without the texts that a safetensors header may hold.
#[derive(Debug)]
pub(crate) struct Pairs<T>(pub Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Pairs<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
                let mut pairs = vec![];
                while let Some(key) = map.next_key::<String>()? {
                    if key == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else if pairs.len() as u64 >= MAX_TENSORS {
                        return Err(serde::de::Error::custom("more entries than any model has"));
                    } else {
                        pairs.push((key, map.next_value()?));
                    }
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Reader(PhantomData))
    }
}

/// A shape of no more axes than a tensor has, since two bytes of text would become eight.
pub(crate) struct Shape(pub Vec<usize>);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "a shape of at most {MAX_AXES} axes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
                let mut shape = vec![];
                while let Some(n) = seq.next_element()? {
                    if shape.len() >= MAX_AXES {
                        return Err(serde::de::Error::invalid_length(shape.len() + 1, &self));
                    }
                    shape.push(n);
                }
                Ok(Shape(shape))
            }
        }
        deserializer.deserialize_seq(Reader)
    }
}

#[derive(serde::Deserialize)]
struct Index {
    weight_map: Pairs<String>,
}

/// The files an index names, each with the tensors it should hold.
pub(crate) fn index(source: &Source) -> Result<BTreeMap<String, Vec<String>>, CheckpointError> {
    let file = source.name();
    if source.length() > MAX_INDEX {
        let length = source.length();
        return Err(CheckpointError::too_much(file, "bytes of an index", length, MAX_INDEX));
    }
    let bytes = source.read_vec(0, source.length())?;
    let Index { weight_map } = serde_json::from_slice(&bytes).map_err(|error| {
        // Well-formed, and not of this kind: a model's settings stand beside its index.
        if error.is_data() {
            return CheckpointError::Unsupported {
                file: file.into(),
                what: "JSON that lists no weights".into(),
                remedy: "give the file of the weights, or the folder that holds them",
            };
        }
        CheckpointError::damaged(file, error)
    })?;
    let mut names: Vec<&str> = weight_map.0.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        let (file, tensor) = (file.into(), twice[0].into());
        return Err(CheckpointError::Duplicate { file, tensor });
    }
    let mut shards: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (tensor, shard) in weight_map.0 {
        // A shard lies beside its index: nothing that leads elsewhere.
        if shard.is_empty() || shard.starts_with('.') || shard.contains(['/', '\\', ':']) {
            let reason = format!("{shard:?} is not a plain file name");
            return Err(CheckpointError::damaged(file, reason));
        }
        shards.entry(shard).or_default().push(tensor);
    }
    Ok(shards)
}
