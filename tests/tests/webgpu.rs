//! The modules on a device of wgpu against the reference's tensors, forward.
//!
//! `cargo test --release -p refvlm-tests --features wgpu --test webgpu` on whatever adapter there
//! is, with other cases by `REFVLM_FIXTURES`; `cargo xtask test --only wasm-kernels` runs those of
//! the repository in a browser with WebGPU.

use burn::tensor::Device;
use refvlm_tests::{Fixture, cases, of_losses};

/// Says what was compared; a case that another folder lacks is not.
async fn compare(name: &str, device: &Device, case: impl FnOnce(&Fixture, &Device)) -> bool {
    let forward =
        |key: &str| key.starts_with("out.") && !key.starts_with("out.greedy") && !of_losses(key);
    let Some(fixture) = Fixture::open_for(name, forward) else { return false };
    case(&fixture, device);
    fixture.settle().await;
    println!("{name} is the reference's");
    true
}

async fn all() {
    let device = match Device::wgpu_options().init_async().await {
        Ok(device) => device,
        Err(error) => {
            // A browser is started with an adapter for this test, so there it is an error.
            let browser = cfg!(target_arch = "wasm32");
            assert!(!browser, "no adapter: {error}");
            println!("skipped: no adapter for wgpu here ({error})");
            return;
        }
    };
    let mut compared = 0;
    let mut count = |done: bool| compared += usize::from(done);
    for (name, case) in cases::DECODERS {
        count(compare(name, &device, case).await);
    }
    for name in cases::LLAMAS {
        count(compare(name, &device, |f, d| drop(cases::llama_states(f, d))).await);
    }
    for name in cases::VPT_ENCODERS {
        count(compare(name, &device, |f, d| drop(cases::vpt_encoder(f, d))).await);
    }
    for name in cases::IMAGE_ENCODERS {
        count(compare(name, &device, |f, d| drop(cases::image_encoder(f, d))).await);
    }
    let others: [cases::Case; 7] = [
        ("sine_position", cases::sine_positions),
        ("projector", |f, d| drop(cases::projector(f, d))),
        ("clip_vit", |f, d| drop(cases::clip_vit(f, d))),
        ("dinov2_vit", |f, d| drop(cases::dinov2_vit(f, d))),
        ("convnext", cases::convnext),
        ("two_way_transformer", |f, d| drop(cases::two_way_transformer(f, d))),
        ("sam_prompt_mask", |f, d| drop(cases::prompts_and_masks(f, d))),
    ];
    for (name, case) in others {
        count(compare(name, &device, case).await);
    }
    assert!(compared > 0, "no case was found");
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn modules_give_what_the_reference_gives() {
    pollster::block_on(all());
}

#[cfg(target_arch = "wasm32")]
mod browser {
    use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

    wasm_bindgen_test_configure!(run_in_dedicated_worker);

    #[wasm_bindgen_test]
    async fn modules_give_what_the_reference_gives() {
        super::all().await;
    }
}
