//! The vision towers, the projector and the pyramid against reference tensors.
use burn::tensor::{Device, Distribution, Int, Tensor};
use refvlm_model::config::ModelConfigError;
use refvlm_model::layers::resize_bilinear;
use refvlm_model::vision::{ClipVitConfig, ConvNextConfig, Dinov2Config, Pyramid, tokens_to_map};
use refvlm_tests::{Fixture, cases, preset, probe_loss};

#[test]
fn projector_outputs_and_gradients() {
    let Some(fixture) = Fixture::open("projector") else { return };
    let (projector, [x, y]) = cases::projector(&fixture, &Device::flex().autodiff());
    let gradients = probe_loss(y).backward();
    fixture.assert_close("grad.x", x.grad(&gradients).unwrap());
    fixture.assert_weight_gradients(&projector, &gradients);
}

#[test]
fn clip_hidden_states_and_gradients() {
    let Some(fixture) = Fixture::open("clip_vit") else { return };
    let (vit, pixels, selected) = cases::clip_vit(&fixture, &Device::flex().autodiff());
    let gradients = probe_loss(selected).backward();
    fixture.assert_close("grad.pixel_values", pixels.grad(&gradients).unwrap());
    fixture.assert_weight_gradients(&vit, &gradients);
}

#[test]
fn dinov2_states_positions_and_gradients() {
    let Some(fixture) = Fixture::open("dinov2_vit") else { return };
    let (vit, sizes) = cases::dinov2_vit(&fixture, &Device::flex().autodiff());
    for (size, pixels, last) in sizes {
        let key = format!("grad.pixel_values.{size}");
        if fixture.has(&key) {
            let gradients = probe_loss(last).backward();
            fixture.assert_close(&key, pixels.grad(&gradients).unwrap());
            fixture.assert_weight_gradients(&vit, &gradients);
        }
    }
}

#[test]
fn convnext_maps() {
    let Some(fixture) = Fixture::open("convnext") else { return };
    cases::convnext(&fixture, &Device::flex());
}

#[test]
fn convnext_is_trainable_down_to_the_pixels() {
    let device = Device::flex().autodiff();
    let config = ConvNextConfig {
        depths: vec![1, 1],
        dims: vec![4, 6],
        image_size: 19,
        ls_init_value: 1.0,
        kernel_size: 7,
        hidden_act: refvlm_model::layers::Activation::Gelu,
    };
    let trunk = config.init(&device);
    let noise = |size| Tensor::<4>::random(size, Distribution::Normal(0.0, 1.0), &device);
    // An odd size: rows that fill no patch are left out, as a convolution does.
    let pixels = noise([1, 3, 19, 21]);
    let loss = |x: Tensor<4>| {
        let maps = trunk.forward(x);
        assert_eq!(maps[1].dims(), [1, 6, 2, 2]);
        probe_loss(maps[0].clone()) + probe_loss(maps[1].clone())
    };
    let x = pixels.clone().require_grad();
    let gradient = x.grad(&loss(x.clone()).backward()).unwrap();
    // Along the gradient itself, so that the slope is its length and rounding stays small.
    let slope: f32 = gradient.clone().square().sum().sqrt().into_scalar();
    let direction = Tensor::from_inner(gradient / slope);
    let step = 1e-2;
    let at = |s: f64| loss(pixels.clone() + direction.clone() * s).into_scalar::<f32>();
    let difference = (at(step) - at(-step)) / (2.0 * step as f32);
    let allowed = 2e-2 * slope;
    assert!((slope - difference).abs() < allowed, "gradient {slope}, difference {difference}");
}

#[test]
fn maps_are_selected_resized_and_joined() {
    let device = Device::flex();
    let map =
        |shape: [usize; 4]| Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
    let pyramid = Pyramid { maps: vec![map([2, 3, 8, 8]), map([2, 5, 4, 4]), map([2, 4, 6, 6])] };
    let joined = pyramid.joined(&[1, 0]);
    assert_eq!(joined.dims(), [2, 8, 4, 4]);
    let first = joined.clone().narrow(1, 0, 5).into_data();
    assert_eq!(first, pyramid.maps[1].clone().into_data());
    let second = joined.narrow(1, 5, 3).into_data();
    assert_eq!(second, resize_bilinear(pyramid.maps[0].clone(), [4, 4]).into_data());

    let several = pyramid.select(&[2, 0]);
    assert_eq!(several[0].clone().into_data(), pyramid.maps[2].clone().into_data());
    assert_eq!(several[1].clone().into_data(), pyramid.maps[0].clone().into_data());
}

#[test]
fn maps_that_no_tower_makes_are_named() {
    let good = preset("scenes");
    good.check().unwrap();
    let count = good.pyramid_channels().len();
    let mut config = good.clone();
    config.image_features = vec![0, count];
    let expected = ModelConfigError::Map { field: "image_features", index: count, last: count - 1 };
    assert_eq!(config.check(), Err(expected));
    let mut config = good;
    config.prompt_features = vec![];
    let error = config.check().unwrap_err();
    assert!(matches!(error, ModelConfigError::Other { field: "prompt_features", .. }), "{error}");
}

#[test]
fn tokens_become_a_map_without_the_class_token() {
    let tokens = Tensor::<1, Int>::arange(0..14, &Device::flex()).float().reshape([1, 7, 2]);
    let map: Vec<f32> = tokens_to_map(tokens, [2, 3]).into_data().try_to_vec().unwrap();
    assert_eq!(map, [2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0]);
}

#[test]
fn configurations_that_fit_nothing_are_named() {
    let clip = |text: &str| serde_json::from_str::<ClipVitConfig>(text).unwrap().check();
    let error = clip(
        r#"{"hidden_size": 10, "intermediate_size": 4, "num_hidden_layers": 1,
            "num_attention_heads": 3, "image_size": 32, "patch_size": 8}"#,
    );
    assert_eq!(error.unwrap_err().field, "num_attention_heads");
    let error = clip(
        r#"{"hidden_size": 9, "intermediate_size": 4, "num_hidden_layers": 1,
            "num_attention_heads": 3, "image_size": 32, "patch_size": 0}"#,
    );
    assert_eq!(error.unwrap_err().field, "patch_size");
    let error = serde_json::from_str::<Dinov2Config>(
        r#"{"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
            "image_size": 28, "patch_size": 14, "use_swiglu_ffn": true}"#,
    );
    assert_eq!(error.unwrap().check().unwrap_err().field, "use_swiglu_ffn");
    let trunk = |depths: &[usize], dims: &[usize], image_size| {
        let (depths, dims) = (depths.to_vec(), dims.to_vec());
        ConvNextConfig {
            depths,
            dims,
            image_size,
            ls_init_value: 1.0,
            kernel_size: 7,
            hidden_act: refvlm_model::layers::Activation::Gelu,
        }
        .check()
    };
    assert_eq!(trunk(&[1, 1], &[4], 32).unwrap_err().field, "depths");
    assert_eq!(trunk(&[1, 1], &[4, 0], 32).unwrap_err().field, "dims");
    assert_eq!(trunk(&[1, 1], &[4, 8], 7).unwrap_err().field, "image_size");
    assert_eq!(trunk(&[], &[], 32).unwrap_err().field, "depths");
}
