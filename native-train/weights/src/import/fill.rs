//! Weights straight into a module, without a package in between.

use super::assign::{Assignment, assign};
use super::error::{ImportError, Key};
use super::source::{Source, open_part};
use burn::module::Module;
use burn::tensor::{Device, TensorData};
use refvlm_model::layers::{PackedWeight, attach_packed};
use refvlm_model::package::by_name::{ids, load_by_name, names};
use refvlm_model::refvlm::RefVlm;
use refvlm_shaders::{PackError, Packed};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Numbers that are packed at once.
const CHUNK: usize = 1 << 20;

/// Fills a module whose parameters stand below `prefix` in the whole model; `allow` are patterns of
/// names that may be left over on either side. Parameters without a tensor keep their values.
///
/// # Errors
/// Lists all keys that don't match, or says which file can't be read.
pub fn fill<M: Module>(
    module: M,
    prefix: &str,
    sources: &[Source],
    allow: &[String],
) -> Result<M, ImportError> {
    filled(module, prefix, sources, allow, false)
}

/// The same for computing on `device` without training: matrices that a file holds in 4 or 8 bits
/// stay so, if the device can multiply with them.
///
/// # Errors
/// As [`fill`].
pub fn fill_packed<M: Module>(
    module: M,
    prefix: &str,
    sources: &[Source],
    allow: &[String],
    device: &Device,
) -> Result<M, ImportError> {
    // What an adapter has changed no longer fits the file's scales.
    let as_stored = sources.iter().all(|source| source.adapter.is_none());
    filled(module, prefix, sources, allow, as_stored && PackedWeight::computes_on(device))
}

fn filled<M: Module>(
    module: M,
    prefix: &str,
    sources: &[Source],
    allow: &[String],
    pack: bool,
) -> Result<M, ImportError> {
    let parameters: Vec<Key> = names(&module)
        .into_iter()
        .map(|(name, shape)| (format!("{prefix}{name}"), shape))
        .collect();
    let assignment = assign(sources, parameters, allow)?;
    let places: HashMap<&str, usize> =
        assignment.parameters.iter().zip(0..).map(|((name, _), i)| (name.as_str(), i)).collect();
    let mut matrices = HashMap::new();
    if pack {
        for (name, id) in ids(&module) {
            let Some(&place) = places.get(format!("{prefix}{name}").as_str()) else { continue };
            if let Some(matrix) = packed(&assignment, place, sources)? {
                matrices.insert(id, matrix);
            }
        }
    }
    let kept: HashSet<String> = ids(&module)
        .into_iter()
        .filter_map(|(name, id)| matrices.contains_key(&id).then_some(name))
        .collect();
    let mut failed = None;
    let (module, _) = load_by_name(attach_packed(module, matrices), &mut |name, shape| {
        if kept.contains(name) {
            return None;
        }
        let place = *places.get(format!("{prefix}{name}").as_str())?;
        let mut values = vec![0.0; shape.iter().product()];
        let read = assignment
            .stored(place, sources)
            .and_then(|stored| stored.map(|stored| stored.range(0, &mut values)).transpose());
        match read {
            Ok(found) => found.map(|()| TensorData::new(values, shape)),
            Err(error) => {
                failed.get_or_insert(error);
                None
            }
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(module),
    }
}

/// A parameter that is a matrix of few bits in its file, some rows at a time, so that its values in
/// f32 are never all there. ggml's blocks are found again to the bit.
fn packed(
    assignment: &Assignment,
    place: usize,
    sources: &[Source],
) -> Result<Option<Packed>, ImportError> {
    let (name, shape) = &assignment.parameters[place];
    let (Some(format), &[out, width]) = (assignment.few_bits(place), shape.as_slice()) else {
        return Ok(None);
    };
    let Some(values) = assignment.stored(place, sources)? else { return Ok(None) };
    let failed = |error: PackError| ImportError::Pack { name: name.clone(), error };
    let (mut words, mut scales) = (Vec::new(), Vec::new());
    let mut buffer = vec![0.0; (CHUNK / width.max(1)).clamp(1, out.max(1)) * width];
    let step = buffer.len();
    for first in (0..out * width).step_by(step.max(1)) {
        let part = &mut buffer[..(out * width - first).min(step)];
        values.range(first, part)?;
        let shape = [part.len() / width, width];
        let part = Packed::pack(format, part, shape).map_err(failed)?;
        words.extend_from_slice(part.words());
        scales.extend(part.stored_scales());
    }
    Packed::from_parts(format, [out, width], words, &scales).map(Some).map_err(failed)
}

/// Fills the visual encoder of a model, which has to be an EfficientNet-Lite, from such a file, or
/// from one in another format that has the model's own names.
///
/// # Errors
/// When the file can't be read, or lists the keys that don't match.
pub fn init_tower(mut model: RefVlm, path: &Path) -> Result<RefVlm, ImportError> {
    let source = open_part("visual_encoder", path)?;
    model.visual_encoder = fill(model.visual_encoder, "visual_encoder.", &[source], &[])?;
    Ok(model)
}
