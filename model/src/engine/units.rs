//! From reference states to what a person sees: decoded, un-padded, with a confidence.

use super::candidates::Candidates;
use super::closer::Closer;
use super::context::Context;
use super::search::{Thing, iou};
use super::{EngineError, Session, host};
use crate::config::ModelConfig;
use crate::decoding::{Pointed, Proposals, QueryLayout, Told};
use crate::event::Shape;
use crate::image::Frame;
use crate::refvlm::{RefVlm, Sight};
use burn::tensor::{Tensor, activation};
use refvlm_record::{Mask, Prompt, Unit};

/// A triplet that is to be decoded.
pub(super) struct Asked {
    /// Its number in the answer.
    pub number: usize,
    /// Positions of its `<REF>`s in the answer.
    pub refs: Vec<usize>,
    /// What the picture shows of its concept, in px of the picture; empty where nothing was looked
    /// for.
    pub things: Vec<Thing>,
    /// The states there, `[1, references, hidden]`.
    pub states: Tensor<3>,
    /// Ids of its concept.
    pub concept: Vec<i64>,
}

impl Asked {
    /// What its reference `k` may mean of what the picture shows.
    fn things_of(&self, k: usize) -> &[Thing] {
        match self.refs.len() {
            0 | 1 => &self.things,
            _ => self.things.get(k..=k).unwrap_or_default(),
        }
    }
}

/// The thing that words mean most likely: the more so, the better it agrees with what they have
/// found, and the likelier it is there.
fn meant_thing(found: &Shape, things: &[Thing]) -> Option<Thing> {
    let bbox = match found {
        Shape::Mask { bbox, .. } => *bbox,
        _ => [0.0; 4],
    };
    let agrees = |thing: &Thing| iou(thing.bbox, bbox);
    let score = |thing: &Thing| thing.confidence + agrees(thing);
    things.iter().copied().max_by(|a, b| score(a).total_cmp(&score(b)))
}

/// Triplet and place in it, confidence 0..1 (1 where the decoder gives none), and what was found,
/// in px of the picture.
type Found = ((usize, usize), (f32, Shape));

