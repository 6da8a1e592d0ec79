//! The adapter between language model and decoders. Its transformer and position code are held
//! to reference tensors in `sam.rs`; here is what lies around them.
use burn::module::{Module, Param};
use burn::tensor::{Device, Distribution, Tensor};
use refvlm_model::config::{ModelConfig, ModelConfigError};
use refvlm_model::decoding::{AdapterGroup, VdAdapter, VdAdapterConfig};
use refvlm_model::engine::{Ask, Session};
use refvlm_model::event::Event;
use refvlm_model::image::Picture;
use refvlm_model::language::Sampling;
use refvlm_model::package::by_name::names;
use refvlm_model::refvlm::RefVlm;
use refvlm_record::Task;
use refvlm_tests::{close, scenes_config, scenes_tokenizer, settled};

const DIM: usize = 12;

fn small() -> VdAdapterConfig {
    VdAdapterConfig { d_model: DIM, d_ffn: 20, depth: 2, heads: 2, max_refs: 3, max_phrase: 4 }
}

fn adapter() -> VdAdapter {
    settled(VdAdapter::new(&small(), &Device::flex()).unwrap())
}

fn noise<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
}

fn group(picture: usize, refs: usize, phrase: usize) -> AdapterGroup {
    let phrase = (phrase > 0).then(|| noise([phrase, DIM]));
    AdapterGroup { picture, refs: noise([refs, DIM]), phrase }
}

fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().unwrap()
}

#[test]
fn published_size_and_names() {
    let adapter = VdAdapter::new(&VdAdapterConfig::default(), &Device::flex()).unwrap();
    // "About 572 million"; 100 x 4096 are an unused table that ours lacks.
    let count = adapter.num_params() + 100 * 4096;
    assert_eq!((count as f64 / 1e6).round(), 572.0);
    let keys: Vec<String> = names(&adapter).into_iter().map(|(name, _)| name).collect();
    for key in [
        "in_proj_image.lin1.weight",
        "in_proj_text.lin2.bias",
        "pe_image.positional_encoding_gaussian_matrix",
        "text_embedding.weight",
        "model.layers.1.cross_attn_image_to_token.out_proj.weight",
        "model.layers.0.mlp.lin1.weight",
        "model.norm_final_attn.bias",
    ] {
        assert!(keys.iter().any(|k| k == key), "{key}");
    }
}

#[test]
fn references_return_to_their_own_picture() {
    let adapter = adapter();
    let image = noise([3, 6, DIM]);
    // Pictures 0 and 2 have triplets, picture 1 has none; the last one has more references than fit.
    let groups = [group(0, 2, 3), group(0, 1, 0), group(2, 5, 6)];
    let out = adapter.forward(image.clone(), [2, 3], &groups);
    assert_eq!(out.refs.dims(), [3, 3, DIM]);
    assert_eq!(out.layout.group_sizes(), [2, 1, 3]);
    assert_eq!(out.layout.pictures(), [0, 0, 0, 2, 2, 2]);
    let mut maps = Vec::new();
    for (group, first) in groups.iter().zip([0, 2, 0]) {
        let own = image.clone().narrow(0, group.picture, 1);
        let alone = AdapterGroup { picture: 0, ..group.clone() };
        let alone = adapter.forward(own, [2, 3], &[alone]);
        let count = alone.layout.count();
        let here = out.refs.clone().narrow(0, group.picture, 1).narrow(1, first, count);
        close(&floats(here), &floats(alone.refs), 1e-5).unwrap();
        maps.push(alone.map);
    }
    assert!(floats(out.refs.narrow(0, 1, 1)).iter().all(|&v| v == 0.0));
    let map = |i: usize| floats(out.map.clone().narrow(0, i, 1));
    close(&map(0), &floats((maps[0].clone() + maps[1].clone()) / 2.0), 1e-5).unwrap();
    close(&map(2), &floats(maps[2].clone()), 1e-5).unwrap();
    let bare = image.narrow(0, 1, 1).swap_dims(1, 2).reshape([1, DIM, 2, 3]);
    assert_eq!(map(1), floats(bare));
}

