//! EfficientNet-Lite of PyTorch: its batch norms become parts of the convolutions before them.
//!
//! `W' = W * gamma / sqrt(var + eps)` and `b' = beta - mean * gamma / sqrt(var + eps)`, per output
//! channel. What comes out is a checkpoint like any other, so all that follows knows nothing of it.

use super::error::ImportError;
use burn::tensor::TensorData;
use refvlm_checkpoint::{Checkpoint, CheckpointError, Source};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::collections::BTreeMap;
use std::path::Path;

/// The key such a checkpoint is known by.
const MARK: &str = "_conv_stem.weight";
/// Added to the variance in all batch norms.
const EPS: f64 = 1e-3;
/// Convolutions and the batch norms behind them, by the ends of their keys.
const NORMS: [(&str, &str); 5] = [
    ("_conv_stem", "_bn0"),
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
    ("_conv_head", "_bn1"),
];

/// Tensors by the model's names, which begin below the tower.
pub type Named = BTreeMap<String, TensorData>;

/// The weights of an EfficientNet-Lite in a file of PyTorch, folded and under the names of
/// [`refvlm_model::vision::EfficientNet`].
///
/// # Errors
/// When the file can't be read, or holds no such model.
pub fn load_efficientnet(path: &Path) -> Result<Named, ImportError> {
    let checkpoint = Checkpoint::open(path)?;
    if checkpoint.get(MARK).is_none() {
        let keys = checkpoint.tensors().iter().take(3).map(|t| t.name.clone()).collect();
        return Err(ImportError::Layout { place: path.display().to_string(), keys });
    }
    Ok(fold(&checkpoint)?)
}

/// The checkpoint itself, or what folding makes of it where it is an EfficientNet-Lite of PyTorch.
pub(super) fn folded(checkpoint: Checkpoint, place: &str) -> Result<Checkpoint, CheckpointError> {
    if checkpoint.get(MARK).is_none() {
        return Ok(checkpoint);
    }
    let tensors = fold(&checkpoint)?;
    let views = tensors.iter().map(|(name, data)| {
        let view = TensorView::new(Dtype::F32, data.shape().to_vec(), data.as_bytes());
        view.map(|view| (name, view))
    });
    let bytes = views
        .collect::<Result<Vec<_>, _>>()
        .and_then(|views| safetensors::serialize(views, None))
        .map_err(|error| CheckpointError::Damaged {
            file: place.into(),
            reason: error.to_string(),
        })?;
    Checkpoint::from_source(Source::memory(place, bytes))
}

fn fold(checkpoint: &Checkpoint) -> Result<Named, CheckpointError> {
    let mut named = Named::new();
    for tensor in checkpoint.tensors() {
        let (owner, kind) = tensor.name.rsplit_once('.').unwrap_or(("", &tensor.name));
        let scope = owner.rsplit_once('.').map_or("", |(scope, _)| scope);
        let below = |name: &str| {
            let dot = if scope.is_empty() { "" } else { "." };
            format!("{scope}{dot}{name}")
        };
        // What the batch norms hold goes into the convolutions.
        let norm = |(conv, norm): &&(&str, &str)| {
            owner == below(norm) && checkpoint.get(&format!("{}.weight", below(conv))).is_some()
        };
        if NORMS.iter().any(|pair| norm(&pair)) {
            continue;
        }
        let mut values = checkpoint.read(tensor)?;
        let mut shape = tensor.shape.clone();
        let norm = NORMS.iter().find(|(conv, _)| owner == below(conv) && kind == "weight");
        if let (Some((_, norm)), Some(&channels)) = (norm, shape.first()) {
            let vector = |kind: &str| {
                let tensor = checkpoint.require(&format!("{}.{kind}", below(norm)))?;
                if tensor.shape != [channels] {
                    return Err(CheckpointError::Shape {
                        file: checkpoint.files().first().map_or("", Source::name).into(),
                        tensor: tensor.name.clone(),
                        shape: tensor.shape.clone(),
                        reason: format!("the convolution before it has {channels} channels"),
                    });
                }
                checkpoint.read(tensor)
            };
            let (gamma, beta) = (vector("weight")?, vector("bias")?);
            let (mean, variance) = (vector("running_mean")?, vector("running_var")?);
            let mut bias = vec![];
            let width = values.len().checked_div(channels).unwrap_or(0).max(1);
            let rows = values.chunks_exact_mut(width);
            for ((((row, gamma), beta), mean), variance) in
                rows.zip(gamma).zip(beta).zip(mean).zip(variance)
            {
                let scale = f64::from(gamma) / (f64::from(variance) + EPS).sqrt();
                row.iter_mut().for_each(|w| *w = (f64::from(*w) * scale) as f32);
                bias.push((f64::from(beta) - f64::from(mean) * scale) as f32);
            }
            named.insert(ours(&format!("{owner}.bias")), TensorData::new(bias, [channels]));
            // A convolution that sees one cell is a matrix.
            if let &[d_out, d_in, 1, 1] = shape.as_slice()
                && !owner.ends_with("_depthwise_conv")
            {
                shape = vec![d_out, d_in];
            }
        }
        named.insert(ours(&tensor.name), TensorData::new(values, shape));
    }
    Ok(named)
}

/// Without the underscores that its modules begin with.
fn ours(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').map(|part| part.trim_start_matches('_')).collect();
    parts.join(".")
}
