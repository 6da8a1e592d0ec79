//! Teaching a model to see and to find what is pointed at, before a language model joins in.
//!
//! The published model starts from CLIP's towers. Those of the `scenes` preset start from
//! nothing, and the language model's loss alone reaches them too weakly to begin with. Two losses
//! teach them: dense labels of every cell, and decoders that are asked of prompts directly.

use super::config::TrainFile;
use super::dense::{DenseHeads, Legend};
use super::full::Student;
use super::naming::Names;
use super::run::{Losses, Part, Task};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rayon::prelude::*;
use refvlm_model::example::{Example, Setup};
use refvlm_model::image::Picture;
use refvlm_model::pointing::PointingBatch;
use refvlm_model::triplet::Tokenizer;
use refvlm_scenes::dialog::pointing;
use refvlm_scenes::{Scene, SceneOptions, Split, World, scene_rng};

/// Stream of a scene's random numbers that its pointing is drawn from.
const POINTING_STREAM: u64 = 2;

/// Pictures of the held-out loss that the log follows.
const HELD_OUT_PICTURES: u64 = 32;

/// Training without a language model.
pub struct SightTask<'a> {
    /// The whole file.
    pub file: &'a TrainFile,
    /// Where pictures come from.
    pub world: &'a World,
    /// Vocabulary of the model; nothing is read, but records become examples with it.
    pub tokenizer: &'a Tokenizer,
    /// What dense heads predict.
    pub legend: Legend,
    /// What things are called.
    pub names: Names,
}

/// One step: scenes and what is pointed at in them.
pub struct SightItem {
    scenes: Vec<Scene>,
    examples: Vec<Example>,
}

impl SightTask<'_> {
    fn draw(&self, seeds: std::ops::Range<u64>, split: Split) -> Result<SightItem, String> {
        let options = SceneOptions { split, ..self.file.scenes.clone() };
        let draw = |seed| {
            let scene = self.world.scene(seed, &options);
            let example = pointing_example(self.file, self.tokenizer, &scene, split)?;
            Ok::<_, String>((scene, example))
        };
        let drawn: Vec<_> = seeds.into_par_iter().map(draw).collect::<Result<_, _>>()?;
        let (scenes, examples) = drawn.into_iter().unzip();
        Ok(SightItem { scenes, examples })
    }
}

/// What is pointed at in a scene.
///
/// # Errors
/// When the scene cannot be encoded.
pub fn pointing_example(
    file: &TrainFile,
    tokenizer: &Tokenizer,
    scene: &Scene,
    split: Split,
) -> Result<Example, String> {
    let record = pointing(scene, &mut scene_rng(scene.seed, split, POINTING_STREAM));
    let label_side = file.train.label_side;
    let setup = Setup { config: &file.model, tokenizer, label_side };
    let picture = Picture::new(scene.width, scene.height, &scene.rgb).map_err(|e| e.to_string())?;
    setup.example(&record, picture).map_err(|e| format!("{}: {e}", record.id))
}

impl Task for SightTask<'_> {
    type Module = Student;
    type Item = SightItem;

    fn item(&self, step: usize, part: Part) -> Result<SightItem, String> {
        let config = &self.file.sight;
        self.draw(part.seeds(config.first_seed, step, config.pictures), Split::Train)
    }

    fn loss(&self, student: &Student, item: SightItem, device: &Device) -> Result<Losses, String> {
        let (file, model) = (self.file, &student.model);
        let batch = PointingBatch::new(&item.examples, &file.model, device)
            .ok_or("no object of this step can be pointed at")?;
        let sight =
            model.see(batch.pixels.clone(), batch.tower_pixels.clone(), batch.sam_pixels.clone());
        let states = model.pointing_states(&sight, &batch);
        let named = self.names.losses(model, &item.scenes, &sight, &batch, states.clone());
        let config = &file.train;
        let side = config.label_side;
        let units = model.pointing_losses(&sight, states, &batch, &config.losses, side);
        let mut losses = Losses::new(Tensor::zeros([1], device), [item.scenes.len(), 0]);
        for (unit, loss) in units.map_err(|e| e.to_string())? {
            losses.add_unit("", unit, loss, config.weights.of(unit));
        }
        for (name, loss) in named {
            losses.add_some(name, loss, file.sight.naming_weight);
        }
        let grids = file.model.pyramid_sides();
        let targets = DenseHeads::target_tensors(&self.legend, &item.scenes, &grids, device);
        for (name, loss) in student.heads.loss(&self.legend, &sight.pyramid.maps, &targets) {
            losses.add(name, loss, file.sight.dense_weight);
        }
        Ok(losses)
    }

    fn score(&self, student: &Student, device: &Device) -> Result<String, String> {
        let item = self.draw(0..HELD_OUT_PICTURES, Split::HeldOut)?;
        Ok(self.loss(&student.valid(), item, device)?.line())
    }
}
