//! One record as the model takes it: the only place where a record becomes pixels, tokens,
//! labels, prompt regions and targets. Training, evaluation and inference come through here.

use crate::config::ModelConfig;
use crate::image::{Frame, ImageError, Picture, share_of_cells};
use crate::input::{InputError, Pixels, regions, stroke_maps};
use crate::learning::losses::{DenseTarget, PoseTarget};
use crate::triplet::{Encoded, TemplateError, TokenError, Tokenizer};
use refvlm_record::exchange::Exchange;
use refvlm_record::{Mask, Record, RleError, Target, Unit};
use thiserror::Error;

/// A picture with its dialogues.
#[derive(Debug, Clone)]
pub struct Example {
    /// Where the picture lies in the square.
    pub frame: Frame,
    /// What the towers are given of it, or what frozen ones made of it.
    pub look: Look,
    /// The region of each prompt of the record: weights 0..=1 over the cells of the prompt
    /// features, row-major.
    pub regions: Vec<Vec<f32>>,
    /// The map of each prompt for a decoder that is told where prompts lie, as
    /// [`crate::input::stroke_maps`] gives them; empty where no decoder is told.
    pub strokes: Vec<Vec<f32>>,
    /// For each prompt which class each class of the classifier counts as; empty where each counts
    /// as itself.
    pub renamed: Vec<Vec<u16>>,
    /// The same for the picture as a whole.
    pub renamed_picture: Vec<u16>,
    /// The turns as ids, each a dialogue of its own behind the picture.
    pub turns: Vec<Encoded>,
    /// The targets of the record in its order, each in the forms that the turns ask for, and as a
    /// mask where boxes are those of masks.
    pub targets: Vec<Targets>,
    /// Nouns and all of their things, for a finder to learn from.
    pub sought: Vec<Sought>,
}

/// A noun and all of its things in a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Sought {
    /// The tokens of its phrase.
    pub noun: Vec<i64>,
    /// Centre x, centre y, width, height in the unit square; empty where the picture surely shows
    /// no such thing.
    pub things: Vec<[f32; 4]>,
}

/// What a forward pass starts from.
#[derive(Debug, Clone)]
pub enum Look {
    /// Inputs of the towers.
    Pixels(Pixels),
    /// The maps of frozen towers, finest first, `[channels, side, side]` each, as
    /// [`ModelConfig::pyramid_channels`] and [`ModelConfig::pyramid_sides`] say.
    Maps(Vec<Vec<f32>>),
}

/// Why a record cannot be used.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ExampleError {
    /// The picture or a prompt cannot be used.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A turn cannot be written as tokens.
    #[error("turns[{index}]: {source}")]
    Turn {
        /// The turn's index.
        index: usize,
        /// What is wrong with the turn.
        source: TemplateError,
    },
    /// A target cannot be learned.
    #[error("targets[{index}]: {problem}")]
    Target {
        /// The target's index.
        index: usize,
        /// What is wrong with the target, in words.
        problem: String,
    },
}

impl From<ImageError> for ExampleError {
    fn from(error: ImageError) -> Self {
        Self::Input(error.into())
    }
}

/// The forms of one target.
#[derive(Debug, Clone, Default)]
pub struct Targets {
    /// Centre x, centre y, width, height in the unit square.
    pub bbox: Option<[f32; 4]>,
    /// 1 inside and 0 outside, over the padded square at the label size.
    pub mask: Option<DenseTarget>,
    /// Box and joints in the unit square.
    pub pose: Option<PoseTarget>,
    /// Natural logarithm of metres, over the padded square at the label size.
    pub depth: Option<DenseTarget>,
}

/// What examples are made with.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// Sizes of the model.
    pub config: &'a ModelConfig,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// Side of the rasters that masks and depth are supervised at.
    pub label_side: usize,
}

impl Example {
    /// Adds the turns of another example of the same picture, which have prompts but no targets.
    pub fn append(&mut self, other: Example) {
        let before = self.regions.len();
        self.renamed.resize(before, Vec::new());
        for mut turn in other.turns {
            turn.prompts.iter_mut().for_each(|prompt| *prompt += before);
            self.turns.push(turn);
        }
        self.regions.extend(other.regions);
        self.strokes.extend(other.strokes);
        self.renamed.extend(other.renamed);
    }
}

