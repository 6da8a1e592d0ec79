//! The decoders against reference tensors, and the independence of triplets.
use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};
use refvlm_model::decoding::{
    BoxDecoder, DecoderConfig, DecoderConfigError, DepthDecoder, MaskDecoder, PoseDecoder,
    QueryLayout, QueryMask,
};
use refvlm_tests::{Fixture, cases, close, of_losses};

#[test]
fn sine_positions() {
    let Some(fixture) = Fixture::open("sine_position") else { return };
    cases::sine_positions(&fixture, &Device::flex());
}

#[test]
fn decoders_give_what_the_reference_gives() {
    for (name, case) in cases::DECODERS {
        let Some(fixture) = Fixture::open_for(name, |key| !of_losses(key)) else { continue };
        case(&fixture, &Device::flex());
    }
}

/// A small decoder with all options on.
fn small(query_mask: QueryMask) -> DecoderConfig {
    DecoderConfig {
        num_queries: 3,
        quries_input_dim: 12,
        encoder_input_index: vec![0, 1],
        encoder_input_dim: vec![4, 6],
        decoder_layers: 2,
        decoder_ffn_dim: 16,
        decoder_attention_heads: 2,
        d_model: 16,
        fpn_feature_size: 8,
        mask_feature_size: 8,
        norm_groups: 2,
        num_body_points: 3,
        query_mask,
        confidence: true,
        ..DecoderConfig::default()
    }
}

/// Everything a decoder says about the real references, flat.
type Decode<'a> = &'a dyn Fn(&[Tensor<4>], Tensor<3>, &QueryLayout) -> Vec<Vec<f32>>;

fn rows<const D: usize, const R: usize>(layout: &QueryLayout, x: Tensor<D>) -> Vec<Vec<f32>> {
    let x: Tensor<R> = layout.select(x);
    let values: Vec<f32> = x.into_data().try_to_vec().unwrap();
    values.chunks(values.len() / layout.count()).map(<[f32]>::to_vec).collect()
}

fn joined(parts: Vec<Vec<Vec<f32>>>) -> Vec<Vec<f32>> {
    let count = parts[0].len();
    (0..count).map(|i| parts.iter().flat_map(|part| part[i].clone()).collect()).collect()
}

/// Runs `check` with each of the four decoders.
fn with_all_decoders(query_mask: QueryMask, check: &dyn Fn(&str, Decode)) {
    let (config, device) = (small(query_mask), Device::flex());
    device.seed(7);
    let decoder = BoxDecoder::new(&config, &device).unwrap();
    check("box", &|maps, refs, layout| {
        let out = decoder.forward(maps, refs, layout);
        joined(vec![rows::<3, 2>(layout, out.boxes), rows::<2, 1>(layout, out.confidence.unwrap())])
    });
    let decoder = MaskDecoder::new(&config, &device).unwrap();
    check("mask", &|maps, refs, layout| {
        let out = decoder.forward(maps, refs, layout);
        joined(vec![
            rows::<4, 3>(layout, out.logits),
            rows::<2, 1>(layout, out.confidence.unwrap()),
        ])
    });
    let decoder = DepthDecoder::new(&config, &device).unwrap();
    check("depth", &|maps, refs, layout| {
        let out = decoder.forward(maps, refs, layout);
        joined(vec![
            rows::<4, 3>(layout, out.log_depth),
            rows::<2, 1>(layout, out.confidence.unwrap()),
        ])
    });
    let decoder = PoseDecoder::new(&config, &device).unwrap();
    check("pose", &|maps, refs, layout| {
        let out = decoder.forward(maps, refs, layout);
        joined(vec![
            rows::<3, 2>(layout, out.boxes),
            rows::<4, 3>(layout, out.keypoints),
            rows::<4, 3>(layout, out.visibility),
            rows::<2, 1>(layout, out.confidence.unwrap()),
        ])
    });
}

fn noise<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
}

/// Decodes two pictures with three triplets at once, then each triplet alone; says whether the
/// results agree to rounding (the sums have other lengths, so not always to the bit).
fn triplets_are_independent(decode: Decode) -> Result<(), String> {
    let maps = [noise([2, 4, 8, 6]), noise([2, 6, 3, 3])];
    let refs = noise([2, 6, 12]);
    // The second triplet is longer than `num_queries`; the last place of each row is padding.
    let groups = [vec![1, 4], vec![2]];
    let together = decode(&maps, refs.clone(), &QueryLayout::new(groups.to_vec()));
    let mut done = 0;
    for (row, sizes) in groups.iter().enumerate() {
        let maps: Vec<_> = maps.iter().map(|map| map.clone().narrow(0, row, 1)).collect();
        let mut start = 0;
        for &size in sizes {
            let own = refs.clone().narrow(0, row, 1).narrow(1, start, size);
            let alone = decode(&maps, own, &QueryLayout::new(vec![vec![size]]));
            for (alone, together) in alone.iter().zip(&together[done..done + size]) {
                close(together, alone, 1e-5)?;
            }
            start += size;
            done += size;
        }
    }
    Ok(())
}

#[test]
fn a_triplet_alone_decodes_as_among_others() {
    with_all_decoders(QueryMask::Group, &|unit, decode| {
        triplets_are_independent(decode).unwrap_or_else(|e| panic!("{unit}: {e}"));
    });
}

