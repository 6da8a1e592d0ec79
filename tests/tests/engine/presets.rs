//! The configuration files: what they build has the published sizes.

use burn::module::Module;
use burn::tensor::Device;
use refvlm_model::image::BoxDigits;
use refvlm_model::refvlm::RefVlm;
use refvlm_model::triplet::Template;
use refvlm_tests::preset;

/// Building it draws no weights: 7 billion of them would not fit here.
#[test]
fn vicuna_7b_has_the_published_parameter_counts() {
    let config = preset("vicuna-7b");
    let model = RefVlm::new(&config, &Device::flex()).unwrap();
    assert_eq!(model.projector.num_params(), 20_979_712);
    assert_eq!(model.vpt_encoder.num_params(), 12_288);
    assert_eq!(model.visual_decoder.boxes.unwrap().num_params(), 11_286_532);
    // The published count holds a table of 30 x 256 that nothing reads; ours has no such table.
    assert_eq!(model.visual_decoder.mask.unwrap().num_params(), 16_063_488 - 30 * 256);
    assert_eq!(model.visual_decoder.pose.unwrap().num_params(), 22_162_444);
    assert_eq!(model.llm.num_params(), 6_738_415_616 + 2 * 10 * 4096);
    assert_eq!(config.image_rows(), 576);
    assert_eq!(config.vpt_encoder.tokens(), 10);
    assert_eq!(config.template, Template::published());
    assert_eq!(config.box_digits, BoxDigits::Thousandths);
    assert_eq!(config.mask_threshold, Some(0.4));
}

#[test]
fn pocket_fits_a_tab() {
    let config = preset("pocket");
    let model = RefVlm::new(&config, &Device::flex()).unwrap();
    assert!(model.num_params() < 14_100_000);
    assert_eq!(config.pyramid_channels(), [24, 48, 120, 352]);
    assert_eq!(config.pyramid_sides(), [64, 32, 16, 8]);
    // 8 x 8 cells, what the classifier sees in the picture and what it takes it for.
    assert_eq!(config.image_rows(), 66);
    assert_eq!(config.prompt_rows(), 4);
}

#[test]
fn scenes_is_small() {
    let config = preset("scenes");
    let model = RefVlm::new(&config, &Device::flex()).unwrap();
    assert!(model.num_params() < 8_000_000);
    assert_eq!(config.image_rows(), 64);
}
