//! What a configuration needs of devices before it is trained there: memory by part, bytes between
//! ranks, time. Plain arithmetic; nothing is made or measured.
//!
//! It counts AdamW's state for every trained parameter (Muon has half of it), activations of the
//! language model alone, and full sequences. What the devices' libraries and the allocator take is
//! [`RESERVED`].

pub mod devices;
mod expected;
mod memory;
mod time;

pub use devices::{Devices, DevicesError};
pub use expected::Expected;
pub use memory::{Memory, Precision, RESERVED, Setting, Sharding, of_tokens};
pub use time::{LATENCY_S, Time, UTILISATION, Wire};

use burn::tensor::Device;
use refvlm_model::config::{ModelConfig, ModelConfigError};
use refvlm_model::layers::LoraConfig;
use refvlm_model::package::by_name::names;
use refvlm_model::refvlm::RefVlm;

/// Linear maps of the language model that get an adapter.
const ADAPTED: [&str; 7] =
    ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

/// What is trained, and on how much at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Work {
    /// Rank of adapters in the language model, whose own weights then stay as they are.
    pub lora: Option<usize>,
    /// Parameters whose names begin so stay as they are.
    pub frozen: Vec<String>,
    /// Tokens of a sequence.
    pub tokens: usize,
    /// Sequences of a step on one device.
    pub sequences: usize,
}

/// The sizes that a plan follows from.
#[derive(Debug, Clone, PartialEq)]
pub struct Sizes {
    /// Values of each trained parameter, in the order of the model.
    pub trained: Vec<usize>,
    /// Parameters that stay as they are.
    pub frozen: usize,
    /// Trained parameters of the language model's layers and its output, or of their adapters.
    pub language_trained: usize,
    /// Other parameters of these.
    pub language_frozen: usize,
    /// Parameters of the largest layer of the language model.
    pub layer: usize,
    /// Layers of the language model.
    pub layers: usize,
    /// Width of its states.
    pub hidden: usize,
    /// Width inside its perceptron.
    pub inner: usize,
    /// Query heads.
    pub heads: usize,
    /// Width of all queries.
    pub queries: usize,
    /// Width of all keys.
    pub keys: usize,
    /// Rows of its vocabulary.
    pub vocabulary: usize,
    /// Tokens of a sequence.
    pub tokens: usize,
    /// Sequences of a step on one device.
    pub sequences: usize,
}

impl Sizes {
    /// The sizes of a model and the work on it. Parameters are listed, none is made.
    ///
    /// # Errors
    /// When the parts of the model do not fit each other.
    pub fn new(config: &ModelConfig, work: &Work) -> Result<Self, ModelConfigError> {
        let mut config = config.clone();
        if let Some(r) = work.lora {
            config.llm.lora = Some(LoraConfig {
                r,
                lora_alpha: 2.0 * r as f64,
                target_modules: ADAPTED.map(String::from).to_vec(),
                use_rslora: false,
                lora_dropout: 0.0,
            });
        }
        config.check()?;
        let model = RefVlm::new(&config, &Device::flex())?;
        let llm = &config.llm;
        let head = llm.head_dim.unwrap_or(llm.hidden_size / llm.num_attention_heads.max(1));
        let mut sizes = Self {
            trained: Vec::new(),
            frozen: 0,
            language_trained: 0,
            language_frozen: 0,
            layer: 0,
            layers: llm.num_hidden_layers,
            hidden: llm.hidden_size,
            inner: llm.intermediate_size,
            heads: llm.num_attention_heads,
            queries: llm.num_attention_heads * head,
            keys: llm.num_key_value_heads.unwrap_or(llm.num_attention_heads) * head,
            vocabulary: llm.vocab_size,
            tokens: work.tokens,
            sequences: work.sequences,
        };
        for (name, shape) in names(&model) {
            let len: usize = shape.iter().product();
            let language = name.starts_with("llm.");
            let base = language && work.lora.is_some() && !name.contains("lora_");
            let frozen = base || work.frozen.iter().any(|start| name.starts_with(start.as_str()));
            match frozen {
                true => sizes.frozen += len,
                false => sizes.trained.push(len),
            }
            // A table of embeddings is looked up, not multiplied; where it is the output too, it is.
            if language && (!name.contains("embed_tokens") || llm.tie_word_embeddings) {
                match frozen {
                    true => sizes.language_frozen += len,
                    false => sizes.language_trained += len,
                }
            }
            if name.contains(".layers.0.") && language {
                sizes.layer += len;
            }
        }
        Ok(sizes)
    }

    /// Trained parameters.
    pub fn trained(&self) -> usize {
        self.trained.iter().sum()
    }

    /// Tokens of a step on one device.
    pub fn step_tokens(&self) -> usize {
        self.tokens * self.sequences
    }
}

/// One way to train on the devices.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The way.
    pub setting: Setting,
    /// What it takes of each device.
    pub memory: Memory,
    /// What goes over the wire.
    pub wire: Wire,
    /// How long a step takes.
    pub time: Time,
    /// Whether it fits.
    pub fits: bool,
}

/// All ways to train, the simplest and quickest first.
pub fn plans(sizes: &Sizes, devices: &Devices) -> Vec<Plan> {
    let plan = |setting: Setting| {
        let memory = Memory::new(sizes, setting, devices.count);
        let wire = Wire::new(sizes, setting, devices.count);
        let time = Time::new(sizes, setting, &wire, devices);
        let fits = memory.device() + RESERVED <= devices.memory;
        Plan { setting, memory, wire, time, fits }
    };
    Setting::ALL.map(plan).to_vec()
}
