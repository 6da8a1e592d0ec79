//! The visual prompt encoder.

use crate::{Fixture, load_weights};
use burn::tensor::{DType, Device, Tensor, TensorData};
use refvlm_model::prompting::region::set_cells;
use refvlm_model::prompting::vpt::normalise;
use refvlm_model::prompting::{VptConfig, VptEncoder};
use refvlm_model::vision::tokens_to_map;

/// Pooling with and without mask token, and the two older strategies.
pub const VPT_ENCODERS: [&str; 4] =
    ["vpt_pooling", "vpt_pooling_ragged", "vpt_embedding", "vpt_legacy"];

/// A stored mask and its side.
fn decode(runs: &[i64]) -> (Vec<u8>, usize) {
    let cells = runs.iter().sum::<i64>() as usize;
    let mut mask = Vec::with_capacity(cells);
    for (k, &run) in runs.iter().enumerate() {
        mask.extend(std::iter::repeat_n((k % 2) as u8, run as usize));
    }
    assert_eq!(cells.isqrt().pow(2), cells);
    (mask, cells.isqrt())
}

/// The module, the picture's tokens and the regions' tokens.
pub fn vpt_encoder(fixture: &Fixture, device: &Device) -> (VptEncoder, [Tensor<3>; 2]) {
    let config: VptConfig = fixture.config();
    config.check().unwrap();
    let grid = [config.grid(); 2];
    let cells = grid[0] * grid[1];
    let encoder: VptEncoder = load_weights(config.init(device), fixture);

    // The reference pads every picture to the largest number of regions with empty ones.
    let counts: Vec<usize> = fixture.setting("regions_per_sample");
    let most = counts.iter().copied().max().unwrap();
    let (mut regions, mut sample) = (Vec::new(), Vec::new());
    for (b, &count) in counts.iter().enumerate() {
        for k in 0..most {
            let region = if k < count {
                let (mask, side) = decode(&fixture.ints(&format!("in.region.{b}.{k}")));
                set_cells(&mask, side, grid)
            } else {
                vec![0.0; cells]
            };
            regions.push(region);
            sample.push(b);
        }
    }
    let flat: Vec<u8> = regions.concat().into_iter().map(|v| v as u8).collect();
    assert_eq!(flat, fixture.bytes("out.masks01"));
    let regions = TensorData::new(regions.concat(), [regions.len(), grid[0], grid[1]]);
    let regions = Tensor::<3>::from_data(regions, (device, DType::F32));
    let weights = normalise(regions.clone());
    fixture.assert_close("out.masks_norm", weights.clone());

    let x = fixture.leaf::<3>("in.x", device);
    let map = tokens_to_map(x.clone(), grid);
    fixture.assert_close("out.pooled", encoder.content(map.clone(), weights, &sample));
    let tokens = encoder.forward(map, regions, &sample);
    assert_eq!(tokens.dims(), [sample.len(), config.tokens(), config.out_size()]);
    fixture.assert_close("out.vpt_feats", tokens.clone());
    let regions: Vec<i64> = counts.iter().map(|&count| count as i64).collect();
    assert_eq!(regions, fixture.ints("out.vpt_count"));
    if fixture.has("out.mask_token") {
        let last = config.tokens() - 1;
        let own = tokens.clone().narrow(1, last, 1);
        fixture.assert_close(
            "out.mask_token",
            match &encoder.model.position_embedding {
                Some(table) => own - table.weight.val().narrow(0, last, 1).unsqueeze(),
                None => own,
            },
        );
    }
    (encoder, [x, tokens])
}