impl Setup<'_> {
    /// Makes an example of a record and its picture.
    ///
    /// # Errors
    /// Names the part of the record that cannot be used.
    pub fn example(&self, record: &Record, picture: Picture) -> Result<Example, ExampleError> {
        let (frame, pixels) = Pixels::new(self.config, picture)?;
        self.example_of(record, frame, Look::Pixels(pixels))
    }

    /// The same of a picture that was prepared before.
    ///
    /// # Errors
    /// Names the part of the record that cannot be used.
    pub fn example_of(
        &self,
        record: &Record,
        frame: Frame,
        look: Look,
    ) -> Result<Example, ExampleError> {
        let turns = record.turns.iter().enumerate().map(|(index, turn)| {
            let exchange = Exchange::from_turn(turn, true);
            let encoded = self.config.template.encode_turn(self.tokenizer, &exchange, true);
            encoded.map_err(|source| ExampleError::Turn { index, source })
        });
        let turns = turns.collect::<Result<Vec<_>, _>>()?;
        let mut targets = vec![Targets::default(); record.targets.len()];
        for reference in turns.iter().flat_map(|turn| &turn.refs) {
            let index = reference.target;
            let (Some(made), Some(target)) = (targets.get_mut(index), record.targets.get(index))
            else {
                return Err(missing(index, reference.unit));
            };
            self.fill(made, target, reference.unit, &frame, index)?;
            let decoded = self.config.decoded_as(reference.unit);
            if decoded == Unit::Mask && target.mask.is_some() {
                self.fill(made, target, decoded, &frame, index)?;
            }
        }
        let regions = regions(self.config, &record.prompts, &frame)?;
        let strokes = stroke_maps(self.config, &record.prompts, &frame)?;
        Ok(Example {
            frame,
            look,
            regions,
            strokes,
            renamed: Vec::new(),
            renamed_picture: Vec::new(),
            turns,
            targets,
            sought: Vec::new(),
        })
    }

    /// A noun with the boxes of all of its things, `[x, y, w, h]` in px.
    ///
    /// # Errors
    /// When the noun cannot be written in the vocabulary.
    pub fn sought(
        &self,
        noun: &str,
        things: &[[f32; 4]],
        frame: &Frame,
    ) -> Result<Sought, TokenError> {
        let label = |bbox: &[f32; 4]| self.config.box_digits.label(frame, *bbox);
        Ok(Sought {
            noun: self.tokenizer.encode(noun)?.into_iter().map(i64::from).collect(),
            things: things.iter().map(label).collect(),
        })
    }

    fn fill(
        &self,
        made: &mut Targets,
        target: &Target,
        unit: Unit,
        frame: &Frame,
        index: usize,
    ) -> Result<(), ExampleError> {
        let absent = || missing(index, unit);
        let label = |bbox| self.config.box_digits.label(frame, bbox);
        match unit {
            Unit::Box => made.bbox = Some(label(target.bbox.ok_or_else(absent)?)),
            Unit::Mask if made.mask.is_some() => {}
            Unit::Mask => {
                let mask = target.mask.as_ref().ok_or_else(absent)?;
                let damaged = |e: RleError| ExampleError::Target { index, problem: e.to_string() };
                made.mask = Some(self.mask_target(&mask.to_mask().map_err(damaged)?, frame)?);
            }
            Unit::Keypoint => {
                let points = target.keypoints.as_ref().ok_or_else(absent)?;
                made.pose = Some(PoseTarget {
                    bbox: label(target.bbox.ok_or_else(absent)?),
                    keypoints: frame.keypoints_to_unit(points),
                });
            }
            Unit::Depth if made.depth.is_some() => {}
            Unit::Depth => {
                let depth = target.depth.as_ref().ok_or_else(absent)?;
                made.depth = Some(self.depth_target(&depth.metres, frame, index)?);
            }
        }
        Ok(())
    }

    /// 1 where the mask covers at least half of a cell.
    fn mask_target(&self, mask: &Mask, frame: &Frame) -> Result<DenseTarget, ExampleError> {
        frame.check_mask(mask)?;
        let (side, label) = (frame.side as usize, self.label_side);
        let shares =
            share_of_cells([side, side], [label, label], |y, row| frame.mask_row(mask, y, row));
        let values = shares.into_iter().map(|share| f32::from(u8::from(share >= 0.5))).collect();
        Ok(DenseTarget { values, valid: self.valid(frame) })
    }

    /// The logarithm of the distance at the centre of each cell.
    fn depth_target(
        &self,
        metres: &[f32],
        frame: &Frame,
        index: usize,
    ) -> Result<DenseTarget, ExampleError> {
        let (width, height) = (frame.width as usize, frame.height as usize);
        if metres.len() != width * height {
            let problem =
                format!("depth map has {} px, the picture {width}x{height}", metres.len());
            return Err(ExampleError::Target { index, problem });
        }
        let mut values = Vec::with_capacity(self.label_side * self.label_side);
        let mut valid = self.valid(frame);
        for (i, valid) in valid.iter_mut().enumerate() {
            let unit = |cell: usize| (cell as f32 + 0.5) / self.label_side as f32;
            let at = frame.point_to_px([unit(i % self.label_side), unit(i / self.label_side)]);
            let inside = at[0] >= 0.0 && at[1] >= 0.0;
            let (x, y) = (at[0] as usize, at[1] as usize);
            let depth = (inside && x < width && y < height).then(|| metres[y * width + x]);
            match depth.filter(|&d| d.is_finite() && d > 0.0) {
                Some(depth) => values.push(depth.ln()),
                None => {
                    values.push(0.0);
                    *valid = 0.0;
                }
            }
        }
        Ok(DenseTarget { values, valid })
    }

    /// 1 on cells whose centre lies on the picture, 0 on the padded band.
    fn valid(&self, frame: &Frame) -> Vec<f32> {
        let side = self.label_side;
        let unit = |cell: usize| (cell as f32 + 0.5) / side as f32;
        let (width, height) = (frame.width as f32, frame.height as f32);
        (0..side * side)
            .map(|i| {
                let [x, y] = frame.point_to_px([unit(i % side), unit(i / side)]);
                f32::from(u8::from((0.0..width).contains(&x) && (0.0..height).contains(&y)))
            })
            .collect()
    }
}

fn missing(index: usize, unit: Unit) -> ExampleError {
    ExampleError::Target { index, problem: format!("has no {unit} to decode") }
}
