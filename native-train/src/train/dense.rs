//! Dense supervision of the vision towers.
//!
//! The published model starts from CLIP towers that know what things look like. The towers of the
//! `scenes` preset start from nothing, so they are first (and, with a small weight, also later)
//! asked at every cell what it shows: class, colour and distance. The heads are thrown away.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData, activation};
use refvlm_model::layers::Linear;
use refvlm_scenes::{Scene, World};
use std::collections::HashMap;

/// Names that dense targets are made of.
#[derive(Debug, Clone, Default)]
pub struct Legend {
    classes: HashMap<&'static str, usize>,
    colours: HashMap<&'static str, usize>,
}

impl Legend {
    /// The classes and colours of a world.
    pub fn new() -> Self {
        let mut legend = Self { classes: HashMap::new(), colours: HashMap::new() };
        for class in World::classes() {
            let next = legend.classes.len() + 1;
            legend.classes.insert(class.name, next);
            for colour in class.colours {
                let next = legend.colours.len() + 1;
                legend.colours.entry(colour.name).or_insert(next);
            }
        }
        legend
    }

    /// Channels per cell: background and classes, no colour and colours, log distance.
    pub fn channels(&self) -> usize {
        self.classes.len() + self.colours.len() + 3
    }

    /// Soft targets of one scene on a grid over its padded square.
    ///
    /// # Shapes
    /// returns `[grid * grid, channels]`, row-major; shares of each cell's pixels, then the mean
    /// natural logarithm of the distance in metres
    pub fn targets(&self, scene: &Scene, grid: usize) -> Vec<f32> {
        let (width, height) = (scene.width as usize, scene.height as usize);
        let side = width.max(height);
        let (pad_x, pad_y) = ((side - width) / 2, (side - height) / 2);
        let (channels, colour0) = (self.channels(), self.classes.len() + 1);
        let mut out = vec![0.0f32; grid * grid * channels];
        let cell = |x: usize, y: usize| {
            ((y + pad_y) * grid / side * grid + (x + pad_x) * grid / side) * channels
        };
        let share = (grid * grid) as f32 / (side * side) as f32;
        for y in 0..height {
            for x in 0..width {
                out[cell(x, y) + channels - 1] +=
                    share * scene.depth_m[y * width + x].max(0.1).ln();
            }
        }
        for object in &scene.objects {
            let class = self.classes.get(object.class).copied().unwrap_or(0);
            let colour = object.colour.and_then(|c| self.colours.get(c)).copied().unwrap_or(0);
            for (i, _) in object.mask.pixels.iter().enumerate().filter(|(_, p)| **p != 0) {
                let at = cell(i % width, i / width);
                out[at + class] += share;
                out[at + colour0 + colour] += share;
            }
        }
        for row in out.chunks_exact_mut(channels) {
            row[0] += 1.0 - row[..colour0].iter().sum::<f32>();
            let coloured: f32 = row[colour0 + 1..channels - 1].iter().sum();
            row[colour0] = 1.0 - coloured;
        }
        out
    }
}

/// Linear read-outs of maps, used in training only.
#[derive(Module, Debug)]
pub struct DenseHeads {
    heads: Vec<Linear>,
    #[module(skip)]
    classes: usize,
}

impl DenseHeads {
    /// One head per map of the given widths.
    pub fn new(widths: &[usize], legend: &Legend, device: &Device) -> Self {
        let heads =
            widths.iter().map(|&w| Linear::new(w, legend.channels(), true, device)).collect();
        Self { heads, classes: legend.classes.len() + 1 }
    }

    /// Mean over maps of: soft cross entropies of class and colour, plus L1 of log distance.
    /// Cells that show objects count five times a cell of plain background.
    ///
    /// # Shapes
    /// `maps[i]` is `[batch, width_i, grid_i, grid_i]`, `targets[i]` `[batch, grid_i², channels]`
    pub fn loss(&self, maps: &[Tensor<4>], targets: &[Tensor<3>]) -> Tensor<1> {
        let mut total: Option<Tensor<1>> = None;
        for ((head, map), target) in self.heads.iter().zip(maps).zip(targets) {
            let [b, c, h, w] = map.dims();
            let x = map.clone().reshape([b, c, h * w]).swap_dims(1, 2);
            let out = head.forward(x);
            let channels = out.dims()[2];
            let weight = (target.clone().narrow(2, 0, 1) * -1.0 + 1.0) * 4.0 + 1.0;
            let norm = weight.clone().sum();
            let cross = |from: usize, len: usize| {
                let log = activation::log_softmax(out.clone().narrow(2, from, len), 2);
                let cells = (log * target.clone().narrow(2, from, len)).sum_dim(2).neg();
                (cells * weight.clone()).sum() / norm.clone()
            };
            let distance = (out.clone() - target.clone()).narrow(2, channels - 1, 1).abs().mean();
            let loss = cross(0, self.classes)
                + cross(self.classes, channels - 1 - self.classes) * 0.5
                + distance * 0.25;
            total = Some(match total {
                Some(sum) => sum + loss,
                None => loss,
            });
        }
        let device = targets.first().map(Tensor::device).unwrap_or_default();
        total.unwrap_or_else(|| Tensor::zeros([1], &device)) / self.heads.len().max(1) as f64
    }

    /// Dense targets of a batch of scenes as tensors, one per grid.
    pub fn target_tensors(
        legend: &Legend,
        scenes: &[Scene],
        grids: &[usize],
        device: &Device,
    ) -> Vec<Tensor<3>> {
        let channels = legend.channels();
        grids
            .iter()
            .map(|&grid| {
                let values: Vec<f32> =
                    scenes.iter().flat_map(|scene| legend.targets(scene, grid)).collect();
                let shape = [scenes.len(), grid * grid, channels];
                Tensor::from_data(TensorData::new(values, shape), device)
            })
            .collect()
    }
}
