//! A language model that answers by itself, before it has seen a picture.

use crate::import::{ImportError, fill_packed, open_part};
use crate::vocabulary::{VocabularyError, from_gguf};
use burn::tensor::{Device, Int, Tensor, TensorData};
use refvlm_checkpoint::{Checkpoint, CheckpointError, llama as gguf_llama};
use refvlm_model::language::{
    ConfigError, KvCache, Llama, LlamaConfig, LlamaError, Positions, Sampler, Sampling,
    SamplingError,
};
use refvlm_model::layers::Activation;
use refvlm_model::triplet::{TokenError, Tokenizer};
use std::path::Path;
use thiserror::Error;

/// Why the language model cannot answer.
#[derive(Debug, Error)]
pub enum ChatError {
    /// The checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The language model's sizes are wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The checkpoint has another architecture than Llama.
    #[error("the checkpoint's architecture is `{0}`; only Llama is supported")]
    Architecture(String),
    /// The weights cannot be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The vocabulary cannot be read.
    #[error(transparent)]
    Vocabulary(#[from] VocabularyError),
    /// The text cannot be encoded as tokens.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The question contains a reserved token.
    #[error("the question contains the reserved token {0}; write it differently")]
    Reserved(String),
    /// The question leaves no room for an answer.
    #[error("the question has {found} tokens; the model reads {most} beside an answer: shorten it")]
    Long {
        /// Tokens of the question.
        found: usize,
        /// The largest number that leaves room.
        most: usize,
    },
    /// The sampling values mean nothing.
    #[error("{0}")]
    Setting(String),
    /// The forward pass failed.
    #[error(transparent)]
    Language(#[from] LlamaError),
    /// No token can be chosen.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// The answer cannot be written out.
    #[error("the answer cannot be written: {0}")]
    Output(#[from] std::io::Error),
    /// Reading from the device failed.
    #[error("the device failed: {0}")]
    Device(String),
}

/// Positions of the context that a question must leave free.
const LEAST_ROOM: usize = 32;

/// A language model with its vocabulary.
#[derive(Debug, Clone)]
pub struct Chat {
    /// Its sizes.
    pub config: LlamaConfig,
    /// Its weights.
    pub llama: Llama,
    /// Its vocabulary and, behind it, the ten tokens, which it does not know.
    pub tokenizer: Tokenizer,
    device: Device,
}

impl Chat {
    /// A Llama in a GGUF file. Matrices of 4 or 8 bits stay packed where `device` can multiply with
    /// them.
    ///
    /// # Errors
    /// When the file is damaged, or of another architecture.
    pub fn read(path: &Path, device: &Device) -> Result<Self, ChatError> {
        let source = open_part("llm", path)?;
        let config = llama_config(&source.checkpoint)?;
        let tokenizer = Tokenizer::from_json(&from_gguf(&source.checkpoint.metadata)?)?;
        let llama = fill_packed(Llama::new(&config, device), "llm.", &[source], &[], device)?;
        Ok(Self { config, llama, tokenizer, device: device.clone() })
    }

    /// The ids of a question in the layout that SmolLM2-Instruct was tuned on, its own system
    /// message included.
    ///
    /// # Errors
    /// When the question is too long or contains a reserved token.
    pub fn prompt(&self, question: &str) -> Result<Vec<u32>, ChatError> {
        if let Some(token) = self.tokenizer.reserved_in(question) {
            return Err(ChatError::Reserved(token.into()));
        }
        Ok(self.tokenizer.encode(&format!(
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging \
             Face<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
        ))?)
    }

    /// Scores of the token behind each of `ids`.
    ///
    /// # Shapes
    /// returns `[1, ids, vocabulary]`
    ///
    /// # Errors
    /// When the ids do not fit the context.
    pub fn scores(&self, ids: &[u32]) -> Result<Tensor<3>, ChatError> {
        let positions = Positions::sequence(1, 0, ids.len());
        Ok(self.llama.logits(self.llama.forward(self.embed(ids), &positions, None, None)?))
    }

    /// Answers with at most `budget` tokens, fewer where the context is shorter, and hands out each
    /// stretch of text as it is complete. Returns the tokens, the one that ends the answer included.
    ///
    /// # Errors
    /// When the question leaves no room, the sampling values mean nothing, or `each` fails.
    pub fn answer(
        &self,
        prompt: &[u32],
        budget: usize,
        sampling: Sampling,
        mut each: impl FnMut(&str) -> std::io::Result<()>,
    ) -> Result<Vec<u32>, ChatError> {
        sampling.check().map_err(|error| ChatError::Setting(error.to_string()))?;
        let most = self.config.max_position_embeddings.saturating_sub(LEAST_ROOM);
        if prompt.len() > most {
            return Err(ChatError::Long { found: prompt.len(), most });
        }
        let budget = budget.min(self.config.max_position_embeddings - prompt.len());
        let mut cache = self.cache(prompt.len() + budget);
        let mut sampler = Sampler::new(sampling);
        let (mut answer, mut unwritten) = (Vec::new(), Vec::new());
        let mut next = prompt.to_vec();
        while answer.len() < budget {
            let scores = self.next(&next, &mut cache)?;
            let id = sampler.next(&scores, None)?;
            answer.push(id);
            if id == self.tokenizer.specials().eos {
                break;
            }
            unwritten.extend_from_slice(self.tokenizer.bytes(id)?);
            each(&complete(&mut unwritten))?;
            next = vec![id];
        }
        each(&String::from_utf8_lossy(&unwritten))?;
        Ok(answer)
    }

    /// An empty cache with room for so many tokens.
    pub fn cache(&self, tokens: usize) -> KvCache {
        KvCache::new(&self.config, tokens, &self.device)
    }

    /// Reads `ids` behind what the cache holds; the scores of the token that comes next, one for
    /// each of the vocabulary.
    ///
    /// # Errors
    /// When the cache has no room for them.
    pub fn next(&self, ids: &[u32], cache: &mut KvCache) -> Result<Vec<f32>, ChatError> {
        let positions = Positions::sequence(1, cache.len(), ids.len());
        let hidden = self.llama.forward(self.embed(ids), &positions, None, Some(cache))?;
        let last = hidden.narrow(1, ids.len().saturating_sub(1), 1);
        let scores = self.llama.logits(last).into_data().convert::<f32>();
        scores.try_into_vec::<f32>().map_err(|e| ChatError::Device(format!("{e:?}")))
    }

    fn embed(&self, ids: &[u32]) -> Tensor<3> {
        let ids: Vec<i64> = ids.iter().map(|&id| id.into()).collect();
        let shape = [1, ids.len()];
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, shape), &self.device);
        self.llama.embed(ids)
    }
}

/// The sizes of a Llama in GGUF.
///
/// # Errors
/// When the settings lack one, or make no model.
fn llama_config(checkpoint: &Checkpoint) -> Result<LlamaConfig, ChatError> {
    let metadata = &checkpoint.metadata;
    let architecture = metadata.text("general.architecture")?;
    if architecture != "llama" {
        return Err(ChatError::Architecture(architecture.into()));
    }
    let (heads, kv_heads) = gguf_llama::heads(metadata)?;
    let optional = |key| metadata.get(key).map(|_| metadata.integer(key)).transpose();
    let rope_theta = match metadata.get("llama.rope.freq_base") {
        Some(_) => metadata.float("llama.rope.freq_base")?,
        None => 10_000.0,
    };
    let table = checkpoint.require("token_embd.weight")?;
    let config = LlamaConfig {
        vocab_size: table.shape.first().copied().unwrap_or_default(),
        hidden_size: metadata.integer("llama.embedding_length")?,
        intermediate_size: metadata.integer("llama.feed_forward_length")?,
        num_hidden_layers: metadata.integer("llama.block_count")?,
        num_attention_heads: heads,
        num_key_value_heads: Some(kv_heads),
        head_dim: optional("llama.attention.key_length")?,
        max_position_embeddings: metadata.integer("llama.context_length")?,
        rope_theta,
        rope_scaling: None,
        // Stored as f32, where 1e-5 has more digits than the number that was meant.
        rms_norm_eps: decimal(metadata.float("llama.attention.layer_norm_rms_epsilon")?),
        tie_word_embeddings: checkpoint.get("output.weight").is_none(),
        hidden_act: Activation::Silu,
        sliding_window: None,
        initializer_range: 0.02,
        lora: None,
    };
    config.check()?;
    Ok(config)
}

fn decimal(stored: f64) -> f64 {
    (stored as f32).to_string().parse().unwrap_or(stored)
}

/// Takes the characters out that are complete: a token may end within one.
fn complete(bytes: &mut Vec<u8>) -> String {
    let end = match std::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        // Bytes that begin no character will not become one.
        Err(error) => error.error_len().map_or(error.valid_up_to(), |_| bytes.len()),
    };
    let taken: Vec<u8> = bytes.drain(..end).collect();
    String::from_utf8_lossy(&taken).into_owned()
}

#[cfg(test)]
mod tests {
    use super::complete;

    #[test]
    fn characters_are_handed_out_whole() {
        let mut bytes = "né".as_bytes()[..2].to_vec();
        assert_eq!(complete(&mut bytes), "n");
        bytes.push(0xA9);
        assert_eq!(complete(&mut bytes), "é");
        bytes.push(0xFF);
        assert_eq!((complete(&mut bytes).as_str(), bytes.len()), ("\u{FFFD}", 0));
    }
}
