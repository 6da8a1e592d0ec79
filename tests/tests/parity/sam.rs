//! SAM against reference tensors.
use burn::tensor::Device;
use refvlm_tests::{Fixture, cases, probe_loss};

#[test]
fn two_way_transformer_outputs_and_gradients() {
    let Some(fixture) = Fixture::open("two_way_transformer") else { return };
    let device = Device::flex().autodiff();
    let (module, image, [tokens, out]) = cases::two_way_transformer(&fixture, &device);
    let gradients = probe_loss(out).backward();
    fixture.assert_close("grad.image", image.grad(&gradients).unwrap());
    fixture.assert_close("grad.tokens", tokens.grad(&gradients).unwrap());
    fixture.assert_weight_gradients(&module, &gradients);
}

#[test]
fn image_encoder_outputs_and_gradients() {
    for name in cases::IMAGE_ENCODERS {
        let Some(fixture) = Fixture::open(name) else { continue };
        let device = Device::flex().autodiff();
        let (encoder, [pixels, embedding]) = cases::image_encoder(&fixture, &device);
        let gradients = probe_loss(embedding).backward();
        fixture.assert_close("grad.pixel_values", pixels.grad(&gradients).unwrap());
        fixture.assert_weight_gradients(&encoder, &gradients);
    }
}

#[test]
fn prompts_and_masks_and_gradients() {
    let Some(fixture) = Fixture::open("sam_prompt_mask") else { return };
    let found = cases::prompts_and_masks(&fixture, &Device::flex().autodiff());
    let gradients = probe_loss(found.logits).backward();
    fixture.assert_close("grad.image_embedding", found.image.grad(&gradients).unwrap());
    fixture.assert_close("grad.ref_embeds", found.refs.grad(&gradients).unwrap());
    fixture.assert_weight_gradients(&found.head, &gradients);
}