#[test]
fn references_of_a_triplet_see_each_other_and_know_their_place() {
    with_all_decoders(QueryMask::Group, &|unit, decode| {
        // Random weights may make little of either for one picture, not for each of five.
        let (mut placed, mut seen) = (false, false);
        for _ in 0..5 {
            let maps = [noise([1, 4, 4, 4]), noise([1, 6, 2, 2])];
            let same = noise([1, 1, 12]).repeat_dim(1, 2);
            let pair = decode(&maps, same.clone(), &QueryLayout::new(vec![vec![2]]));
            let apart = decode(&maps, same, &QueryLayout::new(vec![vec![1, 1]]));
            assert!(close(&apart[0], &apart[1], 1e-5).is_ok(), "{unit}: same place, other triplet");
            placed |= close(&pair[0], &pair[1], 1e-4).is_err();
            seen |= close(&pair[0], &apart[0], 1e-4).is_err();
        }
        assert!(placed, "{unit}: place inside the triplet");
        assert!(seen, "{unit}: the other reference");
    });
}

#[test]
fn the_published_queries_depend_on_what_else_is_decoded() {
    let config = DecoderConfig { num_queries: 6, ..small(QueryMask::Reference) };
    let decoder = BoxDecoder::new(&config, &Device::flex()).unwrap();
    let result = triplets_are_independent(&|maps, refs, layout| {
        rows::<3, 2>(layout, decoder.forward(maps, refs, layout).boxes)
    });
    assert!(result.is_err());
}

#[test]
fn parameter_counts_of_the_published_sizes() {
    let device = Device::flex();
    let boxes = DecoderConfig::default();
    let masks = DecoderConfig { num_queries: 30, ..boxes.clone() };
    assert_eq!(BoxDecoder::new(&boxes, &device).unwrap().num_params(), 11_286_532);
    // The reference counts a table of 30 x 256 that nothing reads and we do not have.
    let unused = 30 * 256;
    assert_eq!(MaskDecoder::new(&masks, &device).unwrap().num_params() + unused, 16_063_488);
    assert_eq!(PoseDecoder::new(&boxes, &device).unwrap().num_params(), 22_162_444);
}

#[test]
fn configurations_without_a_decoder_are_refused() {
    let good = small(QueryMask::Group);
    assert_eq!(good.validate(), Ok(()));
    let refused = |config: DecoderConfig| config.validate().unwrap_err();
    let zero = refused(DecoderConfig { decoder_attention_heads: 0, ..good.clone() });
    assert_eq!(zero, DecoderConfigError::Zero("decoder_attention_heads"));
    let zero = refused(DecoderConfig { encoder_input_dim: vec![4, 0], ..good.clone() });
    assert_eq!(zero, DecoderConfigError::Zero("encoder_input_dim"));
    let levels = refused(DecoderConfig { encoder_input_index: vec![0], ..good.clone() });
    assert_eq!(levels, DecoderConfigError::Levels { index: 1, dim: 2 });
    let heads = refused(DecoderConfig { decoder_attention_heads: 3, ..good.clone() });
    assert!(matches!(heads, DecoderConfigError::NotMultiple { field: "d_model", of: 3, .. }));
    let groups = refused(DecoderConfig { norm_groups: 3, ..good.clone() });
    assert!(matches!(groups, DecoderConfigError::NotMultiple { field: "fpn_feature_size", .. }));
    let dropout = refused(DecoderConfig { dropout: f64::NAN, ..good.clone() });
    assert!(matches!(dropout, DecoderConfigError::Dropout(_)));
    assert_eq!(good.check_channels(&[4, 6, 9]), Ok(()));
    let channels = good.check_channels(&[4]).unwrap_err();
    assert_eq!(channels, DecoderConfigError::Channels { index: 1, want: 6, got: None });
    assert!(good.check_channels(&[4, 7]).is_err());
}

#[test]
fn a_layout_cuts_triplets_from_the_end() {
    let layout = QueryLayout::new(vec![vec![2, 3], vec![], vec![1, 1]]);
    assert_eq!((layout.count(), layout.width()), (7, 5));
    assert_eq!(layout.pictures(), [0, 0, 0, 0, 0, 2, 2]);
    let cut = layout.limited(|row| if row == 0 { 3 } else { 1 });
    assert_eq!(cut.group_sizes(), [2, 1, 1]);
    let x = Tensor::<1>::from_floats([0., 1., 2., 3., 4., 5., 6., 7., 8.], &Device::flex());
    let picked: Tensor<1> = cut.select(x.reshape([3, 3]));
    assert_eq!(picked.into_data().try_to_vec::<f32>().unwrap(), [0.0, 1.0, 2.0, 6.0]);
}

#[test]
fn dropout_acts_in_training_only() {
    let config = DecoderConfig { dropout: 0.5, ..small(QueryMask::Group) };
    let device = Device::flex().autodiff();
    let decoder = BoxDecoder::new(&config, &device).unwrap();
    let maps = [noise([1, 4, 4, 4]), noise([1, 6, 2, 2])];
    let refs = noise([1, 2, 12]);
    let layout = QueryLayout::new(vec![vec![2]]);
    let train = || {
        let maps: Vec<_> = maps.iter().cloned().map(Tensor::from_inner).collect();
        let out = decoder.forward(&maps, Tensor::from_inner(refs.clone()), &layout);
        rows::<3, 2>(&layout, out.boxes)
    };
    assert_ne!(train(), train());
    let decoder = decoder.clone().valid();
    let infer = || rows::<3, 2>(&layout, decoder.forward(&maps, refs.clone(), &layout).boxes);
    assert_eq!(infer(), infer());
}