impl Session {
    /// Decodes triplets of one unit in one call, through the adapter where there is one.
    pub(super) async fn decode(
        &mut self,
        context: &Context,
        unit: Unit,
        asked: &[Asked],
    ) -> Result<Vec<Found>, EngineError> {
        let decoded = self.config.decoded_as(unit);
        let seen = self.picture.as_ref().ok_or(EngineError::NoPicture)?;
        let adapted = self.model.vd_adapter.as_ref().zip(self.image_states.clone());
        let adapted = adapted.and_then(|(adapter, image)| {
            let grid = [self.config.selected_side(&self.config.image_features); 2];
            let groups: Option<Vec<_>> = asked.iter().map(|a| context.group(&a.refs)).collect();
            Some(adapter.forward(image, grid, &groups?))
        });
        let (sight, states, layout) = match adapted {
            Some(out) => (seen.sight.with_last_map(out.map), out.refs, out.layout),
            None => {
                let sizes = asked.iter().map(|a| a.states.dims()[1]).collect();
                let states = asked.iter().map(|a| a.states.clone()).collect();
                let layout = QueryLayout::new(vec![sizes]);
                (seen.sight.clone(), Tensor::cat(states, 1), layout)
            }
        };
        // Every reference of an answer may mean any of the question's prompts.
        let of_reference = context.prompts.as_ref().map_or(Vec::new(), |prompts| {
            vec![(0..prompts.maps.dims()[0]).collect(); layout.count()]
        });
        let pointed = context.prompts.as_ref();
        let pointed = pointed.map(|prompts| Pointed { prompts, of_reference: &of_reference });
        let frame = seen.frame;
        let concepts = asked.iter().flat_map(|a| a.refs.iter().map(|_| a.concept.clone()));
        let concepts: Vec<Vec<i64>> = concepts.collect();
        let concepts = self.model.shown(&sight, &concepts, &layout.pictures());
        let told = Told { pointed, concepts };
        let asked_of = (states.clone(), &layout, &told);
        let place = (&frame, &sight);
        let Decoded { mut shapes, logits } =
            decode(&self.model, place, decoded, asked_of, &self.config).await?;
        // Which prompt is meant has to be read from the device: only where something follows from it.
        let again = context.look.is_some() || asked.iter().any(|a| !a.things.is_empty());
        if again && matches!(decoded, Unit::Mask | Unit::Keypoint) {
            let asked_of = (&states, &layout, told.pointed.as_ref());
            let meant = self.meant(&context.pointers, asked_of).await?;
            let things = asked.iter().flat_map(|a| (0..a.states.dims()[1]).map(|k| a.things_of(k)));
            let things: Vec<&[Thing]> = things.collect();
            let found = shapes.iter_mut().zip(meant).zip(things);
            for (index, ((found, prompt), things)) in found.enumerate() {
                let thing = prompt.is_none().then(|| meant_thing(&found.1, things)).flatten();
                let closer = match (prompt, thing, context.look) {
                    (Some(prompt), _, Some(look)) => self.look_closer(look, prompt, &found.1)?,
                    (None, Some(Thing { confidence, bbox: [x, y, w, h] }), look) => {
                        found.0 = confidence;
                        self.look_at(look, &Prompt::Box { x, y, w, h })?
                    }
                    (None, None, Some(look)) => self.look_again(look, &found.1)?,
                    (_, _, None) => None,
                };
                let Some(closer) = closer else { continue };
                let whole = logits.clone().filter(|_| closer.whole_share > 0.0);
                let whole = whole.map(|logits| logits.narrow(0, index, 1));
                if prompt.is_some() {
                    self.refine(found, &closer, (&frame, whole)).await?;
                    continue;
                }
                // The look takes what words have found for what is meant: whether it is was judged
                // before, and nothing found there says nothing against it.
                let mut seen = found.clone();
                self.refine(&mut seen, &closer, (&frame, whole)).await?;
                if matches!(seen.1, Shape::Mask { bbox: [_, _, w, h], .. } if w > 0.0 && h > 0.0) {
                    found.1 = seen.1;
                }
            }
        }
        if unit != decoded {
            for (_, shape) in &mut shapes {
                if let Shape::Mask { bbox, .. } = shape {
                    *shape = Shape::Box { bbox: *bbox };
                }
            }
        }
        let sizes = layout.group_sizes();
        let numbers = asked.iter().zip(sizes);
        let numbers = numbers.flat_map(|(a, size)| (0..size).map(move |index| (a.number, index)));
        let shapes = shapes.into_iter().map(|found| checked(&frame, unit, found));
        Ok(numbers.zip(shapes.collect::<Result<Vec<_>, _>>()?).collect())
    }
}

