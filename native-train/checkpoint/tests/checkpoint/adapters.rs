//! Adapters of PEFT: merged as PEFT merges them, or refused where that would be wrong.

use refvlm_checkpoint::lora::Adapter;
use refvlm_checkpoint::{Checkpoint, CheckpointError, Source};
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lora").join(name)
}

/// Two adapters with a rank and a scale by regular expressions, against PEFT's `merge_and_unload`.
#[test]
fn ranks_and_scales_by_pattern_are_those_of_peft() {
    let base = Checkpoint::open(&fixture("base.safetensors")).unwrap();
    for name in ["plain", "rslora"] {
        let adapter = Adapter::open(&fixture(name)).unwrap();
        let merged = Checkpoint::open(&fixture(&format!("{name}-merged.safetensors"))).unwrap();
        assert_eq!(adapter.targets().count(), 8);
        for tensor in base.tensors() {
            let mut values = base.read(tensor).unwrap();
            assert!(adapter.merge(&tensor.name, &tensor.shape, &mut values).unwrap());
            let expected = merged.read(merged.require(&tensor.name).unwrap()).unwrap();
            for (a, b) in values.iter().zip(&expected) {
                // Sums of up to four products of numbers up to some 100, in another order.
                assert!(
                    (a - b).abs() <= 2e-6 * b.abs().max(10.0),
                    "{name} {}: {a} {b}",
                    tensor.name
                );
            }
        }
    }
}

fn config(more: &str) -> Result<Adapter, CheckpointError> {
    let text = format!(r#"{{"peft_type": "LORA", "r": 2, "lora_alpha": 4{more}}}"#);
    let checkpoint = Checkpoint::open(&fixture("plain/adapter_model.safetensors")).unwrap();
    // Ranks as they are in the file.
    let text = if more.contains("rank_pattern") {
        text
    } else {
        text.replace(
            r#""r": 2"#,
            r#""r": 2, "rank_pattern": {"layers.[01].self_attn.q_proj": 3, ".*2.mlp.up": 1}"#,
        )
    };
    Adapter::new(&Source::memory("config", text.into_bytes()), checkpoint)
}

fn refused(more: &str) -> String {
    config(more).map(drop).unwrap_err().to_string()
}

#[test]
fn adapters_that_changed_their_base_are_refused() {
    let init = |text: &str| format!(r#", "init_lora_weights": {text}"#);
    for kind in ["true", "false", "null", r#""gaussian""#, r#""Gaussian""#, r#""true""#] {
        config(&init(kind)).unwrap();
    }
    for kind in [r#""orthogonal""#, r#""eva""#, r#""mica""#] {
        config(&init(kind)).unwrap();
    }
    for kind in ["pissa", "pissa_niter_16", "PiSSA", "olora", "OLoRA", "corda", "lora_ga"] {
        let error = refused(&init(&format!("{kind:?}")));
        assert!(error.contains(&format!("init_lora_weights is {kind}")), "{error}");
        assert!(error.contains("path_initial_model_for_weight_conversion"), "{error}");
    }
    for kind in [r#""loftq""#, r#""milora""#, "7", "{}"] {
        let error = refused(&init(kind));
        assert!(!error.contains("path_initial"), "{error}");
        assert!(error.contains("merge it with the program that trained it"), "{error}");
    }
}

/// They have the keys of a plain adapter and mean something else.
#[test]
fn adapters_that_are_no_plain_sum_are_refused() {
    for setting in [
        r#""use_dora": true"#,
        r#""fan_in_fan_out": true"#,
        r#""use_qalora": true"#,
        r#""alora_invocation_tokens": [1, 2]"#,
        r#""kasa_config": {"beta": 1e-4}"#,
        r#""layer_replication": [[0, 2], [1, 3]]"#,
        r#""trainable_token_indices": [5]"#,
        r#""target_parameters": ["experts.up"]"#,
    ] {
        let error = refused(&format!(", {setting}"));
        let key = setting.split('"').nth(1).unwrap();
        assert!(error.contains(&format!("{key} is set")), "{error}");
    }
    config(r#", "use_dora": false, "kasa_config": null, "target_parameters": []"#).unwrap();
    let text = br#"{"peft_type": "LOHA", "r": 2, "lora_alpha": 4}"#.to_vec();
    let checkpoint = Checkpoint::open(&fixture("plain/adapter_model.safetensors")).unwrap();
    let error = Adapter::new(&Source::memory("config", text), checkpoint).unwrap_err();
    assert!(error.to_string().contains("LOHA"), "{error}");
}

#[test]
fn patterns_that_cannot_be_used_are_named() {
    for (pattern, said) in [
        ("(?!mlp).*up", "look-around"),
        ("(?<=x)up", "look-around"),
        (r"(up)\\1", "backreference"),
        ("up[", "unclosed character class"),
        ("[a--b]up", "Python reads otherwise"),
        (r"\\w{9999}", "exceeds size limit"),
    ] {
        let error = refused(&format!(r#", "alpha_pattern": {{"{pattern}": 3}}"#));
        assert!(error.contains(said) && error.contains("alpha_pattern"), "{error}");
    }
    let error = refused(r#", "alpha_pattern": {"up": 3, "up": 4}"#);
    assert!(error.contains("twice"), "{error}");
    let error = refused(r#", "rank_pattern": {"q_proj": 2}"#);
    assert!(
        error.contains("layers.0.self_attn.q_proj has the rank 3, but the settings say 2"),
        "{error}"
    );
}

/// The factor of a map by its `alpha_pattern` alone, as PEFT's `get_pattern_key` picks it.
#[test]
fn the_first_pattern_that_matches_the_end_of_a_path_decides() {
    let name = "model.layers.3.mlp.up.weight";
    let base = Checkpoint::open(&fixture("base.safetensors")).unwrap();
    let tensor = base.require(name).unwrap();
    let changed = |patterns: &str| {
        let adapter = config(&format!(r#", "alpha_pattern": {{{patterns}}}"#)).unwrap();
        let mut values = vec![0.0; tensor.numel()];
        adapter.merge(name, &tensor.shape, &mut values).unwrap();
        values[0]
    };
    let plain = changed("");
    for (patterns, alpha) in [
        (r#""up": 40"#, 40.0),
        (r#""p": 40"#, 4.0),
        (r#""mlp": 40"#, 4.0),
        (r#""mlp.*": 40"#, 40.0),
        (r#""layers.[0-3].mlp.up": 40"#, 40.0),
        (r#""layers.[0-2].mlp.up": 40"#, 4.0),
        (r#"".*mlp.*": 40, "up": 80"#, 40.0),
        (r#""up": 80, ".*mlp.*": 40"#, 80.0),
        (r#""^up": 40, "^model.*": 80"#, 80.0),
        (r#""m)|(x": 40"#, 40.0),
        (r#""x)|(model": 40"#, 4.0),
    ] {
        let ratio = changed(patterns) / plain * 4.0;
        assert!((ratio - alpha).abs() < 1e-3, "{patterns}: {ratio}");
    }
}
