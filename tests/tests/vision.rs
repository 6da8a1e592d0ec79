//! The vision towers and the projector against reference tensors.

use burn::tensor::Device;
use refvlm_model::vision::ProjectorConfig;
use refvlm_tests::{Fixture, load_weights, probe_loss};

#[test]
fn projector_outputs_and_gradients() {
    let Some(fixture) = Fixture::open("projector") else { return };
    let device = Device::flex().autodiff();
    let projector = load_weights(fixture.config::<ProjectorConfig>().init(&device), &fixture);
    let x = fixture.tensor::<3>("in.x", &device).require_grad();
    let y = projector.forward(x.clone());
    fixture.assert_close("out.y", y.clone());
    let gradients = probe_loss(y).backward();
    fixture.assert_close("grad.x", x.grad(&gradients).unwrap());
    let model = &projector.model;
    fixture.assert_close("grad.w.model.0.weight", model._0.weight.val().grad(&gradients).unwrap());
    let bias = model._2.bias.as_ref().unwrap();
    fixture.assert_close("grad.w.model.2.bias", bias.val().grad(&gradients).unwrap());
}
