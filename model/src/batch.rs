//! Examples side by side, as tensors: what one training step reads.
//!
//! The rows before a dialogue (prefix and picture) are the trunk, which all dialogues about a
//! picture share; a dialogue is a row of ids behind it.

use crate::config::ModelConfig;
use crate::decoding::QueryLayout;
use crate::example::Example;
use crate::losses::{DenseTarget, PoseTarget};
use crate::triplet::{IMAGE, VISUAL_PROMPT};
use burn::tensor::{Device, Int, Tensor, TensorData};
use refvlm_record::Unit;

/// A training batch: pictures, and for each the same number of dialogues.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[pictures, 3, size, size]`.
    pub pixels: Tensor<4>,
    /// At the size of the convolutional tower, where it differs.
    pub tower_pixels: Option<Tensor<4>>,
    /// The trunk's ids before the picture's rows, `[1, before]`, and behind them, `[1, behind]`.
    pub trunk_ids: [Tensor<2, Int>; 2],
    /// `[dialogues, length]`, padded behind; prompt rows hold a filler that is overwritten.
    pub ids: Tensor<2, Int>,
    /// Prompts of all dialogues.
    pub prompts: Option<PromptRows>,
    /// Places in the flattened `[dialogues * length]` whose next token is learned, `[tokens]`.
    pub supervised: Tensor<1, Int>,
    /// The token to predict at each of these places, `[tokens]`.
    pub labels: Tensor<1, Int>,
    /// What each unit's decoder is asked for, in the order of [`Unit::ALL`].
    pub units: Vec<UnitRefs>,
    /// Real tokens of all dialogues, padding excluded.
    pub tokens: usize,
}

/// Visual prompts and where their rows go.
#[derive(Debug, Clone)]
pub struct PromptRows {
    /// `[prompts, grid, grid]` weights.
    pub regions: Tensor<3>,
    /// Picture of each prompt.
    pub sample: Vec<usize>,
    /// Places of all prompt rows in the flattened `[dialogues * length]`, `[prompts * rows]`.
    pub places: Tensor<1, Int>,
    /// 0 where a prompt's row stands, else 1, `[dialogues, length, 1]`.
    pub keep: Tensor<3>,
}

/// References of one unit and their targets.
#[derive(Debug, Clone)]
pub struct UnitRefs {
    /// Sizes of the triplets of each picture, over all of its dialogues.
    pub layout: QueryLayout,
    /// Places of the `<REF>`s in the flattened `[dialogues * length]`, `[pictures, width]`; 0 for
    /// padding.
    pub places: Tensor<2, Int>,
    /// Targets of each picture in the order of its references.
    pub targets: UnitTargets,
    /// The same as indices into the record's targets.
    pub indices: Vec<Vec<usize>>,
}

/// Targets of one unit.
#[derive(Debug, Clone)]
pub enum UnitTargets {
    /// Centre x, centre y, width, height in the unit square.
    Boxes(Vec<Vec<[f32; 4]>>),
    /// Masks at the label size.
    Masks(Vec<Vec<DenseTarget>>),
    /// Bodies in the unit square.
    Poses(Vec<Vec<PoseTarget>>),
    /// Log depth at the label size.
    Depths(Vec<Vec<DenseTarget>>),
}

