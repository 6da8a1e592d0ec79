//! EfficientNet-Lite on random weights: our loops against burn's operations, and the tower as a
//! part of a model. Its published weights are tested beside the importer.

use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};
use refvlm_model::config::{Layers, ModelConfig};
use refvlm_model::image::Picture;
use refvlm_model::input::Inputs;
use refvlm_model::package::Quantisation;
use refvlm_model::package::by_name::{load_by_name, names, value_of};
use refvlm_model::refvlm::RefVlm;
use refvlm_model::vision::{
    EfficientNet, EfficientNetConfig, EfficientNetStage, VisualEncoder, VisualEncoderConfig,
};
use refvlm_tests::{close, packaged, probe_loss, scenes_config};

/// Both kernels and strides, with and without expansion and residuals; channels that fill no lanes.
fn small() -> EfficientNetConfig {
    let stage = |[kernel, stride, expansion, channels, repeats]: [usize; 5]| EfficientNetStage {
        kernel,
        stride,
        expansion,
        channels,
        repeats,
    };
    let stages = [[3, 1, 1, 5, 2], [5, 2, 4, 32, 2], [3, 2, 2, 64, 1], [5, 1, 3, 64, 2]];
    EfficientNetConfig {
        image_size: 32,
        stem_channels: 7,
        stages: stages.map(stage).to_vec(),
        head_channels: 96,
        classes: Some(11),
    }
}

fn noise<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

