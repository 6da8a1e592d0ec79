//! Packages made of checkpoints in published layouts.

use crate::support::{Folder, Tensors, config, import, load, part, run, save, sources, tensors};
use burn::module::Module;
use burn::tensor::Device;
use refvlm_model::package::by_name::visit_named;
use refvlm_model::package::{MANIFEST_FILE, Plan, Quantisation};
use refvlm_model::refvlm::RefVlm;
use refvlm_native::huggingface::Stored;
use refvlm_native::import::{Import, ImportError, Ledger, Source, Values, open, write_shards};

/// The parts of the model where the reference's converter puts them.
const PARTS: [(&str, &str); 9] = [
    ("projector/model.safetensors", "projector."),
    ("vpt_encoder/model.safetensors", "vpt_encoder."),
    ("vpt_projector/model.safetensors", "vpt_projector."),
    ("row_position/model.safetensors", "row_position."),
    ("box_decoder/model.safetensors", "visual_decoder.boxes."),
    ("mask_decoder/model.safetensors", "visual_decoder.mask."),
    ("pose_decoder/model.safetensors", "visual_decoder.pose."),
    ("depth_decoder/model.safetensors", "visual_decoder.depth."),
    ("model.safetensors", "llm."),
];

/// A folder of the reference's layout and the towers' own files, as three arguments.
fn reference_layout(folder: &Folder, all: &Tensors) -> Vec<String> {
    for (file, prefix) in PARTS {
        save(&folder.0.join("hf").join(file), &part(all, prefix, ""));
    }
    let mut clip = part(all, "visual_encoder.", "");
    clip.insert("vision_model.embeddings.position_ids".into(), (vec![1, 3], vec![0.0, 1.0, 2.0]));
    clip.insert("logit_scale".into(), (vec![], vec![1.0]));
    save(&folder.0.join("clip.safetensors"), &clip);
    let mut convnext = part(all, "visual_tower.", "");
    convnext.insert("visual.head.proj.weight".into(), (vec![2, 2], vec![0.0; 4]));
    save(&folder.0.join("convnext.safetensors"), &convnext);
    ["hf", "clip.safetensors", "convnext.safetensors"].map(|name| folder.path(name)).into()
}

#[test]
fn the_references_layout_and_the_towers_files_make_a_package() {
    let folder = Folder::new("layout");
    let all = tensors(&RefVlm::new(&config(), &Device::flex()).unwrap());
    let sources = sources(&reference_layout(&folder, &all));
    assert_eq!(sources.len(), PARTS.len() + 2);
    for (quantisation, bound) in [(Quantisation::F32, 0.0), (Quantisation::Bf16, 4e-3)] {
        let out = folder.0.join(format!("{quantisation:?}"));
        run(&import(quantisation, &[]), &sources, &out).unwrap();
        let loaded = tensors(&load(&out));
        assert_eq!(loaded.len(), all.len());
        for (name, (shape, values)) in &all {
            assert_eq!(loaded[name].0, *shape);
            for (a, b) in loaded[name].1.iter().zip(values) {
                assert!((a - b).abs() <= bound * b.abs(), "{name}: {a} {b}");
            }
        }
    }
}

#[test]
fn quantised_as_the_writer_of_packages_does() {
    let folder = Folder::new("quantised");
    let model = RefVlm::new(&config(), &Device::flex()).unwrap();
    let sources = sources(&reference_layout(&folder, &tensors(&model)));
    for quantisation in [Quantisation::Q8, Quantisation::Q4] {
        let out = folder.0.join(format!("{quantisation:?}"));
        run(&import(quantisation, &[]), &sources, &out).unwrap();
        let mut writer = refvlm_model::package::Writer::new(quantisation);
        visit_named(&model, &mut |name, data| writer.add(name, &data).unwrap());
        for (file, bytes) in writer.finish(Default::default()).unwrap() {
            if file != MANIFEST_FILE {
                assert!(bytes == std::fs::read(out.join(&file)).unwrap(), "{file}");
            }
        }
        assert_eq!(load(&out).num_params(), model.num_params());
    }
}