impl Batch {
    /// Puts examples side by side. All must have the same number of turns; `trunk` are the ids that
    /// [`crate::triplet::Template::encode_prefix`] gives.
    pub fn new(examples: &[Example], trunk: &[i64], config: &ModelConfig, device: &Device) -> Self {
        let prompt_rows = config.vpt_encoder.tokens();
        let length = examples
            .iter()
            .flat_map(|example| &example.turns)
            .map(|turn| turn.ids.len() + turn.prompts.len() * (prompt_rows - 1))
            .max()
            .unwrap_or(1);
        let mut rows = Rows::new(length, prompt_rows);
        let mut units: Vec<UnitBuilder> = Unit::ALL.map(UnitBuilder::new).into();
        for (picture, example) in examples.iter().enumerate() {
            units.iter_mut().for_each(UnitBuilder::next_picture);
            for turn in &example.turns {
                rows.push(turn, picture, example);
                let row = rows.count - 1;
                for reference in &turn.refs {
                    let at = row * length + rows.position(reference.position);
                    units[reference.unit as usize].push(
                        (row, reference.group),
                        at,
                        reference.target,
                        example,
                    );
                }
            }
        }
        let image = trunk.iter().position(|&id| id == IMAGE).unwrap_or(trunk.len());
        let behind = trunk.get(image + 1..).unwrap_or_default();
        let (pixels, tower_pixels) = pixel_tensors(examples, config, device);
        let grid = config.selected_side(&config.prompt_features);
        Self {
            pixels,
            tower_pixels,
            trunk_ids: [
                ids(vec![trunk[..image].to_vec()], device),
                ids(vec![behind.to_vec()], device),
            ],
            tokens: rows.tokens,
            prompts: rows.prompts(grid, device),
            supervised: places(rows.supervised, device),
            labels: places(rows.labels, device),
            ids: ids(rows.ids, device),
            units: units.into_iter().map(|unit| unit.finish(device)).collect(),
        }
    }
}

/// The inputs of both towers, as [`Batch`] has them.
pub(crate) fn pixel_tensors(
    examples: &[Example],
    config: &ModelConfig,
    device: &Device,
) -> (Tensor<4>, Option<Tensor<4>>) {
    let pixels = |of: fn(&Example) -> &Vec<f32>, side: usize| {
        let values: Vec<f32> = examples.iter().flat_map(of).copied().collect();
        Tensor::from_data(TensorData::new(values, [examples.len(), 3, side, side]), device)
    };
    let (size, tower) = (config.visual_encoder.image_size, config.tower_size);
    (
        pixels(|e| &e.pixels, size),
        (tower != size).then(|| pixels(|e| &e.tower_pixels, tower)),
    )
}

fn ids(rows: Vec<Vec<i64>>, device: &Device) -> Tensor<2, Int> {
    let shape = [rows.len(), rows.first().map_or(0, Vec::len)];
    Tensor::from_data(TensorData::new(rows.concat(), shape), device)
}

