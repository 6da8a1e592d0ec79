//! Low-rank adapters of PEFT: added to the weights they were trained on, or kept beside them.

mod config;

use crate::{Checkpoint, CheckpointError, Source, Tensor};
use config::Config;
use std::collections::BTreeMap;
use std::path::Path;

/// What PEFT puts before the names of the base model.
pub const PREFIX: &str = "base_model.model.";
/// Name of the configuration in an adapter's folder.
pub const CONFIG_FILE: &str = "adapter_config.json";
/// Name of the weights in an adapter's folder.
pub const WEIGHTS_FILE: &str = "adapter_model.safetensors";

/// The settings of an adapter whose factors all have one rank and one scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Uniform {
    /// Rank.
    pub r: usize,
    /// What the scale is a part of.
    pub lora_alpha: f64,
    /// Whether it is divided by the root of the rank instead of the rank.
    pub use_rslora: bool,
    /// The linear maps it is of, by their paths or the ends of them.
    pub target_modules: Vec<String>,
}

/// An adapter: `weight + scale B A` for some weights, and other values for some.
#[derive(Debug)]
pub struct Adapter {
    file: String,
    checkpoint: Checkpoint,
    config: Config,
    changes: BTreeMap<String, Change>,
}

#[derive(Debug, Default)]
struct Change {
    /// `[rank, in]`.
    a: Option<Tensor>,
    /// `[out, rank]`.
    b: Option<Tensor>,
    /// Trained as a whole.
    whole: Option<Tensor>,
    /// Factor of their product.
    scale: f32,
}

impl Adapter {
    /// Opens a folder with `adapter_config.json` and `adapter_model.safetensors` or `.bin`.
    ///
    /// # Errors
    /// When it is incomplete or of a kind that isn't a plain low-rank sum.
    pub fn open(folder: &Path) -> Result<Self, CheckpointError> {
        let config = Source::open(&folder.join(CONFIG_FILE))?;
        let weights = [WEIGHTS_FILE, "adapter_model.bin"]
            .map(|name| folder.join(name))
            .into_iter()
            .find(|path| path.is_file())
            .ok_or_else(|| CheckpointError::Unknown { file: folder.display().to_string() })?;
        Self::new(&config, Checkpoint::open(&weights)?)
    }

    /// An adapter from its two parts.
    ///
    /// # Errors
    /// As [`Adapter::open`].
    pub fn new(config: &Source, checkpoint: Checkpoint) -> Result<Self, CheckpointError> {
        let file = config.name().to_string();
        let config = Config::read(config)?;
        let wrong = |reason: String| CheckpointError::Adapter { file: file.clone(), reason };
        let mut changes: BTreeMap<String, Change> = BTreeMap::new();
        for tensor in checkpoint.tensors() {
            let name = model_name(&tensor.name);
            let (target, part): (_, fn(&mut Change) -> &mut Option<Tensor>) =
                if let Some(module) = name.strip_suffix(".lora_A.weight") {
                    (format!("{module}.weight"), |change| &mut change.a)
                } else if let Some(module) = name.strip_suffix(".lora_B.weight") {
                    (format!("{module}.weight"), |change| &mut change.b)
                } else if name.contains("lora_") {
                    return Err(wrong(format!("{} does not belong to a linear map", tensor.name)));
                } else {
                    (name, |change| &mut change.whole)
                };
            if part(changes.entry(target).or_default()).replace(tensor.clone()).is_some() {
                return Err(wrong(format!("{} stands for a weight that another has", tensor.name)));
            }
        }
        for (target, change) in &changes {
            let fits = match change {
                Change { a: Some(a), b: Some(b), whole: None, .. } => {
                    matches!((&*a.shape, &*b.shape), (&[rank, _], &[_, same]) if rank == same)
                }
                Change { a: None, b: None, whole: Some(_), .. } => true,
                _ => false,
            };
            if !fits {
                return Err(wrong(format!("the parts for {target} don't belong together")));
            }
        }
        set_scales(&file, &config, &mut changes)?;
        Ok(Self { file, checkpoint, config, changes })
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.file
    }

