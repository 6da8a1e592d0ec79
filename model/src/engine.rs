//! The engine: a picture is set once, questions are asked about it, and each answer comes as a
//! stream of events.
//!
//! Each question stands alone: of what was read before, only the beginning that it shares is used
//! again. Every step is `async` because a GPU in a browser can only be read that way; on the CPU
//! the futures are ready at once. There is no clock here: the caller lends one.

mod answer;
mod candidates;
mod closer;
mod context;
mod finding;
mod named;
mod presence;
mod probe;
mod search;
mod units;

pub use answer::Answer;
pub use probe::seconds_per_token;
pub use refvlm_record::Ask;

use crate::config::{ModelConfig, ModelConfigError};
use crate::image::{Frame, ImageError, Picture};
use crate::input::{InputError, Inputs};
use crate::language::{CacheFull, KvCache, LlamaError, Positions, SamplingError};
use crate::package::by_name::names;
use crate::refvlm::{RefVlm, Sight};
use crate::triplet::{GrammarError, IMAGE, TemplateError, TokenError, Tokenizer, VISUAL_PROMPT};
use burn::tensor::{Device, Int, Tensor, TensorData};
use refvlm_record::AskError;
use std::collections::VecDeque;
use std::sync::Arc;
use thiserror::Error;

/// Seconds since any fixed moment; only differences count.
pub type Clock = fn() -> f64;

