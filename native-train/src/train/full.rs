//! Training the whole model on scenes and dialogues that are drawn as it goes.

use super::config::TrainFile;
use super::dense::{DenseHeads, Legend};
use super::run::{Losses, Part, Task};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rayon::prelude::*;
use refvlm_model::batch::Batch;
use refvlm_model::example::{Example, Setup};
use refvlm_model::image::Picture;
use refvlm_model::refvlm::RefVlm;
use refvlm_model::triplet::Tokenizer;
use refvlm_record::Unit;
use refvlm_scenes::dialog::dialogues;
use refvlm_scenes::{Scene, SceneOptions, Split, World, scene_rng};

/// Stream of a scene's random numbers that its dialogues draw from.
const DIALOGUE_STREAM: u64 = 1;

/// Pictures of the held-out loss that the log follows; `refvlm eval` scores all of them.
const HELD_OUT_PICTURES: u64 = 16;

/// The model and the throw-away heads of its towers.
#[derive(Module, Debug)]
pub struct Student {
    /// What is kept.
    pub model: RefVlm,
    /// What keeps the towers seeing.
    pub heads: DenseHeads,
}

/// Training of the whole model.
pub struct FullTask<'a> {
    /// The whole file.
    pub file: &'a TrainFile,
    /// Where pictures come from.
    pub world: &'a World,
    /// Vocabulary of the model.
    pub tokenizer: &'a Tokenizer,
    /// What dense heads predict.
    pub legend: Legend,
    /// Ids that stand before every dialogue.
    pub trunk: Vec<i64>,
}

/// One step: scenes and what is asked about them.
pub struct FullItem {
    scenes: Vec<Scene>,
    examples: Vec<Example>,
}

impl<'a> FullTask<'a> {
    /// The task of a file.
    ///
    /// # Errors
    /// When the template's prefix cannot be encoded.
    pub fn new(
        file: &'a TrainFile,
        world: &'a World,
        tokenizer: &'a Tokenizer,
    ) -> Result<Self, String> {
        let trunk = file.model.template.encode_prefix(tokenizer, true);
        let trunk = trunk.map_err(|e| e.to_string())?;
        Ok(Self { file, world, tokenizer, legend: Legend::new(), trunk })
    }

    /// A scene with its dialogues.
    ///
    /// # Errors
    /// When a dialogue cannot be encoded.
    pub fn example(&self, seed: u64, split: Split) -> Result<(Scene, Example), String> {
        let options = SceneOptions { split, ..self.file.scenes.clone() };
        let scene = self.world.scene(seed, &options);
        let mut rng = scene_rng(seed, split, DIALOGUE_STREAM);
        let dialogue = dialogues(&scene, &mut rng, &self.file.dialogues);
        let setup = Setup {
            config: &self.file.model,
            tokenizer: self.tokenizer,
            label_side: self.file.train.label_side,
        };
        let picture = Picture::new(scene.width, scene.height, &scene.rgb);
        let picture = picture.map_err(|e| e.to_string())?;
        let example = setup.example(&dialogue.record, picture);
        let example = example.map_err(|e| format!("{}: {e}", dialogue.record.id))?;
        Ok((scene, example))
    }
}

impl Task for FullTask<'_> {
    type Module = Student;
    type Item = FullItem;

    fn item(&self, step: usize, part: Part) -> Result<FullItem, String> {
        let config = &self.file.train;
        let seeds = part.seeds(config.first_seed, step, config.pictures);
        let made = seeds.into_par_iter().map(|seed| self.example(seed, Split::Train));
        let (scenes, examples) = made.collect::<Result<Vec<_>, String>>()?.into_iter().unzip();
        Ok(FullItem { scenes, examples })
    }

    fn loss(&self, student: &Student, item: FullItem, device: &Device) -> Result<Losses, String> {
        let config = &self.file.train;
        let batch = Batch::new(&item.examples, &self.trunk, &self.file.model, device);
        let step = student
            .model
            .losses(&batch, &config.losses, config.label_side)
            .map_err(|e| e.to_string())?;
        let mut parts = vec![("text".to_string(), step.text.clone().detach())];
        let mut total = step.text * config.weights.text;
        for (unit, loss) in step.units {
            let weight = match unit {
                Unit::Box => config.weights.boxes,
                Unit::Mask => config.weights.mask,
                Unit::Keypoint => config.weights.keypoint,
                Unit::Depth => config.weights.depth,
            };
            for (name, value) in loss.terms {
                parts.push((format!("{unit}.{name}"), value));
            }
            total = total + loss.total * weight;
        }
        if config.dense_weight > 0.0 {
            let grids = self.file.model.pyramid_sides();
            let targets = DenseHeads::target_tensors(&self.legend, &item.scenes, &grids, device);
            let dense: Tensor<1> = student.heads.loss(&step.sight.pyramid.maps, &targets);
            parts.push(("dense".into(), dense.clone().detach()));
            total = total + dense * config.dense_weight;
        }
        let trunk = self.trunk.len() - 1 + self.file.model.image_rows();
        Ok(Losses {
            total,
            parts,
            seen: [item.examples.len(), batch.tokens + item.examples.len() * trunk],
        })
    }

    fn score(&self, student: &Student, device: &Device) -> Result<String, String> {
        let made = (0..HELD_OUT_PICTURES).into_par_iter();
        let made = made.map(|seed| self.example(seed, Split::HeldOut));
        let (scenes, examples) = made.collect::<Result<Vec<_>, String>>()?.into_iter().unzip();
        let losses = self.loss(&student.valid(), FullItem { scenes, examples }, device);
        let parts = losses?.parts.into_iter();
        let parts = parts.map(|(name, value)| format!("{name} {:.3}", value.into_scalar::<f32>()));
        Ok(parts.collect::<Vec<_>>().join(" "))
    }
}
