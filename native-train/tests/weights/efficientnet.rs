//! A checkpoint in the layout of EfficientNet-Lite's PyTorch files, made here: what the importer
//! makes of its batch norms, and what it refuses.

use crate::support;
use crate::support::{Folder, Tensors, import_as, load_as, part, run, save, sources, tensors};
use burn::tensor::Device;
use refvlm_model::config::{Layers, ModelConfig};
use refvlm_model::package::Quantisation;
use refvlm_model::refvlm::RefVlm;
use refvlm_model::vision::{EfficientNetConfig, EfficientNetStage, VisualEncoderConfig};
use refvlm_native::import::{init_tower, load_efficientnet};

const TOWER: &str = "visual_encoder.";

/// The shipped configuration with a small tower of this family and nothing that reads its size.
fn config() -> ModelConfig {
    let stage = |[kernel, stride, expansion, channels, repeats]: [usize; 5]| EfficientNetStage {
        kernel,
        stride,
        expansion,
        channels,
        repeats,
    };
    let mut config = support::config();
    config.visual_encoder = VisualEncoderConfig::EfficientNet(EfficientNetConfig {
        image_size: 64,
        stem_channels: 4,
        stages: [[3, 1, 1, 6, 1], [5, 2, 3, 8, 2]].map(stage).to_vec(),
        head_channels: 10,
        classes: Some(3),
    });
    config.visual_tower = None;
    config.visual_select_layer = Layers::One(-1);
    config.image_features = vec![0];
    config.prompt_features = vec![0];
    config.vpt_encoder.visual_hidden_size = 8;
    config.vpt_encoder.grid = Some(16);
    config.box_decoder = None;
    config.mask_decoder = None;
    config.pose_decoder = None;
    config.depth_decoder = None;
    config.check().unwrap();
    config
}

/// A model and its tower as PyTorch would have saved it, with norms that are no identity.
fn published(config: &ModelConfig) -> (Tensors, Tensors) {
    let all = tensors(&RefVlm::new(config, &Device::flex()).unwrap());
    let mut theirs = Tensors::new();
    for (name, (shape, values)) in part(&all, TOWER, "") {
        let theirs_name: Vec<String> = name
            .split('.')
            .map(|part| match part {
                "weight" | "bias" => part.into(),
                part if part.bytes().all(|b| b.is_ascii_digit()) => part.into(),
                part => format!("_{part}"),
            })
            .collect();
        let key = theirs_name.join(".").replace("_blocks._", "_blocks.");
        let (owner, kind) = key.rsplit_once('.').unwrap();
        let (scope, conv) = owner.rsplit_once('.').unwrap_or(("", owner));
        let norm = match conv {
            "_fc" => None,
            "_conv_stem" | "_expand_conv" => Some("_bn0"),
            "_depthwise_conv" | "_conv_head" => Some("_bn1"),
            "_project_conv" => Some("_bn2"),
            _ => panic!("{key}"),
        };
        let Some(norm) = norm else {
            theirs.insert(key.clone(), (shape, values));
            continue;
        };
        if kind == "bias" {
            continue;
        }
        let norm = [scope, norm].iter().filter(|s| !s.is_empty()).copied().collect::<Vec<_>>();
        let norm = norm.join(".");
        let channels = shape[0];
        let vary = |low: f32, k: usize| -> Vec<f32> {
            (0..channels).map(|i| low + ((i * k + 3) % 7) as f32 / 5.0).collect()
        };
        let (gamma, mean, variance) = (vary(0.3, 5), vary(-0.6, 4), vary(0.05, 3));
        let bias = &all[&format!("{TOWER}{}.bias", name.trim_end_matches(".weight"))].1;
        // What folding undoes.
        let deviation: Vec<f32> = variance.iter().map(|v| (v + 1e-3).sqrt()).collect();
        let row = values.len() / channels;
        let weight = (0..values.len()).map(|i| values[i] * deviation[i / row] / gamma[i / row]);
        let beta = (0..channels).map(|c| bias[c] + mean[c] * gamma[c] / deviation[c]);
        let (weight, beta) = (weight.collect(), beta.collect());
        let mut shape = shape;
        shape.resize(4, 1);
        theirs.insert(key.clone(), (shape, weight));
        for (kind, values) in
            [("weight", gamma), ("bias", beta), ("running_mean", mean), ("running_var", variance)]
        {
            theirs.insert(format!("{norm}.{kind}"), (vec![channels], values));
        }
        theirs.insert(format!("{norm}.num_batches_tracked"), (vec![], vec![7.0]));
    }
    (all, theirs)
}

