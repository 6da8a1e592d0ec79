//! SAM in use: by itself on a picture, and as the mask unit of a whole model.
use burn::module::Param;
use burn::tensor::{Device, Distribution, Tensor};
use refvlm_model::config::{ModelConfig, ModelConfigError};
use refvlm_model::decoding::{MaskUnit, QueryLayout};
use refvlm_model::decoding::{SamUnit, SamUnitConfig};
use refvlm_model::engine::{Ask, Session};
use refvlm_model::event::{Event, Shape};
use refvlm_model::image::{FILL_RGB, Picture};
use refvlm_model::language::Sampling;
use refvlm_model::learning::batch::Batch;
use refvlm_model::learning::example::Setup;
use refvlm_model::learning::losses::LossConfig;
use refvlm_model::package::by_name::names;
use refvlm_model::refvlm::RefVlm;
use refvlm_model::sam::{
    MaskChoice, Sam, SamConfig, SamEncoderConfig, SamError, SamFrame, SamHeadConfig, SamPrompt,
    SamVit, SamVitConfig, TinyVitConfig, sam_pixels, sam_square_pixels,
};
use refvlm_record::{Mask, Record, Task, Unit};
use refvlm_tests::{close, scenes_config, scenes_tokenizer, settled};

/// A SAM that is small but has every part.
fn small() -> SamConfig {
    let vit = SamVitConfig {
        img_size: 64,
        patch_size: 8,
        embed_dim: 12,
        depth: 2,
        num_heads: 2,
        mlp_ratio: 2.0,
        out_chans: 16,
        window_size: 3,
        global_attn_indexes: vec![1],
    };
    let head = SamHeadConfig { heads: 2, mlp_dim: 24, mask_in_chans: 8, ..Default::default() };
    SamConfig { image_encoder: SamEncoderConfig::Vit(vit), head }
}

fn sam(device: &Device) -> Sam {
    settled(Sam::new(&small(), device).unwrap())
}

fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().unwrap()
}

fn photo(width: u32, height: u32) -> Vec<u8> {
    (0..width * height * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Trained parameters, so without what is stored beside them.
fn parameters(config: &SamConfig) -> usize {
    let stored = ["positional_encoding_gaussian_matrix", "running_mean", "running_var"];
    names(&Sam::new(config, &Device::flex()).unwrap())
        .iter()
        .filter(|(name, _)| !stored.iter().any(|end| name.ends_with(end)))
        .map(|(_, shape)| shape.iter().product::<usize>())
        .sum()
}

#[test]
fn published_sizes() {
    assert_eq!(parameters(&SamConfig::vit_b()), 93_735_472);
    assert_eq!(parameters(&SamConfig::vit_l()), 312_342_832);
    assert_eq!(parameters(&SamConfig::vit_h()), 641_090_608);
    // MobileSAM's classifier (a norm and 1000 classes over 320 channels) is not read.
    let classifier = 2 * 320 + 320 * 1000 + 1000;
    assert_eq!(parameters(&SamConfig::mobile()) + classifier, 10_130_092);
}

#[test]
fn pictures_lie_at_the_top_left_of_the_square() {
    let rgb = photo(40, 24);
    let (frame, values) = sam_pixels(Picture::new(40, 24, &rgb).unwrap(), 40).unwrap();
    assert_eq!(frame, SamFrame { width: 40, height: 24, size: 40, shown: [40, 24] });
    let (mean, std) = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]);
    for (i, &value) in values.iter().enumerate() {
        let (channel, y, x) = (i / 1600, i / 40 % 40, i % 40);
        let expected = match y < 24 {
            true => (f32::from(rgb[(y * 40 + x) * 3 + channel]) - mean[channel]) / std[channel],
            false => 0.0,
        };
        assert!((value - expected).abs() < 1e-5, "{channel} {y} {x}");
    }
    // Sides are rounded to the nearest px: 24 * 32 / 41 = 18.7.
    assert_eq!(SamFrame::new(41, 24, 32).unwrap().shown, [32, 19]);
    assert_eq!(SamFrame::new(24, 41, 32).unwrap().shown, [19, 32]);

    // As part of a REF-VLM, the picture is in the middle of a square of the fill colour.
    let square = sam_square_pixels(Picture::new(40, 24, &rgb).unwrap(), 40).unwrap();
    let fill = (f32::from(FILL_RGB[0]) - mean[0]) / std[0];
    assert!((square[0] - fill).abs() < 1e-6);
    assert_eq!(square[8 * 40..32 * 40], values[..24 * 40]);
}

