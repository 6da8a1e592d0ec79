//! Weights straight into a module, without a package in between.

use super::assign::assign;
use super::error::{ImportError, Key};
use super::source::{Source, open_part};
use burn::module::Module;
use burn::tensor::TensorData;
use refvlm_model::package::by_name::{load_by_name, names};
use refvlm_model::refvlm::RefVlm;
use std::collections::HashMap;
use std::path::Path;

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
    let parameters: Vec<Key> = names(&module)
        .into_iter()
        .map(|(name, shape)| (format!("{prefix}{name}"), shape))
        .collect();
    let assignment = assign(sources, parameters, allow)?;
    let places: HashMap<&str, usize> =
        assignment.parameters.iter().zip(0..).map(|((name, _), i)| (name.as_str(), i)).collect();
    let mut failed = None;
    let (module, _) = load_by_name(module, &mut |name, shape| {
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
