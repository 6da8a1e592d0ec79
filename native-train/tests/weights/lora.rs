//! Low-rank adapters as PEFT saves them: merged into the weights, or kept beside them.

use crate::support::{Folder, Tensors, config, import_as, load_as, run, save, tensors};
use burn::tensor::{Device, Int, Tensor, TensorData};
use refvlm_checkpoint::{Checkpoint, CheckpointError};
use refvlm_model::config::ModelConfig;
use refvlm_model::input::Inputs;
use refvlm_model::language::{Llama, Positions};
use refvlm_model::layers::LoraConfig;
use refvlm_model::package::Quantisation;
use refvlm_model::package::by_name::load_by_name;
use refvlm_model::refvlm::RefVlm;
use refvlm_native::huggingface::Stored;
use refvlm_native::import::{ImportError, attach, fill, keep_adapters, open, open_part};
use refvlm_native::merge::merged;
use refvlm_native::package::values_of;
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/peft").join(name)
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

/// Scores of the ids that PEFT was asked for.
fn scores(adapter: Option<&str>, keep: bool) -> Vec<f32> {
    let mut config = config();
    config.llm = serde_json::from_slice(&std::fs::read(fixture("config.json")).unwrap()).unwrap();
    let mut sources = vec![open_part("llm", &fixture("model.safetensors")).unwrap()];
    if let Some(adapter) = adapter {
        attach(&mut sources, "llm.", &fixture(adapter)).unwrap();
    }
    if keep {
        keep_adapters(&mut sources, &mut config).unwrap();
    }
    let device = Device::flex();
    let llama = fill(Llama::new(&config.llm, &device), "llm.", &sources, &[]).unwrap();
    let ids: Vec<i64> = expected("ids").iter().map(|&id| id as i64).collect();
    let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [2, 9]), &device);
    let positions = Positions::sequence(2, 0, 9);
    let hidden = llama.forward(llama.embed(ids), &positions, None, None).unwrap();
    llama.logits(hidden).into_data().try_to_vec().unwrap()
}

fn expected(name: &str) -> Vec<f32> {
    let file = Checkpoint::open(&fixture("expected.safetensors")).unwrap();
    file.read(file.require(name).unwrap()).unwrap()
}

#[test]
fn scores_are_those_of_peft_merged_and_kept() {
    let base = expected("base");
    assert!(largest_difference(&scores(None, false), &base) < 1e-5);
    for adapter in ["list", "pattern"] {
        let expected = expected(adapter);
        assert!(largest_difference(&expected, &base) > 0.5, "{adapter} changes nothing");
        let [merged, kept] = [false, true].map(|keep| scores(Some(adapter), keep));
        let differences = [(&merged, &expected), (&kept, &expected), (&merged, &kept)]
            .map(|(a, b)| largest_difference(a, b));
        println!("{adapter}: merged, kept against PEFT, each other: {differences:?}");
        assert!(differences.iter().all(|&d| d < 1e-5), "{differences:?}");
    }
}

/// The scenes model with adapters in both transformers that change something.
fn adapted() -> (ModelConfig, RefVlm) {
    let mut config = config();
    let targets = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    config.llm.lora = Some(LoraConfig {
        // Packed, were they any other matrices.
        r: 64,
        lora_alpha: 24.0,
        target_modules: targets(&["q_proj", "v_proj", "layers.1.mlp.gate_proj", "o_proj"]),
        use_rslora: false,
        lora_dropout: 0.0,
    });
    *config.visual_encoder.lora_mut().unwrap() = Some(LoraConfig {
        r: 2,
        lora_alpha: 0.5,
        target_modules: targets(&["out_proj", "fc1"]),
        use_rslora: true,
        lora_dropout: 0.0,
    });
    let model = RefVlm::new(&config, &Device::flex()).unwrap();
    let (model, _) = load_by_name(model, &mut |name, shape| {
        name.ends_with("lora_B.weight").then(|| {
            let numbers = (0..shape.iter().product()).map(|i: usize| (i as f32 * 0.7).sin() * 0.1);
            TensorData::new(numbers.collect::<Vec<_>>(), shape)
        })
    });
    (config, model)
}

