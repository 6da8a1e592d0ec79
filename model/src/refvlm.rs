//! The whole model: towers, projector, prompt encoder, language model and decoders, under the
//! names of the published training checkpoint.

use crate::config::{ClassTokens, ModelConfig, ModelConfigError};
use crate::decoding::{
    BoxDecoder, DepthDecoder, Finder, MaskDecoder, MaskUnit, Middles, PoseDecoder, PromptMaps,
    PromptedDecoder, SamUnit, VdAdapter,
};
use crate::input::Inputs;
use crate::language::Llama;
use crate::layers::{Activation, Linear, octave_position, resize_bilinear};
use crate::prompting::{VptEncoder, vpt::normalise};
use crate::vision::{
    ClassWords, ConvNext, Projector, ProjectorConfig, Pyramid, SEEN, SeenWords, VisualEncoder,
};
use burn::module::Module;
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};
use refvlm_record::Unit;

/// A REF-VLM.
#[derive(Module, Debug)]
pub struct RefVlm {
    /// Transformer tower.
    pub visual_encoder: VisualEncoder,
    /// Convolutional tower, where there is one.
    pub visual_tower: Option<ConvNext>,
    /// Picture features to rows of the language model.
    pub projector: Projector,
    /// Position code to rows of the language model; absent where rows carry no place.
    pub row_position: Option<Linear>,
    /// Classes of the visual encoder to rows of the language model; absent where there are no such
    /// rows.
    pub class_row: Option<Linear>,
    /// What the classifier reads to the same rows; absent where they carry the classes alone.
    pub class_feature: Option<Linear>,
    /// How likely a token names what is seen, to what is added to its embedding; absent where text is
    /// not told.
    pub word_seen: Option<Linear>,
    /// Regions to prompt tokens.
    pub vpt_encoder: VptEncoder,
    /// Prompt tokens to rows of the language model; absent where prompts share `projector`.
    pub vpt_projector: Option<Projector>,
    /// Language model.
    pub llm: Llama,
    /// Between language model and decoders, where there is one.
    pub vd_adapter: Option<VdAdapter>,
    /// Nouns to where their things are; absent where the language model alone says so.
    pub finder: Option<Finder>,
    /// Reference states to units.
    pub visual_decoder: Decoders,
    #[module(skip)]
    wiring: Wiring,
    #[module(skip)]
    class_words: ClassWords,
}

/// Spread of the weights that tell a token how likely it names what is seen, before training.
const WORD_STD: f64 = 0.02;

/// One decoder per unit; an absent one leaves its unit undecoded.
#[derive(Module, Debug)]
pub struct Decoders {
    /// Boxes; `box` in published checkpoints, which is a reserved word here.
    pub boxes: Option<BoxDecoder>,
    /// Masks.
    pub mask: Option<MaskUnit>,
    /// Keypoints.
    pub pose: Option<PoseDecoder>,
    /// Depth.
    pub depth: Option<DepthDecoder>,
}

/// Which features go where.
#[derive(Debug, Clone)]
struct Wiring {
    select_layer: Vec<isize>,
    image: Vec<usize>,
    prompt: Vec<usize>,
    decoders: [Vec<usize>; 4],
    finder: Vec<usize>,
}

/// What the model sees of a batch of pictures.
#[derive(Debug, Clone)]
pub struct Sight {
    /// The convolutional tower's maps, then the transformer's.
    pub pyramid: Pyramid,
    /// Rows of the language model, `[batch, rows, hidden]`: the cells', and behind them that of
    /// the picture's class where there are such rows.
    pub rows: Tensor<3>,
    /// What the classifier pools, `[batch, cells of the last map, features]`, where prompts have
    /// a row for their class.
    pub class_features: Option<Tensor<3>>,
    /// How likely the words of the classes name what is seen, where text is told.
    pub words: Option<SeenWords>,
    /// SAM's embedding, `[batch, channels, grid, grid]`, where SAM decodes the masks.
    pub sam: Option<Tensor<4>>,
    /// What the mask decoder's neck makes of the maps, finest first; empty without one.
    pub neck: Vec<Tensor<4>>,
}

