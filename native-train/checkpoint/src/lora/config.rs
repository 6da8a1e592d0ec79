//! The settings of a PEFT adapter, and which adapters are a plain low-rank sum.

use crate::json::Pairs;
use crate::{CheckpointError, Source};
use regex::RegexBuilder;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Larger than any configuration.
const MAX_CONFIG: u64 = 1 << 20;
/// More patterns than an adapter has linear maps.
const MAX_PATTERNS: usize = 10_000;
/// Bytes of a compiled pattern.
const MAX_COMPILED: usize = 1 << 20;
/// `init_lora_weights` that leave the base model as it was (PEFT 0.21.2, `LoraLayer.update_layer`).
const LEAVES_THE_BASE: [&str; 6] = ["true", "false", "gaussian", "orthogonal", "eva", "mica"];
/// Those that change it, and that PEFT turns into a plain adapter when it saves.
const CONVERTIBLE: [&str; 4] = ["pissa", "corda", "olora", "lora_ga"];
/// Settings of adapters that are no plain sum, or not of all tokens and layers.
const OTHER_KINDS: [&str; 11] = [
    "use_dora",
    "fan_in_fan_out",
    "use_qalora",
    "use_bdlora",
    "kasa_config",
    "arrow_config",
    "monteclora_config",
    "alora_invocation_tokens",
    "layer_replication",
    "trainable_token_indices",
    "target_parameters",
];

#[derive(Debug, Deserialize)]
pub(super) struct Config {
    #[serde(default)]
    peft_type: Option<String>,
    pub r: usize,
    pub lora_alpha: f64,
    /// A list of names, a pattern, or nothing.
    #[serde(default)]
    pub target_modules: Value,
    #[serde(default)]
    pub exclude_modules: Value,
    #[serde(default)]
    pub layers_to_transform: Value,
    #[serde(default)]
    pub use_rslora: bool,
    #[serde(default)]
    init_lora_weights: Value,
    #[serde(default)]
    rank_pattern: Option<Pairs<usize>>,
    #[serde(default)]
    alpha_pattern: Option<Pairs<f64>>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

impl Config {
    /// Reads the settings of an adapter that is a plain low-rank sum on the base model as it is.
    ///
    /// # Errors
    /// When they can't be read, or the adapter is another one.
    pub fn read(source: &Source) -> Result<Self, CheckpointError> {
        let file = source.name();
        if source.length() > MAX_CONFIG {
            let count = source.length();
            return Err(CheckpointError::too_much(file, "bytes of settings", count, MAX_CONFIG));
        }
        let bytes = source.read_vec(0, source.length())?;
        let config: Self =
            serde_json::from_slice(&bytes).map_err(|e| CheckpointError::damaged(file, e))?;
        let wrong = |reason: String| CheckpointError::Adapter { file: file.into(), reason };
        if let Some(kind) = config.peft_type.as_deref().filter(|kind| *kind != "LORA") {
            return Err(wrong(format!("it is of the type {kind}, not LORA")));
        }
        if config.r == 0 {
            return Err(wrong("its rank is 0".into()));
        }
        let is_set = |key: &&&str| config.others.get(**key).is_some_and(is_set);
        if let Some(key) = OTHER_KINDS.iter().find(is_set) {
            return Err(wrong(format!(
                "not a plain LORA, which adds B A to weights: {key} is set"
            )));
        }
        config.check_base(file)?;
        Ok(config)
    }

    /// Whether the base model is the one that everybody has.
    fn check_base(&self, file: &str) -> Result<(), CheckpointError> {
        let init = match &self.init_lora_weights {
            Value::Null => return Ok(()),
            Value::Bool(init) => init.to_string(),
            Value::String(init) => init.clone(),
            other => other.to_string(),
        };
        let lower = init.to_lowercase();
        if LEAVES_THE_BASE.contains(&lower.as_str()) {
            return Ok(());
        }
        let converts = CONVERTIBLE.iter().any(|kind| lower.starts_with(kind));
        let remedy = if converts {
            "save it again by save_pretrained with path_initial_model_for_weight_conversion, or \
             merge it with the program that trained it"
        } else {
            "merge it with the program that trained it"
        };
        Err(CheckpointError::Base { file: file.into(), init, remedy })
    }

    /// Whether some maps have a rank or a scale of their own.
    pub fn has_patterns(&self) -> bool {
        let ranks = self.rank_pattern.as_ref().is_some_and(|pairs| !pairs.0.is_empty());
        ranks || self.alpha_pattern.as_ref().is_some_and(|pairs| !pairs.0.is_empty())
    }

    /// The rank of each of these modules.
    pub fn ranks(&self, file: &str, modules: &[&str]) -> Result<Vec<usize>, CheckpointError> {
        let own = matched(file, "rank_pattern", self.rank_pattern.as_ref(), modules)?;
        Ok(own.into_iter().map(|own| own.unwrap_or(self.r)).collect())
    }

    /// The `lora_alpha` of each of these modules.
    pub fn alphas(&self, file: &str, modules: &[&str]) -> Result<Vec<f64>, CheckpointError> {
        let own = matched(file, "alpha_pattern", self.alpha_pattern.as_ref(), modules)?;
        Ok(own.into_iter().map(|own| own.unwrap_or(self.lora_alpha)).collect())
    }
}

/// Whether a setting says something: PEFT writes null, false or nothing for what isn't used.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        _ => true,
    }
}

/// What the patterns say of each module: the first that matches decides, as in PEFT's
/// `get_pattern_key`, where a pattern is a regular expression for the end of the path, from its
/// beginning or behind a dot on. One pattern is compiled at a time, so many take no memory.
fn matched<T: Copy>(
    file: &str,
    setting: &'static str,
    patterns: Option<&Pairs<T>>,
    modules: &[&str],
) -> Result<Vec<Option<T>>, CheckpointError> {
    let mut found = vec![None; modules.len()];
    let patterns = patterns.map_or(&[][..], |pairs| &pairs.0);
    if patterns.len() > MAX_PATTERNS {
        let (count, limit) = (patterns.len() as u64, MAX_PATTERNS as u64);
        return Err(CheckpointError::too_much(file, "patterns", count, limit));
    }
    for (place, (pattern, value)) in patterns.iter().enumerate() {
        let wrong = |reason: String| CheckpointError::Pattern {
            file: file.into(),
            setting,
            pattern: pattern.clone(),
            reason,
        };
        if patterns[..place].iter().any(|(earlier, _)| earlier == pattern) {
            return Err(wrong("it stands there twice".into()));
        }
        // Inside of brackets these mean sets of characters here, and themselves in Python.
        if ["&&", "--", "~~", "[["].iter().any(|set| pattern.contains(set)) {
            return Err(wrong("it has a class of characters that Python reads otherwise".into()));
        }
        let regex = RegexBuilder::new(&format!(r"^(?:(.*\.)?({pattern})$)"))
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_COMPILED)
            .build()
            .map_err(|error| wrong(last_line(&error.to_string())))?;
        for (found, module) in found.iter_mut().zip(modules) {
            if found.is_none() && regex.is_match(module) {
                *found = Some(*value);
            }
        }
    }
    Ok(found)
}

/// The error itself: before it stands the pattern, with a mark below.
fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or(text);
    line.trim_start_matches("error: ").to_string()
}
