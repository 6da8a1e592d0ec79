//! Names without what training programs wrap around a model.

use crate::Tensor;

/// Parts of a path that are no module of the model: of `torch.compile`, FSDP, activation
/// checkpointing and Lightning's strategies.
const SEGMENTS: [&str; 4] =
    ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"];
/// What (Distributed)DataParallel and DeepSpeed put before all names.
const PREFIX: &str = "module.";
/// A count that an average of models has beside its `module.`.
const COUNT: &str = "n_averaged";

/// Takes wrappers off the names, and says which.
pub(crate) fn unwrap(tensors: &mut [Tensor]) -> Vec<String> {
    let mut notes = vec![];
    for segment in SEGMENTS {
        let mut taken = false;
        for tensor in &mut *tensors {
            let parts = tensor.name.split('.').filter(|part| *part != segment);
            let name = parts.collect::<Vec<_>>().join(".");
            taken |= name != tensor.name;
            tensor.name = name;
        }
        if taken {
            notes.push(note(&format!("{segment}.")));
        }
    }
    while strip(tensors, PREFIX) {
        notes.push(note(PREFIX));
    }
    notes
}

/// Takes the prefix off if all names begin with it and more follows.
pub(crate) fn strip(tensors: &mut [Tensor], prefix: &str) -> bool {
    let bare = |name: &str| name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
    let wrapped = |tensor: &Tensor| bare(&tensor.name) || tensor.name == COUNT;
    if !tensors.iter().all(wrapped) || !tensors.iter().any(|tensor| bare(&tensor.name)) {
        return false;
    }
    for tensor in tensors {
        if let Some(rest) = tensor.name.strip_prefix(prefix) {
            tensor.name = rest.to_string();
        }
    }
    true
}

/// What a person is told about names that lost something.
pub(crate) fn note(prefix: &str) -> String {
    format!("`{prefix}` was taken off the names of the tensors")
}
