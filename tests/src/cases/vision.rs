//! The vision towers and the projector.

use crate::{Fixture, load_weights};
use burn::tensor::{Device, Tensor};
use refvlm_model::vision::{
    ClipVit, ClipVitConfig, ConvNextConfig, Dinov2, Dinov2Config, Projector, ProjectorConfig,
};
use std::collections::BTreeMap;

/// The module with its input and output.
pub fn projector(fixture: &Fixture, device: &Device) -> (Projector, [Tensor<3>; 2]) {
    let projector = load_weights(fixture.config::<ProjectorConfig>().init(device), fixture);
    let x = fixture.leaf::<3>("in.x", device);
    let y = projector.forward(x.clone());
    fixture.assert_close("out.y", y.clone());
    (projector, [x, y])
}

/// The module, the pixels and the layer that a projector reads.
pub fn clip_vit(fixture: &Fixture, device: &Device) -> (ClipVit, Tensor<4>, Tensor<3>) {
    let config: ClipVitConfig = fixture.config();
    config.check().unwrap();
    let vit = load_weights(config.init(device), fixture);
    let pixels = fixture.leaf::<4>("in.pixel_values", device);
    let states = vit.forward(pixels.clone());
    assert_eq!(states.len(), config.num_hidden_layers + 1);
    for (i, state) in states.iter().enumerate() {
        fixture.assert_close(&format!("out.hidden_states.{i}"), state.clone());
    }
    fixture.assert_close("out.pooled", vit.pooled(states[states.len() - 1].clone()));

    let layers = config.num_hidden_layers - 1;
    let fewer = vit.forward_layers(pixels.clone(), layers);
    assert_eq!(fewer.len(), layers + 1);
    let selected = fewer[layers].clone();
    fixture.assert_close(&format!("out.hidden_states.{layers}"), selected.clone());
    (vit, pixels, selected)
}

/// The module, and of each size its name, the pixels and the last state.
pub fn dinov2_vit(
    fixture: &Fixture,
    device: &Device,
) -> (Dinov2, Vec<(String, Tensor<4>, Tensor<3>)>) {
    let config: Dinov2Config = fixture.config();
    config.check().unwrap();
    let vit = load_weights(config.init(device), fixture);
    let sizes: BTreeMap<String, [usize; 2]> = fixture.setting("sizes");
    assert!(!sizes.is_empty());
    let mut found = Vec::new();
    for (size, [height, width]) in sizes {
        let grid = [height / config.patch_size, width / config.patch_size];
        fixture.assert_close(&format!("out.pos_embed.{size}"), vit.embeddings.positions(grid));
        let pixels = fixture.leaf::<4>(&format!("in.pixel_values.{size}"), device);
        let states = vit.forward(pixels.clone());
        for (i, state) in states.iter().enumerate() {
            fixture.assert_close(&format!("out.hidden_states.{size}.{i}"), state.clone());
        }
        let last = vit.normalise(states[states.len() - 1].clone());
        fixture.assert_close(&format!("out.last_hidden_state.{size}"), last.clone());
        fixture.assert_close(&format!("out.pooled.{size}"), last.clone().narrow(1, 0, 1));
        found.push((size, pixels, last));
    }
    (vit, found)
}

/// All maps.
pub fn convnext(fixture: &Fixture, device: &Device) {
    let config: ConvNextConfig = fixture.config();
    config.check().unwrap();
    let trunk = load_weights(config.init(device), fixture);
    let pixels = fixture.tensor::<4>("in.pixel_values", device);
    fixture.assert_close("out.stem", trunk.stem(pixels.clone()).permute([0, 3, 1, 2]));
    let maps = trunk.forward(pixels);
    assert_eq!(maps.len(), config.dims.len());
    for (i, map) in maps.into_iter().enumerate() {
        fixture.assert_close(&format!("out.stage.{i}"), map);
    }
}