/// Which class each class of the classifier counts as, `[prompts or pictures, classes]`: exercises
/// in reading its rows. What it is sure or unsure of stays as it is on that photo.
#[derive(Debug, Clone)]
pub struct Renaming(pub Tensor<2, Int>);

impl Renaming {
    /// Each row several times in a row.
    fn repeated(&self, times: usize) -> Self {
        let [rows, classes] = self.0.dims();
        let rows_of_each = self.0.clone().reshape([rows, 1, classes]);
        Self(rows_of_each.expand([rows, times, classes]).reshape([rows * times, classes]))
    }
}

impl Sight {
    /// The same with another last map of the pyramid.
    pub fn with_last_map(&self, map: Tensor<4>) -> Self {
        let mut sight = self.clone();
        if let Some(last) = sight.pyramid.maps.last_mut() {
            *last = map;
        }
        sight
    }
}

impl RefVlm {
    /// A randomly initialised model.
    ///
    /// # Errors
    /// When the parts do not fit together.
    pub fn new(config: &ModelConfig, device: &Device) -> Result<Self, ModelConfigError> {
        config.check()?;
        let projector = |channels| {
            ProjectorConfig {
                visual_hidden_size: channels,
                llm_hidden_size: config.llm.hidden_size,
                hidden_act: Activation::Gelu,
            }
            .init(device)
        };
        let maps = |unit| config.decoder_index(unit).to_vec();
        let failed = |unit| move |source| ModelConfigError::Decoder { unit, source };
        let class_tokens = config.class_words.as_ref().and_then(ClassTokens::tokens);
        let class_tokens = class_tokens.unwrap_or_default();
        let prompt_width = config.vpt_encoder.out_size();
        Ok(Self {
            visual_encoder: config.visual_encoder.init(device),
            visual_tower: config.visual_tower.as_ref().map(|tower| tower.init(device)),
            projector: projector(config.selected_channels(&config.image_features)),
            row_position: config.row_positions.then(|| {
                let width = config.llm.hidden_size;
                Linear::new(width, width, false, device)
            }),
            class_row: config
                .visual_encoder
                .classes()
                .filter(|_| config.class_rows)
                .map(|n| Linear::new(n, config.llm.hidden_size, false, device)),
            class_feature: config
                .visual_encoder
                .class_feature_size()
                .filter(|_| config.class_features)
                .map(|n| Linear::new(n, config.llm.hidden_size, false, device)),
            word_seen: config
                .class_words
                .is_some()
                .then(|| Linear::normal(SEEN, config.llm.hidden_size, WORD_STD, device)),
            vpt_encoder: config.vpt_encoder.init(device),
            vpt_projector: config.vpt_projector.then(|| projector(prompt_width)),
            llm: Llama::new(&config.llm, device),
            vd_adapter: config
                .vd_adapter
                .as_ref()
                .map(|c| VdAdapter::new(c, device))
                .transpose()
                .map_err(|source| ModelConfigError::Part { part: "vd_adapter", source })?,
            finder: config
                .finder
                .as_ref()
                .map(|finder| Finder::new(finder, device))
                .transpose()
                .map_err(|source| ModelConfigError::Finder { source })?,
            visual_decoder: Decoders {
                boxes: config
                    .box_decoder
                    .as_ref()
                    .map(|c| BoxDecoder::new(c, device))
                    .transpose()
                    .map_err(failed(Unit::Box))?,
                mask: mask_unit(config, device)?,
                pose: config
                    .pose_decoder
                    .as_ref()
                    .map(|c| PoseDecoder::new(c, device))
                    .transpose()
                    .map_err(failed(Unit::Keypoint))?,
                depth: config
                    .depth_decoder
                    .as_ref()
                    .map(|c| DepthDecoder::new(c, device))
                    .transpose()
                    .map_err(failed(Unit::Depth))?,
            },
            wiring: Wiring {
                select_layer: config.visual_select_layer.as_slice().to_vec(),
                image: config.image_features.clone(),
                prompt: config.prompt_features.clone(),
                decoders: Unit::ALL.map(maps),
                finder: config
                    .finder
                    .as_ref()
                    .map_or_else(Vec::new, |finder| finder.encoder_input_index.clone()),
            },
            class_words: ClassWords::new(class_tokens, config.llm.vocab_size),
        })
    }

