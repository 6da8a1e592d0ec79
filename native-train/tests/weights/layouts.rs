//! Every published layout is known by its keys, and its weights reach the right parameters.

use crate::support::{Folder, Tensors, config, import_as, load_as, part, run, save, tensors};
use burn::tensor::Device;
use refvlm_model::config::ModelConfig;
use refvlm_model::decoding::SamUnitConfig;
use refvlm_model::package::Quantisation;
use refvlm_model::refvlm::RefVlm;
use refvlm_model::sam::{SamConfig, SamEncoderConfig, SamHeadConfig, SamVitConfig, TinyVitConfig};
use refvlm_model::vision::VisualEncoderConfig;
use refvlm_native::import::open;
use std::path::Path;

/// Imports `files` as a model of `config`, the rest left fresh by `allow`, and holds what the
/// package has of `prefix` against `expected`.
fn comes_back(config: &ModelConfig, files: &[&Path], allow: &[&str], prefix: &str, all: &Tensors) {
    let sources: Vec<_> =
        files.iter().flat_map(|file| open(&file.display().to_string()).unwrap()).collect();
    let out = files[0].with_extension("package");
    run(&import_as(config.clone(), Quantisation::F32, allow), &sources, &out).unwrap();
    let found = tensors(&load_as(config, &out));
    let expected = part(all, prefix, prefix);
    assert!(expected.len() > 10, "{prefix} has {} parameters", expected.len());
    for (name, tensor) in &expected {
        assert!(found[name] == *tensor, "{name} is another after {}", files[0].display());
    }
}

fn model(config: &ModelConfig) -> Tensors {
    config.check().unwrap();
    tensors(&RefVlm::new(config, &Device::flex()).unwrap())
}

/// All parameters but those that begin so.
fn others(all: &Tensors, prefix: &str) -> Vec<String> {
    let mut modules: Vec<String> = all
        .keys()
        .filter(|name| !name.starts_with(prefix))
        .map(|name| {
            let end = name.match_indices('.').nth(1).map_or(name.len(), |(at, _)| at);
            format!("{}*", &name[..end])
        })
        .collect();
    modules.dedup();
    modules
}

/// One layout: where the keys of a module stand in a file, and what else such a file holds.
fn layout(config: &ModelConfig, all: &Tensors, prefix: &str, key: &str, more: &[&str]) {
    let folder = Folder::new("layout");
    let mut file = part(all, prefix, key);
    for name in more {
        file.insert(name.to_string(), (vec![2], vec![1.0, 2.0]));
    }
    let path = folder.0.join("weights.safetensors");
    save(&path, &file);
    let fresh = others(all, prefix);
    let allow: Vec<&str> = fresh.iter().map(String::as_str).collect();
    comes_back(config, &[&path], &allow, prefix, all);
}

#[test]
fn dinov2_alone_below_a_head_and_as_a_backbone() {
    let mut config = config();
    let encoder = r#"{"model_type": "dinov2", "hidden_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "mlp_ratio": 2, "image_size": 128, "patch_size": 16}"#;
    config.visual_encoder = serde_json::from_str::<VisualEncoderConfig>(encoder).unwrap();
    let all = model(&config);
    let prefix = "visual_encoder.";
    layout(&config, &all, prefix, "", &["embeddings.mask_token"]);
    layout(&config, &all, prefix, "dinov2.", &[]);
    layout(&config, &all, prefix, "backbone.", &[]);
}

#[test]
fn clip_and_convnext_with_what_belongs_to_their_texts() {
    let config = config();
    let all = model(&config);
    let more = ["text_model.final_layer_norm.weight", "text_projection.weight"];
    layout(&config, &all, "visual_encoder.", "", &more);
    let more = ["visual.head.proj.weight", "text_projection", "transformer.resblocks.0.ln_1.bias"];
    layout(&config, &all, "visual_tower.", "", &more);
}

fn with_sam(image_encoder: SamEncoderConfig) -> ModelConfig {
    let mut config = config();
    config.mask_decoder = None;
    let head = SamHeadConfig { heads: 2, mlp_dim: 24, mask_in_chans: 8, ..Default::default() };
    config.sam_decoder = Some(SamUnitConfig {
        sam: SamConfig { image_encoder, head },
        quries_input_dim: config.llm.hidden_size,
        num_queries: 3,
        freeze_mask_decoder: false,
        confidence: true,
    });
    config
}

#[test]
fn sam_and_mobile_sam() {
    let vit = SamVitConfig {
        img_size: 64,
        patch_size: 8,
        embed_dim: 12,
        depth: 2,
        num_heads: 2,
        mlp_ratio: 2.0,
        out_chans: 16,
        window_size: 3,
        global_attn_indexes: vec![1],
    };
    let config = with_sam(SamEncoderConfig::Vit(vit));
    let all = model(&config);
    let prefix = "visual_decoder.mask.sam.";
    layout(&config, &all, prefix, "", &[]);
    layout(&config, &all, prefix, "sam.", &[]);
    let tiny = TinyVitConfig {
        img_size: 64,
        embed_dims: vec![8, 8, 12, 12],
        depths: vec![1, 1, 1, 1],
        num_heads: vec![2, 2, 2, 2],
        window_sizes: vec![2, 2, 2, 2],
        out_chans: 16,
        ..TinyVitConfig::default()
    };
    let config = with_sam(SamEncoderConfig::TinyVit(tiny));
    let more = ["image_encoder.norm_head.weight", "image_encoder.head.weight"];
    layout(&config, &model(&config), prefix, "", &more);
}