/// A package of a folder in the reference's layout, and the configuration it is of.
fn imported(layout: &Path, keep: bool, form: Quantisation, out: &Path) -> ModelConfig {
    let (mut config, mut sources) = (config(), open(&layout.display().to_string()).unwrap());
    if keep {
        keep_adapters(&mut sources, &mut config).unwrap();
    }
    run(&import_as(config.clone(), form, &[]), &sources, out).unwrap();
    config
}

fn assert_same(found: &Tensors, expected: &Tensors) {
    assert!(found.keys().eq(expected.keys()));
    for (name, tensor) in expected {
        assert!(found[name] == *tensor, "{name}");
    }
}

/// What the model makes of a picture and some tokens.
fn outputs(config: &ModelConfig, model: &RefVlm) -> Vec<f32> {
    let (device, side) = (Device::flex(), config.visual_encoder.image_size());
    let pixels = (0..3 * side * side).map(|i| (i as f32 * 0.013).sin()).collect::<Vec<_>>();
    let pixels = Tensor::from_data(TensorData::new(pixels, [1, 3, side, side]), &device);
    let rows = model.see(Inputs { pixels, tower_pixels: None, sam_pixels: None }).rows;
    let ids = Tensor::<2, Int>::from_data([[1, 5, 300, 17, 42, 9]], &device);
    let embeds = Tensor::cat(vec![rows, model.llm.embed(ids)], 1);
    let positions = Positions::sequence(1, 0, embeds.dims()[1]);
    let hidden = model.llm.forward(embeds, &positions, None, None).unwrap();
    model.llm.logits(hidden).into_data().try_to_vec().unwrap()
}

#[test]
fn merged_adapters_say_what_kept_ones_say() {
    let (config, model) = adapted();
    let (plain, alone) = merged(&config, &model).unwrap();
    assert!(plain.llm.lora.is_none() && plain.visual_encoder.lora().is_none());
    assert!(tensors(&alone).keys().all(|name| !name.contains("lora")));
    let kept = outputs(&config, &model);
    let difference = largest_difference(&outputs(&plain, &alone), &kept);
    let base = RefVlm::new(&plain, &Device::flex()).unwrap();
    let mut values = values_of(&model);
    let base = load_by_name(base, &mut |name, _| values.remove(name)).0;
    let changed = largest_difference(&outputs(&plain, &base), &kept);
    println!("merged against kept {difference}, against the base {changed}");
    assert!(changed > 0.01, "the adapters change nothing");
    assert!(difference < 1e-5, "{difference}");
}

#[test]
fn kept_adapters_go_out_in_folders_of_their_own_and_come_back() {
    let folder = Folder::new("lora-round");
    let (config, model) = adapted();
    let before = tensors(&model);
    let mut layout = folder.0.join("hf");
    Stored::of(config.clone(), model.clone(), None).export(Quantisation::F32, &layout).unwrap();
    for round in 0..2 {
        for (place, module, linear) in [
            ("llm_adapter", "", "model.layers.0.self_attn.q_proj"),
            ("visual_encoder_adapter", "visual_encoder", "vision_model.encoder.layers.0.mlp.fc1"),
        ] {
            let base = Checkpoint::open(&layout.join(module)).unwrap();
            assert!(base.tensors().iter().all(|tensor| !tensor.name.contains("lora")));
            let text = std::fs::read_to_string(layout.join(module).join("config.json")).unwrap();
            assert!(!text.contains("lora"), "{text}");
            let adapter = Checkpoint::open(&layout.join(place)).unwrap();
            adapter.require(&format!("base_model.model.{linear}.lora_A.weight")).unwrap();
            assert!(adapter.tensors().iter().all(|t| t.name.starts_with("base_model.model.")));
            for file in [
                module.to_string() + "/model.safetensors",
                place.to_string() + "/adapter_model.safetensors",
            ] {
                let bytes = std::fs::read(format!("{}/{file}", layout.display())).unwrap();
                let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
                assert_eq!(header.metadata().as_ref().unwrap()["format"], "pt", "{file}");
            }
        }
        let package = folder.0.join(format!("kept-{round}"));
        assert_eq!(imported(&layout, true, Quantisation::F32, &package), config);
        assert_same(&tensors(&load_as(&config, &package)), &before);
        layout = folder.0.join(format!("hf-{round}"));
        Stored::open(&package).unwrap().export(Quantisation::F32, &layout).unwrap();
    }
    let package = folder.0.join("merged");
    let plain = imported(&layout, false, Quantisation::F32, &package);
    let merged = load_as(&plain, &package);
    assert!(tensors(&merged).keys().all(|name| !name.contains("lora")));
    let [kept, merged] = [outputs(&config, &model), outputs(&plain, &merged)];
    let scale = merged.iter().fold(0f32, |most, x| most.max(x.abs()));
    let difference = largest_difference(&kept, &merged) / scale;
    println!("kept against merged: {difference:e} of the largest score");
    assert!(difference < 1e-5, "{difference}");
}

