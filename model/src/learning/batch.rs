//! Examples side by side, as tensors: what one training step reads.
//!
//! The rows before a dialogue (prefix and picture) are the trunk, which all dialogues about a
//! picture share; a dialogue is a row of ids behind it.

use crate::config::ModelConfig;
use crate::decoding::QueryLayout;
use crate::input::{Inputs, stroke_tensor};
use crate::language::Bucket;
use crate::learning::example::{Example, Look};
use crate::learning::losses::{DenseTarget, PoseTarget};
use crate::refvlm::Renaming;
use crate::triplet::{Encoded, IMAGE, VISUAL_PROMPT};
use crate::vision::Pyramid;
use burn::tensor::{Device, Int, Tensor, TensorData};
use refvlm_record::Unit;

/// A training batch: pictures and their dialogues.
#[derive(Debug, Clone)]
pub struct Batch {
    /// What the forward pass starts from.
    pub pictures: Pictures,
    /// Other names for the classifier's classes, where some picture has such.
    pub renaming: Option<Renaming>,
    /// The trunk's ids before the picture's rows, `[1, before]`, and behind them, `[1, behind]`.
    pub trunk_ids: [Tensor<2, Int>; 2],
    /// `[1, tokens]`: the dialogues bucket after bucket, each padded behind; prompt rows hold a
    /// filler that is overwritten.
    pub ids: Tensor<2, Int>,
    /// The picture that each token is about, `[tokens]`.
    pub sample: Tensor<1, Int>,
    /// Which dialogues lie where.
    pub buckets: Vec<Bucket>,
    /// Prompts of all dialogues.
    pub prompts: Option<PromptRows>,
    /// Places in the row of tokens whose next token is learned, `[learned]`.
    pub supervised: Tensor<1, Int>,
    /// The token to predict at each of these places, `[learned]`.
    pub labels: Tensor<1, Int>,
    /// What each unit's decoder is asked for, in the order of [`Unit::ALL`].
    pub units: Vec<UnitRefs>,
    /// Real tokens of all dialogues, padding excluded.
    pub tokens: usize,
}

/// What the forward pass of a batch starts from.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "a batch has one")]
pub enum Pictures {
    /// Inputs of the towers.
    Pixels(Inputs),
    /// What frozen towers made of them.
    Maps(Pyramid),
}

impl Pictures {
    /// Of examples side by side. Maps are taken where every example has them.
    pub fn new(examples: &[Example], config: &ModelConfig, device: &Device) -> Self {
        let maps: Option<Vec<&Vec<Vec<f32>>>> = examples
            .iter()
            .map(|example| match &example.look {
                Look::Maps(maps) => Some(maps),
                Look::Pixels(_) => None,
            })
            .collect();
        if let Some(maps) = maps {
            let sizes = config.pyramid_channels().into_iter().zip(config.pyramid_sides());
            let level = |(i, (channels, side)): (usize, (usize, usize))| {
                let values = maps.iter().filter_map(|maps| maps.get(i)).flatten();
                let values: Vec<f32> = values.copied().collect();
                let shape = [maps.len(), channels, side, side];
                Tensor::from_data(TensorData::new(values, shape), device)
            };
            return Self::Maps(Pyramid { maps: sizes.enumerate().map(level).collect() });
        }
        let pixels = examples.iter().filter_map(|example| match &example.look {
            Look::Pixels(pixels) => Some(pixels),
            Look::Maps(_) => None,
        });
        Self::Pixels(Inputs::stack(&pixels.collect::<Vec<_>>(), config, device))
    }
}

/// Visual prompts and where their rows go.
#[derive(Debug, Clone)]
pub struct PromptRows {
    /// `[prompts, grid, grid]` weights.
    pub regions: Tensor<3>,
    /// Picture of each prompt.
    pub sample: Vec<usize>,
    /// The prompts' maps, as in [`crate::decoding::PromptMaps`]; none where no decoder is told.
    pub maps: Option<Tensor<4>>,
    /// Other names for the classifier's classes, where some prompt has such.
    pub renaming: Option<Renaming>,
    /// Places of all prompt rows in the row of tokens, `[prompts * rows]`.
    pub places: Tensor<1, Int>,
    /// 0 where a prompt's row stands, else 1, `[tokens, 1]`.
    pub keep: Tensor<2>,
}