impl Session {
    /// Puts what a closer look finds in place of what was found in the whole picture, or beside it
    /// where the prompt does not say how large the thing is. The decoder is asked of the prompt
    /// itself, as in training: the state of the reference came of rows of the whole picture, and may
    /// not be taken to mean the prompt of the part.
    async fn refine(
        &self,
        found: &mut (f32, Shape),
        Closer { part, prompts, whole_share }: &Closer,
        (frame, whole): (&Frame, Option<Tensor<4>>),
    ) -> Result<(), EngineError> {
        let state = prompts.states.clone().unsqueeze_dim::<3>(0);
        let Some(decoder) = &self.model.visual_decoder.mask else { return Ok(()) };
        let maps = self.model.decoder_maps(&part.sight, Unit::Mask);
        let layout = QueryLayout::new(vec![vec![1]]);
        let pointed = Pointed { prompts, of_reference: &[vec![0]] };
        match &mut found.1 {
            Shape::Mask { .. } => {
                let told = Told { pointed: Some(pointed), concepts: None };
                let out = decoder.forward(&maps, state, &layout, &told);
                let Some(mut proposals) = out.proposals else { return Ok(()) };
                if let Some(whole) = whole {
                    let near = proposals.logits * (1.0 - whole_share);
                    proposals.logits = near + part.of_whole(whole, frame) * *whole_share;
                }
                let threshold = self.config.mask_threshold;
                let seen = proposed(&part.frame, proposals, threshold).await?;
                let Some(mut closer) = seen.into_iter().next() else { return Ok(()) };
                for mask in &mut closer.masks {
                    *mask = part.mask_of_picture(mask, [frame.width, frame.height]);
                }
                // One proposal is that of a prompt which means one thing, and is better seen here.
                *found = match closer.masks.len() {
                    1 => closer.best(),
                    _ => Candidates::of(found).and(closer).best(),
                };
            }
            Shape::Keypoint { bbox, keypoints } => {
                let joints = decoder.joints(&maps, &state, &layout, &pointed);
                let Some(joints) = joints.filter(|maps| maps.dims()[1] == keypoints.len()) else {
                    return Ok(());
                };
                let [_, _, h, w] = joints.dims();
                let logits = host(joints).await?;
                let places = logits.chunks_exact(h * w).map(|map| peak(map, w));
                let mut flat = Vec::with_capacity(2 * keypoints.len());
                for (point, place) in keypoints.iter_mut().zip(places) {
                    let [x, y] = part.point_of_picture(place);
                    (point[0], point[1]) = (x, y);
                    flat.extend([x, y]);
                }
                let [x, y, w, h] = around(&flat);
                *bbox = [x - w / 2.0, y - h / 2.0, w, h];
            }
            Shape::Box { .. } | Shape::Depth { .. } => {}
        }
        Ok(())
    }
}

/// Share of the picture's side by which a joint may lie outside and still count as on its edge.
const JOINT_MARGIN: f32 = 0.02;

/// What was found, with a confidence of 0 where it is empty, and a presence of 0 for joints that
/// lie outside the picture.
///
/// # Errors
/// When a number is not finite.
fn checked(
    frame: &Frame,
    unit: Unit,
    (confidence, mut shape): (f32, Shape),
) -> Result<(f32, Shape), EngineError> {
    let (finite, empty) = match &mut shape {
        Shape::Box { bbox } => (all_finite(bbox), bbox[2] <= 0.0 || bbox[3] <= 0.0),
        Shape::Mask { bbox, .. } => (all_finite(bbox), bbox[2] <= 0.0 || bbox[3] <= 0.0),
        Shape::Keypoint { bbox, keypoints } => {
            let near = |v: f32, side: u32| {
                let margin = (JOINT_MARGIN * side as f32).max(1.0);
                (-margin..=side as f32 + margin).contains(&v)
            };
            let finite = all_finite(bbox) && keypoints.iter().all(|joint| all_finite(joint));
            for joint in keypoints.iter_mut() {
                if !(near(joint[0], frame.width) && near(joint[1], frame.height)) {
                    joint[2] = 0.0;
                }
            }
            (finite, bbox[2] <= 0.0 || bbox[3] <= 0.0)
        }
        Shape::Depth { metres, .. } => (all_finite(metres), metres.is_empty()),
    };
    if !finite || !confidence.is_finite() {
        return Err(EngineError::NotFinite(unit));
    }
    Ok((if empty { 0.0 } else { confidence }, shape))
}

fn all_finite(values: &[f32]) -> bool {
    values.iter().all(|value| value.is_finite())
}

/// What references are decoded to.
struct Decoded {
    /// In px of the picture, each with its confidence.
    shapes: Vec<(f32, Shape)>,
    /// Logits of the proposals over the padded square, `[references, proposals, h, w]`, where there
    /// are proposals.
    logits: Option<Tensor<4>>,
}