/// What the reference saves while it trains: one file, the modules' names in front.
#[test]
fn a_training_checkpoint_of_the_reference() {
    let config = config();
    let all = model(&config);
    let folder = Folder::new("training");
    let theirs = |name: &String| name.replace("visual_decoder.boxes.", "visual_decoder.box.");
    let file = all.iter().map(|(name, tensor)| (theirs(name), tensor.clone())).collect();
    let path = folder.0.join("iter_500.safetensors");
    save(&path, &file);
    comes_back(&config, &[&path], &[], "", &all);
}

/// llama.cpp's order of the rows of a head: those of the two halves in turn.
fn alternating(values: &[f32], rows: usize, heads: usize) -> Vec<f32> {
    let (width, half) = (values.len() / rows, rows / heads / 2);
    let row = |i: usize| {
        let (head, place) = (i / (2 * half), i % (2 * half));
        head * 2 * half + place % 2 * half + place / 2
    };
    (0..rows).flat_map(|i| values[row(i) * width..][..width].to_vec()).collect()
}

/// A GGUF file: settings of whole numbers, and tensors in f32.
fn gguf(settings: &[(&str, u32)], tensors: &Tensors) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let mut file = [b"GGUF".as_slice(), &3u32.to_le_bytes()].concat();
    file.extend((tensors.len() as u64).to_le_bytes());
    file.extend((settings.len() as u64 + 1).to_le_bytes());
    file.extend([text("general.architecture"), 8u32.to_le_bytes().into(), text("llama")].concat());
    for (key, value) in settings {
        file.extend([text(key), 4u32.to_le_bytes().into(), value.to_le_bytes().into()].concat());
    }
    let mut at = 0u64;
    for (name, (shape, values)) in tensors {
        file.extend([text(name), (shape.len() as u32).to_le_bytes().into()].concat());
        // The dimension whose elements lie side by side comes first.
        file.extend(shape.iter().rev().flat_map(|&size| (size as u64).to_le_bytes()));
        file.extend([0u32.to_le_bytes().as_slice(), &at.to_le_bytes()].concat());
        at += (values.len() as u64 * 4).next_multiple_of(32);
    }
    for (_, values) in tensors.values() {
        file.resize(file.len().next_multiple_of(32), 0);
        file.extend(values.iter().flat_map(|x| x.to_le_bytes()));
    }
    file
}

#[test]
fn a_gguf_fills_the_language_model_with_its_rows_in_our_order() {
    let config = config();
    let all = model(&config);
    let (heads, shared) = (config.llm.num_attention_heads, config.llm.kv_heads());
    assert!(heads > shared && shared > 1, "the case tells nothing");
    let mut tensors = Tensors::new();
    for (name, (shape, values)) in part(&all, "llm.model.", "") {
        let parts = [
            ("embed_tokens", "token_embd"),
            ("layers", "blk"),
            ("input_layernorm", "attn_norm"),
            ("post_attention_layernorm", "ffn_norm"),
            ("self_attn.q_proj", "attn_q"),
            ("self_attn.k_proj", "attn_k"),
            ("self_attn.v_proj", "attn_v"),
            ("self_attn.o_proj", "attn_output"),
            ("mlp.gate_proj", "ffn_gate"),
            ("mlp.up_proj", "ffn_up"),
            ("mlp.down_proj", "ffn_down"),
        ];
        let key = match name.as_str() {
            "norm.weight" => "output_norm.weight".to_string(),
            _ => parts.iter().fold(name.clone(), |name, (ours, theirs)| name.replace(ours, theirs)),
        };
        let values = match &key {
            key if key.contains("attn_q") => alternating(&values, shape[0], heads),
            key if key.contains("attn_k") => alternating(&values, shape[0], shared),
            _ => values,
        };
        tensors.insert(key, (shape, values));
    }
    assert!(tensors.keys().all(|key| {
        ["blk.", "token_embd.", "output_norm."].iter().any(|start| key.starts_with(start))
    }));
    let settings = |heads| {
        [
            ("llama.attention.head_count", heads as u32),
            ("llama.attention.head_count_kv", shared as u32),
        ]
    };
    let folder = Folder::new("gguf");
    let path = folder.0.join("llama.gguf");
    std::fs::write(&path, gguf(&settings(heads), &tensors)).unwrap();
    let fresh = others(&all, "llm.");
    let allow: Vec<&str> = fresh.iter().map(String::as_str).collect();
    comes_back(&config, &[&path], &allow, "llm.", &all);

    // Another number of heads would put the rows into another order.
    std::fs::write(&path, gguf(&settings(2 * heads), &tensors)).unwrap();
    let sources = open(&path.display().to_string()).unwrap();
    let error = import_as(config, Quantisation::F32, &allow).assign(&sources).unwrap_err();
    assert!(error.to_string().contains("the number of heads"), "{error}");
}
