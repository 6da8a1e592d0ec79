//! The forward pass of training: everything that one step learns from.

use crate::decoding::{Pointed, PromptMaps, QueryLayout, Told};
use crate::language::LlamaError;
use crate::learning::batch::{Batch, Pictures, UnitRefs, UnitTargets};
use crate::learning::losses::{
    DenseTargets, LossConfig, TargetError, UnitLoss, box_loss, cross_entropy, depth_loss,
    joint_map_loss, mask_loss, pose_loss,
};
use crate::refvlm::{RefVlm, Renaming, Sight};
use burn::tensor::{IndexingUpdateOp, Int, Tensor};
use refvlm_record::Unit;
use thiserror::Error;

/// The losses of one step.
#[derive(Debug)]
pub struct StepLoss {
    /// Mean cross-entropy of the learned tokens, `[1]`.
    pub text: Tensor<1>,
    /// One per unit that the batch asks for and the model decodes.
    pub units: Vec<(Unit, UnitLoss)>,
    /// What the towers saw, for further losses.
    pub sight: Sight,
    /// The language model's last normalised states, `[tokens, hidden]`.
    pub hidden: Tensor<2>,
}

/// What a forward pass over dialogues gives.
#[derive(Debug)]
pub struct Read {
    /// What the towers saw.
    pub sight: Sight,
    /// The language model's last normalised states, `[tokens, hidden]`, bucket after bucket.
    pub hidden: Tensor<2>,
    /// What decoders are told of the prompts; `None` without prompts or without such a decoder.
    pub prompts: Option<PromptMaps>,
}

/// Why a batch cannot be learned from.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum StepError {
    /// The language model's forward pass failed.
    #[error(transparent)]
    Language(#[from] LlamaError),
    /// A target cannot be used.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The model has a part that cannot be trained.
    #[error("vd_adapter cannot be trained; remove it from the configuration")]
    Adapter,
}

impl RefVlm {
    /// The losses of a batch. `label_side` is the side that its masks and depth maps were made
    /// with; see [`crate::learning::example::Setup`].
    ///
    /// # Errors
    /// When the batch does not fit the model.
    pub fn losses(
        &self,
        batch: &Batch,
        config: &LossConfig,
        label_side: usize,
    ) -> Result<StepLoss, StepError> {
        if self.vd_adapter.is_some() {
            return Err(StepError::Adapter);
        }
        let Read { sight, hidden, prompts } = self.hidden(batch)?;
        let learned = hidden.clone().select(0, batch.supervised.clone()).unsqueeze::<3>();
        let logits = self.llm.logits(learned).squeeze_dim::<2>(0);
        let text = cross_entropy(logits, batch.labels.clone());
        let asked = (hidden.clone(), prompts.as_ref());
        let units = self.unit_losses(&sight, asked, &batch.units, config, label_side)?;
        Ok(StepLoss { text, units, sight, hidden })
    }

    /// The losses of all units that are asked for, whose places are rows of `hidden`.
    ///
    /// # Shapes
    /// `hidden` `[rows, hidden]`
    pub(crate) fn unit_losses(
        &self,
        sight: &Sight,
        (hidden, prompts): (Tensor<2>, Option<&PromptMaps>),
        units: &[UnitRefs],
        config: &LossConfig,
        label_side: usize,
    ) -> Result<Vec<(Unit, UnitLoss)>, StepError> {
        let mut losses = Vec::new();
        for (unit, refs) in Unit::ALL.into_iter().zip(units) {
            if refs.layout.count() > 0 {
                let asked = (hidden.clone(), prompts);
                let loss = self.unit_loss(unit, sight, asked, refs, config, label_side)?;
                losses.extend(loss.map(|loss| (unit, loss)));
            }
        }
        Ok(losses)
    }

    /// Looks at the pictures of a batch, or takes what frozen towers saw. Only the latter can be
    /// renamed.
    pub fn look(&self, pictures: &Pictures, renaming: Option<&Renaming>) -> Sight {
        match pictures {
            Pictures::Pixels(inputs) => self.see(inputs.clone()),
            Pictures::Maps(pyramid) => self.sight(pyramid.clone(), None, renaming),
        }
    }

    /// The language model's last normalised states over all dialogues, and what the towers saw.
    ///
    /// # Errors
    /// When the batch does not fit the model.
    pub fn hidden(&self, batch: &Batch) -> Result<Read, StepError> {
        let sight = self.look(&batch.pictures, batch.renaming.as_ref());
        let trunk = self.trunk(&sight, batch);
        let prompts = batch.prompts.as_ref();
        let rows = prompts
            .map(|p| self.prompt_rows(&sight, p.regions.clone(), &p.sample, p.renaming.as_ref()));
        let branches = self.branches(&sight, rows.clone(), batch);
        let hidden = self.llm.forward_branches(trunk, branches, &batch.buckets)?.squeeze_dim(0);
        let maps = prompts.and_then(|prompts| prompts.maps.clone());
        let prompts = maps.zip(rows).map(|(maps, rows)| self.prompt_maps(maps, rows));
        Ok(Read { sight, hidden, prompts })
    }