/// References of one unit and their targets.
#[derive(Debug, Clone)]
pub struct UnitRefs {
    /// Sizes of the triplets of each picture, over all of its dialogues.
    pub layout: QueryLayout,
    /// Places of the `<REF>`s in the row of tokens, `[pictures, width]`; 0 for padding.
    pub places: Tensor<2, Int>,
    /// Targets of each picture in the order of its references.
    pub targets: UnitTargets,
    /// The same as indices into the record's targets.
    pub indices: Vec<Vec<usize>>,
    /// The prompts of each reference's question, picture after picture.
    pub prompts: Vec<Vec<usize>>,
    /// The ids of each reference's concept, picture after picture.
    pub concepts: Vec<Vec<i64>>,
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
    /// Puts examples side by side; `trunk` are the ids that
    /// [`crate::triplet::Template::encode_prefix`] gives.
    pub fn new(examples: &[Example], trunk: &[i64], config: &ModelConfig, device: &Device) -> Self {
        let prompt_rows = config.prompt_rows();
        let (buckets, starts) = arrange(examples, prompt_rows);
        let mut rows = Rows::new(buckets.iter().map(Bucket::tokens).sum(), prompt_rows);
        let mut units: Vec<UnitBuilder> = Unit::ALL.map(UnitBuilder::new).into();
        for (picture, example) in examples.iter().enumerate() {
            units.iter_mut().for_each(UnitBuilder::next_picture);
            for (turn, &start) in example.turns.iter().zip(&starts[picture]) {
                let prompts = rows.put(turn, start, picture, example);
                for reference in &turn.refs {
                    let target = example.targets.get(reference.target);
                    // Of what has no mask, a box from a mask cannot be learned.
                    let unit = match config.decoded_as(reference.unit) {
                        Unit::Mask if target.is_none_or(|t| t.mask.is_none()) => reference.unit,
                        unit => unit,
                    };
                    units[unit as usize].push(
                        (start, reference.group),
                        rows.position(reference.position),
                        reference.target,
                        (&prompts, &reference.concept),
                        example,
                    );
                }
            }
        }
        let image = trunk.iter().position(|&id| id == IMAGE).unwrap_or(trunk.len());
        let behind = trunk.get(image + 1..).unwrap_or_default();
        let grid = config.selected_side(&config.prompt_features);
        Self {
            pictures: Pictures::new(examples, config, device),
            renaming: renaming(
                examples.iter().map(|e| e.renamed_picture.as_slice()),
                config,
                device,
            ),
            trunk_ids: [
                ids(vec![trunk[..image].to_vec()], device),
                ids(vec![behind.to_vec()], device),
            ],
            tokens: rows.tokens,
            prompts: rows.prompts(grid, config, device),
            supervised: places(rows.supervised, device),
            labels: places(rows.labels, device),
            sample: places(samples(&buckets), device),
            ids: ids(vec![rows.ids], device),
            buckets,
            units: units.into_iter().map(|unit| unit.finish(device)).collect(),
        }
    }
}

fn ids(rows: Vec<Vec<i64>>, device: &Device) -> Tensor<2, Int> {
    let shape = [rows.len(), rows.first().map_or(0, Vec::len)];
    Tensor::from_data(TensorData::new(rows.concat(), shape), device)
}

/// The picture of each token, bucket after bucket.
fn samples(buckets: &[Bucket]) -> Vec<i64> {
    let of = |bucket: &Bucket| {
        let length = bucket.length;
        let pictures = bucket.pictures.clone();
        pictures.into_iter().flat_map(move |picture| std::iter::repeat_n(picture as i64, length))
    };
    buckets.iter().flat_map(of).collect()
}