/// The same weights on another device.
fn on(tower: &EfficientNet, config: &EfficientNetConfig, device: &Device) -> EfficientNet {
    let (tower, report) = load_by_name(config.init(device), &mut |name, _| value_of(tower, name));
    assert!(report.is_complete());
    tower
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

const ALL: [isize; 4] = [-4, -3, -2, -1];

#[test]
fn our_loops_and_burns_operations_give_the_same() {
    let (config, device) = (small(), Device::flex());
    let tower = config.init(&device);
    let tracked = on(&tower, &config, &device.clone().autodiff());
    for (batch, height, width) in [(1, 32, 32), (2, 53, 75), (1, 1, 9)] {
        let pixels = noise([batch, 3, height, width], &device);
        let ours = tower.feature_maps(pixels.clone(), &ALL);
        let burns = tracked.feature_maps(Tensor::from_inner(pixels), &ALL);
        let (mut rows, mut columns) = (height.div_ceil(2), width.div_ceil(2));
        for ((stage, a), b) in config.stages.iter().zip(&ours).zip(burns) {
            (rows, columns) = (rows.div_ceil(stage.stride), columns.div_ceil(stage.stride));
            assert_eq!(a.dims(), [batch, stage.channels, rows, columns]);
            let a = numbers(a.clone());
            assert!(a.iter().any(|&x| x != a[0]));
            close(&a, &numbers(b), 1e-5).unwrap();
        }
        let last = ours[3].clone();
        let cells = tower.head_features(last.clone()).unwrap();
        assert_eq!(cells.dims(), [batch, rows * columns, 96]);
        let scores = tower.classify(cells.clone().mean_dim(1).squeeze_dim(1)).unwrap();
        assert_eq!(scores.dims(), [batch, 11]);
        let burns = tracked.head_features(Tensor::from_inner(last)).unwrap();
        close(&numbers(cells), &numbers(burns), 1e-5).unwrap();
    }
}

#[test]
fn layers_are_counted_from_the_end() {
    let (config, device) = (small(), Device::flex());
    let tower = config.init(&device);
    let pixels = noise([1, 3, 32, 32], &device);
    let all = tower.feature_maps(pixels.clone(), &ALL);
    let some = tower.feature_maps(pixels.clone(), &[-2, -4]);
    assert_eq!(some.len(), 2);
    assert_eq!(some[0].clone().into_data(), all[2].clone().into_data());
    assert_eq!(some[1].clone().into_data(), all[0].clone().into_data());
    assert!(tower.feature_maps(pixels, &[-5, 0]).is_empty());
    let headless = EfficientNetConfig { classes: None, ..config }.init(&device);
    assert!(headless.head_features(all[3].clone()).is_none());
    assert!(
        names(&headless)
            .iter()
            .all(|(name, _)| name.starts_with("blocks") || name.starts_with("conv_stem"))
    );
}

#[test]
fn gradients_reach_the_pixels_unless_the_tower_is_frozen() {
    let device = Device::flex().autodiff();
    let VisualEncoder::EfficientNet(tower) = encoder().init(&device) else { panic!() };
    let pixels = noise([1, 3, 32, 32], &device);
    let loss = |x: Tensor<4>| {
        let maps = tower.feature_maps(x, &[-4, -1]);
        probe_loss(maps[0].clone()) + probe_loss(maps[1].clone())
    };
    let x = pixels.clone().require_grad();
    let gradient = x.grad(&loss(x.clone()).backward()).unwrap();
    let slope: f32 = gradient.clone().square().sum().sqrt().into_scalar();
    let direction = Tensor::from_inner(gradient / slope);
    let step = 1e-3;
    let at = |s: f64| loss(pixels.clone() + direction.clone() * s).into_scalar::<f32>();
    let difference = (at(step) - at(-step)) / (2.0 * step as f32);
    let allowed = 5e-2 * slope;
    assert!((slope - difference).abs() < allowed, "gradient {slope}, difference {difference}");

    let encoder = VisualEncoder::EfficientNet(tower);
    let kernel = |encoder: &VisualEncoder| {
        let VisualEncoder::EfficientNet(tower) = encoder else { panic!() };
        tower.blocks[0].depthwise_conv.weight.val()
    };
    let map = |encoder: &VisualEncoder| encoder.feature_maps(pixels.clone(), &[-1]).remove(0);
    let trained = map(&encoder);
    let gradients = probe_loss(trained.clone()).backward();
    assert!(kernel(&encoder).grad(&gradients).is_some());
    let frozen = encoder.no_grad();
    let still = map(&frozen);
    close(&numbers(still.clone()), &numbers(trained), 1e-5).unwrap();
    // What is behind it is trained all the same.
    let behind = noise([1, 64, 1, 1], &device).require_grad();
    let gradients = probe_loss(still * behind.clone()).backward();
    assert!(behind.grad(&gradients).is_some());
    assert!(kernel(&frozen).grad(&gradients).is_none());
}

fn encoder() -> VisualEncoderConfig {
    VisualEncoderConfig::EfficientNet(small())
}

/// The shipped configuration with this tower for both of its own, and three of its maps.
fn config() -> ModelConfig {
    let mut config = scenes_config();
    config.visual_encoder = encoder();
    config.visual_tower = None;
    config.tower_size = 0;
    config.visual_select_layer = Layers::Several(vec![-4, -3, -1]);
    config.image_features = vec![2, 1];
    config.prompt_features = vec![1, 2];
    config.vpt_encoder.visual_hidden_size = 96;
    config.vpt_encoder.grid = Some(8);
    config
}

#[test]
fn a_model_is_built_on_it_whose_maps_differ_in_width_and_side() {
    let mut config = config();
    for decoder in [
        &mut config.box_decoder,
        &mut config.mask_decoder,
        &mut config.pose_decoder,
        &mut config.depth_decoder,
    ] {
        *decoder = None;
    }
    config.check().unwrap();
    assert_eq!(config.pyramid_channels(), [5, 32, 64]);
    assert_eq!(config.pyramid_sides(), [16, 8, 4]);
    assert_eq!(config.image_rows(), 16);
    let device = Device::flex();
    let model = RefVlm::new(&config, &device).unwrap();
    let pixels = noise([2, 3, 32, 32], &device);
    let sight = model.see(Inputs { pixels, tower_pixels: None, sam_pixels: None });
    for (map, (channels, side)) in sight
        .pyramid
        .maps
        .iter()
        .zip(config.pyramid_channels().into_iter().zip(config.pyramid_sides()))
    {
        assert_eq!(map.dims(), [2, channels, side, side]);
    }
    assert_eq!(sight.rows.dims()[1], config.image_rows());
    for layers in [vec![-5], vec![0], vec![]] {
        config.visual_select_layer = Layers::Several(layers);
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains("visual_select_layer: must be -1 to -4"), "{error}");
    }
}

