//! A model in the reference's own layout: the language model's folder of Hugging Face, and in it a
//! folder for each other part, all with the reference's keys.

use crate::import::{ADAPTERS, FOLDERS, ImportError, Key, Values, write_shards};
use burn::tensor::Device;
use half::f16;
use refvlm_checkpoint::{Checkpoint, Tensor, lora};
use refvlm_files::files::write_atomic;
use refvlm_model::config::ModelConfig;
use refvlm_model::layers::{LoraConfig, is_lora};
use refvlm_model::package::TOKENIZER_FILE;
use refvlm_model::package::by_name::{names, value_of};
use refvlm_model::package::{
    INDEX_FILE, MANIFEST_FILE, Manifest, PackageError, Plan, Quantisation,
};
use refvlm_model::refvlm::RefVlm;
use refvlm_shaders::Packed;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Largest shard, as the reference's converter has it.
const SHARD_BYTES: usize = 2 << 30;
/// Name of a file that needs no index.
const SINGLE: &str = "model.safetensors";

/// A model whose weights can be fetched by name.
#[derive(Debug)]
pub struct Stored {
    config: ModelConfig,
    weights: Weights,
    /// The vocabulary, `tokenizer.json`.
    tokenizer: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Weights {
    Package { checkpoint: Checkpoint, quantisation: Quantisation },
    Model(Box<RefVlm>),
}

impl Stored {
    /// A package's folder, whose weights stay there until they are needed.
    ///
    /// # Errors
    /// When it is none, or is damaged.
    pub fn open(folder: &Path) -> Result<Self, ImportError> {
        let read = |name: &str| {
            let path = folder.join(name);
            let failed = |source| ImportError::File { path: path.display().to_string(), source };
            std::fs::read(&path).map_err(failed)
        };
        let manifest = Manifest::parse(&read(MANIFEST_FILE)?)?;
        let config = serde_json::from_value(manifest.description.config)
            .map_err(|e| PackageError::Manifest(format!("config: {e}")))?;
        let checkpoint = Checkpoint::open(&folder.join(INDEX_FILE))?;
        let weights = Weights::Package { checkpoint, quantisation: manifest.quantisation };
        Ok(Self { config, weights, tokenizer: read(TOKENIZER_FILE).ok() })
    }

    /// A model in memory.
    pub fn of(config: ModelConfig, model: RefVlm, tokenizer: Option<Vec<u8>>) -> Self {
        Self { config, weights: Weights::Model(Box::new(model)), tokenizer }
    }

