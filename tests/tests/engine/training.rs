//! Batches of dialogues and of prompts, on a small untrained model.

use burn::tensor::{Device, Tensor};
use refvlm_model::config::ModelConfig;
use refvlm_model::image::Picture;
use refvlm_model::learning::batch::{Batch, Pictures};
use refvlm_model::learning::example::{Example, Setup};
use refvlm_model::learning::losses::LossConfig;
use refvlm_model::learning::pointing::PointingBatch;
use refvlm_model::refvlm::RefVlm;
use refvlm_model::vision::VisualEncoder;
use refvlm_record::{Record, Unit};
use refvlm_tests::{scenes_config as config, scenes_tokenizer as tokenizer, settled};

const SIDE: u32 = 64;

/// A record with two things; `turns` as JSON.
fn record(turns: &str) -> Record {
    let text = format!(
        r#"{{"id": "two", "source": "test", "licence": "CC0-1.0",
            "image": {{"path": "two.png", "width": {SIDE}, "height": {SIDE}}},
            "targets": [{{"box": [4, 4, 20, 30]}}, {{"box": [30, 20, 30, 24]}}],
            "prompts": [{{"kind": "point", "x": 14, "y": 18}},
                        {{"kind": "box", "x": 30, "y": 20, "w": 30, "h": 24}}],
            "turns": {turns}}}"#
    );
    Record::from_json(&text).unwrap()
}

const POINTED: &str = r#"[
    {"task": "grounding_detection", "question": ["Find ", {"prompt": 0}, "."],
     "answer": [{"concept": "dog", "unit": "box", "targets": [0]}, "."]},
    {"task": "grounding_detection", "question": ["Find ", {"prompt": 1}, " please."],
     "answer": [{"concept": "cat", "unit": "box", "targets": [1]}, "."]}]"#;

const SPOKEN: &str = r#"[
    {"task": "vqa", "question": ["What is this?"], "answer": ["a dog"]},
    {"task": "detection", "question": ["Find everything that you can see in the picture."],
     "answer": [{"concept": "dog", "unit": "box", "targets": [0, 1]}, "."]}]"#;

fn example(config: &ModelConfig, turns: &str, brightness: u8) -> Example {
    let tokenizer = tokenizer();
    let setup = Setup { config, tokenizer: &tokenizer, label_side: 16 };
    let rgb: Vec<u8> =
        (0..SIDE * SIDE * 3).map(|i| ((i * 7 % 200) as u8).wrapping_add(brightness)).collect();
    setup.example(&record(turns), Picture::new(SIDE, SIDE, &rgb).unwrap()).unwrap()
}

fn states(model: &RefVlm, batch: &Batch) -> Vec<Vec<f32>> {
    let hidden = model.hidden(batch).unwrap().hidden;
    let rows = hidden.select(0, batch.supervised.clone());
    let width = rows.dims()[1];
    let values: Vec<f32> = rows.into_data().iter::<f32>().collect();
    values.chunks_exact(width).map(<[f32]>::to_vec).collect()
}

/// Dialogues beside others, sorted and padded, give the states and boxes that they give alone.
#[test]
fn a_dialogue_does_not_notice_its_neighbours() {
    let (config, device) = (config(), Device::flex());
    let model = settled(RefVlm::new(&config, &device).unwrap());
    let trunk = config.template.encode_prefix(&tokenizer(), true).unwrap();
    let examples = [example(&config, SPOKEN, 10), example(&config, POINTED, 40)];
    let batch = |examples: &[Example]| Batch::new(examples, &trunk, &config, &device);

    let together = batch(&examples);
    assert_eq!(together.buckets.iter().map(|b| b.pictures.len()).sum::<usize>(), 4);
    let alone: Vec<Batch> = examples.iter().map(|e| batch(std::slice::from_ref(e))).collect();
    assert_eq!(together.tokens, alone.iter().map(|b| b.tokens).sum::<usize>());
    let expected: Vec<Vec<f32>> = alone.iter().flat_map(|b| states(&model, b)).collect();
    let found = states(&model, &together);
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!((a - b).abs() < 1e-4, "{a} against {b}");
    }

    let loss = |batch: &Batch| {
        let losses = model.losses(batch, &LossConfig::default(), 16).unwrap();
        let [(Unit::Box, boxes)] = &losses.units[..] else { panic!("one unit is asked for") };
        boxes.total.clone().into_scalar::<f32>()
    };
    // Two boxes in each picture, so the mean over all is the mean of the means.
    let mean = (loss(&alone[0]) + loss(&alone[1])) / 2.0;
    assert!((loss(&together) - mean).abs() < 1e-4);
}

/// What is asked of a prompt reaches everything but the language model, and moves towards the
/// target.
#[test]
fn pointing_teaches_without_a_language_model() {
    let (config, device) = (config(), Device::flex().autodiff());
    let model = settled(RefVlm::new(&config, &device).unwrap());
    let spoken = example(&config, SPOKEN, 10);
    assert!(PointingBatch::new(std::slice::from_ref(&spoken), &config, &device).is_none());

    let examples = [spoken, example(&config, POINTED, 40)];
    let batch = PointingBatch::new(&examples, &config, &device).unwrap();
    assert_eq!(batch.sample, [1, 1]);
    assert_eq!(batch.prompts, [vec![None, None], vec![Some(0), Some(1)]]);
    assert_eq!(batch.units[Unit::Box as usize].layout.group_sizes(), [1, 1]);

    let sight = model.look(&Pictures::new(&examples, &config, &device), None);
    let (states, _) = model.pointing(&sight, &batch);
    let losses =
        model.pointing_losses(&sight, (states, None), &batch, &LossConfig::default(), 16).unwrap();
    let [(Unit::Box, loss)] = &losses[..] else { panic!("one unit is asked for") };
    let gradients = loss.total.backward();
    let moved =
        |x: Tensor<2>| x.grad(&gradients).is_some_and(|g| g.abs().sum().into_scalar::<f32>() > 0.0);
    let vpt = &model.vpt_encoder.model;
    let VisualEncoder::Clip(vit) = &model.visual_encoder else { panic!("scenes has CLIP's tower") };
    assert!(moved(vpt.mask_embedding.as_ref().unwrap().weight.val()));
    assert!(moved(model.visual_decoder.boxes.as_ref().unwrap().in_proj_queries.weight.val()));
    assert!(moved(vit.vision_model.embeddings.position_embedding.weight.val()));
    assert!(!moved(model.llm.model.embed_tokens.weight.val()));
}