/// A layout with adapters whose files of the language model's can be changed.
struct Layout {
    folder: Folder,
    config: ModelConfig,
    model: RefVlm,
    settings: Value,
    tensors: Tensors,
}

impl Layout {
    fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let (config, model) = adapted();
        Stored::of(config.clone(), model.clone(), None)
            .export(Quantisation::F32, &folder.0)
            .unwrap();
        let adapter = folder.0.join("llm_adapter");
        let text = std::fs::read(adapter.join("adapter_config.json")).unwrap();
        let file = Checkpoint::open(&adapter).unwrap();
        let read = |t: &refvlm_checkpoint::Tensor| {
            (t.name.clone(), (t.shape.clone(), file.read(t).unwrap()))
        };
        let tensors = file.tensors().iter().map(read).collect();
        let settings = serde_json::from_slice(&text).unwrap();
        Self { folder, config, model, settings, tensors }
    }

    /// Writes the adapter with these settings changed and its tensors as `change` leaves them.
    fn write(&self, settings: Value, change: impl FnOnce(&mut Tensors)) {
        let (mut all, mut tensors) = (self.settings.clone(), self.tensors.clone());
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        change(&mut tensors);
        let adapter = self.folder.0.join("llm_adapter");
        std::fs::write(adapter.join("adapter_config.json"), all.to_string()).unwrap();
        save(&adapter.join("adapter_model.safetensors"), &tensors);
    }

    fn assign(&self, keep: bool, config: &mut ModelConfig) -> Result<(), ImportError> {
        let mut sources = open(&self.folder.0.display().to_string())?;
        if keep {
            keep_adapters(&mut sources, config)?;
        }
        import_as(config.clone(), Quantisation::F32, &[]).assign(&sources).map(drop)
    }

    fn kept(&self) -> ImportError {
        self.assign(true, &mut config()).unwrap_err()
    }
}

const QUERY: &str = "base_model.model.model.layers.1.self_attn.q_proj.";

