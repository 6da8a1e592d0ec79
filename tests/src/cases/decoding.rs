//! The decoders.

use super::Case;
use crate::{Fixture, load_weights};
use burn::tensor::{Device, Tensor, activation};
use refvlm_model::decoding::{
    BoxDecoder, DecoderConfig, MaskDecoder, PoseDecoder, QueryLayout, QueryMask, sine_position,
};
use refvlm_model::vision::{Pyramid, tokens_to_map};

/// The decoders of the reference.
pub const DECODERS: [Case; 3] =
    [("box_decoder", box_decoder), ("mask_decoder", mask_decoder), ("pose_decoder", pose_decoder)];

/// All visual maps of a case, token maps viewed as maps.
fn pyramid(fixture: &Fixture, device: &Device) -> Pyramid {
    let maps: Vec<(usize, usize, String)> = fixture.setting("visual_maps");
    let view = |(i, (_, side, layout)): (usize, &(usize, usize, String))| {
        let key = format!("in.visual.{i}");
        match layout.as_str() {
            "BLC" => tokens_to_map(fixture.tensor::<3>(&key, device), [*side, *side]),
            _ => fixture.tensor::<4>(&key, device),
        }
    };
    Pyramid { maps: maps.iter().enumerate().map(view).collect() }
}

/// The references that the reference decodes.
fn surviving(fixture: &Fixture) -> QueryLayout {
    let counts: Vec<usize> = fixture.setting("ref_counts");
    QueryLayout::new(fixture.setting("groups")).limited(|row| counts[row])
}

/// A configuration with the reference's queries.
fn reference(config: DecoderConfig) -> DecoderConfig {
    DecoderConfig { query_mask: QueryMask::Reference, ..config }
}

/// The pose case names its sizes differently.
fn pose_config(fixture: &Fixture) -> DecoderConfig {
    reference(DecoderConfig {
        decoder_layers: fixture.setting("box_layers"),
        kpt_decoder_layers: fixture.setting("kpt_layers"),
        decoder_ffn_dim: fixture.setting("ffn"),
        decoder_attention_heads: fixture.setting("heads"),
        ..fixture.config()
    })
}

/// The position code of maps.
pub fn sine_positions(fixture: &Fixture, device: &Device) {
    let channels = fixture.setting("d");
    let grids: Vec<[usize; 2]> = fixture.setting("grids");
    assert!(!grids.is_empty());
    for [h, w] in grids {
        let code = sine_position([h, w], channels, device);
        fixture.assert_close(&format!("out.pos.{h}x{w}"), code);
    }
}

/// Boxes, with all references and with fewer.
fn box_decoder(fixture: &Fixture, device: &Device) {
    let config = reference(fixture.config());
    let decoder = load_weights(BoxDecoder::new(&config, device).unwrap(), fixture);
    let pyramid = pyramid(fixture, device);
    let index = &config.encoder_input_index;
    let maps = pyramid.select(index);
    let layout = surviving(fixture);

    // Every seventh token is stored.
    let every = |tokens: Tensor<3>| tokens.slice_dim(1, burn::tensor::s![..;7]);
    let joined = pyramid.joined(index);
    let tokens = joined.clone().flatten::<3>(2, 3).swap_dims(1, 2);
    fixture.assert_close("out.visual_tokens", every(tokens));
    let [_, _, h, w] = maps[0].dims();
    let positions = sine_position([h, w], config.d_model, device).unsqueeze();
    fixture.assert_close("out.visual_position", every(positions));

    let out = decoder.forward(&maps, fixture.tensor("in.ref_hidden_states", device), &layout);
    fixture.assert_close("out.decoder_output", out.states.clone());
    fixture.assert_close("out.boxes", out.boxes.clone());
    fixture.assert_close("out.pred_boxes", layout.select::<3, 2>(out.boxes.clone()));
    assert!(out.confidence.is_none());

    // Another unit's picture: its references stay active as queries, but no box is read.
    let mine = layout.limited(|row| if row == 0 { usize::MAX } else { 0 });
    let filtered = decoder.forward(&maps, fixture.tensor("in.ref_hidden_states", device), &mine);
    fixture.assert_close("out.filtered.boxes_sample0", mine.select::<3, 2>(filtered.boxes));
    let rows = fixture.setting::<Vec<usize>>("ref_counts").len();
    let mask: Vec<u8> = (0..rows)
        .flat_map(|row| (0..config.num_queries).map(move |i| (row, i)))
        .map(|(row, i)| u8::from(i < mine.row_count(row)))
        .collect();
    assert_eq!(mask, fixture.bytes("out.filtered.ref_mask"));

    let short = decoder.forward(&maps, fixture.tensor("in.short_refs", device), &layout);
    fixture.assert_close("out.short.decoder_output", short.states);
    fixture.assert_close("out.short.boxes", short.boxes);

    let one = decoder.forward(&[joined], fixture.tensor("in.ref_hidden_states", device), &layout);
    fixture.assert_close("out.boxes", one.boxes);
}

/// Masks and what they are made of.
fn mask_decoder(fixture: &Fixture, device: &Device) {
    let config = reference(fixture.config());
    let decoder = load_weights(MaskDecoder::new(&config, device).unwrap(), fixture);
    let pyramid = pyramid(fixture, device);
    let maps = pyramid.select(&config.encoder_input_index);
    let layout = surviving(fixture);

    for (i, map) in decoder.pixel_decoder.fpn.forward(&maps).into_iter().skip(1).enumerate() {
        let key = format!("out.fpn.{i}");
        if fixture.has(&key) {
            fixture.assert_close(&key, map);
        }
    }
    fixture.assert_close("out.pixel_embedding", decoder.pixel_decoder.forward(&maps));
    let out = decoder.forward(&maps, fixture.tensor("in.ref_hidden_states", device), &layout);
    fixture.assert_close("out.decoder_output", out.states.clone());
    fixture.assert_close("out.mask_embedding", decoder.embed(out.states));
    fixture.assert_close("out.logits", out.logits.clone());
    fixture.assert_close("out.pred_logits", layout.select::<4, 3>(out.logits.clone()));
    let mine = layout.limited(|row| if row == 0 { usize::MAX } else { 0 });
    let masks = activation::sigmoid(mine.select::<4, 3>(out.logits));
    fixture.assert_close("out.filtered.probs_sample0", masks);
}

/// Both stages.
fn pose_decoder(fixture: &Fixture, device: &Device) {
    let config = pose_config(fixture);
    let decoder = load_weights(PoseDecoder::new(&config, device).unwrap(), fixture);
    let pyramid = pyramid(fixture, device);
    let maps = pyramid.select(&config.encoder_input_index);
    let layout = surviving(fixture);
    let out = decoder.forward(&maps, fixture.tensor("in.ref_hidden_states", device), &layout);
    fixture.assert_close("out.stage1.boxes", out.stage1.boxes);
    fixture.assert_close("out.stage1.states", out.stage1.states);
    fixture.assert_close("out.stage2.states", out.states);
    fixture.assert_close("out.stage2.boxes", out.boxes.clone());
    fixture.assert_close("out.stage2.keypoints", out.keypoints.clone());
    fixture.assert_close("out.stage2.visibility_logits", out.visibility.clone());
    fixture.assert_close("out.predict.boxes", layout.select::<3, 2>(out.boxes));
    fixture.assert_close("out.predict.keypoints", layout.select::<4, 3>(out.keypoints));
    let labelled = layout.select::<4, 3>(out.visibility).argmax(2).float();
    fixture.assert_within("out.predict.cls", labelled, 0.0);
}
