//! What a checkpoint, a package or a preset holds, without reading a weight.

use crate::import::ImportError;
use burn::tensor::Device;
use refvlm_checkpoint::{Checkpoint, gguf};
use refvlm_files::files;
use refvlm_model::config::ModelConfig;
use refvlm_model::language::LlamaConfig;
use refvlm_model::package::by_name::names;
use refvlm_model::package::{MANIFEST_FILE, Manifest, Plan, Quantisation};
use refvlm_model::refvlm::RefVlm;
use refvlm_shaders::BLOCK;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

/// A tensor, or a parameter that has none yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its sizes.
    pub shape: Vec<usize>,
    /// How it is stored; none in a preset.
    pub dtype: Option<&'static str>,
    /// Bytes as stored.
    pub bytes: u64,
}

/// A file with weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightFile {
    /// Its path.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its hash: the one a manifest lists.
    pub sha256: Option<String>,
}

/// What there is.
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    /// The format, or what it is.
    pub kind: String,
    /// All tensors.
    pub entries: Vec<Entry>,
    /// The files they are in.
    pub files: Vec<WeightFile>,
    /// Settings, in words.
    pub settings: Vec<(String, String)>,
    /// The language model, where its sizes are known.
    pub language: Option<LlamaConfig>,
    /// Of the model's parameters, where a configuration is known: packed rows may be filled up.
    pub shapes: BTreeMap<String, Vec<usize>>,
}

/// Parameters, kinds and bytes of a module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Module {
    /// Parameters; of a packed matrix its weights.
    pub parameters: u64,
    /// Bytes as stored.
    pub bytes: u64,
    /// Tensors.
    pub tensors: usize,
    /// How they are stored.
    pub dtypes: BTreeSet<&'static str>,
}

/// Memory that weights take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// How they are stored.
    pub quantisation: Quantisation,
    /// Bytes of the files.
    pub files: u64,
    /// Bytes in memory on the CPU, where packed matrices stay packed with their scales widened to
    /// f32, and all else is f32.
    pub cpu: u64,
    /// Bytes on WebGPU, where the scales stay f16.
    pub webgpu: u64,
    /// Bytes on CUDA, where everything is f32.
    pub cuda: u64,
}

impl Inspection {
    /// Of a configuration. Parameters are listed, none is made.
    ///
    /// # Errors
    /// When its parts don't belong together.
    pub fn of_config(config: &ModelConfig) -> Result<Self, ImportError> {
        let model = RefVlm::new(config, &Device::flex())?;
        let entry = |(name, shape)| Entry { name, shape, dtype: None, bytes: 0 };
        Ok(Self {
            kind: format!("preset {}", config.preset),
            entries: names(&model).into_iter().map(entry).collect(),
            language: Some(config.llm.clone()),
            ..Self::default()
        })
    }

    /// Of a package's folder, or of a checkpoint.
    ///
    /// # Errors
    /// When it is neither, or damaged.
    pub fn of_path(path: &Path) -> Result<Self, ImportError> {
        let manifest = path.join(MANIFEST_FILE);
        if !manifest.is_file() {
            return Ok(Self::of_checkpoint(&Checkpoint::open(path)?));
        }
        let failed = |source| ImportError::File { path: manifest.display().to_string(), source };
        let manifest = Manifest::parse(&std::fs::read(&manifest).map_err(failed)?)?;
        let mut found = Self { kind: "package".into(), ..Self::default() };
        for shard in &manifest.shards {
            let file = path.join(&shard.file);
            let part = Self::of_checkpoint(&Checkpoint::open(&file)?);
            found.entries.extend(part.entries);
            found.files.extend(
                part.files
                    .into_iter()
                    .map(|file| WeightFile { sha256: Some(shard.sha256.clone()), ..file }),
            );
        }
        let description = &manifest.description;
        found.settings = vec![
            ("preset".into(), description.preset.clone()),
            ("licence".into(), description.licence.clone()),
            ("made by".into(), description.training_command.clone()),
        ];
        if let Ok(config) = serde_json::from_value::<ModelConfig>(description.config.clone()) {
            if let Ok(model) = RefVlm::new(&config, &Device::flex()) {
                found.shapes = names(&model).into_iter().collect();
            }
            found.language = Some(config.llm);
        }
        Ok(found)
    }