#[test]
fn the_mask_of_an_answer_is_the_decoders_map_resized_twice_and_cut() {
    let device = Device::flex();
    let sam = sam(&device);
    let (width, height) = (50u32, 31u32);
    let rgb = photo(width, height);
    let image = sam.look(Picture::new(width, height, &rgb).unwrap()).unwrap();
    let prompt = SamPrompt { points: vec![([20.0, 12.0], true)], ..SamPrompt::default() };
    for (choice, count) in [(MaskChoice::Single, 1), (MaskChoice::Multi, 3)] {
        let answers = pollster::block_on(sam.ask(&image, &prompt, choice)).unwrap();
        assert_eq!(answers.len(), count);
        for answer in answers {
            let square = resize(&answer.low_res, [32, 32], [64, 64]);
            let shown = image.frame.shown.map(|v| v as usize);
            let cut: Vec<f64> =
                square.chunks(64).take(shown[1]).flat_map(|r| r[..shown[0]].to_vec()).collect();
            let cut: Vec<f32> = cut.into_iter().map(|v| v as f32).collect();
            let full = resize(&cut, [shown[1], shown[0]], [height as usize, width as usize]);
            assert_eq!((answer.mask.width, answer.mask.height), (width, height));
            for (pixel, logit) in answer.mask.pixels.iter().zip(full) {
                // Rounding decides at the very edge only.
                assert!(*pixel == u8::from(logit > 0.0) || logit.abs() < 1e-5);
            }
            assert!(answer.iou.is_finite());
        }
    }
}

/// Bilinear with half-pixel centres, written out.
fn resize(map: &[f32], [h, w]: [usize; 2], [height, width]: [usize; 2]) -> Vec<f64> {
    let tap = |i: usize, from: usize, to: usize| {
        let at = ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).clamp(0.0, (from - 1) as f64);
        let low = at.floor() as usize;
        (low, (low + 1).min(from - 1), at - low as f64)
    };
    let at = |y: usize, x: usize| f64::from(map[y * w + x]);
    let value = |y: usize, x: usize| {
        let ((t, b, v), (l, r, u)) = (tap(y, h, height), tap(x, w, width));
        let row = |y: usize| at(y, l) * (1.0 - u) + at(y, r) * u;
        row(t) * (1.0 - v) + row(b) * v
    };
    (0..height * width).map(|i| value(i / width, i % width)).collect()
}

#[test]
fn every_part_of_a_prompt_counts_and_bad_ones_are_named() {
    let device = Device::flex();
    let sam = sam(&device);
    let rgb = photo(50, 31);
    let image = sam.look(Picture::new(50, 31, &rgb).unwrap()).unwrap();
    let ask = |prompt: &SamPrompt| pollster::block_on(sam.ask(&image, prompt, MaskChoice::Single));
    let low_res = |prompt: &SamPrompt| ask(prompt).unwrap().remove(0).low_res;
    let point = SamPrompt { points: vec![([20.0, 12.0], true)], ..SamPrompt::default() };
    let drawn =
        Mask { width: 50, height: 31, pixels: (0..1550).map(|i| u8::from(i < 700)).collect() };
    let drawn = image.frame.mask_logits(&drawn, 32).unwrap();
    let prompts = [
        point.clone(),
        SamPrompt { points: vec![([20.0, 12.0], false)], ..point.clone() },
        SamPrompt { points: vec![([21.0, 12.0], true)], ..point.clone() },
        SamPrompt { points: vec![([20.0, 12.0], true), ([3.0, 4.0], false)], ..point.clone() },
        SamPrompt { bbox: Some([10.0, 5.0, 20.0, 10.0]), ..point.clone() },
        SamPrompt { bbox: Some([10.0, 5.0, 20.0, 10.0]), ..SamPrompt::default() },
        SamPrompt { mask: Some(drawn.clone()), ..SamPrompt::default() },
        SamPrompt { mask: Some(drawn.clone()), ..point.clone() },
        SamPrompt { mask: Some(low_res(&point)), ..point.clone() },
    ];
    let answers: Vec<_> = prompts.iter().map(low_res).collect();
    for (i, a) in answers.iter().enumerate() {
        assert_eq!(a.len(), 32 * 32);
        for b in &answers[..i] {
            assert!(close(a, b, 1e-6).is_err(), "prompt {i} makes no difference");
        }
    }
    // What a drawn mask covers of the cells of the square, 50 px wide, on a 32x32 grid.
    assert_eq!((drawn[0], drawn[31], drawn[32 * 31]), (10.0, 10.0, -10.0));

    let outside = SamPrompt { points: vec![([20.0, 31.5], true)], ..SamPrompt::default() };
    assert!(matches!(ask(&outside), Err(SamError::Outside { what: "point", .. })));
    let nan = SamPrompt { points: vec![([f32::NAN, 1.0], true)], ..SamPrompt::default() };
    assert!(matches!(ask(&nan), Err(SamError::Outside { .. })));
    let wide = SamPrompt { bbox: Some([40.0, 2.0, 20.0, 2.0]), ..SamPrompt::default() };
    assert!(matches!(ask(&wide), Err(SamError::Outside { what: "box to", .. })));
    assert_eq!(ask(&SamPrompt::default()), Err(SamError::Empty));
    let short = SamPrompt { mask: Some(vec![0.0; 9]), ..SamPrompt::default() };
    assert_eq!(ask(&short), Err(SamError::MaskPrompt { found: 9, side: 32 }));
    let other = Mask { width: 4, height: 4, pixels: vec![0; 16] };
    assert!(image.frame.mask_logits(&other, 32).is_err());
}

