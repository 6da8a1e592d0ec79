//! Which tensor fills which parameter, with every key accounted for.

use super::error::{ImportError, Key, Ledger};
use super::layout::{is_unused, matches};
use super::source::Source;
use super::stream::Values;
use burn::tensor::Device;
use refvlm_checkpoint::{Encoding, Format, Tensor, llama};
use refvlm_model::config::ModelConfig;
use refvlm_model::package::by_name::value_of;
use refvlm_model::refvlm::RefVlm;
use refvlm_shaders::Format as Packing;
use std::collections::HashMap;

/// Tokens that the referring language adds to a vocabulary.
const ADDED_TOKENS: usize = 10;

/// Where a parameter's values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Tensors of a source, one behind the other; behind them so many more rows, each the mean of
    /// the others.
    Tensors {
        /// Which source.
        source: usize,
        /// Its tensors.
        tensors: Vec<Tensor>,
        /// Rows of added tokens.
        added_rows: usize,
    },
    /// Nowhere: as for training.
    Fresh,
}

/// The origin of each parameter, in their order.
#[derive(Debug)]
pub struct Assignment {
    /// The parameters.
    pub parameters: Vec<Key>,
    /// Of each.
    pub origins: Vec<Origin>,
    /// Tensors that nothing reads, by the sources' names.
    pub unused: Vec<Key>,
}

/// Assigns every tensor; `allow` are patterns of names that may be left over on either side.
///
/// # Errors
/// Lists all keys that don't match.
pub fn assign(
    sources: &[Source],
    parameters: Vec<Key>,
    allow: &[String],
) -> Result<Assignment, ImportError> {
    let allowed = |name: &str| allow.iter().any(|pattern| matches(pattern, name));
    let places: HashMap<&str, usize> =
        parameters.iter().enumerate().map(|(place, (name, _))| (name.as_str(), place)).collect();
    let mut origins: Vec<Option<Origin>> = vec![None; parameters.len()];
    let (mut ledger, mut unused) = (Ledger::default(), vec![]);
    for (number, source) in sources.iter().enumerate() {
        for tensor in source.checkpoint.tensors() {
            let name = source.names.parameter(&tensor.name);
            let key = || (tensor.name.clone(), tensor.shape.clone());
            let Some(place) = name.as_deref().and_then(|name| places.get(name).copied()) else {
                match name {
                    _ if is_position(tensor, source) => {}
                    Some(name) if is_unused(&name) || allowed(&name) => unused.push(key()),
                    _ if allowed(&tensor.name) => unused.push(key()),
                    _ => ledger.unexpected.push(key()),
                }
                continue;
            };
            let (name, expected) = &parameters[place];
            if origins[place].is_some() && !source.names.is_adapter() {
                ledger.twice.push(name.clone());
                continue;
            }
            let added_rows = added_rows(name, &tensor.shape, expected);
            if tensor.shape == *expected || added_rows > 0 {
                let tensors = vec![tensor.clone()];
                origins[place] = Some(Origin::Tensors { source: number, tensors, added_rows });
            } else if allowed(name) {
                origins[place] = Some(Origin::Fresh);
            } else {
                origins[place] = Some(Origin::Fresh);
                ledger.mismatched.push((name.clone(), tensor.shape.clone(), expected.clone()));
            }
        }
        if let Some(adapter) = &source.adapter {
            let prefix = source.names.prefix();
            let unknown =
                |target: &&str| !places.contains_key(format!("{prefix}{target}").as_str());
            let keys = adapter.targets().filter(unknown).map(|t| (format!("{prefix}{t}"), vec![]));
            ledger.unexpected.extend(keys);
        }
    }
    let mut complete = vec![];
    for (origin, (name, shape)) in origins.into_iter().zip(&parameters) {
        let origin = origin.or_else(|| position_table(sources, name, shape));
        if origin.is_none() && !allowed(name) {
            ledger.missing.push((name.clone(), shape.clone()));
        }
        complete.push(origin.unwrap_or(Origin::Fresh));
    }
    if !ledger.is_empty() {
        return Err(ImportError::Keys(ledger));
    }
    Ok(Assignment { parameters, origins: complete, unused })
}