fn places(values: Vec<i64>, device: &Device) -> Tensor<1, Int> {
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Dialogues that stand side by side in a bucket: enough to keep its products large, few enough
/// that their lengths are alike.
const BUCKET: usize = 8;

/// Buckets of dialogues of similar length, longest first, and for each picture where each of its
/// turns starts in the row of tokens.
fn arrange(examples: &[Example], prompt_rows: usize) -> (Vec<Bucket>, Vec<Vec<usize>>) {
    let mut turns = Vec::new();
    for (picture, example) in examples.iter().enumerate() {
        let length = |turn: &Encoded| turn.ids.len() + turn.prompts.len() * (prompt_rows - 1);
        let of_example = example.turns.iter().enumerate();
        turns.extend(of_example.map(|(turn, encoded)| (length(encoded).max(1), picture, turn)));
    }
    turns.sort_by_key(|&(length, ..)| std::cmp::Reverse(length));
    let mut starts: Vec<Vec<usize>> =
        examples.iter().map(|example| vec![0; example.turns.len()]).collect();
    let mut next = 0;
    let mut buckets = Vec::new();
    for chunk in turns.chunks(BUCKET) {
        let length = chunk[0].0;
        for &(_, picture, turn) in chunk {
            starts[picture][turn] = next;
            next += length;
        }
        let pictures = chunk.iter().map(|&(_, picture, _)| picture).collect();
        buckets.push(Bucket { length, pictures });
    }
    (buckets, starts)
}

/// Dialogues as one row of ids.
struct Rows {
    prompt_rows: usize,
    tokens: usize,
    ids: Vec<i64>,
    /// Place in the row for each id of the turn put last, prompts widened.
    shifted: Vec<usize>,
    supervised: Vec<i64>,
    labels: Vec<i64>,
    regions: Vec<f32>,
    strokes: Vec<f32>,
    renamed: Vec<Vec<u16>>,
    sample: Vec<usize>,
    prompt_places: Vec<i64>,
}

impl Rows {
    fn new(length: usize, prompt_rows: usize) -> Self {
        Self {
            prompt_rows,
            tokens: 0,
            ids: vec![0; length],
            shifted: Vec::new(),
            supervised: Vec::new(),
            labels: Vec::new(),
            regions: Vec::new(),
            strokes: Vec::new(),
            renamed: Vec::new(),
            sample: Vec::new(),
            prompt_places: Vec::new(),
        }
    }

    /// Returns the numbers of the turn's prompts.
    fn put(
        &mut self,
        turn: &Encoded,
        start: usize,
        picture: usize,
        example: &Example,
    ) -> Vec<usize> {
        let first = self.sample.len();
        let mut at = start;
        let mut prompts = turn.prompts.iter();
        self.shifted.clear();
        for (&id, &learned) in turn.ids.iter().zip(&turn.supervised) {
            self.shifted.push(at);
            if learned && at > start {
                self.supervised.push(at as i64 - 1);
                self.labels.push(id);
            }
            if id != VISUAL_PROMPT {
                self.ids[at] = id;
                at += 1;
                continue;
            }
            let prompt = prompts.next();
            let region = prompt.and_then(|&prompt| example.regions.get(prompt));
            self.regions.extend(region.into_iter().flatten());
            let strokes = prompt.and_then(|&prompt| example.strokes.get(prompt));
            self.strokes.extend(strokes.into_iter().flatten());
            let renamed = prompt.and_then(|&prompt| example.renamed.get(prompt));
            self.renamed.extend(region.map(|_| renamed.cloned().unwrap_or_default()));
            self.sample.extend(region.map(|_| picture));
            self.prompt_places.extend((at..at + self.prompt_rows).map(|place| place as i64));
            at += self.prompt_rows;
        }
        self.tokens += at - start;
        (first..self.sample.len()).collect()
    }

    fn position(&self, id: usize) -> usize {
        self.shifted.get(id).copied().unwrap_or(0)
    }

    fn prompts(&self, grid: usize, config: &ModelConfig, device: &Device) -> Option<PromptRows> {
        let count = self.sample.len();
        if count == 0 {
            return None;
        }
        let mut keep = vec![1.0f32; self.ids.len()];
        for &place in &self.prompt_places {
            keep[place as usize] = 0.0;
        }
        let regions = TensorData::new(self.regions.clone(), [count, grid, grid]);
        Some(PromptRows {
            regions: Tensor::from_data(regions, device),
            renaming: renaming(self.renamed.iter().map(Vec::as_slice), config, device),
            sample: self.sample.clone(),
            maps: stroke_tensor(self.strokes.clone(), count, config, device),
            places: places(self.prompt_places.clone(), device),
            keep: Tensor::from_data(TensorData::new(keep, [self.ids.len(), 1]), device),
        })
    }
}

/// What classes count as, where some of them have other names.
fn renaming<'a>(
    renamed: impl Iterator<Item = &'a [u16]>,
    config: &ModelConfig,
    device: &Device,
) -> Option<Renaming> {
    let classes = config.visual_encoder.classes().filter(|_| config.class_rows)?;
    let renamed: Vec<&[u16]> = renamed.collect();
    let fits = |renamed: &&[u16]| {
        renamed.len() == classes && renamed.iter().all(|&class| usize::from(class) < classes)
    };
    if !renamed.iter().any(fits) {
        return None;
    }
    let row = |renamed: &&[u16]| match fits(renamed) {
        true => renamed.iter().map(|&class| i64::from(class)).collect::<Vec<i64>>(),
        false => (0..classes as i64).collect(),
    };
    let index: Vec<i64> = renamed.iter().flat_map(row).collect();
    let index = TensorData::new(index, [renamed.len(), classes]);
    Some(Renaming(Tensor::from_data(index, device)))
}

/// References of one unit, picture after picture.
pub(crate) struct UnitBuilder {
    groups: Vec<Vec<usize>>,
    places: Vec<Vec<i64>>,
    indices: Vec<Vec<usize>>,
    prompts: Vec<Vec<usize>>,
    concepts: Vec<Vec<i64>>,
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
            prompts: Vec::new(),
            concepts: Vec::new(),
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
        (prompts, concept): (&[usize], &[i64]),
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
        self.prompts.push(prompts.to_vec());
        self.concepts.push(concept.to_vec());
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
            prompts: self.prompts,
            concepts: self.concepts,
        }
    }
}

fn put<T>(rows: &mut [Vec<T>], target: Option<T>) {
    if let (Some(row), Some(target)) = (rows.last_mut(), target) {
        row.push(target);
    }
}