    /// Its settings, for a model that keeps it beside its weights.
    ///
    /// # Errors
    /// When some maps have a rank or a scale of their own.
    pub fn uniform(&self) -> Result<Uniform, CheckpointError> {
        if self.config.has_patterns() {
            let reason =
                "rank_pattern or alpha_pattern give some maps a rank or a scale of their own";
            let (file, reason) = (self.file.clone(), reason.into());
            return Err(CheckpointError::Kept { file, reason });
        }
        let Config { r, lora_alpha, use_rslora, .. } = self.config;
        Ok(Uniform { r, lora_alpha, use_rslora, target_modules: self.target_modules() })
    }

    /// The list in the settings, where it alone says which maps are meant; else each map that there
    /// are factors for.
    fn target_modules(&self) -> Vec<String> {
        let Config { target_modules, exclude_modules, layers_to_transform, .. } = &self.config;
        let list = serde_json::from_value(target_modules.clone());
        match list {
            Ok(list) if exclude_modules.is_null() && layers_to_transform.is_null() => list,
            _ => {
                let factors = self.changes.iter().filter(|(_, change)| change.whole.is_none());
                let module = |name: &str| name.strip_suffix(".weight").unwrap_or(name).to_string();
                factors.map(|(name, _)| module(name)).collect()
            }
        }
    }

    /// Its tensors.
    pub fn into_checkpoint(self) -> Checkpoint {
        self.checkpoint
    }

    /// The weights it changes, by the base model's names.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.changes.keys().map(String::as_str)
    }

    /// Changes the weight `name` of the base model, if the adapter does.
    ///
    /// # Errors
    /// When the shape is not the one the adapter was trained on, or its file can't be read.
    pub fn merge(
        &self,
        name: &str,
        shape: &[usize],
        values: &mut [f32],
    ) -> Result<bool, CheckpointError> {
        let Some(change) = self.changes.get(name) else { return Ok(false) };
        let misfit = || CheckpointError::Adapter {
            file: self.file.clone(),
            reason: format!("{name} is {shape:?}, which is not what the adapter was trained on"),
        };
        if let Some(whole) = &change.whole {
            if whole.shape != shape || whole.numel() != values.len() {
                return Err(misfit());
            }
            values.copy_from_slice(&self.checkpoint.read(whole)?);
            return Ok(true);
        }
        let (Some(a), Some(b), &[out, width]) = (&change.a, &change.b, shape) else {
            return Err(misfit());
        };
        let rank = a.shape[0];
        if a.shape[1] != width || b.shape[0] != out || values.len() != out * width || width == 0 {
            return Err(misfit());
        }
        let scale = change.scale;
        let (a, b) = (self.checkpoint.read(a)?, self.checkpoint.read(b)?);
        for (row, factors) in values.chunks_mut(width).zip(b.chunks(rank.max(1))) {
            for (factor, a) in factors.iter().zip(a.chunks(width)) {
                let factor = scale * factor;
                row.iter_mut().zip(a).for_each(|(x, a)| *x += factor * a);
            }
        }
        Ok(true)
    }
}

/// Holds the rank of each product against the settings, and takes its scale from them.
fn set_scales(
    file: &str,
    config: &Config,
    changes: &mut BTreeMap<String, Change>,
) -> Result<(), CheckpointError> {
    let mut products: Vec<(&str, usize, &mut f32)> = vec![];
    for (target, change) in changes.iter_mut() {
        if let Some(&rank) = change.a.as_ref().and_then(|a| a.shape.first()) {
            let module = target.strip_suffix(".weight").unwrap_or(target);
            products.push((module, rank, &mut change.scale));
        }
    }
    let modules: Vec<&str> = products.iter().map(|(module, ..)| *module).collect();
    let (ranks, alphas) = (config.ranks(file, &modules)?, config.alphas(file, &modules)?);
    for ((module, rank, scale), (expected, alpha)) in
        products.into_iter().zip(ranks.into_iter().zip(alphas))
    {
        if rank != expected {
            let reason = format!("{module} has the rank {rank}, but the settings say {expected}");
            return Err(CheckpointError::Adapter { file: file.into(), reason });
        }
        let rank = rank as f64;
        *scale = (alpha / if config.use_rslora { rank.sqrt() } else { rank }) as f32;
    }
    Ok(())
}

/// The name that a tensor of an adapter has in the model it is of.
pub fn model_name(key: &str) -> String {
    let name = key.strip_prefix(PREFIX).unwrap_or(key);
    // While training, PEFT puts the adapter's name into each key.
    name.replace(".default.", ".").replace("modules_to_save.", "")
}
