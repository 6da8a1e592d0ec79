//! The mask decoder that is told where prompts lie, in the untrained model of the preset `pocket`.

use burn::tensor::{Device, Tensor, TensorData, activation};
use refvlm_model::config::{ClassTokens, CloserLook, ModelConfig};
use refvlm_model::decoding::{MaskOutput, MaskUnit, Pointed, QueryLayout, Told};
use refvlm_model::engine::{Ask, Session};
use refvlm_model::event::{Event, Shape};
use refvlm_model::image::Picture;
use refvlm_model::language::Sampling;
use refvlm_model::learning::batch::{Batch, Pictures};
use refvlm_model::learning::example::{Example, Look, Setup};
use refvlm_model::learning::losses::LossConfig;
use refvlm_model::learning::pointing::PointingBatch;
use refvlm_model::refvlm::RefVlm;
use refvlm_model::triplet::parser::{Mark, concepts};
use refvlm_record::exchange::Exchange;
use refvlm_record::{Prompt, Record, Rle, Task, Unit};
use refvlm_tests::{pocket_tokenizer, preset, settled};

const SIDE: u32 = 64;

/// The preset with tokens for its classes: each token names some class, so that all of a text is told
/// what is seen.
fn config() -> ModelConfig {
    let mut config = preset("pocket");
    let tokens = (0..1000).map(|class| vec![class, class + 1000, class + 2000]).collect();
    config.class_words = Some(ClassTokens::Tokens(tokens));
    config
}

fn model(device: &Device) -> (ModelConfig, RefVlm) {
    let config = config();
    let model = settled(RefVlm::new(&config, device).unwrap());
    (config, model)
}

fn photo() -> Vec<u8> {
    (0..SIDE * SIDE * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Two things, each with a mask, pointed at by a box and by a click.
fn record() -> Record {
    let rle = |from: u32, to: u32| {
        let (before, inside) = (from * SIDE, (to - from) * SIDE);
        format!(
            r#"{{"size": [{SIDE}, {SIDE}], "counts": [{before}, {inside}, {}]}}"#,
            SIDE * SIDE - before - inside
        )
    };
    let turn = |prompt: usize| {
        format!(
            r#"{{"task": "grounding_segmentation", "question": ["Segment ", {{"prompt": {prompt}}}, "."],
                "answer": [{{"concept": "dog", "unit": "mask", "targets": [{prompt}]}}, "."]}}"#
        )
    };
    let text = format!(
        r#"{{"id": "two", "source": "test", "licence": "CC0-1.0",
            "image": {{"path": "two.png", "width": {SIDE}, "height": {SIDE}}},
            "targets": [{{"box": [4, 0, 20, 64], "mask": {}}}, {{"box": [40, 0, 20, 64], "mask": {}}}],
            "prompts": [{{"kind": "box", "x": 4, "y": 0, "w": 20, "h": 64}},
                        {{"kind": "point", "x": 50, "y": 30}}],
            "turns": [{}, {}]}}"#,
        rle(4, 24),
        rle(40, 60),
        turn(0),
        turn(1)
    );
    Record::from_json(&text).unwrap()
}