#[test]
fn its_configuration_is_read_and_refused() {
    let text = r#"
        model_type = "efficientnet_lite"
        image_size = 64
        stem_channels = 8
        stages = [{ kernel = 3, stride = 2, expansion = 6, channels = 24, repeats = 2 }]
    "#;
    let config: VisualEncoderConfig = toml::from_str(text).unwrap();
    config.check().unwrap();
    assert_eq!(config.maps(&[-1]), [(24, 16)]);
    let VisualEncoderConfig::EfficientNet(tower) = &config else { panic!() };
    assert_eq!((tower.head_channels, tower.classes), (1280, None));
    let again = serde_json::to_value(&config).unwrap();
    assert_eq!(again["model_type"], "efficientnet_lite");
    assert_eq!(serde_json::from_value::<VisualEncoderConfig>(again).unwrap(), config);
    let wrong = text.replace("stem_channels", "stem");
    assert!(
        toml::from_str::<VisualEncoderConfig>(&wrong).unwrap_err().to_string().contains("stem")
    );
    let odd: VisualEncoderConfig = toml::from_str(&text.replace("64", "66")).unwrap();
    assert_eq!(odd.check().unwrap_err().field, "image_size");
}

#[test]
fn pixels_are_what_it_was_trained_with() {
    let rgb = [0, 127, 255].repeat(9);
    let picture = Picture::new(3, 3, &rgb).unwrap();
    let mut preprocess = encoder().preprocess();
    preprocess.size = 3;
    let (_, values) = preprocess.apply(picture).unwrap();
    for (channel, byte) in values.chunks(9).zip([0.0f32, 127.0, 255.0]) {
        close(channel, &[(byte - 127.0) / 128.0; 9], 1e-6).unwrap();
    }
}

#[test]
fn packages_hold_it_in_every_form() {
    let (config, device) = (small(), Device::flex());
    let tower = config.init(&device);
    let pixels = noise([1, 3, 32, 32], &device);
    let map = |tower: &EfficientNet| numbers(tower.feature_maps(pixels.clone(), &[-1]).remove(0));
    let exact = map(&tower);
    for (quantisation, tolerance) in
        [(Quantisation::F32, 0.0), (Quantisation::F16, 2e-3), (Quantisation::Q8, 2e-2)]
    {
        let stored = packaged(&tower, config.init(&device), quantisation);
        let found = map(&stored);
        close(&found, &exact, tolerance).unwrap();
        assert_eq!(found == exact, quantisation == Quantisation::F32);
    }
}

#[test]
fn names_and_shapes_are_the_checkpoints() {
    let tower = EfficientNetConfig::lite2().init(&Device::flex());
    let all = names(&tower);
    let has = |name: &str, shape: &[usize]| {
        assert!(all.contains(&(name.to_string(), shape.to_vec())), "{name} {shape:?}");
    };
    has("conv_stem.weight", &[32, 3, 3, 3]);
    has("blocks.0.project_conv.weight", &[16, 32]);
    has("blocks.4.depthwise_conv.weight", &[144, 1, 5, 5]);
    has("blocks.20.expand_conv.weight", &[1248, 208]);
    has("conv_head.bias", &[1280]);
    has("fc.weight", &[1000, 1280]);
    assert!(
        !all.iter()
            .any(|(name, _)| name.starts_with("blocks.0.expand") || name.starts_with("blocks.21."))
    );
    let count: usize = all.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    // 6.1 M, of which the norms' statistics are no part any more.
    assert!((6_000_000..6_100_000).contains(&count), "{count}");
}
