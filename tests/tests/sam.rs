//! SAM against reference tensors.
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use refvlm_model::decoding::sam::{
    FourierPosition, MaskChoice, PromptEncoder, SamHeadConfig, SamMaskDecoder, SamVit,
    SamVitConfig, TwoWaySizes, TwoWayTransformer,
};
use refvlm_tests::{Fixture, load_weights, probe_loss};

/// The adapter's transformer with its position code.
#[derive(Module, Debug)]
struct TwoWay {
    model: TwoWayTransformer,
    pe: FourierPosition,
}

#[test]
fn two_way_transformer_outputs_and_gradients() {
    let Some(fixture) = Fixture::open("two_way_transformer") else { return };
    let device = Device::flex().autodiff();
    let sizes = TwoWaySizes {
        dim: fixture.setting("dim"),
        depth: fixture.setting("depth"),
        heads: fixture.setting("heads"),
        mlp_dim: fixture.setting("mlp_dim"),
    };
    let module = TwoWay {
        model: TwoWayTransformer::new(sizes, &device),
        pe: FourierPosition::new(sizes.dim, &device),
    };
    let module = load_weights(module, &fixture);
    let TwoWay { model, pe } = &module;
    let grid: [usize; 2] = fixture.setting("grid");
    let code = pe.grid(grid);
    fixture.assert_close("out.image_pe", code.clone().transpose());

    let image = fixture.tensor::<4>("in.image", &device).require_grad();
    let tokens = fixture.tensor::<3>("in.tokens", &device).require_grad();
    let rows = image.clone().flatten::<3>(2, 3).swap_dims(1, 2);
    let (out, rows) = model.forward(rows, code.unsqueeze(), tokens.clone());
    fixture.assert_close("out.tokens", out.clone());
    fixture.assert_close("out.image", rows);

    let gradients = probe_loss(out).backward();
    fixture.assert_close("grad.image", image.grad(&gradients).unwrap());
    fixture.assert_close("grad.tokens", tokens.grad(&gradients).unwrap());
    fixture.assert_weight_gradients(&module, &gradients);
}

#[test]
fn image_encoder_outputs_and_gradients() {
    for name in ["sam_image_encoder", "sam_image_encoder_pad"] {
        let Some(fixture) = Fixture::open(name) else { continue };
        let device = Device::flex().autodiff();
        let config: SamVitConfig = fixture.config();
        config.check().unwrap();
        let encoder = load_weights(SamVit::new(&config, &device), &fixture);
        let pixels = fixture.tensor::<4>("in.pixel_values", &device).require_grad();
        let mut x = encoder.embed(pixels.clone());
        for (i, block) in encoder.blocks.iter().enumerate() {
            x = block.forward(x);
            fixture.assert_close(&format!("out.block.{i}"), x.clone());
        }
        fixture.assert_close("out.embedding", encoder.project(x));
        let embedding = encoder.forward(pixels.clone());
        fixture.assert_close("out.embedding", embedding.clone());

        let gradients = probe_loss(embedding).backward();
        fixture.assert_close("grad.pixel_values", pixels.grad(&gradients).unwrap());
        fixture.assert_weight_gradients(&encoder, &gradients);
    }
}

/// Prompt encoder and mask decoder as in a checkpoint.
#[derive(Module, Debug)]
struct Head {
    prompt_encoder: PromptEncoder,
    mask_decoder: SamMaskDecoder,
}

fn head(fixture: &Fixture, device: &Device) -> Head {
    let tokens = fixture.shape("w.mask_decoder.mask_tokens.weight")[0];
    let layer = |i: usize| format!("w.mask_decoder.iou_prediction_head.layers.{i}.weight");
    let config = SamHeadConfig {
        num_multimask_outputs: tokens - 1,
        iou_head_depth: (0..).take_while(|&i| fixture.has(&layer(i))).count(),
        ..fixture.config()
    };
    let dim = fixture.setting("dim");
    let sizes = [fixture.setting("image_size"), fixture.setting("grid")];
    let head = Head {
        prompt_encoder: PromptEncoder::new(dim, sizes, &config, device),
        mask_decoder: SamMaskDecoder::new(dim, &config, device),
    };
    load_weights(head, fixture)
}

#[test]
fn prompts_and_masks_and_gradients() {
    let Some(fixture) = Fixture::open("sam_prompt_mask") else { return };
    let device = Device::flex().autodiff();
    let head = head(&fixture, &device);
    let Head { prompt_encoder, mask_decoder } = &head;
    let image = fixture.tensor::<4>("in.image_embedding", &device).require_grad();
    let positions = prompt_encoder.positions();
    fixture.assert_close("out.dense_pe", positions.clone().swap_dims(1, 2));

    let labels = fixture.shape("in.point_labels");
    let labels = TensorData::new(fixture.ints("in.point_labels"), [labels[0], labels[1]]);
    let labels = Tensor::<2, Int>::from_data(labels, &device);
    let points = || Some((fixture.tensor("in.point_coords", &device), labels.clone()));
    let boxes = || Some(fixture.tensor("in.boxes", &device));
    let refs = fixture.tensor::<3>("in.ref_embeds", &device).require_grad();
    fixture.assert_close("out.sparse.ref", refs.clone());
    let mask = prompt_encoder.mask(fixture.tensor("in.mask_input", &device));
    fixture.assert_close("out.dense.mask", mask.clone().swap_dims(1, 2));
    let none = prompt_encoder.no_mask();
    fixture.assert_close("out.dense.nomask", none.clone());

    let sparse = |points, boxes| prompt_encoder.sparse(points, boxes);
    let kinds = [
        ("points", sparse(points(), None), none.clone()),
        ("box", sparse(None, boxes()), none.clone()),
        ("points_box", sparse(points(), boxes()), none.clone()),
        ("mask", sparse(None, None), mask),
        ("ref", Some(refs.clone()), none),
    ];
    for (kind, sparse, dense) in kinds {
        if let Some(sparse) = &sparse {
            fixture.assert_close(&format!("out.sparse.{kind}"), sparse.clone());
        }
        for (name, choice) in [("single", MaskChoice::Single), ("multi", MaskChoice::Multi)] {
            let key = format!("{kind}.{name}");
            if !fixture.has(&format!("out.logits.{key}")) {
                continue;
            }
            let (sparse, dense) = (sparse.clone(), dense.clone());
            let out = mask_decoder.forward(image.clone(), positions.clone(), sparse, dense, choice);
            fixture.assert_close(&format!("out.logits.{key}"), out.logits.clone());
            fixture.assert_close(&format!("out.iou.{key}"), out.iou);
            if key != "ref.single" {
                continue;
            }
            let gradients = probe_loss(out.logits).backward();
            fixture.assert_close("grad.image_embedding", image.grad(&gradients).unwrap());
            fixture.assert_close("grad.ref_embeds", refs.grad(&gradients).unwrap());
            fixture.assert_weight_gradients(&head, &gradients);
        }
    }
}