    fn of_checkpoint(checkpoint: &Checkpoint) -> Self {
        let entry = |tensor: &refvlm_checkpoint::Tensor| Entry {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            dtype: Some(tensor.encoding.name()),
            bytes: tensor.bytes,
        };
        let file = |source: &refvlm_checkpoint::Source| WeightFile {
            path: source.name().into(),
            bytes: source.length(),
            sha256: None,
        };
        let settings = checkpoint.metadata.iter().map(|(k, v)| (k.into(), in_words(v)));
        let notes = checkpoint.notes.iter().map(|note| ("note".into(), note.clone()));
        Self {
            kind: checkpoint.format.name().into(),
            entries: checkpoint.tensors().iter().map(entry).collect(),
            files: checkpoint.files().iter().map(file).collect(),
            settings: settings.chain(notes).collect(),
            ..Self::default()
        }
    }

    /// Parameters with the shapes they have once unpacked; where no configuration is known, with what
    /// fills up their rows.
    pub fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        let unpacked = |entry: &Entry| {
            let mut shape = entry.shape.clone();
            if entry.name.ends_with(".scales") && self.has(&entry.name, ".scales", ".qweight") {
                return None;
            }
            let Some(name) = entry.name.strip_suffix(".qweight") else {
                return Some((entry.name.clone(), shape));
            };
            // A block has one scale, whatever the words hold.
            let scales = self.entries.iter().find(|e| e.name == format!("{name}.scales"))?;
            if let (Some(width), Some(&blocks)) = (shape.last_mut(), scales.shape.get(1)) {
                *width = blocks * BLOCK;
            }
            let fits = |known: &&Vec<usize>| match (known.as_slice(), shape.as_slice()) {
                (&[out, ref row @ ..], &[rows, whole]) => {
                    let width = row.iter().product::<usize>();
                    out == rows && width.div_ceil(BLOCK) == whole / BLOCK
                }
                _ => false,
            };
            let known = self.shapes.get(name).filter(fits).cloned();
            Some((name.to_string(), known.unwrap_or(shape)))
        };
        self.entries.iter().filter_map(unpacked).collect()
    }

    fn has(&self, name: &str, ending: &str, other: &str) -> bool {
        let base = name.trim_end_matches(ending);
        self.entries.iter().any(|entry| entry.name.strip_suffix(other) == Some(base))
    }

    /// Parameters and bytes per module: the first name of a path, two where the first is a
    /// collection of modules.
    pub fn modules(&self) -> BTreeMap<String, Module> {
        let mut modules: BTreeMap<String, Module> = BTreeMap::new();
        for entry in &self.entries {
            let module = modules.entry(module_of(&entry.name)).or_default();
            module.bytes += entry.bytes;
            module.tensors += 1;
            module.dtypes.extend(entry.dtype);
        }
        for (name, shape) in self.parameters() {
            let module = modules.entry(module_of(&name)).or_default();
            module.parameters += shape.iter().product::<usize>() as u64;
        }
        modules
    }

    /// What the weights take in each form.
    pub fn memory(&self) -> Vec<Memory> {
        let parameters = self.parameters();
        let forms = [Quantisation::F32, Quantisation::F16, Quantisation::Q8, Quantisation::Q4];
        let of = |quantisation: Quantisation| {
            let held = |bytes_of_scale: usize| {
                let bytes = parameters.iter().map(|(name, shape)| {
                    match quantisation.packing(name, shape) {
                        // Kernels are unpacked when they are loaded.
                        Some((format, [out, width])) if shape.len() == 2 => {
                            let scales = format.scales_per_block() * bytes_of_scale;
                            out * width.div_ceil(BLOCK) * (format.words_per_block() * 4 + scales)
                        }
                        _ => shape.iter().product::<usize>() * 4,
                    }
                });
                bytes.sum::<usize>() as u64
            };
            let files = Plan::new(quantisation, &parameters, usize::MAX).bytes();
            let all = parameters.iter().map(|(_, shape)| shape.iter().product::<usize>() * 4);
            let cuda = all.sum::<usize>() as u64;
            Memory { quantisation, files, cpu: held(4), webgpu: held(2), cuda }
        };
        forms.map(of).into()
    }

    /// Bytes of keys and values of a full context in f32; none where the sizes aren't known.
    pub fn cache_bytes(&self) -> Option<(usize, u64)> {
        let llm = self.language.as_ref()?;
        let row = 2 * llm.num_hidden_layers * llm.kv_heads() * llm.head_width() * 4;
        Some((llm.max_position_embeddings, (row * llm.max_position_embeddings) as u64))
    }
}

