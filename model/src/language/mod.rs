//! The language model: a Llama family decoder, its key/value cache and the choice of tokens.

mod branches;
mod config;
mod kv_cache;
mod llama;
mod rope;
mod sampling;

pub use branches::Bucket;
pub use config::{ConfigError, LlamaConfig, RopeScaling};
pub use kv_cache::{CacheFull, KvCache};
pub use llama::{Llama, LlamaAttention, LlamaError, LlamaLayer, LlamaMlp, LlamaModel};
pub use rope::Positions;
pub use sampling::{Allowed, Sampler, Sampling, SamplingError, argmax, distribution};
