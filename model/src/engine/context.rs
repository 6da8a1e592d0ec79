//! What an answer goes by beside its own tokens.

use crate::config::CloserLook;
use crate::decoding::{AdapterGroup, PromptMaps};
use crate::triplet::parser::{Mark, group};
use burn::tensor::Tensor;
use refvlm_record::Prompt;

/// What decoders and an adapter ask for beside the reference states.
#[derive(Default)]
pub(super) struct Context {
    /// What each token of the answer means.
    pub marks: Vec<Mark>,
    /// The states that predicted the tokens: that of the question's end, then those of the
    /// answer's stretches, `[1, tokens, hidden]` each.
    pub states: Vec<Tensor<3>>,
    /// What decoders are told of the question's prompts.
    pub prompts: Option<PromptMaps>,
    /// The same prompts in px of the picture.
    pub pointers: Vec<Prompt>,
    /// How they are looked at once more.
    pub look: Option<CloserLook>,
}

impl Context {
    /// The triplet with these references.
    pub(super) fn group(&self, refs: &[usize]) -> Option<AdapterGroup> {
        let found = group(self.marks.iter().copied()).into_iter().find(|g| g.refs == refs)?;
        let states = Tensor::cat(self.states.clone(), 1).squeeze_dim::<2>(0);
        let device = states.device();
        let rows = |places: Vec<i64>| {
            states.clone().select(0, Tensor::from_data(places.as_slice(), &device))
        };
        let words = found.phrase.map_or(0..0, |[open, close]| open + 1..close);
        let words: Vec<i64> = words.map(|at| at as i64).collect();
        Some(AdapterGroup {
            picture: 0,
            refs: rows(found.refs.into_iter().map(|at| at as i64).collect()),
            phrase: (!words.is_empty()).then(|| rows(words)),
        })
    }
}