/// Large maps are attended to in parts; a few cells are computed in plain loops.
#[test]
fn global_attention_in_parts_is_what_plain_loops_compute() {
    let device = Device::flex();
    let config = SamVitConfig {
        img_size: 64,
        patch_size: 1,
        embed_dim: 8,
        num_heads: 2,
        depth: 1,
        out_chans: 8,
        global_attn_indexes: vec![0],
        ..SamVitConfig::default()
    };
    let mut attn = settled(SamVit::new(&config, &device)).blocks.remove(0).attn;
    let noise = |shape: [usize; 2]| {
        Param::from_tensor(Tensor::random(shape, Distribution::Normal(0.0, 1.0), &device))
    };
    (attn.rel_pos_h, attn.rel_pos_w) = (noise([127, 4]), noise([127, 4]));
    let x = Tensor::<4>::random([1, 64, 64, 8], Distribution::Normal(0.0, 1.0), &device);
    let out = floats(attn.forward(x.clone()));
    let qkv = floats(attn.qkv.forward(x.reshape([1, 4096, 8])));
    let (down, right) = (floats(attn.rel_pos_h.val()), floats(attn.rel_pos_w.val()));
    for cell in [0, 777, 2048, 4095] {
        let mut mixed = [0.0f64; 8];
        for head in 0..2 {
            let q = |i: usize| f64::from(qkv[cell * 24 + head * 4 + i]);
            let score = |key: usize| {
                let row = 63 + cell / 64 - key / 64;
                let column = 63 + cell % 64 - key % 64;
                let dot = |table: &[f32], from: usize| -> f64 {
                    (0..4).map(|i| q(i) * f64::from(table[from + i])).sum()
                };
                let product = dot(&qkv, key * 24 + 8 + head * 4);
                (product / 2.0 + dot(&down, row * 4) + dot(&right, column * 4)).exp()
            };
            let scores: Vec<f64> = (0..4096).map(score).collect();
            let sum: f64 = scores.iter().sum();
            for (key, score) in scores.iter().enumerate() {
                for i in 0..4 {
                    mixed[head * 4 + i] +=
                        score / sum * f64::from(qkv[key * 24 + 16 + head * 4 + i]);
                }
            }
        }
        let mixed = Tensor::<1>::from_floats(mixed.map(|v| v as f32), &device);
        let expected = floats(attn.proj.forward(mixed.reshape([1, 8])));
        close(&out[cell * 8..][..8], &expected, 1e-4).unwrap();
    }
}

fn unit(width: usize) -> SamUnitConfig {
    SamUnitConfig {
        sam: small(),
        quries_input_dim: width,
        num_queries: 3,
        freeze_mask_decoder: false,
        confidence: true,
    }
}

