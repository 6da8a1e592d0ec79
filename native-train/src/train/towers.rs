//! Teaching the vision towers to see before a language model listens to them.
//!
//! The published model starts from CLIP's towers. Those of the `scenes` preset start from
//! nothing, and the language model's loss alone reaches them too weakly to begin with.

use super::config::TrainFile;
use super::dense::{DenseHeads, Legend};
use super::run::{Losses, Part, Task};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use refvlm_model::image::{Picture, Preprocess};
use refvlm_model::vision::{ClipVit, ConvNext};
use refvlm_scenes::{Scene, SceneOptions, Split, World};

/// The towers and their throw-away heads.
#[derive(Module, Debug)]
pub struct Towers {
    /// As in the whole model.
    pub visual_encoder: ClipVit,
    /// As in the whole model.
    pub visual_tower: ConvNext,
    /// One head per map.
    pub heads: DenseHeads,
}

/// Training of the towers.
pub struct TowersTask<'a> {
    /// The whole file.
    pub file: &'a TrainFile,
    /// Where pictures come from.
    pub world: &'a World,
    /// What heads predict.
    pub legend: Legend,
}

/// One step: scenes and their pixels.
pub struct TowersItem {
    scenes: Vec<Scene>,
    pixels: Vec<f32>,
}

impl<'a> TowersTask<'a> {
    /// A task and its untrained towers.
    pub fn new(file: &'a TrainFile, world: &'a World, device: &Device) -> (Self, Towers) {
        let legend = Legend::new();
        let towers = Towers {
            visual_encoder: file.model.visual_encoder.init(device),
            visual_tower: file.model.visual_tower.init(device),
            heads: DenseHeads::new(&file.model.pyramid_channels(), &legend, device),
        };
        (Self { file, world, legend }, towers)
    }

    fn draw(&self, seeds: impl Iterator<Item = u64>, split: Split) -> Result<TowersItem, String> {
        let options = SceneOptions { split, ..self.file.scenes.clone() };
        let seeds: Vec<u64> = seeds.collect();
        let scenes: Vec<Scene> =
            seeds.par_iter().map(|&seed| self.world.scene(seed, &options)).collect();
        let size = self.file.model.visual_encoder.image_size as u32;
        let pixels = scenes.iter().map(|scene| {
            let picture = Picture::new(scene.width, scene.height, &scene.rgb)?;
            Ok(Preprocess::clip(size).apply(picture)?.1)
        });
        let pixels = pixels
            .collect::<Result<Vec<_>, refvlm_model::image::ImageError>>()
            .map_err(|e| e.to_string())?
            .concat();
        Ok(TowersItem { scenes, pixels })
    }

    fn dense(&self, towers: &Towers, item: TowersItem, device: &Device) -> Tensor<1> {
        let (n, size) = (item.scenes.len(), self.file.model.visual_encoder.image_size);
        let pixels = TensorData::new(item.pixels, [n, 3, size, size]);
        let pixels = Tensor::<4>::from_data(pixels, device);
        let mut maps = towers.visual_tower.forward(pixels.clone());
        maps.push(towers.visual_encoder.feature_map(pixels, self.file.model.visual_select_layer));
        let grids = self.file.model.pyramid_sides();
        let targets = DenseHeads::target_tensors(&self.legend, &item.scenes, &grids, device);
        towers.heads.loss(&maps, &targets)
    }
}

impl Task for TowersTask<'_> {
    type Module = Towers;
    type Item = TowersItem;

    fn item(&self, step: usize, part: Part) -> Result<TowersItem, String> {
        let config = &self.file.towers;
        self.draw(part.seeds(config.first_seed, step, config.pictures), Split::Train)
    }

    fn loss(&self, towers: &Towers, item: TowersItem, device: &Device) -> Result<Losses, String> {
        let seen = [item.scenes.len(), 0];
        Ok(Losses { total: self.dense(towers, item, device), parts: Vec::new(), seen })
    }

    fn score(&self, towers: &Towers, device: &Device) -> Result<String, String> {
        let item = self.draw(0..32, Split::HeldOut)?;
        let loss = self.dense(&towers.valid(), item, device).into_scalar::<f32>();
        Ok(format!("dense loss {loss:.4}"))
    }
}
