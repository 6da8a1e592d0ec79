//! Dense supervision of the vision towers.
//!
//! The published model starts from CLIP towers that know what things look like. The towers of the
//! `scenes` preset start from nothing, so they are asked at every cell what it shows: class,
//! colour, joints, the sides of the thing's box and the distance. The heads are thrown away.

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

    /// Channels per cell; see [`Legend::targets`].
    pub fn channels(&self) -> usize {
        self.distance() + 1
    }

    fn colours_from(&self) -> usize {
        self.classes.len() + 1
    }

    fn joints_from(&self) -> usize {
        self.colours_from() + self.colours.len() + 1
    }

    fn sides_from(&self) -> usize {
        self.joints_from() + JOINTS + 1
    }

    fn distance(&self) -> usize {
        self.sides_from() + 4
    }

    /// Soft targets of one scene on a grid over its padded square.
    ///
    /// # Shapes
    /// returns `[grid * grid, channels]`, row-major. Shares of each cell's pixels: background and
    /// classes, no colour and colours; shares of the joints in the cell: none and the 17 of COCO;
    /// from the cell's centre to the left, top, right and bottom side of the box of the thing that
    /// fills most of it, in sides of the square; mean natural logarithm of the distance in metres
    pub fn targets(&self, scene: &Scene, grid: usize) -> Vec<f32> {
        let (width, height) = (scene.width as usize, scene.height as usize);
        let side = width.max(height);
        let (pad_x, pad_y) = ((side - width) / 2, (side - height) / 2);
        let channels = self.channels();
        let (colours, joints, sides) = (self.colours_from(), self.joints_from(), self.sides_from());
        let mut out = vec![0.0f32; grid * grid * channels];
        let cell =
            |x: usize, y: usize| (y + pad_y) * grid / side * grid + (x + pad_x) * grid / side;
        let share = (grid * grid) as f32 / (side * side) as f32;
        for y in 0..height {
            for x in 0..width {
                out[cell(x, y) * channels + channels - 1] +=
                    share * scene.depth_m[y * width + x].max(0.1).ln();
            }
        }
        let mut most = vec![0.0f32; grid * grid];
        for object in &scene.objects {
            let class = self.classes.get(object.class).copied().unwrap_or(0);
            let colour = object.colour.and_then(|c| self.colours.get(c)).copied().unwrap_or(0);
            let mut filled = vec![0.0f32; grid * grid];
            for (i, _) in object.mask.pixels.iter().enumerate().filter(|(_, p)| **p != 0) {
                filled[cell(i % width, i / width)] += share;
            }
            let [x, y, w, h] = object.bbox;
            let [x, y] = [(x + pad_x as f32) / side as f32, (y + pad_y as f32) / side as f32];
            let [right, bottom] = [x + w / side as f32, y + h / side as f32];
            for (at, &share) in filled.iter().enumerate().filter(|(_, share)| **share > 0.0) {
                let row = &mut out[at * channels..][..channels];
                row[class] += share;
                row[colours + colour] += share;
                if share > most[at] {
                    most[at] = share;
                    let centre = |i: usize| (i as f32 + 0.5) / grid as f32;
                    let (cx, cy) = (centre(at % grid), centre(at / grid));
                    row[sides..sides + 4].copy_from_slice(&[
                        cx - x,
                        cy - y,
                        right - cx,
                        bottom - cy,
                    ]);
                }
            }
            for (joint, &[x, y, v]) in object.keypoints.iter().flatten().enumerate() {
                let (x, y) = (x.max(0.0) as usize, y.max(0.0) as usize);
                if v > 0.0 && x < width && y < height {
                    out[cell(x, y) * channels + joints + 1 + joint] += 1.0;
                }
            }
        }
        for row in out.chunks_exact_mut(channels) {
            row[0] += 1.0 - row[..colours].iter().sum::<f32>();
            row[colours] = 1.0 - row[colours + 1..joints].iter().sum::<f32>();
            let here: f32 = row[joints + 1..sides].iter().sum();
            row[joints] = f32::from(u8::from(here == 0.0));
            row[joints + 1..sides].iter_mut().for_each(|share| *share /= here.max(1.0));
        }
        out
    }
}

/// Joints of COCO.
const JOINTS: usize = refvlm_record::coco::COUNT;

/// Linear read-outs of maps, used in training only.
#[derive(Module, Debug)]
pub struct DenseHeads {
    heads: Vec<Linear>,
}