#[test]
fn each_reference_is_a_prompt_of_its_own_picture() {
    let device = Device::flex();
    let unit = settled(SamUnit::new(&unit(10), &device).unwrap());
    let noise =
        |shape: [usize; 3]| Tensor::<3>::random(shape, Distribution::Normal(0.0, 1.0), &device);
    let images = noise([2, 16, 64]).reshape([2, 16, 8, 8]);
    let refs = noise([2, 4, 10]);
    let layout = QueryLayout::new(vec![vec![1, 3], vec![2]]);
    let out = unit.forward(images.clone(), refs.clone(), &layout);
    // Four references, but the unit takes three.
    assert_eq!(out.logits.dims(), [2, 3, 32, 32]);
    let confidence = out.confidence.unwrap();
    for (picture, place) in [(0, 0), (0, 2), (1, 1)] {
        let image = images.clone().narrow(0, picture, 1);
        let state = refs.clone().narrow(0, picture, 1).narrow(1, place, 1);
        let alone = unit.forward(image.clone(), state.clone(), &QueryLayout::new(vec![vec![1]]));
        let cell = out.logits.clone().narrow(0, picture, 1).narrow(1, place, 1);
        close(&floats(cell), &floats(alone.logits.clone()), 1e-5).unwrap();

        let projection = &unit.in_proj_queries;
        let hidden = burn::tensor::activation::relu(projection._0.forward(state));
        let direct = unit.sam.mask_decoder.forward(
            image,
            unit.sam.prompt_encoder.positions(),
            Some(projection._2.forward(hidden)),
            unit.sam.prompt_encoder.no_mask(),
            MaskChoice::Single,
        );
        close(&floats(alone.logits), &floats(direct.logits), 1e-5).unwrap();
        let logit = floats(confidence.clone().narrow(0, picture, 1).narrow(1, place, 1))[0];
        let iou = floats(direct.iou)[0].clamp(1e-4, 1.0 - 1e-4);
        assert!((1.0 / (1.0 + (-logit).exp()) - iou).abs() < 1e-4);
    }
    let padding = floats(out.logits.narrow(0, 1, 1).narrow(1, 2, 1));
    assert!(padding.iter().all(|&v| v == 0.0));
    let none = unit.forward(images, refs, &QueryLayout::new(vec![vec![], vec![]]));
    assert!(floats(none.logits).iter().all(|&v| v == 0.0));
}

/// The embedded model with SAM, untrained, in place of its mask decoder.
fn with_sam() -> ModelConfig {
    let mut config = scenes_config();
    config.mask_decoder = None;
    config.sam_decoder = Some(unit(config.llm.hidden_size));
    config
}

#[test]
fn a_model_whose_mask_unit_is_sam_answers() {
    let (config, device) = (with_sam(), Device::flex());
    let model = settled(RefVlm::new(&config, &device).unwrap());
    let keys: Vec<String> = names(&model).into_iter().map(|(name, _)| name).collect();
    for key in [
        "visual_decoder.mask.in_proj_queries.0.weight",
        "visual_decoder.mask.sam.image_encoder.blocks.0.attn.rel_pos_h",
        "visual_decoder.mask.sam.prompt_encoder.point_embeddings.3.weight",
        "visual_decoder.mask.sam.mask_decoder.iou_token.weight",
    ] {
        assert!(keys.iter().any(|k| k == key), "{key}");
    }
    let mut session = Session::new(config, model, scenes_tokenizer(), device, || 0.0).unwrap();
    let rgb = photo(50, 40);
    pollster::block_on(session.set_image(Picture::new(50, 40, &rgb).unwrap())).unwrap();
    let mut masks = 0;
    for seed in 0..40 {
        let sampling = Sampling { temperature: 1.0, seed, ..Sampling::default() };
        let ask = Ask { sampling, budget: 60, ..Ask::new(Task::Segmentation, "Find it.", vec![]) };
        for event in pollster::block_on(session.ask(&ask).unwrap().collect()) {
            assert!(!matches!(event, Event::Failed { .. }), "{event:?}");
            let Event::Unit { shape: Shape::Mask { mask, .. }, confidence, .. } = event else {
                continue;
            };
            let mask = mask.to_mask().unwrap();
            assert_eq!((mask.width, mask.height), (50, 40));
            assert!((0.0..=1.0).contains(&confidence));
            masks += 1;
        }
        if masks > 2 {
            return;
        }
    }
    panic!("40 sampled answers with {masks} masks");
}

