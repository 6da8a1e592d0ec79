//! What of a module is trained: rules by the names of parameters, of which the last that fits counts.
//!
//! A parameter that is not trained gets no gradient, so it has no state in the optimiser, does not
//! decay and stands still in the average of the weights.

use burn::lr_scheduler::LrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrSchedulerConfig};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use refvlm_data::nearest;
use refvlm_model::package::by_name::{ids, names};
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use thiserror::Error;

/// Before the names of the model's parameters stands where the student holds it; packages and rules
/// leave that out.
const MODEL: &str = "model.";

/// What becomes of the parameters whose names fit. What a rule leaves out stays as it was.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartRule {
    /// Names as in a package, in which `*` stands for any letters: `llm.*`, `*.bias`. The heads that
    /// teach the towers are `heads.*`.
    pub names: Vec<String>,
    /// Whether they are trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained: Option<bool>,
    /// Of a table, only the rows from this one on are trained: those of tokens that were added to
    /// the vocabulary. Such a table has no weight decay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_from: Option<usize>,
    /// The peak of the learning rate, in place of `optim.lr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Decoupled weight decay, in place of `optim.weight_decay`; Muon has none without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f32>,
}

/// Why rules cannot be followed.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum PartError {
    /// A pattern fits no parameter.
    #[error("loop.parts: no parameter is named `{pattern}`{advice}")]
    Unknown {
        /// The pattern.
        pattern: String,
        /// What is near.
        advice: String,
    },
    /// Some rows of a parameter that has no such rows.
    #[error(
        "loop.parts: rows_from = {from}, but {name} is {shape:?}; name a matrix with more rows"
    )]
    Rows {
        /// The parameter.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The first row that is to be trained.
        from: usize,
    },
    /// Nothing is left to train.
    #[error("loop.parts: every parameter is frozen; let a rule train some")]
    Nothing,
}

/// A trained parameter.
#[derive(Debug)]
struct Trained {
    name: String,
    id: ParamId,
    rows_from: Option<usize>,
    lr: Option<f64>,
    weight_decay: Option<f32>,
    rank: usize,
}

/// How a module is trained.
#[derive(Debug)]
pub(crate) struct Tuning {
    trained: Vec<Trained>,
    /// How many parameters are not.
    frozen: usize,
    /// What rules have changed, to what the module had made of it.
    before: HashMap<ParamId, bool>,
}

impl Tuning {
    /// Freezes what the rules say. Every parameter must have been drawn.
    ///
    /// # Errors
    /// When a rule fits nothing, or nothing is trained.
    pub(crate) fn begin<M: Module>(module: M, rules: &[PartRule]) -> Result<(M, Self), PartError> {
        let ids = ids(&module);
        let listed: Vec<(String, Vec<usize>, ParamId)> = names(&module)
            .into_iter()
            .filter_map(|(name, shape)| {
                let id = *ids.get(&name)?;
                Some((name.strip_prefix(MODEL).unwrap_or(&name).to_string(), shape, id))
            })
            .collect();
        let flags = flags(&module);
        let mut rules_of = vec![Ruled::default(); listed.len()];
        for rule in rules {
            for pattern in &rule.names {
                let mut found = false;
                for (ruled, (name, ..)) in rules_of.iter_mut().zip(&listed) {
                    if fits(pattern, name) {
                        found = true;
                        ruled.apply(rule);
                    }
                }
                if !found {
                    let advice = advice(pattern, listed.iter().map(|(name, ..)| name.as_str()));
                    return Err(PartError::Unknown { pattern: pattern.clone(), advice });
                }
            }
        }
        let (mut trained, mut frozen) = (Vec::new(), 0);
        let (mut wanted, mut before) = (HashMap::new(), HashMap::new());
        for (ruled, (name, shape, id)) in rules_of.into_iter().zip(listed) {
            // Parameters of whole numbers have no gradient and no flag.
            let Some(&flag) = flags.get(&id) else { continue };
            let is_trained = ruled.trained.unwrap_or(flag);
            if is_trained != flag {
                before.insert(id, flag);
                wanted.insert(id, is_trained);
            }
            if !is_trained {
                frozen += 1;
                continue;
            }
            if let Some(from) = ruled
                .rows_from
                .filter(|&from| shape.len() != 2 || shape.first().is_none_or(|&rows| from >= rows))
            {
                return Err(PartError::Rows { name, shape, from });
            }
            let Ruled { rows_from, lr, weight_decay, .. } = ruled;
            trained.push(Trained { name, id, rows_from, lr, weight_decay, rank: shape.len() });
        }
        if trained.is_empty() {
            return Err(PartError::Nothing);
        }
        Ok((module.map(&mut Flags(wanted)), Self { trained, frozen, before }))
    }

    /// The module as it was before [`Tuning::begin`], with what it has learned.
    pub(crate) fn end<M: Module>(self, module: M) -> M {
        module.map(&mut Flags(self.before))
    }

    /// How many parameters are trained.
    pub(crate) fn count(&self) -> usize {
        self.trained.len()
    }

    /// How many are not.
    pub(crate) fn frozen(&self) -> usize {
        self.frozen
    }

    /// Parameters whose weight decay is not the usual one, by it.
    pub(super) fn decays(&self) -> Vec<(f32, Vec<ParamId>)> {
        // Keyed by the bits, since numbers have no order of their own.
        let mut groups: BTreeMap<u32, Vec<ParamId>> = BTreeMap::new();
        for trained in &self.trained {
            let decay = trained.rows_from.map(|_| 0.0).or(trained.weight_decay);
            if let Some(decay) = decay {
                groups.entry(decay.to_bits()).or_default().push(trained.id);
            }
        }
        groups.into_iter().map(|(bits, ids)| (f32::from_bits(bits), ids)).collect()
    }

