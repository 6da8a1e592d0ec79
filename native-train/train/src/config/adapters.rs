//! Low-rank adapters in training.

use super::{LoopConfig, TrainFile};
use crate::parts::PartRule;
use refvlm_model::layers::LoraConfig;
use serde::{Deserialize, Serialize};

/// Adapters of the parts that can have some. What they stand beside is frozen, unless a rule trains it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraParts {
    /// In the language model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llm: Option<LoraConfig>,
    /// In the visual encoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visual_encoder: Option<LoraConfig>,
}

impl LoraParts {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Where there are adapters, as names begin.
    fn starts(&self) -> impl Iterator<Item = &'static str> {
        let parts = [("llm", &self.llm), ("visual_encoder", &self.visual_encoder)];
        parts.into_iter().filter_map(|(start, lora)| lora.as_ref().map(|_| start))
    }
}

impl TrainFile {
    /// Gives the model the adapters that are to be trained.
    ///
    /// # Errors
    /// When the model has others, or no place for them.
    pub(super) fn adapt(&mut self) -> Result<(), String> {
        let LoraParts { llm, visual_encoder } = self.train.lora.clone();
        put(&mut self.model.llm.lora, llm, "llm")?;
        match self.model.visual_encoder.lora_mut() {
            Some(place) => put(place, visual_encoder, "visual_encoder"),
            None if visual_encoder.is_some() => {
                Err("train.lora.visual_encoder: this encoder has no \
                                                     place for adapters; take it out"
                    .into())
            }
            None => Ok(()),
        }
    }

    /// A loop with the rules that follow from the adapters before its own.
    pub fn adapted(&self, config: &LoopConfig) -> LoopConfig {
        let rule = |names: Vec<String>, trained| PartRule {
            names,
            trained: Some(trained),
            ..PartRule::default()
        };
        let rules = self.train.lora.starts().flat_map(|start| {
            let factors = ["A", "B"].map(|factor| format!("{start}.*.lora_{factor}.weight"));
            [rule(vec![format!("{start}.*")], false), rule(factors.into(), true)]
        });
        let parts = rules.chain(config.parts.iter().cloned()).collect();
        LoopConfig { parts, ..config.clone() }
    }
}

fn put(place: &mut Option<LoraConfig>, lora: Option<LoraConfig>, part: &str) -> Result<(), String> {
    let Some(lora) = lora else { return Ok(()) };
    if place.as_ref().is_some_and(|other| *other != lora) {
        return Err(format!(
            "train.lora.{part}: the model has other adapters; export it without --keep-adapters \
             first, or take theirs"
        ));
    }
    *place = Some(lora);
    Ok(())
}