#[test]
fn training_moves_what_is_not_frozen() {
    let device = Device::flex().autodiff();
    let turns = r#"[{"task": "segmentation", "question": ["Find everything."],
        "answer": [{"concept": "dog", "unit": "mask", "targets": [0]}, "."]}]"#;
    let text = format!(
        r#"{{"id": "one", "source": "test", "licence": "CC0-1.0",
            "image": {{"path": "one.png", "width": 8, "height": 8}},
            "targets": [{{"box": [0, 0, 4, 8], "mask": {{"size": [8, 8], "counts": [0, 32, 32]}}}}],
            "prompts": [], "turns": {turns}}}"#
    );
    let record = Record::from_json(&text).unwrap();
    for freeze in [false, true] {
        let mut config = with_sam();
        config.sam_decoder.as_mut().unwrap().freeze_mask_decoder = freeze;
        let model = settled(RefVlm::new(&config, &device).unwrap());
        let tokenizer = scenes_tokenizer();
        let setup = Setup { config: &config, tokenizer: &tokenizer, label_side: 16 };
        let rgb = photo(8, 8);
        let example = setup.example(&record, Picture::new(8, 8, &rgb).unwrap()).unwrap();
        let trunk = config.template.encode_prefix(&tokenizer, true).unwrap();
        let batch = Batch::new(&[example], &trunk, &config, &device);
        let losses = model.losses(&batch, &LossConfig::default(), 16).unwrap();
        let [(Unit::Mask, loss)] = &losses.units[..] else { panic!("one unit is asked for") };
        let value = loss.total.clone().into_scalar::<f32>();
        assert!(value.is_finite() && value > 0.0);
        let gradients = loss.total.backward();
        let Some(MaskUnit::Sam(unit)) = &model.visual_decoder.mask else { panic!("no SAM") };
        let moved = |weight: &Param<Tensor<2>>| {
            weight.val().grad(&gradients).is_some_and(|g| g.abs().sum().into_scalar::<f32>() > 0.0)
        };
        assert!(moved(&unit.in_proj_queries._0.weight));
        assert!(moved(&model.llm.model.embed_tokens.weight));
        assert_eq!(moved(&unit.sam.mask_decoder.mask_tokens.weight), !freeze);
        assert!(!moved(&unit.sam.prompt_encoder.no_mask_embed.weight));
        let refvlm_model::sam::SamEncoder::Vit(encoder) = &unit.sam.image_encoder else {
            panic!("another encoder")
        };
        assert!(!moved(&encoder.blocks[0].attn.proj.weight));
    }
}

#[test]
fn configurations_that_fit_nothing_are_named() {
    let refused = |change: fn(&mut ModelConfig)| {
        let mut config = with_sam();
        change(&mut config);
        config.check().unwrap_err()
    };
    with_sam().check().unwrap();
    let both = refused(|c| c.mask_decoder = scenes_config().mask_decoder);
    assert!(matches!(both, ModelConfigError::Other { field: "sam_decoder", .. }));
    let width = refused(|c| c.sam_decoder.as_mut().unwrap().quries_input_dim += 1);
    assert!(matches!(width, ModelConfigError::StateWidth { unit: Unit::Mask, .. }));
    let head = refused(|c| c.sam_decoder.as_mut().unwrap().sam.head.heads = 3);
    assert!(head.to_string().contains("head.heads"), "{head}");
    let text = serde_json::to_string(&with_sam()).unwrap();
    assert_eq!(serde_json::from_str::<ModelConfig>(&text).unwrap(), with_sam());

    let vit = |change: fn(&mut SamVitConfig)| {
        let mut config = SamVitConfig::default();
        change(&mut config);
        config.check().unwrap_err().field
    };
    assert_eq!(vit(|c| c.num_heads = 7), "num_attention_heads");
    assert_eq!(vit(|c| c.img_size = 1000), "img_size");
    assert_eq!(vit(|c| c.img_size = 1 << 30), "img_size");
    assert_eq!(vit(|c| c.window_size = 0), "window_size");
    assert_eq!(vit(|c| c.out_chans = 12), "out_chans");
    assert!(TinyVitConfig::default().check().is_ok());
}