    /// A parameter of this shape.
    fn values(&self, name: &str, shape: &[usize]) -> Result<Values<'_>, ImportError> {
        let (checkpoint, quantisation) = match &self.weights {
            Weights::Model(model) => {
                let data = value_of(&**model, name).map(|data| data.convert::<f32>());
                let values = data.and_then(|data| data.try_to_vec::<f32>().ok());
                return Ok(Values::whole(values.unwrap_or_default()));
            }
            Weights::Package { checkpoint, quantisation } => (checkpoint, quantisation),
        };
        let words = checkpoint.get(&format!("{name}.qweight"));
        let (Some(words), Some(format)) = (words, quantisation.format()) else {
            let tensor = checkpoint.require(name)?;
            return Values::pieces(checkpoint, std::slice::from_ref(tensor), 0);
        };
        let scales = checkpoint.require(&format!("{name}.scales"))?;
        let wrong =
            |reason: &str| PackageError::Unwritable { tensor: name.into(), reason: reason.into() };
        let Some((&out, row)) = shape.split_first() else {
            return Err(wrong("a number, not a matrix").into());
        };
        let width = row.iter().product();
        let numbers = |tensor: &Tensor| checkpoint.read_bytes(tensor);
        let words = numbers(words)?.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
        let scales: Vec<f16> =
            numbers(scales)?.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b)).collect();
        let packed = Packed::from_parts(format, [out, width], words, &scales)
            .map_err(|error| wrong(&error.to_string()))?;
        Ok(Values::whole(packed.unpack()))
    }

    /// Writes the folders; `dtype` is one of the three that are not packed.
    ///
    /// # Errors
    /// When values can't be read or stored, or a file can't be written.
    pub fn export(&self, dtype: Quantisation, folder: &Path) -> Result<(), ImportError> {
        let all = names(&RefVlm::new(&self.config, &Device::flex())?);
        let (adapters, all): (Vec<Key>, Vec<Key>) =
            all.into_iter().partition(|(name, _)| is_lora(name));
        let below = |all: &[Key], prefix: &str| -> Vec<Key> {
            let inner =
                |(name, shape): &Key| Some((name.strip_prefix(prefix)?.into(), shape.clone()));
            all.iter().filter_map(inner).collect()
        };
        for (part, prefix) in FOLDERS {
            let mut parameters = below(&all, prefix);
            if parameters.is_empty() {
                continue;
            }
            let unused = (part == "mask_decoder").then(|| unused_table(&parameters)).flatten();
            parameters.extend(unused);
            let place: PathBuf = if part == "llm" { folder.into() } else { folder.join(part) };
            let mut plan = Plan::new(dtype, &parameters, SHARD_BYTES);
            if let [shard] = &mut *plan.shards {
                shard.file = SINGLE.into();
            } else {
                write(&place.join(INDEX_FILE), &plan.index())?;
            }
            let values = |k: usize| {
                let (name, shape) = &parameters[k];
                match name.as_str() {
                    UNUSED_TABLE => Ok(Values::whole(vec![0.0; shape.iter().product()])),
                    name => self.values(&format!("{prefix}{name}"), shape),
                }
            };
            write_shards(&plan, &parameters, &place, values, |_| ())?;
            write_json(&place.join("config.json"), &self.settings(part, dtype))?;
        }
        for (part, prefix) in ADAPTERS {
            let parameters = below(&adapters, prefix);
            let Some(settings) = self.lora(prefix).filter(|_| !parameters.is_empty()) else {
                continue;
            };
            let place = folder.join(part);
            let outer = |(name, shape): &Key| (format!("{}{name}", lora::PREFIX), shape.clone());
            let keys: Vec<Key> = parameters.iter().map(outer).collect();
            // PEFT reads a single file.
            let mut plan = Plan::new(dtype, &keys, usize::MAX);
            for shard in &mut plan.shards {
                shard.file = lora::WEIGHTS_FILE.into();
            }
            let values = |k: usize| {
                let (name, shape) = &parameters[k];
                self.values(&format!("{prefix}{name}"), shape)
            };
            write_shards(&plan, &keys, &place, values, |_| ())?;
            write_json(&place.join(lora::CONFIG_FILE), &adapter_settings(part, settings))?;
        }
        if let Some(json) = &self.tokenizer {
            write(&folder.join(TOKENIZER_FILE), json)?;
        }
        Ok(())
    }

    /// The adapters of a module.
    fn lora(&self, prefix: &str) -> Option<&LoraConfig> {
        match prefix {
            "llm." => self.config.llm.lora.as_ref(),
            _ => self.config.visual_encoder.lora(),
        }
    }

    /// `config.json` of a part.
    fn settings(&self, part: &str, dtype: Quantisation) -> Value {
        let ModelConfig { llm, visual_encoder, visual_tower, vpt_encoder, .. } = &self.config;
        let projector = |features: &[usize]| {
            json!({"visual_hidden_size": self.config.selected_channels(features),
                   "llm_hidden_size": llm.hidden_size, "hidden_act": "gelu", "depth": 2, "bias": true})
        };
        let (kind, settings) = match part {
            "llm" => ("llama", json!(llm)),
            "visual_encoder" => ("clip_vision_model", json!(visual_encoder)),
            "visual_tower" => ("clip_convnext", json!(visual_tower)),
            "projector" => ("projector", projector(&self.config.image_features)),
            "vpt_projector" => ("projector", projector(&self.config.prompt_features)),
            "vpt_encoder" => ("vpt_encoder", json!(vpt_encoder)),
            "box_decoder" => ("box_decoder", json!(self.config.box_decoder)),
            "mask_decoder" => ("mask_decoder", json!(self.config.mask_decoder)),
            "pose_decoder" => ("pose_decoder", json!(self.config.pose_decoder)),
            "depth_decoder" => ("depth_decoder", json!(self.config.depth_decoder)),
            other => (other, json!({})),
        };
        let mut settings = settings;
        if let Value::Object(entries) = &mut settings {
            // An adapter has a folder of its own.
            entries.remove("lora");
            entries.insert("model_type".into(), kind.into());
            let dtype = match dtype {
                Quantisation::F32 => "float32",
                Quantisation::Bf16 => "bfloat16",
                _ => "float16",
            };
            entries.insert("torch_dtype".into(), dtype.into());
            let class = match part {
                "llm" => Some("LlamaForCausalLM"),
                "visual_encoder" => Some("CLIPVisionModel"),
                _ => None,
            };
            entries.extend(class.map(|class| ("architectures".into(), json!([class]))));
        }
        settings
    }
}

/// A table of the reference's mask decoder that nothing reads, but that it expects.
const UNUSED_TABLE: &str = "queries_embedder.weight";

fn unused_table(parameters: &[Key]) -> Option<Key> {
    let queries = parameters.iter().find(|(name, _)| name == "query_position_embeddings.weight");
    queries.map(|(_, shape)| (UNUSED_TABLE.into(), shape.clone()))
}

/// `adapter_config.json`, with what PEFT has as defaults where it could be in doubt.
fn adapter_settings(part: &str, lora: &LoraConfig) -> Value {
    let task = (part == "llm_adapter").then_some("CAUSAL_LM");
    json!({
        "peft_type": "LORA", "task_type": task, "base_model_name_or_path": null,
        "r": lora.r, "lora_alpha": lora.lora_alpha, "target_modules": lora.target_modules,
        "use_rslora": lora.use_rslora, "lora_dropout": 0.0, "bias": "none",
        "fan_in_fan_out": false, "modules_to_save": null, "inference_mode": true,
    })
}

fn write_json(path: &Path, value: &Value) -> Result<(), ImportError> {
    let text = serde_json::to_vec_pretty(value).map_err(|e| PackageError::Manifest(e.to_string()));
    write(path, &text?)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ImportError> {
    let failed = |source| ImportError::File { path: path.display().to_string(), source };
    write_atomic(path, bytes).map_err(failed)
}