fn example(config: &ModelConfig) -> Example {
    let tokenizer = pocket_tokenizer();
    let setup = Setup { config, tokenizer: &tokenizer, label_side: 64 };
    setup.example(&record(), Picture::new(SIDE, SIDE, &photo()).unwrap()).unwrap()
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

/// The masks of both prompts, decoded with what the references may mean.
fn masks(
    model: &RefVlm,
    pictures: &Pictures,
    batch: &PointingBatch,
    of_reference: &[Vec<usize>],
) -> MaskOutput {
    let sight = model.look(pictures, None);
    let (states, prompts) = model.pointing(&sight, batch);
    let prompts = prompts.unwrap();
    let pointed = Pointed { prompts: &prompts, of_reference };
    let layout = QueryLayout::new(vec![vec![1, 1]]);
    let maps = model.decoder_maps(&sight, Unit::Mask);
    let mask = model.visual_decoder.mask.as_ref().unwrap();
    let told = Told { pointed: Some(pointed), concepts: None };
    mask.forward(&maps, states.unsqueeze(), &layout, &told)
}

#[test]
fn a_mask_depends_on_the_prompt_that_its_reference_may_mean() {
    let device = Device::flex();
    let (config, model) = model(&device);
    let examples = [example(&config)];
    let pictures = Pictures::new(&examples, &config, &device);
    let batch = PointingBatch::new(&examples, &config, &device).unwrap();
    assert_eq!(batch.units[Unit::Mask as usize].prompts, [vec![0], vec![1]]);
    let own = masks(&model, &pictures, &batch, &[vec![0], vec![1]]);
    assert_eq!(own.logits.dims(), [1, 2, 64, 64]);
    assert_eq!(own.proposals.as_ref().unwrap().logits.dims(), [2, 3, 64, 64]);
    let swapped = masks(&model, &pictures, &batch, &[vec![1], vec![0]]);
    let none = masks(&model, &pictures, &batch, &[vec![], vec![]]);
    let own = numbers(own.logits);
    for other in [swapped, none] {
        let other = numbers(other.logits);
        assert!(other.iter().all(|x| x.is_finite()));
        let moved = own.iter().zip(&other).filter(|(a, b)| (*a - *b).abs() > 1e-4).count();
        assert!(moved > 1000, "{moved} of {} logits moved", own.len());
    }
}

/// What stands in a batch beside a picture changes nothing of its masks, padding included.
#[test]
fn a_picture_does_not_notice_its_neighbours() {
    let device = Device::flex();
    let (config, model) = model(&device);
    let one = example(&config);
    let mut other = one.clone();
    other.turns.truncate(1);
    let losses = |examples: &[Example]| {
        let batch = PointingBatch::new(examples, &config, &device).unwrap();
        let sight = model.look(&Pictures::new(examples, &config, &device), None);
        let (states, prompts) = model.pointing(&sight, &batch);
        let asked = (states, prompts.as_ref());
        let losses = model.pointing_losses(&sight, asked, &batch, &LossConfig::default(), 64);
        let (_, loss) = losses.unwrap().into_iter().find(|(unit, _)| *unit == Unit::Mask).unwrap();
        f64::from(loss.total.into_scalar::<f32>())
    };
    let (a, b) = (losses(std::slice::from_ref(&one)), losses(std::slice::from_ref(&other)));
    let both = losses(&[one, other]);
    // Means over two references and one.
    assert!((both - (2.0 * a + b) / 3.0).abs() < 1e-3 * both, "{both} of {a} and {b}");
}

#[test]
fn every_part_of_the_decoder_learns() {
    let device = Device::flex().autodiff();
    let (config, model) = model(&device);
    let examples = [example(&config)];
    let batch = PointingBatch::new(&examples, &config, &device).unwrap();
    let sight = model.look(&Pictures::new(&examples, &config, &device), None);
    let (states, prompts) = model.pointing(&sight, &batch);
    let asked = (states, prompts.as_ref());
    let losses = model.pointing_losses(&sight, asked, &batch, &LossConfig::default(), 64);
    let (_, loss) = losses.unwrap().into_iter().find(|(unit, _)| *unit == Unit::Mask).unwrap();
    let gradients = loss.total.backward();
    let Some(refvlm_model::decoding::MaskUnit::Prompted(decoder)) = &model.visual_decoder.mask
    else {
        panic!("another mask decoder")
    };
    let moved =
        |x: Tensor<2>| x.grad(&gradients).map_or(0.0, |g| g.abs().sum().into_scalar::<f32>());
    let mut parts = vec![
        &decoder.query.weight,
        &decoder.key.weight,
        &decoder.alone.weight,
        &decoder.quality.weight,
    ];
    for level in &decoder.levels {
        let prompt = level.prompt.as_ref().expect("a decoder that is told of prompts");
        parts.extend([&level.lateral.weight, &prompt.weight, &level.state.weight]);
        parts.extend(level.below.as_ref().map(|below| &below.weight));
    }
    for (i, part) in parts.into_iter().enumerate() {
        assert!(moved(part.val()) > 0.0, "part {i} gets no gradient");
    }
}

/// What the engine answers step by step is what the training forward gives for the same ids.
#[test]
fn the_engine_decodes_what_training_learns() {
    let device = Device::flex();
    let (config, model) = model(&device);
    let tokenizer = pocket_tokenizer();
    let mut session =
        Session::new(config.clone(), model.clone(), tokenizer.clone(), device.clone(), || 0.0)
            .unwrap();
    let rgb = photo();
    let picture = Picture::new(SIDE, SIDE, &rgb).unwrap();
    pollster::block_on(session.set_image(picture)).unwrap();
    let prompts = vec![Prompt::Point { x: 20.0, y: 30.0 }];
    let found = (0..200).find_map(|seed| {
        let sampling = Sampling { temperature: 1.0, seed, ..Sampling::default() };
        let task = Task::GroundingSegmentation;
        let asked =
            Ask { sampling, budget: 90, ..Ask::new(task, "Cut [prompt 1].", prompts.clone()) };
        let events = pollster::block_on(session.ask(&asked).unwrap().collect());
        let unit = events.iter().any(|event| matches!(event, Event::Unit { .. }));
        unit.then_some((asked, events))
    });
    let (asked, events) = found.expect("200 sampled answers without a mask");
    let ids: Vec<i64> = events
        .iter()
        .filter_map(|event| match event {
            Event::Token { id, .. } => Some(i64::from(*id)),
            _ => None,
        })
        .collect();

    let mut example = example(&config);
    example.strokes = refvlm_model::input::stroke_maps(&config, &prompts, &example.frame).unwrap();
    example.regions = refvlm_model::input::regions(&config, &prompts, &example.frame).unwrap();
    let exchange = Exchange::ask(asked.task, asked.parts().unwrap(), true);
    let prompt = config.template.encode_prompt(&tokenizer, &exchange, true).unwrap();
    let mut turn =
        refvlm_model::triplet::Encoded { prompts: prompt.prompts.clone(), ..Default::default() };
    turn.ids = [prompt.ids.clone(), ids.clone()].concat();
    turn.supervised = vec![true; turn.ids.len()];
    example.turns = vec![turn];
    assert!(matches!(example.look, Look::Pixels(_)));
    let trunk = config.template.encode_prefix(&tokenizer, true).unwrap();
    let batch = Batch::new(&[example], &trunk, &config, &device);
    assert!(matches!(batch.pictures, Pictures::Pixels(_)));
    let read = model.hidden(&batch).unwrap();
    let start = prompt.ids.len() + config.prompt_rows() - 1;
    let reference = i64::from(tokenizer.specials().reference);
    let places: Vec<i64> =
        (0..ids.len()).filter(|&at| ids[at] == reference).map(|at| (start + at) as i64).collect();
    let count = places.len();
    let rows = Tensor::from_data(TensorData::new(places, [count]), &device);
    let states = read.hidden.select(0, rows).unsqueeze::<3>();
    let told = read.prompts.unwrap();
    let of_reference = vec![vec![0]; count];
    let pointed = Pointed { prompts: &told, of_reference: &of_reference };
    let maps = model.decoder_maps(&read.sight, Unit::Mask);
    let mask = model.visual_decoder.mask.as_ref().unwrap();
    let words = concepts(ids.iter().map(|&id| Mark::of(id as u32, tokenizer.specials())));
    let concepts: Vec<Vec<i64>> = (0..ids.len())
        .filter(|&at| ids[at] == reference)
        .map(|at| words.get(&at).map_or(Vec::new(), |words| ids[words.clone()].to_vec()))
        .collect();
    assert!(concepts.iter().any(|words| !words.is_empty()));
    let concepts = model.shown(&read.sight, &concepts, &vec![0; count]);
    let told = Told { pointed: Some(pointed), concepts };
    let out = mask.forward(&maps, states, &QueryLayout::new(vec![vec![count]]), &told);
    let expected = numbers(activation::sigmoid(out.confidence.unwrap()));
    let found: Vec<f32> = events
        .iter()
        .filter_map(|event| match event {
            Event::Unit { confidence, .. } => Some(*confidence),
            _ => None,
        })
        .collect();
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(&expected) {
        assert!((a - b).abs() < 1e-3, "{found:?} against {expected:?}");
    }
}

/// The mask and its confidence that a session answers "Cut [prompt 1]." with.
fn segmented(
    config: &ModelConfig,
    model: &RefVlm,
    (side, rgb): (u32, &[u8]),
    prompt: Prompt,
) -> (f32, Rle) {
    let (model, device) = (model.clone(), Device::flex());
    let tokenizer = pocket_tokenizer();
    let mut session = Session::new(config.clone(), model, tokenizer, device, || 0.0).unwrap();
    pollster::block_on(session.set_image(Picture::new(side, side, rgb).unwrap())).unwrap();
    let mut masks = (0..200).find_map(|seed| {
        let sampling = Sampling { temperature: 1.0, seed, ..Sampling::default() };
        let asked = Ask::new(Task::GroundingSegmentation, "Cut [prompt 1].", vec![prompt.clone()]);
        let asked = Ask { sampling, budget: 90, ..asked };
        let events = pollster::block_on(session.ask(&asked).unwrap().collect());
        let masks: Vec<(f32, Rle)> = events
            .into_iter()
            .filter_map(|event| match event {
                Event::Unit { confidence, shape: Shape::Mask { mask, .. }, .. } => {
                    Some((confidence, mask))
                }
                _ => None,
            })
            .collect();
        (!masks.is_empty()).then_some(masks)
    });
    masks.as_mut().expect("200 sampled answers without a mask").swap_remove(0)
}

#[test]
fn a_closer_look_decodes_the_part_around_the_prompt() {
    let (config, mut model) = model(&Device::flex());
    let Some(MaskUnit::Prompted(decoder)) = &mut model.visual_decoder.mask else {
        panic!("pocket has a prompted decoder");
    };
    // An untrained model may mean no prompt; this one does not.
    decoder.alone.bias = decoder.alone.bias.take().map(|bias| bias.map(|b| b.zeros_like() - 1e3));
    // Nor may its mask be empty, which is the same wherever it looks.
    decoder.out.bias = decoder.out.bias.take().map(|bias| bias.map(|b| b.zeros_like() + 0.5));
    let look = config.closer_look.expect("pocket looks closer");
    let side = 256;
    let rgb: Vec<u8> =
        (0..side * side * 3).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (at, length) = (100, 40);
    let boxed = |x: u32| {
        let (x, w) = (x as f32, length as f32);
        Prompt::Box { x, y: x, w, h: w }
    };
    let picture = (side, &rgb[..]);
    let (_, found) = segmented(&config, &model, picture, boxed(at));
    // Nothing outside of the part, which is the box and a margin.
    let reach = (length as f32 * look.margin / 2.0).ceil() as u32;
    let part = at + length / 2 - reach..at + length / 2 + reach;
    let mask = found.to_mask().unwrap();
    let inside = |i: usize| {
        let (x, y) = (i as u32 % side, i as u32 / side);
        part.contains(&x) && part.contains(&y)
    };
    assert!((0..mask.pixels.len()).all(|i| mask.pixels[i] == 0 || inside(i)));
    let whole = ModelConfig { closer_look: None, ..config.clone() };
    let (_, far) = segmented(&whole, &model, picture, boxed(at));
    assert_ne!(far, found, "the whole picture answers otherwise");
    // Where the first look alone counts, its mask is answered, but for what lies outside of the part.
    let first = CloserLook { whole_share: 1.0, ..look };
    let first = ModelConfig { closer_look: Some(first), ..config.clone() };
    let (_, first) = segmented(&first, &model, picture, boxed(at));
    let mut near = far.to_mask().unwrap();
    (0..near.pixels.len()).filter(|&i| !inside(i)).for_each(|i| near.pixels[i] = 0);
    let same = near.iou(&first.to_mask().unwrap());
    assert!(near.area() > 0 && same > 0.9, "{same}");
    // A click says nothing of a thing's size: without a margin for it the whole picture is looked at.
    let click = Prompt::Point { x: 120.0, y: 120.0 };
    let seen = |config: &ModelConfig| segmented(config, &model, picture, click.clone());
    let look = CloserLook { click_margin: None, ..look };
    let still = ModelConfig { closer_look: Some(look), ..config.clone() };
    assert_eq!(seen(&still), seen(&whole));
}