    /// Looks at pictures: both towers, and the picture's rows of the language model.
    pub fn see(&self, inputs: Inputs) -> Sight {
        let Inputs { pixels, tower_pixels, sam_pixels } = inputs;
        let pyramid = self.maps(pixels, tower_pixels);
        let sam = match (&self.visual_decoder.mask, sam_pixels) {
            (Some(MaskUnit::Sam(unit)), Some(pixels)) => {
                Some(unit.sam.image_encoder.forward(pixels))
            }
            _ => None,
        };
        self.sight(pyramid, sam, None)
    }

    /// Looks at a part of a picture that no text is about, only prompts.
    pub fn see_part(&self, inputs: Inputs) -> Sight {
        let pyramid = self.maps(inputs.pixels, inputs.tower_pixels);
        self.sight_of(pyramid, None, None).0
    }

    /// Embeddings of text about pictures.
    ///
    /// # Shapes
    /// `ids` `[tokens]`, `pictures` the picture of each -> `[tokens, hidden]`
    pub fn read(&self, ids: Tensor<1, Int>, pictures: Tensor<1, Int>, sight: &Sight) -> Tensor<2> {
        let embedded = self.llm.embed(ids.clone().unsqueeze_dim(0)).squeeze_dim::<2>(0);
        let (Some(words), Some(word_seen)) = (&sight.words, &self.word_seen) else {
            return embedded;
        };
        let index = ids + pictures * self.class_words.vocabulary() as i64;
        embedded + word_seen.forward(words.text.clone().select(0, index))
    }

    /// The maps of both towers; the shapes are those of [`Inputs`].
    pub fn maps(&self, pixels: Tensor<4>, tower_pixels: Option<Tensor<4>>) -> Pyramid {
        let tower = self.visual_tower.as_ref();
        let mut maps = tower.map_or_else(Vec::new, |tower| {
            tower.forward(tower_pixels.unwrap_or_else(|| pixels.clone()))
        });
        maps.extend(self.visual_encoder.feature_maps(pixels, &self.wiring.select_layer));
        Pyramid { maps }
    }

    /// What follows from the maps of the towers; a renaming is of exercises only.
    ///
    /// # Shapes
    /// maps and `sam` as in [`Sight`]
    pub fn sight(
        &self,
        pyramid: Pyramid,
        sam: Option<Tensor<4>>,
        renaming: Option<&Renaming>,
    ) -> Sight {
        let (mut sight, whole) = self.sight_of(pyramid, sam, renaming);
        let told = self.word_seen.as_ref().filter(|_| !self.class_words.is_empty());
        let told = told.and(sight.class_features.clone()).zip(whole);
        sight.words = told.and_then(|(features, whole)| {
            let [pictures, cells, width] = features.dims();
            let of_cells = features.reshape([pictures * cells, width]);
            let renaming = renaming.map(|renaming| renaming.repeated(cells));
            let of_cells = self.probabilities(of_cells, renaming.as_ref())?;
            Some(self.class_words.seen(whole, of_cells))
        });
        sight
    }

    /// What follows from the maps but for what text is told, and the probabilities of the classes over
    /// each picture, where there are any.
    fn sight_of(
        &self,
        pyramid: Pyramid,
        sam: Option<Tensor<4>>,
        renaming: Option<&Renaming>,
    ) -> (Sight, Option<Tensor<2>>) {
        let map = pyramid.joined(&self.wiring.image);
        let [_, _, height, width] = map.dims();
        let mut rows = self.projector.forward(tokens(map));
        if let Some(position) = &self.row_position {
            let code = octave_position([height, width], rows.dims()[2], &rows.device());
            rows = rows + position.forward(code).unsqueeze();
        }
        let features = self.class_row.as_ref().and_then(|_| {
            pyramid.maps.last().and_then(|map| self.visual_encoder.class_features(map.clone()))
        });
        let mut whole = None;
        if let Some(features) = &features {
            let pooled = features.clone().mean_dim(1).squeeze_dim::<2>(1);
            if let Some((class, probabilities)) = self.class_rows(pooled, renaming) {
                rows = Tensor::cat(vec![rows, class], 1);
                whole = Some(probabilities);
            }
        }
        let neck = match &self.visual_decoder.mask {
            Some(MaskUnit::Prompted(decoder)) => decoder.neck.as_ref(),
            _ => None,
        };
        let neck = neck
            .map(|neck| neck.forward(&pyramid.select(&self.wiring.decoders[Unit::Mask as usize])));
        let neck = neck.unwrap_or_default();
        (Sight { pyramid, rows, class_features: features, words: None, sam, neck }, whole)
    }