fn places(values: Vec<i64>, device: &Device) -> Tensor<1, Int> {
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Dialogues as rows of ids.
struct Rows {
    length: usize,
    prompt_rows: usize,
    count: usize,
    tokens: usize,
    ids: Vec<Vec<i64>>,
    /// Place in the row for each id of the turn pushed last, prompts widened.
    shifted: Vec<usize>,
    supervised: Vec<i64>,
    labels: Vec<i64>,
    regions: Vec<f32>,
    sample: Vec<usize>,
    prompt_places: Vec<i64>,
}

impl Rows {
    fn new(length: usize, prompt_rows: usize) -> Self {
        Self {
            length,
            prompt_rows,
            count: 0,
            tokens: 0,
            ids: Vec::new(),
            shifted: Vec::new(),
            supervised: Vec::new(),
            labels: Vec::new(),
            regions: Vec::new(),
            sample: Vec::new(),
            prompt_places: Vec::new(),
        }
    }

    fn push(&mut self, turn: &crate::triplet::Encoded, picture: usize, example: &Example) {
        let start = self.count * self.length;
        let mut row = Vec::with_capacity(self.length);
        let mut prompts = turn.prompts.iter();
        self.shifted.clear();
        for (&id, &learned) in turn.ids.iter().zip(&turn.supervised) {
            self.shifted.push(row.len());
            if learned && !row.is_empty() {
                self.supervised.push((start + row.len() - 1) as i64);
                self.labels.push(id);
            }
            if id != VISUAL_PROMPT {
                row.push(id);
                continue;
            }
            let region = prompts.next().and_then(|&prompt| example.regions.get(prompt));
            self.regions.extend(region.into_iter().flatten());
            self.sample.extend(region.map(|_| picture));
            for _ in 0..self.prompt_rows {
                self.prompt_places.push((start + row.len()) as i64);
                row.push(0);
            }
        }
        self.tokens += row.len();
        row.resize(self.length, 0);
        self.ids.push(row);
        self.count += 1;
    }

    fn position(&self, id: usize) -> usize {
        self.shifted.get(id).copied().unwrap_or(0)
    }

    fn prompts(&self, grid: usize, device: &Device) -> Option<PromptRows> {
        let count = self.sample.len();
        if count == 0 {
            return None;
        }
        let mut keep = vec![1.0f32; self.count * self.length];
        for &place in &self.prompt_places {
            keep[place as usize] = 0.0;
        }
        let regions = TensorData::new(self.regions.clone(), [count, grid, grid]);
        Some(PromptRows {
            regions: Tensor::from_data(regions, device),
            sample: self.sample.clone(),
            places: places(self.prompt_places.clone(), device),
            keep: Tensor::from_data(TensorData::new(keep, [self.count, self.length, 1]), device),
        })
    }
}

/// References of one unit, picture after picture.
pub(crate) struct UnitBuilder {
    groups: Vec<Vec<usize>>,
    places: Vec<Vec<i64>>,
    indices: Vec<Vec<usize>>,
    last: Option<(usize, usize)>,
    targets: UnitTargets,
}

impl UnitBuilder {
    pub(crate) fn new(unit: Unit) -> Self {
        let targets = match unit {
            Unit::Box => UnitTargets::Boxes(Vec::new()),
            Unit::Mask => UnitTargets::Masks(Vec::new()),
            Unit::Keypoint => UnitTargets::Poses(Vec::new()),
            Unit::Depth => UnitTargets::Depths(Vec::new()),
        };
        Self {
            groups: Vec::new(),
            places: Vec::new(),
            indices: Vec::new(),
            last: None,
            targets,
        }
    }

    pub(crate) fn next_picture(&mut self) {
        self.groups.push(Vec::new());
        self.places.push(Vec::new());
        self.indices.push(Vec::new());
        self.last = None;
        match &mut self.targets {
            UnitTargets::Boxes(rows) => rows.push(Vec::new()),
            UnitTargets::Masks(rows) | UnitTargets::Depths(rows) => rows.push(Vec::new()),
            UnitTargets::Poses(rows) => rows.push(Vec::new()),
        }
    }

    pub(crate) fn push(
        &mut self,
        group: (usize, usize),
        place: usize,
        target: usize,
        example: &Example,
    ) {
        let (Some(groups), Some(places), Some(indices)) =
            (self.groups.last_mut(), self.places.last_mut(), self.indices.last_mut())
        else {
            return;
        };
        match groups.last_mut() {
            Some(size) if self.last == Some(group) => *size += 1,
            _ => groups.push(1),
        }
        self.last = Some(group);
        places.push(place as i64);
        indices.push(target);
        let target = &example.targets[target];
        match &mut self.targets {
            UnitTargets::Boxes(rows) => put(rows, target.bbox),
            UnitTargets::Masks(rows) => put(rows, target.mask.clone()),
            UnitTargets::Poses(rows) => put(rows, target.pose.clone()),
            UnitTargets::Depths(rows) => put(rows, target.depth.clone()),
        }
    }

    pub(crate) fn finish(self, device: &Device) -> UnitRefs {
        let width = self.places.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let mut rows = self.places;
        rows.iter_mut().for_each(|row| row.resize(width, 0));
        UnitRefs {
            layout: QueryLayout::new(self.groups),
            places: ids(rows, device),
            targets: self.targets,
            indices: self.indices,
        }
    }
}

fn put<T>(rows: &mut [Vec<T>], target: Option<T>) {
    if let (Some(row), Some(target)) = (rows.last_mut(), target) {
        row.push(target);
    }
}