/// Why a picture cannot be set or a question cannot be answered.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum EngineError {
    /// No picture has been set.
    #[error("no picture is set; set one before asking")]
    NoPicture,
    /// The question is empty or mentions a prompt that is not given.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Which tokens the words of the classes are is left open.
    #[error("class_words: the package names the classes but not their tokens; export it again")]
    ClassWords,
    /// The vocabulary is larger than the model's table.
    #[error(
        "the tokenizer has {tokenizer} ids, the model {model}; they belong to different models"
    )]
    Vocabulary {
        /// Number of ids in the tokenizer.
        tokenizer: usize,
        /// Number of rows in the model's token table.
        model: usize,
    },
    /// The model's configuration is wrong.
    #[error(transparent)]
    Config(#[from] ModelConfigError),
    /// The picture cannot be used.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A prompt cannot be used.
    #[error(transparent)]
    Prompt(#[from] InputError),
    /// The question's text cannot be written as tokens.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The answer's grammar cannot be made, or a token breaks it.
    #[error(transparent)]
    Grammar(#[from] GrammarError),
    /// A text or a token id does not fit the vocabulary.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The language model's forward pass failed.
    #[error(transparent)]
    Language(#[from] LlamaError),
    /// The question leaves no room for an answer.
    #[error(
        "the question, with picture and prompts, has {found} tokens; {most} fit beside an answer: \
         shorten it by {over}"
    )]
    Long {
        /// Rows of the question.
        found: usize,
        /// The largest number that leaves room.
        most: usize,
        /// Rows that are too many.
        over: usize,
    },
    /// A decoder computed something that is no number.
    #[error("the decoder of {0} gave numbers that are not finite; check the weights")]
    NotFinite(refvlm_record::Unit),
    /// The cache is full.
    #[error(transparent)]
    Cache(#[from] CacheFull),
    /// No token can be chosen.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// Reading from the device failed.
    #[error("the device failed: {0}; reload the model")]
    Device(String),
    /// The model has no decoder for this unit.
    #[error("this model has no decoder for {0}")]
    NoDecoder(refvlm_record::Unit),
}

/// A model, the picture it looks at, and what it has read so far.
pub struct Session {
    config: ModelConfig,
    model: RefVlm,
    tokenizer: Tokenizer,
    device: Device,
    clock: Clock,
    cache: KvCache,
    /// What each row of the cache was made from.
    read: Vec<Row>,
    picture: Option<Seen>,
    /// Parts of the picture that were looked at more closely.
    parts: VecDeque<closer::Part>,
    pictures: u64,
    /// Last states of the picture's rows, `[1, rows, hidden]`, where an adapter asks for them.
    image_states: Option<Tensor<3>>,
}

/// What a row of the language model stands for; equal rows at equal places have equal keys and
/// values.
#[derive(Debug, Clone, PartialEq)]
enum Row {
    Token(u32),
    Image { picture: u64, row: usize },
    Prompt { pointer: Arc<Pointer>, row: usize },
}

/// A prompt's rows and what they are made from.
#[derive(Debug, Clone)]
struct Pointer {
    /// Weights over the cells of the prompt features.
    region: Vec<f32>,
    /// What a closer look says of it.
    near: Option<closer::Near>,
    /// `[1, rows, hidden]`
    rows: Tensor<3>,
}

impl PartialEq for Pointer {
    fn eq(&self, other: &Self) -> bool {
        self.region == other.region && self.near == other.near
    }
}

/// A picture that was looked at.
struct Seen {
    number: u64,
    frame: Frame,
    sight: Sight,
    /// Its pixels, where parts of it may be looked at more closely.
    rgb: Option<Vec<u8>>,
    seconds: f64,
    reported: bool,
}

impl Session {
    /// A session with a model whose weights are loaded. Room for the longest context the model
    /// allows is taken now.
    ///
    /// # Errors
    /// When configuration, model and vocabulary do not belong together.
    pub fn new(
        config: ModelConfig,
        model: RefVlm,
        tokenizer: Tokenizer,
        device: Device,
        clock: Clock,
    ) -> Result<Self, EngineError> {
        config.check()?;
        if tokenizer.vocab_size() > config.llm.vocab_size {
            return Err(EngineError::Vocabulary {
                tokenizer: tokenizer.vocab_size(),
                model: config.llm.vocab_size,
            });
        }
        if config.class_words.as_ref().is_some_and(|words| words.tokens().is_none()) {
            return Err(EngineError::ClassWords);
        }
        let cache = KvCache::new(&config.llm, config.llm.max_position_embeddings, &device);
        Ok(Self {
            config,
            model,
            tokenizer,
            device,
            clock,
            cache,
            read: Vec::new(),
            picture: None,
            parts: VecDeque::new(),
            pictures: 0,
            image_states: None,
        })
    }

    /// The configuration of the model.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        names(&self.model).iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// Looks at a picture; questions are about it until the next one is set. Returns how long that
    /// took, in seconds.
    ///
    /// # Errors
    /// When the picture cannot be used; the picture before then stays.
    pub async fn set_image(&mut self, picture: Picture<'_>) -> Result<f64, EngineError> {
        let start = (self.clock)();
        let (frame, inputs) = Inputs::new(&self.config, picture, &self.device)?;
        let sight = self.model.see(inputs);
        let rgb = self.config.closer_look.map(|_| picture.rgb().to_vec());
        self.pictures += 1;
        self.parts.clear();
        if self.model.word_seen.is_some() {
            // What stands before the picture's rows was read with the picture before.
            self.cache.truncate(0);
            self.read.clear();
        }
        self.picture =
            Some(Seen { number: self.pictures, frame, sight, rgb, seconds: 0.0, reported: false });
        // The rows shared by all questions are read now, so that the first question is as quick
        // as the others.
        let rows = self.config.template.encode_prefix(&self.tokenizer, true)?;
        let rows = self.rows(&rows, &[])?;
        if self.config.template.image == crate::triplet::ImagePlace::First {
            let last = self.prefill(&rows)?;
            host(last).await?;
        }
        let seconds = (self.clock)() - start;
        if let Some(seen) = &mut self.picture {
            seen.seconds = seconds;
        }
        Ok(seconds)
    }

    /// What each row is made from, sentinels widened.
    fn rows(&self, ids: &[i64], pointers: &[Arc<Pointer>]) -> Result<Vec<Row>, EngineError> {
        let picture = self.picture.as_ref().ok_or(EngineError::NoPicture)?.number;
        let mut pointers = pointers.iter();
        let mut rows = Vec::new();
        for &id in ids {
            match id {
                IMAGE => rows
                    .extend((0..self.config.image_rows()).map(|row| Row::Image { picture, row })),
                VISUAL_PROMPT => {
                    let Some(pointer) = pointers.next() else { continue };
                    rows.extend(
                        (0..self.config.prompt_rows())
                            .map(|row| Row::Prompt { pointer: pointer.clone(), row }),
                    );
                }
                _ => rows.push(Row::Token(id as u32)),
            }
        }
        Ok(rows)
    }

    /// Reads what is not yet in the cache and returns the last hidden state, `[1, 1, hidden]`.
    fn prefill(&mut self, rows: &[Row]) -> Result<Tensor<3>, EngineError> {
        let shared = rows.iter().zip(&self.read).take_while(|(a, b)| a == b).count();
        // The last row is always read anew: its hidden state is what the answer starts from.
        let shared = shared.min(rows.len().saturating_sub(1));
        self.cache.truncate(shared);
        self.read.truncate(shared);
        let embeds = self.embed(&rows[shared..])?;
        let hidden = self.feed(embeds, &rows[shared..])?;
        let last = hidden.dims()[1] - 1;
        Ok(hidden.narrow(1, last, 1))
    }

    /// Embeds rows: runs of tokens, of the picture, of prompts.
    fn embed(&self, rows: &[Row]) -> Result<Tensor<3>, EngineError> {
        let sight = &self.picture.as_ref().ok_or(EngineError::NoPicture)?.sight;
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(first) = rows.get(at) {
            let run = rows[at..].iter().take_while(|row| same_source(first, row)).count();
            let part = match first {
                Row::Token(_) => {
                    let ids = rows[at..at + run].iter().filter_map(|row| match row {
                        Row::Token(id) => Some(i64::from(*id)),
                        _ => None,
                    });
                    self.embed_ids(ids.collect())?
                }
                Row::Image { row, .. } => sight.rows.clone().narrow(1, *row, run),
                Row::Prompt { pointer, row } => pointer.rows.clone().narrow(1, *row, run),
            };
            parts.push(part);
            at += run;
        }
        Ok(Tensor::cat(parts, 1))
    }

    /// The rows of a prompt, `[1, rows, hidden]`, by the weights of its region.
    fn prompt_rows(&self, sight: &Sight, region: Vec<f32>) -> Tensor<3> {
        let side = self.config.selected_side(&self.config.prompt_features);
        let region = Tensor::from_data(TensorData::new(region, [1, side, side]), &self.device);
        self.model.prompt_rows(sight, region, &[0], None)
    }

    /// A prompt's rows; what a closer look says stands in place of what the whole picture does.
    fn pointer(&self, sight: &Sight, region: &[f32], near: Option<closer::Near>) -> Pointer {
        let region = region.to_vec();
        let mut rows = self.prompt_rows(sight, region.clone());
        if let Some(near) = &near {
            let kept = rows.dims()[1].saturating_sub(near.rows.dims()[1]);
            rows = Tensor::cat(vec![rows.narrow(1, 0, kept), near.rows.clone()], 1);
        }
        Pointer { region, near, rows }
    }

    /// Embeddings of text about the picture, `[1, tokens, hidden]`.
    fn embed_ids(&self, ids: Vec<i64>) -> Result<Tensor<3>, EngineError> {
        let sight = &self.picture.as_ref().ok_or(EngineError::NoPicture)?.sight;
        let count = ids.len();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [count]), &self.device);
        let pictures = ids.zeros_like();
        Ok(self.model.read(ids, pictures, sight).unsqueeze_dim(0))
    }

    /// Appends rows to what was read and returns their hidden states.
    fn feed(&mut self, embeds: Tensor<3>, rows: &[Row]) -> Result<Tensor<3>, EngineError> {
        let positions = Positions::sequence(1, self.cache.len(), rows.len());
        let hidden = self.model.llm.forward(embeds, &positions, None, Some(&mut self.cache))?;
        self.read.extend_from_slice(rows);
        if self.model.vd_adapter.is_some() {
            self.keep_image_states(&hidden, rows);
        }
        Ok(hidden)
    }

    /// Keeps the states of those rows that are the picture's.
    fn keep_image_states(&mut self, hidden: &Tensor<3>, rows: &[Row]) {
        let of_picture = |row: &&Row| matches!(row, Row::Image { .. });
        let count = rows.iter().filter(of_picture).count();
        let Some(at) = rows.iter().position(|row| of_picture(&row)) else { return };
        let Row::Image { row: first, .. } = rows[at] else { return };
        let [_, _, width] = hidden.dims();
        let all = self.config.image_rows();
        let kept = self.image_states.take();
        let kept = kept.unwrap_or_else(|| Tensor::zeros([1, all, width], &self.device));
        let new = hidden.clone().narrow(1, at, count);
        self.image_states = Some(kept.slice_assign([0..1, first..first + count, 0..width], new));
    }
}

/// Whether two neighbouring rows come out of one tensor.
fn same_source(a: &Row, b: &Row) -> bool {
    match (a, b) {
        (Row::Token(_), Row::Token(_)) | (Row::Image { .. }, Row::Image { .. }) => true,
        (Row::Prompt { pointer: a, .. }, Row::Prompt { pointer: b, .. }) => Arc::ptr_eq(a, b),
        _ => false,
    }
}

/// A tensor's numbers on the host.
async fn host<const D: usize>(x: Tensor<D>) -> Result<Vec<f32>, EngineError> {
    let data = x.into_data_async().await.map_err(|e| EngineError::Device(format!("{e:?}")))?;
    Ok(data.iter::<f32>().collect())
}