impl DenseHeads {
    /// One head per map of the given widths.
    pub fn new(widths: &[usize], legend: &Legend, device: &Device) -> Self {
        let head = |&width: &usize| Linear::new(width, legend.channels(), true, device);
        Self { heads: widths.iter().map(head).collect() }
    }

    /// Losses by name, each the mean over maps: soft cross entropies of class, colour and joints,
    /// L1 of the sides of boxes and of the log distance, in proportions that suit their sizes.
    /// Cells that show objects count five times a cell of plain background.
    ///
    /// # Shapes
    /// `maps[i]` is `[batch, width_i, grid_i, grid_i]`, `targets[i]` `[batch, grid_i², channels]`
    pub fn loss(
        &self,
        legend: &Legend,
        maps: &[Tensor<4>],
        targets: &[Tensor<3>],
    ) -> [(&'static str, Tensor<1>); 3] {
        let device = targets.first().map(Tensor::device).unwrap_or_default();
        let mut sums = [(); 3].map(|()| Tensor::<1>::zeros([1], &device));
        for ((head, map), target) in self.heads.iter().zip(maps).zip(targets) {
            let x = map.clone().flatten::<3>(2, 3).swap_dims(1, 2);
            let out = head.forward(x);
            let shown = target.clone().narrow(2, 0, 1) * -1.0 + 1.0;
            let weight = shown.clone() * 4.0 + 1.0;
            let norm = weight.clone().sum();
            let cross = |from: usize, to: usize| {
                let log = activation::log_softmax(out.clone().narrow(2, from, to - from), 2);
                let cells = (log * target.clone().narrow(2, from, to - from)).sum_dim(2).neg();
                (cells * weight.clone()).sum() / norm.clone()
            };
            let (colours, joints, sides) =
                (legend.colours_from(), legend.joints_from(), legend.sides_from());
            let difference = |from: usize, len: usize| {
                (out.clone().narrow(2, from, len) - target.clone().narrow(2, from, len)).abs()
            };
            let extent = (difference(sides, 4) * shown.clone()).sum() / (shown.sum() + 1.0);
            let distance = difference(legend.distance(), 1).mean();
            let seen = [
                cross(0, colours) + cross(colours, joints) * 0.5 + distance * 0.25,
                cross(joints, sides) * 2.0,
                extent * 2.0,
            ];
            for (sum, seen) in sums.iter_mut().zip(seen) {
                *sum = sum.clone() + seen / self.heads.len().max(1) as f64;
            }
        }
        let [what, joints, extent] = sums;
        [("dense.what", what), ("dense.joints", joints), ("dense.extent", extent)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_scenes::{SceneOptions, Split};

    #[test]
    fn targets_are_shares_and_lead_back_to_boxes() {
        let legend = Legend::new();
        let world = World::new().unwrap();
        let options = SceneOptions { people_share: 1.0, ..SceneOptions::embedded(Split::Train) };
        let (mut boxes, mut joints) = (0, 0.0);
        for seed in 0..20 {
            let scene = world.scene(seed, &options);
            let grid = 32;
            let side = scene.width.max(scene.height) as f32;
            let pad = [side - scene.width as f32, side - scene.height as f32].map(|p| p / 2.0);
            let targets = legend.targets(&scene, grid);
            for (at, row) in targets.chunks_exact(legend.channels()).enumerate() {
                let sum = |from: usize, to: usize| row[from..to].iter().sum::<f32>();
                let (colours, from, sides) =
                    (legend.colours_from(), legend.joints_from(), legend.sides_from());
                for share in [sum(0, colours), sum(colours, from), sum(from, sides)] {
                    assert!((share - 1.0).abs() < 1e-4, "{share}");
                }
                joints += sum(from + 1, sides);
                if row[0] > 0.99 {
                    continue;
                }
                let centre = |i: usize| (i as f32 + 0.5) / grid as f32;
                let (x, y) = (centre(at % grid), centre(at / grid));
                let [left, top, right, bottom] = [0, 1, 2, 3].map(|i| row[sides + i]);
                let found = [x - left, y - top, x + right, y + bottom].map(|v| v * side);
                let is = |b: &[f32; 4]| {
                    let (x, y) = (b[0] + pad[0].floor(), b[1] + pad[1].floor());
                    let sides = [x, y, x + b[2], y + b[3]];
                    sides.iter().zip(found).all(|(a, b)| (a - b).abs() < 1e-2)
                };
                assert!(scene.objects.iter().any(|object| is(&object.bbox)), "{found:?}");
                boxes += 1;
            }
        }
        assert!(boxes > 1000 && joints > 100.0, "{boxes} cells, {joints} joints");
    }
}