    /// Probabilities of the classes, under other names if there are.
    ///
    /// # Shapes
    /// `[n, features] -> [n, classes]`
    fn probabilities(&self, pooled: Tensor<2>, renaming: Option<&Renaming>) -> Option<Tensor<2>> {
        let probabilities = self.visual_encoder.class_probabilities(pooled)?;
        let Some(Renaming(classes)) = renaming else { return Some(probabilities) };
        let add = IndexingUpdateOp::Add;
        Some(probabilities.zeros_like().scatter(1, classes.clone(), probabilities, add))
    }

    /// The rows of pooled features: what is seen, where the configuration says so, and last what the
    /// classifier takes it for, under other names if there are. They are rows of their own, for
    /// features are ten times as long as a mixture of words and would drown it. Behind them the
    /// probabilities that they were made from.
    ///
    /// # Shapes
    /// `[n, features] -> [n, rows, hidden]` and `[n, classes]`
    fn class_rows(
        &self,
        pooled: Tensor<2>,
        renaming: Option<&Renaming>,
    ) -> Option<(Tensor<3>, Tensor<2>)> {
        let row = self.class_row.as_ref()?;
        // What is seen stays under its name: an exercise that could be told from a photo would teach
        // nothing about photos.
        let probabilities = self.probabilities(pooled.clone(), renaming)?;
        let size = pooled.clone().square().mean_dim(1).sqrt() + 1e-6;
        let seen = self.class_feature.as_ref().map(|f| f.forward(pooled / size));
        let named = row.forward(probabilities.clone());
        Some((Tensor::stack(seen.into_iter().chain([named]).collect(), 1), probabilities))
    }

    /// Rows of the language model for visual prompts; a renaming is of exercises only.
    ///
    /// # Shapes
    /// - `regions` `[prompts, grid, grid]`: weights over the cells of the prompt features
    /// - `sample[i]` is the picture of prompt `i`
    /// - returns `[prompts, tokens, hidden]`
    pub fn prompt_rows(
        &self,
        sight: &Sight,
        regions: Tensor<3>,
        sample: &[usize],
        renaming: Option<&Renaming>,
    ) -> Tensor<3> {
        let features = sight.pyramid.joined(&self.wiring.prompt);
        let pooled = self.vpt_encoder.forward(features, regions.clone(), sample);
        let rows = self.vpt_projector.as_ref().unwrap_or(&self.projector).forward(pooled);
        let Some(features) = &sight.class_features else { return rows };
        let class = self.class_rows(pool(features.clone(), regions, sample), renaming);
        match class {
            Some((class, _)) => Tensor::cat(vec![rows, class], 1),
            None => rows,
        }
    }

    /// What stands for a prompt's rows in decoders: the mean of what is seen there. What it is called
    /// is for the language model to read.
    ///
    /// # Shapes
    /// `[prompts, tokens, hidden] -> [prompts, hidden]`
    pub fn prompt_state(&self, rows: Tensor<3>) -> Tensor<2> {
        let [_, count, _] = rows.dims();
        let named = usize::from(self.class_feature.is_some() && count > 1);
        rows.narrow(1, 0, count - named).mean_dim(1).squeeze_dim::<2>(1)
    }

    /// The prompts as decoders are told of them. `maps` as in [`PromptMaps`], `rows`
    /// `[prompts, tokens, hidden]` as [`Self::prompt_rows`] gives them.
    pub fn prompt_maps(&self, maps: Tensor<4>, rows: Tensor<3>) -> PromptMaps {
        let rows = self.prompt_state(rows);
        PromptMaps { maps, states: self.llm.model.norm.forward(rows.clone()), rows }
    }

    /// Where the classifier sees what references are called, as [`ClassWords::shown`]; none where text
    /// is not told. `concepts[i]` are the ids of the concept of reference `i`, `pictures[i]` is its
    /// picture.
    pub fn shown(
        &self,
        sight: &Sight,
        concepts: &[Vec<i64>],
        pictures: &[usize],
    ) -> Option<Tensor<4>> {
        Some(self.class_words.shown(sight.words.as_ref()?, concepts, pictures))
    }

