//! The engine against the training path, on a small untrained model.

use burn::tensor::{Device, Int, Tensor, TensorData};
use refvlm_model::config::ModelConfig;
use refvlm_model::decoding::{QueryLayout, QueryMask};
use refvlm_model::engine::{Ask, Session};
use refvlm_model::event::{Event, Finish, Shape};
use refvlm_model::image::Picture;
use refvlm_model::input::{Pixels, regions};
use refvlm_model::language::Sampling;
use refvlm_model::learning::batch::Batch;
use refvlm_model::learning::example::{Example, Look};
use refvlm_model::learning::training::Read;
use refvlm_model::refvlm::RefVlm;
use refvlm_model::triplet::Encoded;
use refvlm_record::exchange::Exchange;
use refvlm_record::{Prompt, Task, Unit};
use refvlm_tests::{scenes_config as config, scenes_tokenizer as tokenizer, settled};

fn model(config: &ModelConfig, device: &Device) -> RefVlm {
    settled(RefVlm::new(config, device).unwrap())
}

fn photo(width: u32, height: u32) -> Vec<u8> {
    (0..width * height * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn session(config: &ModelConfig, model: &RefVlm) -> Session {
    let device = Device::flex();
    Session::new(config.clone(), model.clone(), tokenizer(), device, || 0.0).unwrap()
}

fn run(session: &mut Session, ask: &Ask) -> Vec<Event> {
    pollster::block_on(session.ask(ask).unwrap().collect())
}

fn ids(events: &[Event]) -> Vec<i64> {
    let id = |event: &Event| match event {
        Event::Token { id, .. } => Some(i64::from(*id)),
        _ => None,
    };
    events.iter().filter_map(id).collect()
}

/// A sampled answer of an untrained model that holds so many triplets with units.
fn with_units(
    session: &mut Session,
    task: Task,
    prompts: Vec<Prompt>,
    triplets: usize,
) -> (Ask, Vec<Event>) {
    for seed in 0..200 {
        let sampling = Sampling { temperature: 1.0, seed, ..Sampling::default() };
        let ask = Ask { sampling, budget: 80, ..Ask::new(task, "Find it.", prompts.clone()) };
        let events = run(session, &ask);
        let first = |event: &&Event| matches!(event, Event::Unit { index: 0, .. });
        if events.iter().filter(first).count() >= triplets {
            return (ask, events);
        }
    }
    panic!("200 sampled answers without a unit");
}

#[test]
fn answers_of_an_untrained_model_parse_and_end() {
    let config = config();
    let device = Device::flex();
    let model = model(&config, &device);
    let mut session = session(&config, &model);
    let rgb = photo(50, 40);
    pollster::block_on(session.set_image(Picture::new(50, 40, &rgb).unwrap())).unwrap();
    for task in Task::ALL {
        for seed in 0..4 {
            let sampling = Sampling { temperature: 1.0, seed, ..Sampling::default() };
            let ask = Ask { sampling, budget: 60, ..Ask::new(task, "What is here?", vec![]) };
            let events = run(&mut session, &ask);
            let Some(Event::Done { reason, timings }) = events.last() else {
                panic!("{task}: {:?}", events.last());
            };
            // An untrained model never comes to an end by itself: the budget makes it, and says so.
            assert!(matches!(reason, Finish::End | Finish::Length));
            assert!(timings.tokens <= 60);
            let announced: usize = events
                .iter()
                .map(|event| match event {
                    Event::Triplet { count, unit, .. } => {
                        assert!(task.units().contains(unit));
                        *count
                    }
                    _ => 0,
                })
                .sum();
            let units = events.iter().filter(|e| matches!(e, Event::Unit { .. })).count();
            assert_eq!(announced, units);
        }
    }
}

/// What the engine decodes step by step, with its cache and forced chunks, is what the training
/// forward gives for the same ids at once.
#[test]
fn decoding_with_cache_equals_teacher_forcing() {
    decoding_equals_teacher_forcing(QueryMask::Group);
}

/// The published decoders see all references of an answer, so they are asked once, at its end.
#[test]
fn published_decoders_are_given_all_references_of_an_answer() {
    decoding_equals_teacher_forcing(QueryMask::Reference);
}

fn decoding_equals_teacher_forcing(query_mask: QueryMask) {
    let mut config = config();
    let decoder = config.box_decoder.as_mut().unwrap();
    decoder.query_mask = query_mask;
    let queries = decoder.num_queries;
    let device = Device::flex();
    let model = model(&config, &device);
    let mut session = session(&config, &model);
    let rgb = photo(60, 44);
    let picture = Picture::new(60, 44, &rgb).unwrap();
    pollster::block_on(session.set_image(picture)).unwrap();
    let prompts = vec![Prompt::Point { x: 20.0, y: 10.0 }];
    let (ask, events) = with_units(&mut session, Task::GroundingDetection, prompts.clone(), 2);
    let tokenizer = tokenizer();
    let (frame, pixels) = Pixels::new(&config, picture).unwrap();
    let exchange = Exchange::ask(ask.task, ask.parts().unwrap(), true);
    let prompt = config.template.encode_prompt(&tokenizer, &exchange, true).unwrap();
    let mut turn = Encoded { prompts: prompt.prompts.clone(), ..Encoded::default() };
    turn.ids = [prompt.ids.clone(), ids(&events)].concat();
    turn.supervised = vec![true; turn.ids.len()];
    let example = Example {
        frame,
        look: Look::Pixels(pixels),
        regions: regions(&config, &prompts, &frame).unwrap(),
        strokes: vec![],
        renamed: vec![],
        renamed_picture: vec![],
        turns: vec![turn],
        targets: vec![],
        sought: Vec::new(),
    };
    let trunk = config.template.encode_prefix(&tokenizer, true).unwrap();
    let batch = Batch::new(&[example], &trunk, &config, &device);
    let Read { sight, hidden, .. } = model.hidden(&batch).unwrap();
    let reference = i64::from(tokenizer.specials().reference);
    let wide = config.vpt_encoder.tokens() - 1;
    let start = prompt.ids.len() + wide;
    let places: Vec<i64> = ids(&events)
        .iter()
        .enumerate()
        .filter(|(_, id)| **id == reference)
        .map(|(at, _)| (start + at) as i64)
        .collect();
    let mut expected: Vec<[f32; 4]> = Vec::new();
    let mut from = 0;
    let counts = events.iter().filter_map(|event| match event {
        Event::Triplet { count, .. } => Some(*count),
        _ => None,
    });
    let calls: Vec<usize> = match query_mask {
        QueryMask::Group => counts.collect(),
        QueryMask::Reference => vec![counts.sum()],
    };
    for count in &calls {
        let rows = TensorData::new(places[from..from + count].to_vec(), [*count]);
        let rows = Tensor::<1, Int>::from_data(rows, &device);
        let states = hidden.clone().select(0, rows).unsqueeze::<3>();
        let maps = model.decoder_maps(&sight, Unit::Box);
        let decoder = model.visual_decoder.boxes.as_ref().unwrap();
        let out = decoder.forward(&maps, states, &QueryLayout::new(vec![vec![*count]]));
        let boxes: Vec<f32> = out.boxes.into_data().iter::<f32>().collect();
        expected.extend(
            boxes
                .as_chunks::<4>()
                .0
                .iter()
                .take(*count)
                .map(|b| frame.clip_box(frame.box_to_px(*b))),
        );
        from += count;
    }
    let found: Vec<[f32; 4]> = events
        .iter()
        .filter_map(|event| match event {
            Event::Unit { shape: Shape::Box { bbox }, .. } => Some(*bbox),
            _ => None,
        })
        .collect();
    assert!(expected.len() <= queries, "more references than the decoder takes");
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!((a - b).abs() < 1e-2, "{found:?} against {expected:?}");
    }
}

#[test]
fn masks_follow_the_threshold() {
    let (mut config, device) = (config(), Device::flex());
    let model = model(&config, &device);
    let rgb = photo(50, 40);
    let mut areas = |threshold: Option<f32>| -> Vec<u64> {
        config.mask_threshold = threshold;
        let mut session = session(&config, &model);
        pollster::block_on(session.set_image(Picture::new(50, 40, &rgb).unwrap())).unwrap();
        let (_, events) = with_units(&mut session, Task::Segmentation, vec![], 1);
        let area = |event: &Event| match event {
            Event::Unit { shape: Shape::Mask { mask, .. }, .. } => {
                Some(mask.to_mask().unwrap().area())
            }
            _ => None,
        };
        events.iter().filter_map(area).collect()
    };
    assert!(areas(Some(0.0)).iter().all(|&area| area == 50 * 40));
    assert!(areas(Some(1.0)).iter().all(|&area| area == 0));
    let (low, logits, high) = (areas(Some(0.4)), areas(None), areas(Some(0.6)));
    assert!(!low.is_empty() && low.iter().zip(&logits).all(|(a, b)| a >= b));
    assert!(logits.iter().zip(&high).all(|(a, b)| a >= b));
    assert_ne!(low, high);
}

#[test]
fn the_picture_is_read_once_and_an_abort_changes_nothing() {
    let config = config();
    let device = Device::flex();
    let model = model(&config, &device);
    let mut session = session(&config, &model);
    let rgb = photo(40, 40);
    assert!(session.ask(&Ask::new(Task::Vqa, "Hello?", vec![])).is_err(), "no picture is set");
    pollster::block_on(session.set_image(Picture::new(40, 40, &rgb).unwrap())).unwrap();
    let ask = Ask { budget: 30, ..Ask::new(Task::Vqa, "What is this?", vec![]) };
    let first = run(&mut session, &ask);
    {
        let other = Ask { budget: 30, ..Ask::new(Task::Detection, "Find all dogs.", vec![]) };
        let mut aborted = session.ask(&other).unwrap();
        for _ in 0..6 {
            pollster::block_on(aborted.next());
        }
    }
    let again = run(&mut session, &ask);
    assert_eq!(ids(&first), ids(&again));
    let read = |events: &[Event]| match events.last() {
        Some(Event::Done { timings, .. }) => timings.read_tokens,
        _ => usize::MAX,
    };
    assert!(read(&first) < config.image_rows(), "the picture was read again");
    assert!(read(&again) < config.image_rows());
}

#[test]
fn questions_become_parts() {
    let point = Prompt::Point { x: 1.0, y: 1.0 };
    let ask = |text: &str, n: usize| Ask::new(Task::Vqa, text, vec![point.clone(); n]).parts();
    let spelled = |text: &str, n: usize| format!("{:?}", ask(text, n).unwrap());
    assert!(spelled("Is [prompt 2] left of [prompt 1]?", 2).contains("prompt: 1"));
    assert_eq!(ask("What is this?", 1).unwrap().len(), 3, "an unmentioned prompt is put behind");
    assert!(ask("What is [prompt 3]?", 1).is_err());
    assert!(ask("  ", 0).is_err());
    assert_eq!(ask("[prompt x] [prompt", 0).unwrap().len(), 1);
}