#[test]
fn tokens_are_references_then_phrase_then_padding() {
    let (adapter, device) = (adapter(), Device::flex());
    let image = noise([1, 6, DIM]);
    let group = group(0, 2, 3);
    let zeros = |rows| Tensor::<2>::zeros([rows, DIM], &device);
    let phrase = group.phrase.clone().unwrap();
    let rows = vec![group.refs.clone(), zeros(1), phrase, zeros(1)];
    let text = adapter.in_proj_text.forward(Tensor::cat(rows, 0));
    let places: Vec<f32> = (0..7 * DIM)
        .map(|i| {
            let (at, channel) = ((i / DIM) as f64, i % DIM);
            let angle =
                at * (-(10_000f64.ln()) * (channel - channel % 2) as f64 / DIM as f64).exp();
            if channel % 2 == 0 { angle.sin() as f32 } else { angle.cos() as f32 }
        })
        .collect();
    let places = Tensor::<1>::from_floats(places.as_slice(), &device).reshape([7, DIM]);
    let text = text + adapter.text_embedding.weight.val() + places;
    let rows = adapter.in_proj_image.forward(image.clone());
    let positions = adapter.pe_image.grid([2, 3]).unsqueeze();
    let (text, _) = adapter.model.forward(rows, positions, text.unsqueeze());
    let out = adapter.forward(image, [2, 3], &[group]);
    close(&floats(out.refs), &floats(text.narrow(1, 0, 2)), 1e-5).unwrap();
}

/// The embedded model with an untrained adapter, whose map takes the place of the last one.
fn with_adapter() -> ModelConfig {
    let mut config = scenes_config();
    let width = config.llm.hidden_size;
    config.vd_adapter =
        Some(VdAdapterConfig { d_model: width, d_ffn: 32, heads: 2, ..VdAdapterConfig::default() });
    let last = config.pyramid_channels().len() - 1;
    for decoder in [
        &mut config.box_decoder,
        &mut config.mask_decoder,
        &mut config.pose_decoder,
        &mut config.depth_decoder,
    ]
    .into_iter()
    .flatten()
    {
        for (index, dim) in decoder.encoder_input_index.iter().zip(&mut decoder.encoder_input_dim) {
            if *index == last {
                *dim = width;
            }
        }
    }
    config
}

fn drawn(config: &ModelConfig) -> RefVlm {
    settled(RefVlm::new(config, &Device::flex()).unwrap())
}

fn answers(config: &ModelConfig, model: RefVlm) -> Vec<Event> {
    let device = Device::flex();
    let mut session =
        Session::new(config.clone(), model, scenes_tokenizer(), device, || 0.0).unwrap();
    let rgb: Vec<u8> =
        (0..50u32 * 40 * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    pollster::block_on(session.set_image(Picture::new(50, 40, &rgb).unwrap())).unwrap();
    let mut events = Vec::new();
    // Later questions find the picture's rows in the cache.
    for seed in 0..6 {
        let sampling = Sampling { temperature: 1.0, seed, ..Sampling::default() };
        let ask = Ask { sampling, budget: 60, ..Ask::new(Task::Detection, "Find it.", vec![]) };
        events.extend(pollster::block_on(session.ask(&ask).unwrap().collect()));
    }
    assert!(!events.iter().any(|e| matches!(e, Event::Failed { .. })), "{events:?}");
    events.retain(|e| matches!(e, Event::Unit { .. }));
    events
}

#[test]
fn a_model_with_an_adapter_decodes_through_it() {
    let config = with_adapter();
    config.check().unwrap();
    let model = drawn(&config);
    let with = answers(&config, model.clone());
    assert!(with.len() > 3, "{} units", with.len());
    let again = answers(&config, model.clone());
    assert_eq!(format!("{with:?}"), format!("{again:?}"));
    // Nothing of the picture's states arrives.
    let mut blind = model;
    let last = &mut blind.vd_adapter.as_mut().unwrap().in_proj_image.lin2.weight;
    *last = Param::from_tensor(last.val().zeros_like());
    let without_picture = answers(&config, blind);
    assert_eq!(with.len(), without_picture.len());
    assert_ne!(format!("{with:?}"), format!("{without_picture:?}"));
}

#[test]
fn what_does_not_fit_is_named() {
    let mut config = with_adapter();
    config.vd_adapter.as_mut().unwrap().d_model *= 2;
    let error = config.check().unwrap_err();
    assert!(matches!(error, ModelConfigError::Other { field: "vd_adapter", .. }), "{error}");
    let error = VdAdapterConfig { heads: 5, ..small() }.check().unwrap_err();
    assert_eq!(error.field, "heads");
    let error = VdAdapterConfig { max_refs: 0, ..small() }.check().unwrap_err();
    assert_eq!(error.field, "max_refs");
}
