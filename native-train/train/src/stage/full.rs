//! Training the whole model on scenes and dialogues that are drawn as it goes.

use super::config::TrainFile;
use super::dense::{DenseHeads, Legend};
use super::naming::Names;
use super::run::{Losses, Part, Task};
use super::sight::pointing_example;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rayon::prelude::*;
use refvlm_model::batch::Batch;
use refvlm_model::example::{Example, Setup};
use refvlm_model::image::Picture;
use refvlm_model::pointing::PointingBatch;
use refvlm_model::refvlm::RefVlm;
use refvlm_model::triplet::Tokenizer;
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
    /// What things are called.
    pub names: Names,
    /// Ids that stand before every dialogue.
    pub trunk: Vec<i64>,
}

/// One step: scenes and what is asked about them.
pub struct FullItem {
    scenes: Vec<Scene>,
    examples: Vec<Example>,
    /// What is pointed at in the same scenes.
    pointing: Vec<Example>,
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
        let names = Names::new(tokenizer, file.model.llm.vocab_size).map_err(|e| e.to_string())?;
        Ok(Self { file, world, tokenizer, legend: Legend::new(), names, trunk })
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

    fn draw(&self, seeds: std::ops::Range<u64>, split: Split) -> Result<FullItem, String> {
        let draw = |seed| {
            let (scene, example) = self.example(seed, split)?;
            let pointing = pointing_example(self.file, self.tokenizer, &scene, split)?;
            Ok::<_, String>((scene, (example, pointing)))
        };
        let drawn: Vec<_> = seeds.into_par_iter().map(draw).collect::<Result<_, _>>()?;
        let (scenes, examples): (_, Vec<_>) = drawn.into_iter().unzip();
        let (examples, pointing) = examples.into_iter().unzip();
        Ok(FullItem { scenes, examples, pointing })
    }
}

impl Task for FullTask<'_> {
    type Module = Student;
    type Item = FullItem;

    fn item(&self, step: usize, part: Part) -> Result<FullItem, String> {
        let config = &self.file.train;
        self.draw(part.seeds(config.first_seed, step, config.pictures), Split::Train)
    }

    fn loss(&self, student: &Student, item: FullItem, device: &Device) -> Result<Losses, String> {
        let (config, model) = (&self.file.train, &student.model);
        let side = config.label_side;
        let batch = Batch::new(&item.examples, &self.trunk, &self.file.model, device);
        let step = model.losses(&batch, &config.losses, side).map_err(|e| e.to_string())?;
        let trunk = self.trunk.len() - 1 + self.file.model.image_rows();
        let seen = [item.examples.len(), batch.tokens + item.examples.len() * trunk];
        let mut losses = Losses::new(Tensor::zeros([1], device), seen);
        losses.add("text", step.text, config.weights.text);
        for (unit, loss) in step.units {
            losses.add_unit("", unit, loss, config.weights.of(unit));
        }
        if let Some(pointing) = PointingBatch::new(&item.pointing, &self.file.model, device) {
            let states = model.pointing_states(&step.sight, &pointing);
            if config.alignment_weight > 0.0 {
                let loss = alignment(&batch, step.hidden, &pointing, states.clone().detach());
                losses.add_some("alignment", loss, config.alignment_weight);
            }
            let named =
                self.names.losses(model, &item.scenes, &step.sight, &pointing, states.clone());
            for (name, loss) in named {
                losses.add_some(name, loss, config.naming_weight);
            }
            let units = model.pointing_losses(&step.sight, states, &pointing, &config.losses, side);
            for (unit, loss) in units.map_err(|e| e.to_string())? {
                let weight = config.weights.of(unit) * config.pointing_weight;
                losses.add_unit("pointing.", unit, loss, weight);
            }
        }
        if config.dense_weight > 0.0 {
            let grids = self.file.model.pyramid_sides();
            let targets = DenseHeads::target_tensors(&self.legend, &item.scenes, &grids, device);
            let maps = &step.sight.pyramid.maps;
            for (name, loss) in student.heads.loss(&self.legend, maps, &targets) {
                losses.add(name, loss, config.dense_weight);
            }
        }
        Ok(losses)
    }

    fn score(&self, student: &Student, device: &Device) -> Result<String, String> {
        let item = self.draw(0..HELD_OUT_PICTURES, Split::HeldOut)?;
        Ok(self.loss(&student.valid(), item, device)?.line())
    }
}

/// The mean of 1 - cosine between the state of each reference and the state that stands for a
/// prompt on the same target, which is not moved; none where no reference has such a prompt.
fn alignment(
    batch: &Batch,
    hidden: Tensor<2>,
    pointing: &PointingBatch,
    states: Tensor<2>,
) -> Option<Tensor<1>> {
    let (mut at, mut of) = (Vec::new(), Vec::new());
    for refs in &batch.units {
        let places: Vec<i64> = refs.places.to_data().iter::<i64>().collect();
        let width = refs.places.dims()[1];
        for (picture, indices) in refs.indices.iter().enumerate() {
            for (k, &index) in indices.iter().enumerate() {
                let prompt = pointing.prompts.get(picture).and_then(|p| *p.get(index)?);
                if let Some(prompt) = prompt {
                    at.push(places[picture * width + k]);
                    of.push(prompt as i64);
                }
            }
        }
    }
    if at.is_empty() {
        return None;
    }
    let device = hidden.device();
    let rows = |x: Tensor<2>, index: Vec<i64>| {
        let index = TensorData::new(index.clone(), [index.len()]);
        x.select(0, Tensor::<1, Int>::from_data(index, &device))
    };
    let (a, b) = (rows(hidden, at), rows(states, of));
    let norm = |x: &Tensor<2>| (x.clone().square().sum_dim(1) + 1e-6).sqrt();
    let cosine = (a.clone() * b.clone()).sum_dim(1) / (norm(&a) * norm(&b));
    Some(-cosine.mean() + 1.0)
}