/// A matrix is read in pieces; the last may have fewer rows than a matrix that is packed.
#[test]
fn the_last_rows_of_a_large_matrix_are_packed_like_the_others() {
    let folder = Folder::new("last-rows");
    let parameters = [64, 40].map(|width| (format!("x{width}.weight"), vec![65_537, width]));
    for quantisation in [Quantisation::Q8, Quantisation::Q4] {
        let plan = Plan::new(quantisation, &parameters, usize::MAX);
        let values = |k: usize| Ok(Values::whole(vec![0.5; parameters[k].1.iter().product()]));
        let files = write_shards(&plan, &parameters, &folder.0, values, |_| ()).unwrap();
        assert_eq!(files.iter().map(|file| file.bytes).sum::<u64>(), plan.bytes());
    }
}

fn ledger(import: &Import, sources: &[Source]) -> Ledger {
    match import.assign(sources) {
        Err(ImportError::Keys(ledger)) => ledger,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_key_that_does_not_match_is_listed_unless_allowed() {
    let folder = Folder::new("ledger");
    let all = tensors(&RefVlm::new(&config(), &Device::flex()).unwrap());
    let arguments = reference_layout(&folder, &all);
    let mut projector = part(&all, "projector.", "");
    projector.remove("model.0.bias").unwrap();
    let (shape, _) = projector["model.2.weight"].clone();
    projector.insert("model.2.weight".into(), (vec![1, 3], vec![0.5; 3]));
    projector.insert("model.7.weight".into(), (vec![2], vec![0.5; 2]));
    save(&folder.0.join("hf/projector/model.safetensors"), &projector);
    let mut sources = sources(&arguments);
    let expected = Ledger {
        missing: vec![("projector.model.0.bias".into(), vec![shape[0]])],
        unexpected: vec![("model.7.weight".into(), vec![2])],
        mismatched: vec![("projector.model.2.weight".into(), vec![1, 3], shape)],
        twice: vec![],
    };
    assert_eq!(ledger(&import(Quantisation::F32, &[]), &sources), expected);
    let text = ImportError::Keys(expected).to_string();
    for piece in ["missing     projector.model.0.bias", "[1, 3]", "model.7.weight [2]", "--allow"] {
        assert!(text.contains(piece), "{text}");
    }
    let some = ledger(&import(Quantisation::F32, &["*.model.7.*", "*.bias"]), &sources);
    assert!(some.missing.is_empty() && some.unexpected.is_empty() && some.mismatched.len() == 1);
    run(&import(Quantisation::F32, &["projector.*"]), &sources, &folder.0.join("out")).unwrap();
    let loaded = tensors(&load(&folder.0.join("out")));
    assert_eq!(loaded["projector.model.0.weight"], all["projector.model.0.weight"]);
    assert_ne!(loaded["projector.model.2.weight"].1, all["projector.model.2.weight"].1);
    sources.extend(open(&arguments[1]).unwrap());
    let twice = ledger(&import(Quantisation::F32, &["projector.*"]), &sources).twice;
    assert!(twice.iter().all(|name| name.starts_with("visual_encoder.")) && !twice.is_empty());
}

#[test]
fn rows_of_added_tokens_are_the_mean_of_the_others() {
    let folder = Folder::new("rows");
    let all = tensors(&RefVlm::new(&config(), &Device::flex()).unwrap());
    let arguments = reference_layout(&folder, &all);
    let mut language = part(&all, "llm.", "");
    let name = "model.embed_tokens.weight";
    let (shape, values) = language[name].clone();
    let [rows, width] = shape[..] else { panic!() };
    let short = values[..(rows - 10) * width].to_vec();
    language.insert(name.into(), (vec![rows - 10, width], short.clone()));
    save(&folder.0.join("hf/model.safetensors"), &language);
    let out = folder.0.join("out");
    let allow = ["llm.lm_head.weight"];
    run(&import(Quantisation::F32, &allow), &sources(&arguments), &out).unwrap();
    let loaded = &tensors(&load(&out))[&format!("llm.{name}")].1;
    assert_eq!(loaded[..short.len()], short);
    for row in loaded[short.len()..].chunks(width) {
        for (column, x) in row.iter().enumerate() {
            let others = short.iter().skip(column).step_by(width).map(|&x| f64::from(x));
            let mean = others.sum::<f64>() / (rows - 10) as f64;
            assert!((f64::from(*x) - mean).abs() < 1e-6);
        }
    }
}

#[test]
fn other_heads_are_refused_although_all_shapes_match() {
    let folder = Folder::new("heads");
    let all = tensors(&RefVlm::new(&config(), &Device::flex()).unwrap());
    let arguments = reference_layout(&folder, &all);
    let mut theirs = config().llm;
    theirs.num_attention_heads *= 2;
    let json = serde_json::to_vec(&theirs).unwrap();
    std::fs::write(folder.0.join("hf/config.json"), json).unwrap();
    let error = import(Quantisation::F32, &[]).assign(&sources(&arguments)).unwrap_err();
    assert!(matches!(error, ImportError::Setting { field: "num_attention_heads", .. }), "{error}");
}

/// The adapter's change reaches the package.
#[test]
fn an_adapter_is_merged() {
    let folder = Folder::new("adapter");
    let all = tensors(&RefVlm::new(&config(), &Device::flex()).unwrap());
    let arguments = reference_layout(&folder, &all);
    let target = "model.layers.1.self_attn.q_proj.weight";
    let (shape, values) = all[&format!("llm.{target}")].clone();
    let module = format!("base_model.model.{}", target.trim_end_matches(".weight"));
    let a = (vec![1, shape[1]], vec![0.5; shape[1]]);
    let b = (vec![shape[0], 1], vec![1.0; shape[0]]);
    let adapter = Tensors::from([
        (format!("{module}.lora_A.weight"), a),
        (format!("{module}.lora_B.weight"), b),
    ]);
    save(&folder.0.join("hf/llm_adapter/adapter_model.safetensors"), &adapter);
    let json = r#"{"peft_type": "LORA", "r": 1, "lora_alpha": 3}"#;
    std::fs::write(folder.0.join("hf/llm_adapter/adapter_config.json"), json).unwrap();
    let out = folder.0.join("out");
    run(&import(Quantisation::F32, &[]), &sources(&arguments), &out).unwrap();
    let loaded = tensors(&load(&out));
    for (after, before) in loaded[&format!("llm.{target}")].1.iter().zip(&values) {
        assert!((after - before - 1.5).abs() < 1e-6);
    }
    let other = "llm.model.layers.0.self_attn.q_proj.weight";
    assert_eq!(loaded[other], all[other]);
}

/// What a model is exported to in the reference's layout makes the same model again.
#[test]
fn an_export_in_the_references_layout_comes_back_equal() {
    let folder = Folder::new("export");
    let all = tensors(&RefVlm::new(&config(), &Device::flex()).unwrap());
    let sources = sources(&reference_layout(&folder, &all));
    for (quantisation, dtype) in [
        (Quantisation::F32, Quantisation::F32),
        (Quantisation::F32, Quantisation::Bf16),
        (Quantisation::Q8, Quantisation::F32),
    ] {
        let name = format!("{quantisation:?}-{dtype:?}");
        let (package, layout) = (folder.0.join(&name), folder.0.join(format!("{name}-hf")));
        run(&import(quantisation, &[]), &sources, &package).unwrap();
        let exported = Stored::open(&package).unwrap();
        exported.export(dtype, &layout).unwrap();
        for file in ["config.json", "model.safetensors", "projector/config.json"] {
            assert!(layout.join(file).is_file(), "{file}");
        }
        let settings = std::fs::read_to_string(layout.join("box_decoder/config.json")).unwrap();
        assert!(settings.contains(r#""model_type": "box_decoder""#), "{settings}");
        assert!(settings.contains("quries_input_dim"), "{settings}");
        let again = open(&layout.display().to_string()).unwrap();
        let out = folder.0.join(format!("{name}-again"));
        run(&import(dtype, &[]), &again, &out).unwrap();
        let (before, after) = (tensors(&load(&package)), tensors(&load(&out)));
        assert_eq!(before.len(), after.len());
        for (name, (shape, values)) in before {
            assert_eq!(after[&name].0, shape);
            for (a, b) in after[&name].1.iter().zip(&values) {
                // A packed matrix has a single NaN in place of its values; its dequantised form is
                // held against the original's below.
                let bound = if dtype == Quantisation::Bf16 { 4e-3 } else { 0.0 };
                let original = &all[&name].1;
                let near =
                    if b.is_nan() { a.is_finite() } else { (a - b).abs() <= bound * b.abs() };
                assert!(near, "{name}: {a} {b} {}", original.len());
            }
        }
        let largest = |values: &[f32]| values.iter().fold(0f32, |most, x| most.max(x.abs()));
        for (name, (_, values)) in tensors(&load(&out)) {
            let original = &all[&name].1;
            let bound = 0.01 * largest(original);
            for (a, b) in values.iter().zip(original) {
                assert!((a - b).abs() <= bound, "{name}: {a} {b}");
            }
        }
    }
}