fn module_of(name: &str) -> String {
    const COLLECTIONS: [&str; 2] = ["visual_decoder", "model"];
    let mut parts = name.split('.');
    let first = parts.next().unwrap_or_default();
    match parts.next() {
        Some(second) if COLLECTIONS.contains(&first) => format!("{first}.{second}"),
        _ => first.into(),
    }
}

fn in_words(value: &gguf::Value) -> String {
    match value {
        gguf::Value::Unsigned(n) => n.to_string(),
        gguf::Value::Signed(n) => n.to_string(),
        gguf::Value::Float(x) => x.to_string(),
        gguf::Value::Bool(b) => b.to_string(),
        gguf::Value::Text(text) if text.len() > 60 || text.contains('\n') => {
            format!("{} bytes of text", text.len())
        }
        gguf::Value::Text(text) => text.clone(),
        gguf::Value::Integers(all) => format!("{} whole numbers", all.len()),
        gguf::Value::Floats(all) => format!("{} numbers", all.len()),
        gguf::Value::Texts(all) => format!("{} texts", all.len()),
    }
}

/// The sha-256 of a file, in hexadecimal.
///
/// # Errors
/// When it can't be read.
pub fn sha256(path: &str) -> Result<String, ImportError> {
    let failed = |source| ImportError::File { path: path.into(), source };
    File::open(path).and_then(files::sha256).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presets::preset;

    /// The counts of the published configuration.
    #[test]
    fn the_published_preset_is_counted_at_once() {
        let start = std::time::Instant::now();
        let found = Inspection::of_config(&preset("vicuna-7b").unwrap()).unwrap();
        let modules = found.modules();
        assert!(start.elapsed().as_secs_f64() < 1.0, "{:?}", start.elapsed());
        assert_eq!(modules["llm"].parameters, 6_738_415_616 + 2 * 10 * 4096);
        assert_eq!(modules["projector"].parameters, 20_979_712);
        assert_eq!(modules["vpt_encoder"].parameters, 12_288);
        assert_eq!(modules["visual_decoder.boxes"].parameters, 11_286_532);
        assert_eq!(modules["visual_decoder.pose"].parameters, 22_162_444);
        let total: u64 = modules.values().map(|module| module.parameters).sum();
        let memory = found.memory();
        assert_eq!(memory[0].cpu, 4 * total);
        assert!(memory[2].cpu > total && memory[2].cpu < total * 5 / 4);
        // Files hold all that is not packed in f16, WebGPU in f32.
        assert!(memory[3].files < memory[3].webgpu && memory[3].webgpu < memory[3].cpu);
        assert_eq!(memory[3].cuda, 4 * total);
        assert_eq!(found.cache_bytes(), Some((4096, 2 * 32 * 4096 * 4096 * 4)));
    }

    #[test]
    fn a_packed_matrix_counts_its_weights() {
        let entry = |name: &str, shape: &[usize], dtype| Entry {
            name: name.into(),
            shape: shape.to_vec(),
            dtype: Some(dtype),
            bytes: 0,
        };
        let entries = vec![
            entry("a.x.weight.qweight", &[4, 16], "u32"),
            entry("a.x.weight.scales", &[4, 2], "f16"),
            entry("a.y.weight.qweight", &[4, 12], "u32"),
            entry("a.y.weight.scales", &[4, 3, 2], "f16"),
            entry("a.scales", &[3], "f16"),
            entry("b.conv.weight.qweight", &[4, 24], "u32"),
            entry("b.conv.weight.scales", &[4, 3], "f16"),
        ];
        let mut found = Inspection { entries, ..Inspection::default() };
        assert_eq!(found.parameters()[0], ("a.x.weight".into(), vec![4, 64]));
        assert_eq!(found.parameters()[1], ("a.y.weight".into(), vec![4, 96]));
        let module = &found.modules()["a"];
        assert_eq!((module.parameters, module.tensors), (4 * 64 + 4 * 96 + 3, 5));
        // Where the model is known, what fills up a row is no weight; a shape that doesn't belong to
        // the blocks says nothing.
        found.shapes = BTreeMap::from([
            ("a.x.weight".into(), vec![4, 40]),
            ("a.y.weight".into(), vec![4, 64]),
            ("b.conv.weight".into(), vec![4, 8, 3, 3]),
        ]);
        assert_eq!(found.parameters()[0].1, [4, 40]);
        assert_eq!(found.parameters()[1].1, [4, 96]);
        assert_eq!(found.parameters()[3], ("b.conv.weight".into(), vec![4, 8, 3, 3]));
    }
}