fn assert_same(found: &[f32], expected: &[f32], name: &str) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() < 1e-5, "{name}: {a}, expected {b}");
    }
}

/// All of the tower, and nothing else, is as in `all`.
fn assert_tower(model: &RefVlm, all: &Tensors) {
    let found = tensors(model);
    let tower = part(all, TOWER, TOWER);
    assert!(tower.len() > 10);
    for (name, (shape, values)) in &tower {
        assert_eq!(found[name].0, *shape, "{name}");
        assert_same(&found[name].1, values, name);
    }
}

#[test]
fn norms_become_parts_of_the_convolutions_before_them() {
    let config = config();
    let (all, theirs) = published(&config);
    let folder = Folder::new("efficientnet");
    let path = folder.0.join("tower.safetensors");
    save(&path, &theirs);
    let named = load_efficientnet(&path).unwrap();
    let expected = part(&all, TOWER, "");
    assert!(named.keys().eq(expected.keys()), "{:?}", named.keys());
    for (name, (shape, values)) in &expected {
        assert_eq!(named[name].shape().to_vec(), *shape, "{name}");
        assert_same(named[name].as_slice::<f32>().unwrap(), values, name);
    }

    let model = init_tower(RefVlm::new(&config, &Device::flex()).unwrap(), &path).unwrap();
    assert_tower(&model, &all);

    let fresh: Vec<&str> =
        all.keys().map(String::as_str).filter(|name| !name.starts_with(TOWER)).collect();
    let import = import_as(config.clone(), Quantisation::F32, &fresh);
    let out = folder.0.join("package");
    run(&import, &sources(&[path.display().to_string()]), &out).unwrap();
    assert_tower(&load_as(&config, &out), &all);
}

#[test]
fn a_head_is_left_out_where_the_model_has_none() {
    let mut config = config();
    let (all, theirs) = published(&config);
    let folder = Folder::new("efficientnet-headless");
    let path = folder.0.join("tower.safetensors");
    save(&path, &theirs);
    let VisualEncoderConfig::EfficientNet(tower) = &mut config.visual_encoder else { panic!() };
    tower.classes = None;
    let model = init_tower(RefVlm::new(&config, &Device::flex()).unwrap(), &path).unwrap();
    let head = |name: &String| name.contains("conv_head") || name.contains(".fc.");
    let rest = all.into_iter().filter(|(name, _)| !head(name)).collect();
    assert_tower(&model, &rest);
}

#[test]
fn what_does_not_belong_is_named() {
    let config = config();
    let (_, theirs) = published(&config);
    let folder = Folder::new("efficientnet-wrong");
    let path = folder.0.join("tower.safetensors");
    let fails = |change: &dyn Fn(&mut Tensors)| {
        let mut changed = theirs.clone();
        change(&mut changed);
        save(&path, &changed);
        let model = RefVlm::new(&config, &Device::flex()).unwrap();
        init_tower(model, &path).unwrap_err().to_string()
    };
    // Squeeze-and-excitation, which the Lite models leave out.
    let error = fails(&|tensors| {
        tensors.insert("_blocks.1._se_reduce.weight".into(), (vec![2, 6, 1, 1], vec![0.0; 12]));
    });
    assert!(error.contains("unexpected  blocks.1.se_reduce.weight"), "{error}");
    let error = fails(&|tensors| drop(tensors.remove("_blocks.2._bn1.running_var")));
    assert!(error.contains("_blocks.2._bn1.running_var"), "{error}");
    let error = fails(&|tensors| {
        tensors.insert("_bn1.bias".into(), (vec![2], vec![0.0; 2]));
    });
    assert!(error.contains("_bn1") && error.contains("10 channels"), "{error}");
    let error = fails(&|tensors| drop(tensors.remove("_conv_stem.weight")));
    assert!(error.contains("missing     visual_encoder.conv_stem.weight"), "{error}");
    save(&path, &theirs.into_iter().filter(|(name, _)| name.starts_with("_fc")).collect());
    assert!(load_efficientnet(&path).unwrap_err().to_string().contains("_fc.weight"));
}