    /// The whole matrices whose name fits, by their weight decay.
    pub(super) fn inner(&self, pattern: &Regex) -> Vec<(Option<f32>, Vec<ParamId>)> {
        let mut groups: BTreeMap<Option<u32>, Vec<ParamId>> = BTreeMap::new();
        for trained in &self.trained {
            if trained.rank == 2 && trained.rows_from.is_none() && pattern.is_match(&trained.name) {
                let decay = trained.weight_decay.map(f32::to_bits);
                groups.entry(decay).or_default().push(trained.id);
            }
        }
        groups.into_iter().map(|(bits, ids)| (bits.map(f32::from_bits), ids)).collect()
    }

    /// Learning rates when they have this share of their peak, `lr` of those that no rule names.
    ///
    /// # Errors
    /// When burn does not accept a rate.
    pub(crate) fn rates(&self, lr: f64, share: f64) -> Result<ModuleLearningRate, String> {
        let mut groups: BTreeMap<u64, Vec<ParamId>> = BTreeMap::new();
        for (lr, id) in self.trained.iter().filter_map(|t| Some((t.lr?, t.id))) {
            groups.entry(lr.to_bits()).or_default().push(id);
        }
        let constant = |lr: f64| LrSchedulerConfig::Constant(lr * share);
        let mut rates = ModuleLrSchedulerConfig::new(constant(lr));
        for (bits, ids) in groups {
            rates = rates.with_group(ParamGroup::from_ids(ids), constant(f64::from_bits(bits)));
        }
        Ok(rates.init()?.step())
    }

    /// Takes away the gradients of rows that are not trained.
    pub(crate) fn mask<M: Module>(&self, module: &M, gradients: &mut GradientsParams) {
        struct Mask<'a>(HashMap<ParamId, usize>, &'a mut GradientsParams);
        impl ModuleVisitor for Mask<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let Some(&from) = self.0.get(&param.id) else { return };
                let Some(gradient) = self.1.remove::<D>(param.id) else { return };
                let [rows, width] = [0, 1].map(|axis| gradient.dims()[axis]);
                let zeros = Tensor::zeros([from, width], &gradient.device());
                let trained = gradient.reshape([rows, width]).slice([from..rows, 0..width]);
                let masked = Tensor::<2>::cat(vec![zeros, trained], 0);
                self.1.register::<D>(param.id, masked.reshape(param.lazy_shape()));
            }
        }
        let rows = self.trained.iter().filter_map(|t| Some((t.id, t.rows_from?)));
        let rows: HashMap<ParamId, usize> = rows.collect();
        if !rows.is_empty() {
            module.visit(&mut Mask(rows, gradients));
        }
    }
}

/// What the rules say of one parameter.
#[derive(Debug, Clone, Default)]
struct Ruled {
    trained: Option<bool>,
    rows_from: Option<usize>,
    lr: Option<f64>,
    weight_decay: Option<f32>,
}

impl Ruled {
    fn apply(&mut self, rule: &PartRule) {
        if rule.rows_from.is_some() || rule.trained.is_some() {
            self.trained = Some(rule.trained.unwrap_or(true));
            self.rows_from = rule.rows_from;
        }
        self.lr = rule.lr.or(self.lr);
        self.weight_decay = rule.weight_decay.or(self.weight_decay);
    }
}

/// Whether a name fits a pattern, in which `*` stands for any letters.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(end) = parts.next_back() else { return rest.is_empty() };
    let Some(mut rest) = rest.strip_suffix(end) else { return false };
    parts.all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// A pattern that fits something and is near to one that does not.
fn advice<'a>(pattern: &str, names: impl Iterator<Item = &'a str>) -> String {
    let mut known = BTreeSet::new();
    let mut first = BTreeSet::new();
    for name in names {
        for (at, _) in name.match_indices('.') {
            known.insert(format!("{}.*", &name[..at]));
            known.insert(format!("*{}", &name[at..]));
        }
        known.insert(name.to_string());
        first.extend(name.split('.').next());
    }
    match nearest(pattern, known.iter().map(String::as_str)) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => {
            let first: Vec<&str> = first.into_iter().collect();
            format!("; names begin with {}", first.join(", "))
        }
    }
}

/// Which parameters are trained as the module stands.
pub(crate) fn flags<M: Module>(module: &M) -> HashMap<ParamId, bool> {
    struct Read(HashMap<ParamId, bool>);
    impl ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.insert(param.id, param.is_require_grad());
        }
    }
    let mut read = Read(HashMap::new());
    module.visit(&mut read);
    read.0
}

/// Sets which parameters are trained.
struct Flags(HashMap<ParamId, bool>);

impl ModuleMapper for Flags {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.0.get(&param.id) {
            Some(&trained) => param.set_require_grad(trained),
            None => param,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters() {
        for (pattern, name) in [
            ("llm.*", "llm.model.norm.weight"),
            ("*.bias", "projector.model.0.bias"),
            ("*", "a"),
            ("llm.*.q_proj.*", "llm.model.layers.0.self_attn.q_proj.weight"),
            ("a.b", "a.b"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("llm", "llm.model"),
            ("llm.*", "llms.model"),
            ("*.bias", "bias"),
            ("ab*ba", "aba"),
            ("*a*b*", "b.a"),
            ("a.c", "abc"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_that_fits_nothing_is_told_what_is_near() {
        let names = ["projector.model.0.weight", "llm.lm_head.weight"];
        let of = |pattern| advice(pattern, names.into_iter());
        assert_eq!(of("projektor.*"), "; did you mean `projector.*`?");
        assert_eq!(of("*.weigth"), "; did you mean `*.weight`?");
        assert_eq!(of("vision_tower.*"), "; names begin with llm, projector");
    }
}