#[test]
fn an_adapter_that_no_configuration_describes_can_only_be_merged() {
    let layout = Layout::new("lora-pattern");
    for pattern in ["rank_pattern", "alpha_pattern"] {
        // The rank that it has, so that it can be merged.
        layout.write(json!({pattern: {"q_proj": 64}}), |_| ());
        let error = layout.kept();
        assert!(matches!(&error, ImportError::Checkpoint(CheckpointError::Kept { .. })), "{error}");
        assert!(error.to_string().contains("--lora merge"), "{error}");
        layout.assign(false, &mut config()).unwrap();
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let layout = Layout::new("lora-misfit");
    type Change = fn(&mut Tensors);
    let (nothing, half): (Change, Change) =
        (|_| (), |all| drop(all.remove(&format!("{QUERY}lora_B.weight"))));
    for (settings, change) in
        [(json!({"use_dora": true}), nothing), (json!({"r": 4}), nothing), (json!({}), half)]
    {
        layout.write(settings, change);
        for keep in [false, true] {
            let error = layout.assign(keep, &mut config()).unwrap_err();
            let refused = matches!(error, ImportError::Checkpoint(CheckpointError::Adapter { .. }));
            assert!(refused, "{error}");
        }
    }

    layout.write(json!({"target_modules": ["q_proj", "c_attn"]}), nothing);
    let error = layout.kept();
    assert!(matches!(error, ImportError::Config(_)), "{error}");
    assert!(error.to_string().contains("no linear map `c_attn`"), "{error}");

    layout.write(json!({}), |all| all.retain(|name, _| !name.starts_with(QUERY)));
    let ImportError::Keys(ledger) = layout.kept() else { panic!() };
    let missing: Vec<&str> = ledger.missing.iter().map(|(name, _)| name.as_str()).collect();
    let query = "llm.model.layers.1.self_attn.q_proj";
    assert_eq!(missing, [format!("{query}.lora_A.weight"), format!("{query}.lora_B.weight")]);

    layout.write(json!({"target_modules": ["q_proj", "v_proj", "o_proj"]}), nothing);
    let ImportError::Keys(ledger) = layout.kept() else { panic!() };
    let gate = "base_model.model.model.layers.1.mlp.gate_proj.lora_A.weight";
    assert!(ledger.unexpected.iter().any(|(name, _)| name == gate), "{ledger}");

    layout.write(json!({}), nothing);
    let mut other = layout.config.clone();
    layout.assign(true, &mut other.clone()).unwrap();
    other.llm.lora.as_mut().unwrap().lora_alpha = 4.0;
    let error = layout.assign(true, &mut other).unwrap_err();
    assert!(matches!(error, ImportError::Setting { field: "lora", .. }), "{error}");

    let mut sources = open(&layout.folder.0.display().to_string()).unwrap();
    let error = attach(&mut sources, "llm.", &layout.folder.0.join("llm_adapter")).unwrap_err();
    assert!(matches!(error, ImportError::Adapters { .. }), "{error}");
}

#[test]
fn layers_that_settings_choose_are_those_that_have_tensors() {
    let layout = Layout::new("lora-layers");
    let settings = json!({"target_modules": ["q_proj"], "layers_to_transform": [1]});
    layout.write(settings, |all| all.retain(|name, _| name.starts_with(QUERY)));
    let mut config = config();
    layout.assign(true, &mut config).unwrap();
    assert_eq!(config.llm.lora.unwrap().target_modules, ["model.layers.1.self_attn.q_proj"]);
}

/// `modules_to_save` and biases stand in place of the model's, kept as merged.
#[test]
fn what_was_trained_as_a_whole_takes_the_place_of_the_models() {
    let layout = Layout::new("lora-whole");
    let config = &layout.config;
    let norm = vec![0.25; config.llm.hidden_size];
    layout.write(json!({"modules_to_save": ["norm"]}), |all| {
        let key = "base_model.model.model.norm.weight".to_string();
        all.insert(key, (vec![norm.len()], norm.clone()));
    });
    let out = layout.folder.0.join("package");
    assert_eq!(imported(&layout.folder.0, true, Quantisation::F32, &out), *config);
    let mut expected = tensors(&layout.model);
    expected.insert("llm.model.norm.weight".into(), (vec![norm.len()], norm));
    assert_same(&tensors(&load_as(config, &out)), &expected);
}

fn refvlm(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_refvlm")).args(arguments).output().unwrap()
}

#[test]
fn the_command_keeps_adapters_dense_in_a_packed_package() {
    let layout = Layout::new("lora-command");
    let [hf, kept, again] = ["", "kept", "again"].map(|name| layout.folder.path(name));
    let import = |source: &str, out: &str, more: &[&str]| {
        let common = ["import", source, "--preset", "scenes", "--quantisation", "q4", "--out", out];
        refvlm(&[&common[..], more].concat())
    };
    let output = import(&hf, &kept, &["--lora", "keep"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = refvlm(&["inspect", &kept, "--all"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let stored = |name: &str| text.lines().find(|line| line.ends_with(name)).map(|l| &l[..3]);
    let query = "llm.model.layers.0.self_attn.q_proj";
    assert_eq!(stored(&format!(" {query}.weight.qweight")), Some("u32"), "{text}");
    assert_eq!(stored(&format!(" {query}.lora_A.weight")), Some("f16"), "{text}");
    assert_eq!(stored(&format!(" {query}.lora_B.weight")), Some("f16"), "{text}");

    let arguments = ["export", &kept, "--layout", "huggingface", "--dtype", "f32", "--out", &again];
    assert!(refvlm(&arguments).status.success());
    let merged = layout.folder.path("merged");
    assert!(import(&again, &merged, &[]).status.success());
    std::fs::remove_dir_all(Path::new(&again).join("llm_adapter")).unwrap();
    std::fs::remove_dir_all(Path::new(&again).join("visual_encoder_adapter")).unwrap();
    let output = import(&again, &layout.folder.path("none"), &["--lora", "keep"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("no source is an adapter"), "{text}");
}