    /// Where the things of nouns are, each in the tokens that its phrase has; none without a finder.
    /// `pictures[i]` is the picture that noun `i` is looked for in.
    pub fn find(&self, sight: &Sight, nouns: &[Vec<i64>], pictures: &[usize]) -> Option<Middles> {
        let finder = self.finder.as_ref()?;
        let maps = sight.pyramid.select(&self.wiring.finder);
        let tokens: Vec<i64> = nouns.iter().flatten().copied().collect();
        let (count, total) = (nouns.len(), tokens.len());
        if total == 0 {
            return None;
        }
        let device = sight.rows.device();
        let mut mean = vec![0.0f32; count * total];
        let mut at = 0;
        for (row, noun) in mean.chunks_exact_mut(total).zip(nouns) {
            row[at..at + noun.len()].fill(1.0 / noun.len().max(1) as f32);
            at += noun.len();
        }
        let tokens = Tensor::<2, Int>::from_data(TensorData::new(tokens, [1, total]), &device);
        // What is found does not change what words mean.
        let words = self.llm.embed(tokens).squeeze_dim::<2>(0).detach();
        let mean = Tensor::<2>::from_data(TensorData::new(mean, [count, total]), &device);
        let concepts = self.shown(sight, nouns, pictures);
        Some(finder.forward(&maps, mean.matmul(words), concepts, pictures))
    }

    /// The maps that a unit's decoder looks at, finest first; none where there is no decoder.
    pub fn decoder_maps(&self, sight: &Sight, unit: Unit) -> Vec<Tensor<4>> {
        if let (Unit::Mask, Some(embedding)) = (unit, &sight.sam) {
            return vec![embedding.clone()];
        }
        let mut maps = sight.pyramid.select(&self.wiring.decoders[unit as usize]);
        if unit == Unit::Mask {
            maps.extend(sight.neck.iter().cloned());
        }
        maps
    }
}

/// The mask decoder, SAM in its place, or neither.
fn mask_unit(config: &ModelConfig, device: &Device) -> Result<Option<MaskUnit>, ModelConfigError> {
    let unit = Unit::Mask;
    let failed = |source| ModelConfigError::Decoder { unit, source };
    if let Some(decoder) = &config.mask_decoder {
        return Ok(Some(MaskUnit::Pixels(MaskDecoder::new(decoder, device).map_err(failed)?)));
    }
    if let Some(decoder) = &config.prompted_decoder {
        let decoder = PromptedDecoder::new(decoder, device).map_err(failed)?;
        return Ok(Some(MaskUnit::Prompted(decoder)));
    }
    if let Some(sam) = &config.sam_decoder {
        let failed = |source| ModelConfigError::Part { part: "sam_decoder", source };
        return Ok(Some(MaskUnit::Sam(SamUnit::new(sam, device).map_err(failed)?)));
    }
    Ok(None)
}

/// `[batch, channels, h, w] -> [batch, h * w, channels]`
fn tokens(map: Tensor<4>) -> Tensor<3> {
    map.flatten::<3>(2, 3).swap_dims(1, 2)
}

/// Means of features over regions, which may be given on a finer grid.
///
/// # Shapes
/// `features` `[batch, cells, channels]` of a square grid, `regions` `[n, side, side]`, `sample`
/// for each region the index of its picture -> `[n, channels]`
fn pool(features: Tensor<3>, regions: Tensor<3>, sample: &[usize]) -> Tensor<2> {
    let [_, cells, _] = features.dims();
    let [count, ..] = regions.dims();
    let grid = cells.isqrt();
    let regions = resize_bilinear(regions.unsqueeze_dim(1), [grid, grid]);
    let weights = normalise(regions.squeeze_dim::<3>(1)).reshape([count, 1, cells]);
    let index: Vec<i64> = sample.iter().map(|&s| s as i64).collect();
    let index = Tensor::<1, Int>::from_data(TensorData::new(index, [count]), &features.device());
    weights.matmul(features.select(0, index)).squeeze_dim::<2>(1)
}