/// Rows of added tokens that a vocabulary's table lacks; none when that is not what differs.
fn added_rows(name: &str, found: &[usize], expected: &[usize]) -> usize {
    let table = name.ends_with("embed_tokens.weight") || name.ends_with("lm_head.weight");
    match (found, expected) {
        (&[rows, width], &[more, same]) if table && width == same && rows > 0 => {
            more.checked_sub(rows).filter(|&n| n <= ADDED_TOKENS).unwrap_or(0)
        }
        _ => 0,
    }
}

/// Whether this is one of the two pieces in which an exporter of graphs leaves a position table:
/// the class token's row and the rest, without names of their own.
fn is_position(tensor: &Tensor, source: &Source) -> bool {
    source.checkpoint.format == Format::Onnx
        && source.names.prefix() == "visual_encoder."
        && tensor.name.starts_with("onnx::")
        && matches!(&*tensor.shape, &[1, _, _])
}

fn position_table(sources: &[Source], name: &str, shape: &[usize]) -> Option<Origin> {
    let &[1, rows, width] = shape else { return None };
    if !name.ends_with("embeddings.position_embeddings") {
        return None;
    }
    sources.iter().enumerate().find_map(|(number, source)| {
        let piece = |rows| {
            let mut found = source.checkpoint.tensors().iter();
            found.find(|t| is_position(t, source) && t.shape == [1, rows, width]).cloned()
        };
        let tensors = vec![piece(1)?, piece(rows.checked_sub(1)?)?];
        Some(Origin::Tensors { source: number, tensors, added_rows: 0 })
    })
}

impl Assignment {
    /// The values of a parameter. A fresh one is taken from a model made for it alone, which holds
    /// nothing else, since parameters are initialised when they are asked for.
    ///
    /// # Errors
    /// When a file can't be read, or no model can be made.
    pub fn values<'a>(
        &'a self,
        place: usize,
        sources: &'a [Source],
        config: &ModelConfig,
    ) -> Result<Values<'a>, ImportError> {
        if let Some(stored) = self.stored(place, sources)? {
            return Ok(stored);
        }
        let fresh = RefVlm::new(config, &Device::flex())?;
        let data = value_of(&fresh, &self.parameters[place].0).map(|data| data.convert::<f32>());
        let values = data.and_then(|data| data.try_to_vec::<f32>().ok());
        Ok(Values::whole(values.unwrap_or_default()))
    }

    /// The values of a parameter that has any in the sources.
    ///
    /// # Errors
    /// When a file can't be read.
    pub fn stored<'a>(
        &'a self,
        place: usize,
        sources: &'a [Source],
    ) -> Result<Option<Values<'a>>, ImportError> {
        let (name, shape) = &self.parameters[place];
        let Origin::Tensors { source, tensors, added_rows } = &self.origins[place] else {
            return Ok(None);
        };
        let Source { checkpoint, names, adapter, .. } = &sources[*source];
        let inner = name.strip_prefix(names.prefix()).unwrap_or(name);
        let changed = adapter.as_ref().filter(|a| a.targets().any(|target| target == inner));
        let permuted = names.is_gguf() && matches!(&**tensors, [t] if llama::is_permuted(&t.name));
        if changed.is_none() && !permuted {
            let width = if *added_rows > 0 { shape.last().copied().unwrap_or(1) } else { 0 };
            return Values::pieces(checkpoint, tensors, width).map(Some);
        }
        let mut values = vec![];
        for tensor in tensors {
            values.extend(if permuted {
                llama::read(checkpoint, tensor)?
            } else {
                checkpoint.read(tensor)?
            });
        }
        if let Some(adapter) = changed {
            adapter.merge(inner, shape, &mut values)?;
        }
        Ok(Some(Values::whole(values)))
    }

    /// How to pack a parameter that its file holds in few bits, without a loss where the formats are
    /// alike.
    pub fn few_bits(&self, place: usize) -> Option<Packing> {
        let Origin::Tensors { tensors, .. } = self.origins.get(place)? else { return None };
        let formats = tensors.iter().map(|tensor| match tensor.encoding {
            Encoding::Q4_0 | Encoding::Q4_1 => Some(Packing::Q4),
            Encoding::Q8_0 => Some(Packing::Q8),
            _ => None,
        });
        let first = formats.clone().next()??;
        formats.into_iter().all(|format| format == Some(first)).then_some(first)
    }
}