impl Decoded {
    fn of(confidence: Vec<f32>, shapes: impl Iterator<Item = Shape>) -> Self {
        Self { shapes: confidence.into_iter().zip(shapes).collect(), logits: None }
    }
}

/// Decodes references.
///
/// # Shapes
/// `states` `[1, references, hidden]`
async fn decode(
    model: &RefVlm,
    (frame, sight): (&Frame, &Sight),
    unit: Unit,
    (states, layout, told): (Tensor<3>, &QueryLayout, &Told<'_>),
    config: &ModelConfig,
) -> Result<Decoded, EngineError> {
    let (count, digits) = (states.dims()[1], config.box_digits);
    let maps = model.decoder_maps(sight, unit);
    let decoders = &model.visual_decoder;
    let absent = EngineError::NoDecoder(unit);
    match unit {
        Unit::Box => {
            let out = decoders.boxes.as_ref().ok_or(absent)?.forward(&maps, states, layout);
            let boxes = host(out.boxes).await?;
            let confidence = confidences(out.confidence, count).await?;
            let shape =
                |b: &[f32; 4]| Shape::Box { bbox: frame.clip_box(digits.answer(frame, *b)) };
            Ok(Decoded::of(confidence, boxes.as_chunks::<4>().0.iter().map(shape)))
        }
        Unit::Mask => {
            let out = decoders.mask.as_ref().ok_or(absent)?;
            let out = out.forward(&maps, states, layout, told);
            if let Some(proposals) = out.proposals {
                let logits = Some(proposals.logits.clone());
                let found = proposed(frame, proposals, config.mask_threshold).await?;
                return Ok(Decoded {
                    shapes: found.iter().map(Candidates::best).collect(),
                    logits,
                });
            }
            let kept = count.min(out.logits.dims()[1]);
            let masks = masks(frame, out.logits.narrow(1, 0, kept), config.mask_threshold).await?;
            let confidence = confidences(out.confidence, count).await?;
            Ok(Decoded::of(confidence, masks.iter().map(Shape::mask)))
        }
        Unit::Keypoint => {
            let pointed_states = states.clone();
            let out = decoders.pose.as_ref().ok_or(absent)?.forward(&maps, states, layout);
            let points = out.keypoints.dims()[2];
            let mut boxes = host(out.boxes).await?;
            let mut places = host(out.keypoints).await?;
            let found = decoders.mask.as_ref().zip(told.pointed.as_ref());
            let found = found.and_then(|(mask, pointed)| {
                let maps = model.decoder_maps(sight, Unit::Mask);
                mask.joints(&maps, &pointed_states, layout, pointed)
            });
            if let Some(found) = found.filter(|found| found.dims()[1] == points) {
                let [_, _, h, w] = found.dims();
                let logits = host(found).await?;
                places = logits.chunks_exact(h * w).flat_map(|map| peak(map, w)).collect();
                boxes = places.chunks_exact(2 * points).flat_map(around).collect();
            }
            // Two logits per point, not labelled and labelled, each with its own sigmoid in training.
            let visible = host(activation::sigmoid(out.visibility)).await?;
            let confidence = confidences(out.confidence, count).await?;
            let people = boxes
                .as_chunks::<4>()
                .0
                .iter()
                .zip(places.chunks_exact(points * 2).zip(visible.chunks_exact(points * 2)));
            let shape = |(b, (places, visible)): (&[f32; 4], (_, _))| {
                let bbox = frame.clip_box(digits.answer(frame, *b));
                body(frame, bbox, places, visible)
            };
            Ok(Decoded::of(confidence, people.map(shape)))
        }
        Unit::Depth => {
            let out = decoders.depth.as_ref().ok_or(absent)?.forward(&maps, states, layout);
            let [_, _, h, w] = out.log_depth.dims();
            let logs = host(out.log_depth).await?;
            let confidence = confidences(out.confidence, count).await?;
            let maps = logs.chunks_exact(h * w).map(|map| depth(frame, map, [h, w]));
            let maps = maps.collect::<Result<Vec<_>, _>>()?;
            Ok(Decoded::of(confidence, maps.into_iter()))
        }
    }
}

/// Where logits over the unit square are above 0, or their probabilities above a threshold, as
/// masks of the picture.
///
/// # Shapes
/// `[1, count, h, w]` -> `count` masks
async fn masks(
    frame: &Frame,
    logits: Tensor<4>,
    threshold: Option<f32>,
) -> Result<Vec<Mask>, EngineError> {
    let [_, _, h, w] = logits.dims();
    let (map, limit) = match threshold {
        None => (logits, 0.0),
        Some(threshold) => (activation::sigmoid(logits), threshold),
    };
    #[cfg(feature = "wgpu")]
    if refvlm_shaders::gpu::runs_on(&map.device()) {
        use refvlm_shaders::gpu::{mask_bits, set_bits};
        let Frame { width, height, .. } = *frame;
        let count = map.dims()[1];
        let bits = mask_bits(map.reshape([count, h, w]), frame.window(), limit);
        let words = bits.dims()[1];
        let data = bits.into_data_async().await;
        let data = data.map_err(|e| EngineError::Device(format!("{e:?}")))?;
        let bits: Vec<u32> = data.iter::<i32>().map(i32::cast_unsigned).collect();
        let pixels = width as usize * height as usize;
        let mask = |words| Mask { width, height, pixels: set_bits(words, pixels) };
        return Ok(bits.chunks_exact(words).map(mask).collect());
    }
    let values = host(map).await?;
    let masks = values.chunks_exact(h * w).map(|map| frame.mask_to_px(map, [h, w], limit));
    Ok(masks.collect::<Result<_, _>>()?)
}

/// What each reference may mean: one mask, or several where several were asked for.
async fn proposed(
    frame: &Frame,
    proposals: Proposals,
    threshold: Option<f32>,
) -> Result<Vec<Candidates>, EngineError> {
    let [count, several, h, w] = proposals.logits.dims();
    let single = host(proposals.single).await?;
    // A box or a painted region means one thing, and most answers are of such.
    let asked = if single.iter().all(|&single| single > 0.0) { 1 } else { several };
    let logits = proposals.logits.narrow(1, 0, asked).reshape([1, count * asked, h, w]);
    let masks = masks(frame, logits, threshold).await?;
    let confidence = host(activation::sigmoid(proposals.confidence.narrow(1, 0, asked))).await?;
    let of_reference = masks.chunks_exact(asked).zip(confidence.chunks_exact(asked));
    let candidates = of_reference.zip(single).map(|((masks, confidence), single)| {
        let asked = if single > 0.0 { 1 } else { asked };
        Candidates { masks: masks[..asked].into(), confidence: confidence[..asked].into() }
    });
    Ok(candidates.collect())
}

async fn confidences(logits: Option<Tensor<2>>, count: usize) -> Result<Vec<f32>, EngineError> {
    match logits {
        Some(logits) => host(activation::sigmoid(logits)).await,
        None => Ok(vec![1.0; count]),
    }
}

/// Where the logits of a map are highest, in the unit square: the mean of the cells around the
/// highest, weighted by their probabilities.
fn peak(logits: &[f32], width: usize) -> [f32; 2] {
    let highest = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or(0);
    let height = logits.len() / width.max(1);
    let (column, row) = (highest % width, highest / width);
    let near = |at: usize, length: usize| at.saturating_sub(1)..(at + 2).min(length);
    let (mut x, mut y, mut sum) = (0.0, 0.0, 0.0);
    for r in near(row, height) {
        for c in near(column, width) {
            let share = (logits[r * width + c] - logits[highest]).exp();
            x += share * (c as f32 + 0.5);
            y += share * (r as f32 + 0.5);
            sum += share;
        }
    }
    [x / sum / width as f32, y / sum / height as f32]
}

/// The box around points `x, y, x, y, ...` as centre and size.
fn around(points: &[f32]) -> [f32; 4] {
    let along = |axis: usize| {
        let values = points.iter().skip(axis).step_by(2).copied();
        let low = values.clone().fold(f32::INFINITY, f32::min);
        let high = values.fold(f32::NEG_INFINITY, f32::max);
        ((low + high) / 2.0, high - low)
    };
    let ((x, w), (y, h)) = (along(0), along(1));
    [x, y, w, h]
}

fn body(frame: &Frame, bbox: [f32; 4], places: &[f32], visible: &[f32]) -> Shape {
    let places = places.as_chunks::<2>().0.iter();
    let visible = visible.as_chunks::<2>().0.iter();
    let points: Vec<[f32; 3]> = places
        .zip(visible)
        .map(|(&[x, y], &[absent, present])| [x, y, present / (absent + present).max(1e-6)])
        .collect();
    Shape::Keypoint { bbox, keypoints: frame.keypoints_to_px(&points) }
}

/// The part of a map of log depth that lies on the picture, at the map's own resolution.
fn depth(frame: &Frame, map: &[f32], [h, w]: [usize; 2]) -> Result<Shape, EngineError> {
    let cells = |length: u32, cells: usize| {
        (f64::from(length) / f64::from(frame.side) * cells as f64).round().max(1.0) as usize
    };
    let (width, height) = (cells(frame.width, w), cells(frame.height, h));
    // A small frame of the same shape: the map is cut to the picture without being enlarged.
    let small = Frame::new(width as u32, height as u32, frame.size)?;
    let logs = small.map_to_px(map, [h, w])?;
    let metres = logs.into_iter().map(|log| log.clamp(-20.0, 20.0).exp()).collect();
    Ok(Shape::Depth { width: width as u32, height: height as u32, metres })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_lies_between_the_cells_that_share_it() {
        let mut logits = vec![-20.0f32; 4 * 8];
        (logits[8 + 2], logits[8 + 3]) = (3.0, 3.0);
        let [x, y] = peak(&logits, 8);
        assert!((x - 3.0 / 8.0).abs() < 1e-4 && (y - 1.5 / 4.0).abs() < 1e-4, "{x} {y}");
        assert_eq!(around(&[0.2, 0.5, 0.6, 0.1]), [0.4, 0.3, 0.40000004, 0.4]);
    }

    #[test]
    fn what_is_empty_outside_or_no_number_is_said_to_be_so() {
        let frame = Frame::new(40, 20, 64).unwrap();
        let empty = Shape::mask(&Mask::zeros(40, 20));
        assert_eq!(checked(&frame, Unit::Mask, (0.78, empty)).unwrap().0, 0.0);
        let seen = Shape::Box { bbox: [1.0, 2.0, 3.0, 4.0] };
        assert_eq!(checked(&frame, Unit::Box, (0.78, seen)).unwrap().0, 0.78);
        let keypoints = vec![[5.0, -287.0, 0.9], [5.0, 10.0, 0.9], [40.5, 20.0, 0.8]];
        let body = Shape::Keypoint { bbox: [1.0, 1.0, 9.0, 9.0], keypoints };
        let (_, body) = checked(&frame, Unit::Keypoint, (0.5, body)).unwrap();
        let Shape::Keypoint { keypoints, .. } = body else { panic!("another shape") };
        assert_eq!(keypoints.iter().map(|joint| joint[2]).collect::<Vec<_>>(), [0.0, 0.9, 0.8]);
        for bad in [f32::NAN, f32::INFINITY] {
            let shape = Shape::Box { bbox: [bad, 0.0, 1.0, 1.0] };
            let error = checked(&frame, Unit::Box, (0.5, shape)).unwrap_err();
            assert_eq!(error, EngineError::NotFinite(Unit::Box));
        }
    }
}
