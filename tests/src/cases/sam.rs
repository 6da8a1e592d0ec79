//! SAM.

use crate::{Fixture, load_weights};
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use refvlm_model::sam::{
    FourierPosition, MaskChoice, PromptEncoder, SamHeadConfig, SamMaskDecoder, SamVit,
    SamVitConfig, TwoWaySizes, TwoWayTransformer,
};

/// The adapter's transformer with its position code.
#[derive(Module, Debug)]
pub struct TwoWay {
    model: TwoWayTransformer,
    pe: FourierPosition,
}

/// The module, picture and tokens, and what became of the tokens.
pub fn two_way_transformer(
    fixture: &Fixture,
    device: &Device,
) -> (TwoWay, Tensor<4>, [Tensor<3>; 2]) {
    let sizes = TwoWaySizes {
        dim: fixture.setting("dim"),
        depth: fixture.setting("depth"),
        heads: fixture.setting("heads"),
        mlp_dim: fixture.setting("mlp_dim"),
    };
    let module = TwoWay {
        model: TwoWayTransformer::new(sizes, device),
        pe: FourierPosition::new(sizes.dim, device),
    };
    let module = load_weights(module, fixture);
    let TwoWay { model, pe } = &module;
    let grid: [usize; 2] = fixture.setting("grid");
    let code = pe.grid(grid);
    fixture.assert_close("out.image_pe", code.clone().transpose());

    let image = fixture.leaf::<4>("in.image", device);
    let tokens = fixture.leaf::<3>("in.tokens", device);
    let rows = image.clone().flatten::<3>(2, 3).swap_dims(1, 2);
    let (out, rows) = model.forward(rows, code.unsqueeze(), tokens.clone());
    fixture.assert_close("out.tokens", out.clone());
    fixture.assert_close("out.image", rows);
    (module, image, [tokens, out])
}

/// A grid that windows divide, and one that they don't.
pub const IMAGE_ENCODERS: [&str; 2] = ["sam_image_encoder", "sam_image_encoder_pad"];

/// The module, the pixels and the embedding.
pub fn image_encoder(fixture: &Fixture, device: &Device) -> (SamVit, [Tensor<4>; 2]) {
    let config: SamVitConfig = fixture.config();
    config.check().unwrap();
    let encoder = load_weights(SamVit::new(&config, device), fixture);
    let pixels = fixture.leaf::<4>("in.pixel_values", device);
    let mut x = encoder.embed(pixels.clone());
    for (i, block) in encoder.blocks.iter().enumerate() {
        x = block.forward(x);
        fixture.assert_close(&format!("out.block.{i}"), x.clone());
    }
    fixture.assert_close("out.embedding", encoder.project(x));
    let embedding = encoder.forward(pixels.clone());
    fixture.assert_close("out.embedding", embedding.clone());
    (encoder, [pixels, embedding])
}

/// Prompt encoder and mask decoder as in a checkpoint.
#[derive(Module, Debug)]
pub struct Head {
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

/// What gradients are stored for: picture and references, and the masks they give.
pub struct Prompted {
    /// Prompt encoder and mask decoder.
    pub head: Head,
    /// The picture's embedding.
    pub image: Tensor<4>,
    /// States that stand for prompts.
    pub refs: Tensor<3>,
    /// Their masks.
    pub logits: Tensor<4>,
}

/// Every kind of prompt with every choice of masks that is stored.
pub fn prompts_and_masks(fixture: &Fixture, device: &Device) -> Prompted {
    let head = head(fixture, device);
    let Head { prompt_encoder, mask_decoder } = &head;
    let image = fixture.leaf::<4>("in.image_embedding", device);
    let positions = prompt_encoder.positions();
    fixture.assert_close("out.dense_pe", positions.clone().swap_dims(1, 2));

    let labels = fixture.shape("in.point_labels");
    let labels = TensorData::new(fixture.ints("in.point_labels"), [labels[0], labels[1]]);
    let labels = Tensor::<2, Int>::from_data(labels, device);
    let points = || Some((fixture.tensor("in.point_coords", device), labels.clone()));
    let boxes = || Some(fixture.tensor("in.boxes", device));
    let refs = fixture.leaf::<3>("in.ref_embeds", device);
    fixture.assert_close("out.sparse.ref", refs.clone());
    let mask = prompt_encoder.mask(fixture.tensor("in.mask_input", device));
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
    let mut single = None;
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
            if key == "ref.single" {
                single = Some(out.logits);
            }
        }
    }
    let logits = single.unwrap();
    Prompted { head, image, refs, logits }
}
