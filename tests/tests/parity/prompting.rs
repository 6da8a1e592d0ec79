//! Regions and the visual prompt encoder, against reference tensors and by their identities.
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use refvlm_model::image::Frame;
use refvlm_model::prompting::region::MAX_SCRIBBLE_POINTS;
use refvlm_model::prompting::vpt::normalise;
use refvlm_model::prompting::{
    Layout, MaskToken, PromptError, Radius, RegionConfig, RegionMode, Strategy, VptConfig,
    VptEncoder,
};
use refvlm_record::{Counts, Mask, Prompt, Rle};
use refvlm_tests::{Fixture, cases, close, probe_loss};

fn check(name: &str) {
    let Some(fixture) = Fixture::open(name) else { return };
    let (encoder, [x, tokens]) = cases::vpt_encoder(&fixture, &Device::flex().autodiff());
    let gradients = probe_loss(tokens).backward();
    fixture.assert_close("grad.x", x.grad(&gradients).unwrap());
    fixture.assert_weight_gradients(&encoder, &gradients);
}

#[test]
fn every_strategy_agrees_with_the_reference() {
    for name in cases::VPT_ENCODERS {
        check(name);
    }
}

fn config(text: &str) -> VptConfig {
    serde_json::from_str(text).unwrap()
}

fn noise<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn encoder(layout: Layout, grid: usize, device: &Device) -> VptEncoder {
    let base = config(r#"{"visual_hidden_size": 6, "num_patches": 4}"#);
    let config = VptConfig { layout, grid: Some(grid), ..base };
    config.check().unwrap();
    config.init(device)
}

#[test]
fn pooled_tokens_add_up_to_the_mean_over_the_region() {
    let device = Device::flex();
    for layout in [Layout::Raster, Layout::Spatial] {
        for grid in [4, 5, 7] {
            let encoder = encoder(layout, grid, &device);
            let map = noise([2, 6, grid, grid], &device);
            let regions = noise([3, grid, grid], &device).abs();
            let sample = [1, 0, 1];
            let tokens = encoder.content(map.clone(), normalise(regions.clone()), &sample);
            let total = values(tokens.sum_dim(1));
            for (k, &b) in sample.iter().enumerate() {
                let region = regions.clone().narrow(0, k, 1).unsqueeze_dim::<4>(1);
                let area = region.clone().sum().into_scalar::<f32>();
                let mean = (map.clone().narrow(0, b, 1) * region).sum_dim(3).sum_dim(2) / area;
                close(&total[k * 6..(k + 1) * 6], &values(mean), 1e-5).unwrap();
            }
        }
    }
}

#[test]
fn layouts_put_a_cell_where_they_say() {
    let device = Device::flex();
    // Which token sees the cell in this row and column of a grid of this side.
    let token = |layout, grid: usize, row: usize, column: usize| {
        let mut region = vec![0.0; grid * grid];
        region[row * grid + column] = 1.0;
        let region = TensorData::new(region, [1, grid, grid]);
        let region = Tensor::<3>::from_data(region, &device);
        let map = Tensor::ones([1, 6, grid, grid], &device);
        let tokens = values(encoder(layout, grid, &device).content(map, region, &[0]));
        tokens.chunks(6).position(|token| token[0] == 1.0).unwrap()
    };
    // The second row's first cell: a quarter of the raster lies before it in a 4 x 4 grid.
    assert_eq!(token(Layout::Raster, 4, 0, 3), 0);
    assert_eq!(token(Layout::Raster, 4, 1, 0), 1);
    assert_eq!(token(Layout::Spatial, 4, 1, 0), 0);
    assert_eq!(token(Layout::Spatial, 4, 1, 3), 1);
    assert_eq!(token(Layout::Spatial, 4, 2, 1), 2);
    // A grid that the tiles don't divide.
    assert_eq!(token(Layout::Spatial, 5, 2, 4), 1);
    assert_eq!(token(Layout::Spatial, 5, 3, 2), 2);
    assert_eq!(token(Layout::Spatial, 5, 4, 4), 3);
}

#[test]
fn the_constant_mask_token_tells_nothing_and_the_other_one_does() {
    let device = Device::flex();
    let base = VptConfig {
        grid: Some(4),
        use_mask_token: true,
        ..config(r#"{"visual_hidden_size": 6, "num_patches": 4}"#)
    };
    let own = |mask_token| {
        let encoder = VptConfig { mask_token, ..base.clone() }.init(&device);
        let regions = noise([2, 4, 4], &device).abs();
        // On an empty map only positions and the mask token are left.
        let tokens = encoder.forward(Tensor::zeros([1, 6, 4, 4], &device), regions, &[0, 0]);
        assert_eq!(tokens.dims(), [2, 5, 6]);
        let own = values(tokens.narrow(1, 4, 1));
        (encoder, own)
    };
    let (encoder, tokens) = own(MaskToken::Constant);
    close(&tokens[..6], &tokens[6..], 1e-6).unwrap();
    let map = encoder.model.mask_embedding.as_ref().unwrap();
    let positions = values(encoder.model.position_embedding.as_ref().unwrap().weight.val());
    let (weight, bias) = (values(map.weight.val()), values(map.bias.as_ref().unwrap().val()));
    let expected: Vec<f32> =
        (0..6).map(|c| weight[c] / 16.0 + bias[c] + positions[4 * 6 + c]).collect();
    close(&tokens[..6], &expected, 1e-6).unwrap();

    let (_, tokens) = own(MaskToken::Shape);
    assert!(close(&tokens[..6], &tokens[6..], 1e-3).is_err());
}

#[test]
fn an_empty_region_gives_finite_tokens() {
    let device = Device::flex();
    let encoder = encoder(Layout::Spatial, 4, &device);
    let regions = Tensor::zeros([1, 4, 4], &device);
    let tokens = encoder.forward(noise([1, 6, 4, 4], &device), regions, &[0]);
    let positions = values(encoder.model.position_embedding.as_ref().unwrap().weight.val());
    close(&values(tokens), &positions, 1e-6).unwrap();
}

#[test]
fn the_published_encoder_has_its_number_of_parameters() {
    let text = r#"{"visual_hidden_size": 1024, "use_mask_token": true}"#;
    let config = config(text);
    let encoder = config.init(&Device::flex());
    assert_eq!(config.tokens(), 10);
    assert_eq!(burn::module::Module::num_params(&encoder), 12_288);
}

#[test]
fn configurations_that_fit_nothing_are_named() {
    let field = |text: &str| config(text).check().unwrap_err().field;
    assert_eq!(field(r#"{"visual_hidden_size": 0}"#), "visual_hidden_size");
    assert_eq!(field(r#"{"visual_hidden_size": 4, "num_patches": 8}"#), "num_patches");
    assert_eq!(field(r#"{"visual_hidden_size": 4, "grid": 2}"#), "grid");
    let text = r#"{"visual_hidden_size": 4, "grid": 20, "strategy": "embedding"}"#;
    assert_eq!(field(text), "grid");
    assert_eq!(field(r#"{"visual_hidden_size": 4, "legacy": true}"#), "legacy");
    assert_eq!(config(r#"{"visual_hidden_size": 4}"#).strategy, Strategy::Pooling);
}

fn rle(mask: &Mask) -> Prompt {
    Prompt::Mask { mask: mask.to_rle() }
}

fn region(config: &RegionConfig, prompt: &Prompt, frame: &Frame, grid: usize) -> Vec<f32> {
    config.region(prompt, frame, [grid, grid]).unwrap()
}

#[test]
fn coverage_is_the_area_of_the_prompt() {
    let frame = Frame::new(96, 64, 48).unwrap();
    let config = RegionConfig::default();
    let grid = 12;
    let cell = (96.0 / grid as f32).powi(2);
    let area = |prompt: &Prompt| region(&config, prompt, &frame, grid).iter().sum::<f32>() * cell;

    let rectangle = Prompt::Box { x: 10.0, y: 20.0, w: 30.0, h: 7.0 };
    assert!((area(&rectangle) - 210.0).abs() < 1e-2);
    let disc = std::f32::consts::PI * 100.0;
    assert!((area(&Prompt::Point { x: 40.0, y: 30.0 }) - disc).abs() < 0.05 * disc);
    let line = Prompt::Scribble { points: vec![[20.0, 20.0], [70.0, 45.0]] };
    let stroke = 10.0 * 50.0f32.hypot(25.0) + std::f32::consts::PI * 25.0;
    assert!((area(&line) - stroke).abs() < 0.03 * stroke, "{} {stroke}", area(&line));
    let mut mask = Mask::zeros(96, 64);
    mask.pixels.iter_mut().step_by(17).for_each(|p| *p = 1);
    assert!((area(&rle(&mask)) - mask.area() as f32).abs() < 1e-2);
    // The part of a disc beside the picture doesn't count.
    assert!((area(&Prompt::Point { x: 40.0, y: 0.0 }) - disc / 2.0).abs() < 0.05 * disc);
}

#[test]
fn a_region_lies_where_the_prompt_is() {
    // A portrait: the picture fills the middle columns of the square.
    let frame = Frame::new(32, 64, 64).unwrap();
    for mode in [RegionMode::Reference, RegionMode::Coverage] {
        let config = RegionConfig { mode, ..RegionConfig::default() };
        let prompt = Prompt::Box { x: 0.0, y: 0.0, w: 16.0, h: 32.0 };
        let cells = region(&config, &prompt, &frame, 4);
        let mut expected = vec![0.0; 16];
        (expected[1], expected[5]) = (1.0, 1.0);
        assert_eq!(cells, expected, "{mode:?}");
    }
}

#[test]
fn a_scribble_is_every_disc_along_its_line() {
    let frame = Frame::new(40, 40, 40).unwrap();
    let radius = 3.0f32;
    let brush = RegionConfig { brush_radius: Radius::Px(radius), ..RegionConfig::default() };
    let lines: [&[[f32; 2]]; 4] = [
        &[[10.3, 8.7], [30.1, 22.9], [12.0, 35.0]],
        &[[5.0, 20.0], [35.0, 20.0]],
        &[[20.0, 5.0], [20.0, 35.0]],
        &[[17.2, 11.9]],
    ];
    for points in lines {
        let cells = region(&brush, &Prompt::Scribble { points: points.to_vec() }, &frame, 40);
        for (i, &cell) in cells.iter().enumerate() {
            let centre = [(i % 40) as f32 + 0.5, (i / 40) as f32 + 0.5];
            let distance = |a: [f32; 2], b: [f32; 2]| {
                let (d, p) = ([b[0] - a[0], b[1] - a[1]], [centre[0] - a[0], centre[1] - a[1]]);
                let squared = d[0] * d[0] + d[1] * d[1];
                let t = if squared > 0.0 { (d[0] * p[0] + d[1] * p[1]) / squared } else { 0.0 };
                let t = t.clamp(0.0, 1.0);
                (p[0] - t * d[0]).hypot(p[1] - t * d[1])
            };
            let first = points[0];
            let nearest = points
                .windows(2)
                .map(|pair| distance(pair[0], pair[1]))
                .fold(distance(first, first), f32::min);
            if (nearest - radius).abs() > 1e-3 {
                assert_eq!(cell, f32::from(u8::from(nearest < radius)), "{points:?} at {centre:?}");
            }
        }
    }
}

#[test]
fn nothing_small_is_lost_by_coverage_as_it_is_by_the_reference() {
    let frame = Frame::new(640, 640, 336).unwrap();
    // A pixel at a cell's corner, far from its centre.
    let tiny = Prompt::Box { x: 2.0, y: 2.0, w: 0.5, h: 0.5 };
    let reference = RegionConfig { mode: RegionMode::Reference, ..RegionConfig::default() };
    assert_eq!(region(&reference, &tiny, &frame, 24).iter().sum::<f32>(), 0.0);
    let thin = RegionConfig {
        point_radius: Radius::Share(0.0),
        brush_radius: Radius::Px(0.0),
        ..RegionConfig::default()
    };
    let click = Prompt::Point { x: 640.0, y: 640.0 };
    let scratch = Prompt::Scribble { points: vec![[7.0, 3.0]] };
    for prompt in [&tiny, &click, &scratch] {
        let cells = region(&thin, prompt, &frame, 24);
        assert_eq!(cells.iter().filter(|&&c| c > 0.0).count(), 1, "{prompt:?}");
    }
}

#[test]
fn bad_prompts_are_named() {
    let frame = Frame::new(20, 10, 16).unwrap();
    let config = RegionConfig::default();
    let error = |prompt: &Prompt| config.region(prompt, &frame, [4, 4]).unwrap_err();
    for prompt in [
        Prompt::Point { x: 21.0, y: 5.0 },
        Prompt::Point { x: f32::NAN, y: 5.0 },
        Prompt::Box { x: 0.0, y: 0.0, w: 0.0, h: 4.0 },
        Prompt::Box { x: 0.0, y: 0.0, w: f32::INFINITY, h: 4.0 },
        Prompt::Scribble { points: vec![] },
        Prompt::Scribble { points: vec![[1.0, 1.0], [1.0, 11.0]] },
        rle(&Mask::zeros(20, 10)),
        rle(&Mask { width: 10, height: 20, pixels: vec![1; 200] }),
        Prompt::Mask { mask: Rle { size: [10, 20], counts: Counts::Runs(vec![3]) } },
    ] {
        assert!(matches!(error(&prompt), PromptError::Prompt(_)), "{prompt:?}");
    }
    let points = vec![[1.0, 1.0]; MAX_SCRIBBLE_POINTS + 1];
    assert!(matches!(error(&Prompt::Scribble { points }), PromptError::Scribble { .. }));
    let click = Prompt::Point { x: 1.0, y: 1.0 };
    let empty = config.region(&click, &frame, [0, 4]).unwrap_err();
    assert!(matches!(empty, PromptError::Config(_)));
    for radius in [Radius::Px(f32::NAN), Radius::Share(-1.0)] {
        let config = RegionConfig { point_radius: radius, ..config };
        let error = config.region(&click, &frame, [4, 4]).unwrap_err();
        assert!(matches!(error, PromptError::Config(_)));
    }
}