    /// What stands before every dialogue about a picture.
    fn trunk(&self, sight: &Sight, batch: &Batch) -> Tensor<3> {
        let [pictures, _, width] = sight.rows.dims();
        let [before, behind] = batch.trunk_ids.clone().map(|ids| {
            let length = ids.dims()[1];
            let device = ids.device();
            (length > 0).then(|| {
                let ids = ids.expand([pictures, length]).reshape([pictures * length]);
                let of = Tensor::<1, Int>::arange(0..pictures as i64, &device);
                let of = of.unsqueeze_dim::<2>(1).expand([pictures, length]);
                let of = of.reshape([pictures * length]);
                self.read(ids, of, sight).reshape([pictures, length, width])
            })
        });
        let parts = [before, Some(sight.rows.clone()), behind];
        Tensor::cat(parts.into_iter().flatten().collect(), 1)
    }

    /// The dialogues' rows, those of visual prompts in their places.
    fn branches(&self, sight: &Sight, values: Option<Tensor<3>>, batch: &Batch) -> Tensor<3> {
        let ids = batch.ids.clone().squeeze_dim::<1>(0);
        let rows = self.read(ids, batch.sample.clone(), sight);
        let (Some(prompts), Some(values)) = (&batch.prompts, values) else {
            return rows.unsqueeze();
        };
        let values = values.flatten::<2>(0, 1);
        (rows * prompts.keep.clone())
            .select_assign(0, prompts.places.clone(), values, IndexingUpdateOp::Add)
            .unsqueeze()
    }

    fn unit_loss(
        &self,
        unit: Unit,
        sight: &Sight,
        (hidden, prompts): (Tensor<2>, Option<&PromptMaps>),
        refs: &UnitRefs,
        config: &LossConfig,
        label_side: usize,
    ) -> Result<Option<UnitLoss>, StepError> {
        let [pictures, width] = refs.places.dims();
        let dim = hidden.dims()[1];
        let states = hidden
            .select(0, refs.places.clone().reshape([pictures * width]))
            .reshape([pictures, width, dim]);
        let maps = self.decoder_maps(sight, unit);
        let layout: &QueryLayout = &refs.layout;
        let decoders = &self.visual_decoder;
        let size = [label_side; 2];
        let pointed = prompts.map(|prompts| Pointed { prompts, of_reference: &refs.prompts });
        Ok(match &refs.targets {
            UnitTargets::Boxes(targets) => decoders
                .boxes
                .as_ref()
                .map(|d| box_loss(&d.forward(&maps, states, layout), layout, targets, config)),
            UnitTargets::Masks(rows) => decoders
                .mask
                .as_ref()
                .map(|d| {
                    let targets = DenseTargets { size, rows };
                    let concepts = self.shown(sight, &refs.concepts, &layout.pictures());
                    let told = Told { pointed, concepts };
                    let output = d.forward(&maps, states, layout, &told);
                    mask_loss(&output, layout, &targets, config)
                })
                .transpose()?,
            UnitTargets::Poses(targets) => {
                let found = pointed.as_ref().zip(decoders.mask.as_ref());
                let found = found.and_then(|(pointed, mask)| {
                    // Only what a prompt points at has a place to look for joints around.
                    let bodies = targets.iter().flatten().zip(pointed.of_reference);
                    let bodies = bodies.map(|(body, of)| (!of.is_empty()).then_some(body));
                    let bodies: Vec<_> = bodies.collect();
                    bodies.iter().flatten().next()?;
                    let maps = self.decoder_maps(sight, Unit::Mask);
                    let maps = mask.joints(&maps, &states, layout, pointed)?;
                    Some(joint_map_loss(maps, &bodies, config))
                });
                let loss = decoders
                    .pose
                    .as_ref()
                    .map(|d| pose_loss(&d.forward(&maps, states, layout), layout, targets, config))
                    .transpose()?;
                match (loss, found) {
                    (Some(loss), Some(found)) => Some(loss.with(found)),
                    (loss, found) => loss.or(found),
                }
            }
            UnitTargets::Depths(rows) => decoders
                .depth
                .as_ref()
                .map(|d| {
                    let targets = DenseTargets { size, rows };
                    depth_loss(&d.forward(&maps, states, layout), layout, &targets, config)
                })
                .transpose()?,
        })
    }
}
