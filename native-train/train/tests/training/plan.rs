//! The planner against values worked out by hand.

use refvlm_model::config::ModelConfig;
use refvlm_train::plan::{
    Devices, Memory, Precision, Setting, Sharding, Sizes, Time, Wire, Work, plans,
};

/// Two parameters of 10 and 6 values are trained, 4 values are not; one layer of width 2.
fn small() -> Sizes {
    Sizes {
        trained: vec![10, 6],
        frozen: 4,
        language_trained: 16,
        language_frozen: 4,
        layer: 5,
        layers: 1,
        hidden: 2,
        inner: 3,
        heads: 1,
        queries: 2,
        keys: 2,
        vocabulary: 7,
        tokens: 5,
        sequences: 2,
    }
}

fn setting(precision: Precision, sharding: Sharding, recompute: bool) -> Setting {
    Setting { precision, sharding, recompute }
}

#[test]
fn memory_is_what_it_is_by_hand() {
    let simple = setting(Precision::F32, Sharding::State, false);
    let memory = Memory::new(&small(), simple, 2);
    // 20 weights and 16 gradients of 4 bytes, half of 16 x 8 bytes of state.
    assert_eq!((memory.weights, memory.gradients, memory.state), (80, 64, 64));
    // 10 tokens, each 4 x 2 + 3 x 2 + 3 x 2 + 4 x 3 = 32 values and 2 x 1 x 5 scores of 4 bytes,
    // and 3 x 7 x 4 bytes for the vocabulary.
    assert_eq!(memory.activations, 10 * (32 + 10) * 4 + 10 * 84);
    // Two buckets of a million values from each of two ranks.
    assert_eq!(memory.buckets, 2 * 2 * (1 << 20) * 4);
    assert_eq!(Memory::new(&small(), simple, 1).buckets, 0);

    let divided = setting(Precision::Bf16, Sharding::Weights, true);
    let memory = Memory::new(&small(), divided, 4);
    // A quarter of 20 x 2 bytes and two layers of 5; a quarter of 32 and a layer; a quarter of
    // 16 x 12.
    assert_eq!((memory.weights, memory.gradients, memory.state), (30, 18, 48));
    // The layer's input of 10 x 2 values, and one layer of 32 values and a number per head.
    assert_eq!(memory.activations, 10 * 2 * 2 + 10 * 33 * 2 + 840);
}

#[test]
fn the_wire_is_what_it_is_by_hand() {
    let simple = setting(Precision::F32, Sharding::State, false);
    // Rank 0 owns 10 of 16 values: it sends 6 summands and 10 sums. Of the 4 + 2 x 2 = 8 numbers
    // that all add to it sends 4 and 4. One bucket and the numbers make two messages each.
    let wire = Wire::new(&small(), simple, 2);
    assert_eq!(wire, Wire { messages: 4, bytes: (6 + 10 + 8) * 4 });
    assert_eq!(Wire::new(&small(), simple, 1), Wire { messages: 0, bytes: 0 });
}

#[test]
fn time_is_what_it_is_by_hand() {
    let devices = Devices {
        count: 2,
        name: "by hand".into(),
        memory: 0,
        f32_per_s: 1e4,
        bf16_per_s: 1e6,
        link_per_s: 100.0,
    };
    let simple = setting(Precision::F32, Sharding::State, false);
    let wire = Wire { messages: 0, bytes: 50 };
    let time = Time::new(&small(), simple, &wire, &devices);
    // A token: 6 x 16 + 4 x 4 for weights, 3 x 4 x 2 x 5 for pairs. 10 tokens at 40 % of the peak.
    let compute_s = 10.0 * (112.0 + 120.0) / 4e3;
    assert!((time.compute_s - compute_s).abs() < 1e-12, "{time:?}");
    assert_eq!(time.wire_s, 0.5);
    assert!((time.tokens_per_s - 20.0 / (compute_s + 0.5)).abs() < 1e-9, "{time:?}");
}

fn vicuna() -> ModelConfig {
    let table: toml::Table =
        toml::from_str(include_str!("../../../../configs/vicuna-7b.toml")).unwrap();
    table["model"].clone().try_into().unwrap()
}

#[test]
fn parameters_of_vicuna_are_those_of_its_configuration() {
    let frozen = vec!["v".to_string(), "projector".into()];
    let work = Work { lora: None, frozen, tokens: 2048, sequences: 1 };
    let sizes = Sizes::new(&vicuna(), &work).unwrap();
    // Attention 4 x 4096^2, perceptron 3 x 4096 x 11008, two norms.
    let layer = 4 * 4096 * 4096 + 3 * 4096 * 11_008 + 2 * 4096;
    let table = 32_010 * 4096;
    assert_eq!(sizes.layer, layer);
    assert_eq!(sizes.language_trained, 32 * layer + 4096 + table);
    assert_eq!(sizes.trained(), 32 * layer + 4096 + 2 * table);

    let sizes = Sizes::new(&vicuna(), &Work { lora: Some(16), ..work }).unwrap();
    assert_eq!(sizes.trained(), 32 * 16 * (4 * 8192 + 3 * (4096 + 11_008)));
    assert_eq!(sizes.language_frozen, 32 * layer + 4096 + table);
}

#[test]
fn the_first_setting_that_fits_is_found() {
    let devices: Devices = "8xH100-80G".parse().unwrap();
    let work = Work { lora: None, frozen: vec!["visual".into()], tokens: 2048, sequences: 1 };
    let full = plans(&Sizes::new(&vicuna(), &work).unwrap(), &devices);
    assert!(!full[0].fits, "7B in f32 with whole gradients: {:?}", full[0].memory);
    let first = full.iter().find(|plan| plan.fits).unwrap();
    assert_eq!(first.setting.precision, Precision::Bf16);
    for plan in &full {
        assert!(plan.time.tokens_per_s > 0.0 && plan.memory.state > 0);
    }
}
