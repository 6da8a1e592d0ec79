//! Teaching towers, prompt encoder and decoders without the language model.
//!
//! A prompt's rows say what lies inside a region and where. Their mean, normalised as the language
//! model normalises its last states, can stand for a reference state: a decoder that is given it
//! has to find the thing that was pointed at. That costs a small part of a dialogue, so most of
//! what decoders have to learn can be learned before any word is read, and later the language
//! model finds decoders that understand at least this kind of state.

use crate::config::ModelConfig;
use crate::decoding::PromptMaps;
use crate::input::stroke_tensor;
use crate::learning::batch::{UnitBuilder, UnitRefs};
use crate::learning::example::Example;
use crate::learning::losses::{LossConfig, UnitLoss};
use crate::learning::training::StepError;
use crate::refvlm::{RefVlm, Sight};
use burn::tensor::{Device, Tensor, TensorData};
use refvlm_record::Unit;

/// Prompts and what they point at.
#[derive(Debug, Clone)]
pub struct PointingBatch {
    /// Weights of the prompts over the cells of the prompt features, `[prompts, grid, grid]`.
    pub regions: Tensor<3>,
    /// Picture of each prompt.
    pub sample: Vec<usize>,
    /// The prompts' maps, as in [`crate::decoding::PromptMaps`]; none where no decoder is told.
    pub maps: Option<Tensor<4>>,
    /// What each unit's decoder is asked for, in the order of [`Unit::ALL`]; places are prompts.
    pub units: Vec<UnitRefs>,
    /// For each picture the prompt that points at each of the record's targets.
    pub prompts: Vec<Vec<Option<usize>>>,
}

impl PointingBatch {
    /// Takes the turns that mention exactly one prompt: each of their targets is asked of it. None
    /// when there is no such turn.
    pub fn new(examples: &[Example], config: &ModelConfig, device: &Device) -> Option<Self> {
        let mut units: Vec<UnitBuilder> = Unit::ALL.map(UnitBuilder::new).into();
        let (mut regions, mut sample, mut prompts) = (Vec::new(), Vec::new(), Vec::new());
        let mut strokes = Vec::new();
        for (picture, example) in examples.iter().enumerate() {
            units.iter_mut().for_each(UnitBuilder::next_picture);
            let mut of_target = vec![None; example.targets.len()];
            for turn in &example.turns {
                let [prompt] = turn.prompts[..] else { continue };
                let Some(region) = example.regions.get(prompt) else { continue };
                let number = sample.len();
                regions.extend_from_slice(region);
                strokes.extend(example.strokes.get(prompt).into_iter().flatten());
                sample.push(picture);
                for (k, reference) in turn.refs.iter().enumerate() {
                    if let Some(slot) = of_target.get_mut(reference.target) {
                        *slot = Some(number);
                    }
                    // What is pointed at is asked for in every unit, so its mask is among them.
                    if config.decoded_as(reference.unit) != reference.unit {
                        continue;
                    }
                    // Each reference is a group of its own: what is pointed at is one thing.
                    units[reference.unit as usize].push(
                        (number, k),
                        number,
                        reference.target,
                        (&[number], &[]),
                        example,
                    );
                }
            }
            prompts.push(of_target);
        }
        if sample.is_empty() {
            return None;
        }
        let grid = config.selected_side(&config.prompt_features);
        let regions = TensorData::new(regions, [sample.len(), grid, grid]);
        Some(Self {
            regions: Tensor::from_data(regions, device),
            maps: stroke_tensor(strokes, sample.len(), config, device),
            sample,
            units: units.into_iter().map(|unit| unit.finish(device)).collect(),
            prompts,
        })
    }

    /// The same asked of some units only.
    pub fn of_units(mut self, asked: impl Fn(Unit) -> bool, device: &Device) -> Self {
        for (unit, refs) in Unit::ALL.into_iter().zip(&mut self.units) {
            if !asked(unit) {
                *refs = UnitBuilder::new(unit).finish(device);
            }
        }
        self
    }
}

impl RefVlm {
    /// What stands for the reference state of each prompt, and what decoders are told of the
    /// prompts.
    ///
    /// # Shapes
    /// returns `[prompts, hidden]`
    pub fn pointing(
        &self,
        sight: &Sight,
        batch: &PointingBatch,
    ) -> (Tensor<2>, Option<PromptMaps>) {
        let rows = self.prompt_rows(sight, batch.regions.clone(), &batch.sample, None);
        let maps = batch.maps.clone().map(|maps| self.prompt_maps(maps, rows.clone()));
        (self.llm.model.norm.forward(self.prompt_state(rows)), maps)
    }

    /// The losses of the units that are asked of prompts with these states. `label_side` as in
    /// [`RefVlm::losses`].
    ///
    /// # Errors
    /// When the batch does not fit the model.
    pub fn pointing_losses(
        &self,
        sight: &Sight,
        (states, prompts): (Tensor<2>, Option<&PromptMaps>),
        batch: &PointingBatch,
        config: &LossConfig,
        label_side: usize,
    ) -> Result<Vec<(Unit, UnitLoss)>, StepError> {
        self.unit_losses(sight, (states, prompts), &batch.units, config, label_side)
    }
}
