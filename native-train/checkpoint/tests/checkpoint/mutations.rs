//! Damaged files: each reader is given 10,000 and has to answer with values or a typed error,
//! without a panic and without allocating much more than the file has.

use crate::common;
use refvlm_checkpoint::lora::Adapter;
use refvlm_checkpoint::{Checkpoint, CheckpointError, Source};
use refvlm_helpers::{Counting, Folder, Held};
use std::path::Path;

const MUTATIONS: u64 = 10_000;
const ALLOWANCE: isize = 64 << 20;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A generator of numbers that is the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Flips, cuts, splices, and lengths blown up to 2^60, mostly in the `header` first bytes.
fn mutate(file: &[u8], header: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            break;
        }
        let reach = if random.below(4) > 0 { header.min(bytes.len()) } else { bytes.len() };
        let at = random.below(reach);
        match random.below(8) {
            0 | 1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.next() as u8,
            3 => bytes.truncate(at),
            4 => {
                let end = (at + random.below(64)).min(bytes.len());
                bytes.drain(at..end);
            }
            5 => {
                let from = random.below(bytes.len());
                let piece = bytes[from..(from + random.below(64)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            6 => {
                let end = (at + 8).min(bytes.len());
                bytes[at..end].copy_from_slice(&(1u64 << 60).to_le_bytes()[..end - at]);
            }
            _ => {
                let end = (at + 4).min(bytes.len());
                bytes[at..end].copy_from_slice(&u32::MAX.to_le_bytes()[..end - at]);
            }
        }
    }
    bytes
}

/// Runs `read`, which may allocate so much more than the file has.
fn within_bounds(
    what: &str,
    bytes: Vec<u8>,
    read: impl Fn(Vec<u8>) -> Result<(), CheckpointError>,
) -> Result<(), CheckpointError> {
    let length = bytes.len() as isize;
    let (outcome, Held { most, .. }) = Held::by(|| read(bytes));
    assert!(most <= length + ALLOWANCE, "{what}: {most} bytes for a file of {length}");
    outcome
}

/// Runs `read` on damaged copies of `file`, and says how many were still read to the end.
fn survives(
    file: &[u8],
    header: usize,
    read: impl Fn(Vec<u8>) -> Result<(), CheckpointError>,
) -> u64 {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut whole = 0;
    for k in 0..MUTATIONS {
        let bytes = mutate(file, header, &mut random);
        let what = format!("mutation {k}");
        match within_bounds(&what, bytes, &read) {
            Ok(()) => whole += 1,
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    println!("{whole} of {MUTATIONS} were still read");
    assert!(whole > 0 && whole < MUTATIONS);
    whole
}

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read(path).unwrap()
}

fn read_all(bytes: Vec<u8>) -> Result<(), CheckpointError> {
    read_every(&Checkpoint::from_source(Source::memory("mutated", bytes))?)
}

fn read_every(checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
    for tensor in checkpoint.tensors() {
        checkpoint.read(tensor)?;
        refvlm_checkpoint::llama::read(checkpoint, tensor)?;
    }
    Ok(())
}

#[test]
fn gguf() {
    survives(&fixture("all.gguf"), 1100, read_all);
}

#[test]
fn quantised_gguf() {
    survives(&fixture("quantised.gguf"), 900, read_all);
}

/// The first of three parts is damaged, which has the settings.
#[test]
fn split_gguf() {
    let folder = Folder::new("split-mutations");
    let [first, ..] = [1, 2, 3].map(|k| {
        let name = format!("tiny-0000{k}-of-00003.gguf");
        let bytes = fixture(&format!("wrapped/{name}"));
        folder.file(&name, &bytes);
        (name, bytes)
    });
    survives(&first.1, first.1.len(), |bytes| {
        folder.file(&first.0, &bytes);
        read_every(&Checkpoint::open(&folder.0)?)
    });
}

/// Files of training programs, with objects of other classes in them.
#[test]
fn wrapped() {
    for name in ["parallel.pth", "lightning.ckpt", "deepspeed.pt"] {
        let file = fixture(&format!("wrapped/{name}"));
        survives(&file, file.len(), read_all);
    }
}

/// Texts that stand in place of weights.
#[test]
fn what_is_no_checkpoint() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n";
    for file in [&pointer[..], b"<!DOCTYPE html><html><head><title>x</title></head></html>"] {
        let mut random = Random(7);
        for _ in 0..MUTATIONS {
            let bytes = mutate(file, file.len(), &mut random);
            let error = within_bounds("text", bytes, read_all).unwrap_err();
            assert!(error.to_string().len() < 500, "{error}");
        }
    }
}

#[test]
fn safetensors() {
    survives(&fixture("gguf.safetensors"), 900, read_all);
}

#[test]
fn torch() {
    // The pickle lies at the front, the archive's directory at the end: all of it is header.
    let file = fixture("nested.pth");
    survives(&file, file.len(), read_all);
}

#[test]
fn torch_before_1_6() {
    let old = common::legacy(common::PICKLE, common::LIST, &common::storage());
    for file in [fixture("legacy.pth"), old] {
        survives(&file, file.len(), read_all);
    }
}

/// Pickles that make as much as they can of few bytes.
#[test]
fn greedy_pickles() {
    let run = |what: &str, pickle: &[u8], list: &[u8], storages: &[u8]| {
        let file = common::legacy(&[pickle, b"."].concat(), &[list, b"."].concat(), storages);
        within_bounds(what, file, read_all)
    };
    let too_much = |outcome| matches!(outcome, Err(CheckpointError::TooMuch { .. }));
    let key = "k".repeat(1024);
    let storage = |key: &str| {
        let length = u32::try_from(key.len()).unwrap().to_le_bytes();
        [b"(U\x07storagectorch\nFloatStorage\nX", &length[..], key.as_bytes(), b"NK\x03t"].concat()
    };
    let many = |bytes: &[u8]| bytes.repeat(1 << 20);
    let storages = [&storage(&key), &b"q\0Q"[..], &many(b"h\0Q")].concat();
    assert!(too_much(run("storages", &storages, b"]", b"")));
    assert!(too_much(run("uses", &[b"]q\0", &many(b"h\0a")[..]].concat(), b"]", b"")));
    assert!(too_much(run("values", &many(b"]"), b"]", b"")));
    // As much as is allowed, and a list of storages that is as large again.
    let kept = (0..(1u32 << 18) - 1).flat_map(|k| [b"]r", &k.to_le_bytes()[..]].concat());
    let full = [b"(".to_vec(), kept.collect(), b"t".to_vec()].concat();
    assert!(matches!(run("two", &full, &full, b""), Err(CheckpointError::Damaged { .. })));
    // A dictionary of 1000 tensors that stands in 100 places.
    let axes = |first: &[u8]| [b"(", first, &b"K\x01".repeat(7), b"t"].concat();
    let tensor = [
        b"ctorch._utils\n_rebuild_tensor\n(",
        &storage("0")[..],
        b"QK\0",
        &axes(b"K\x02"),
        &axes(b"K\x02"),
        b"tRq\0",
    ];
    let inner = (0..1000).flat_map(|k| [format!("U\x04{k:04}").as_bytes(), b"h\0"].concat());
    let outer = (0..100).flat_map(|k| [format!("U\x46{k:070}").as_bytes(), b"h\x01"].concat());
    let pickle = [
        &tensor.concat()[..],
        b"0}q\x01(",
        &inner.collect::<Vec<u8>>(),
        b"u0}(",
        &outer.collect::<Vec<u8>>(),
        b"u",
    ];
    run("tensors", &pickle.concat(), b"]U\x010a", &common::storage()).unwrap();
}

#[test]
fn onnx() {
    let file = fixture("graph.onnx");
    survives(&file, file.len(), read_all);
}

/// An index beside a sound shard.
#[test]
fn index() {
    let folder = std::env::temp_dir().join(format!("refvlm-index-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("a.safetensors"), fixture("torch.safetensors")).unwrap();
    let index = r#"{"metadata": {"total_size": 210}, "weight_map": {"a.weight": "a.safetensors",
        "a.bias": "a.safetensors", "b.bf16": "a.safetensors"}}"#;
    let path = folder.join("model.safetensors.index.json");
    survives(index.as_bytes(), index.len(), |bytes| {
        std::fs::write(&path, bytes).unwrap();
        Checkpoint::open(&folder).map(drop)
    });
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Tensors of a safetensors file, all f32.
fn safetensors_of(tensors: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
    let (mut header, mut data) = (vec![], vec![]);
    for (name, shape, values) in tensors {
        let begin = data.len();
        data.extend(values.iter().flat_map(|x| x.to_le_bytes()));
        header.push(format!(
            r#""{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{begin},{}]}}"#,
            data.len()
        ));
    }
    let header = format!("{{{}}}", header.join(","));
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

fn adapter() -> Vec<u8> {
    let name =
        |part| format!("base_model.model.model.layers.0.self_attn.q_proj.lora_{part}.weight");
    safetensors_of(&[
        (&name("A"), &[1, 3], &[1.0, 2.0, 3.0]),
        (&name("B"), &[2, 1], &[1.0, -1.0]),
        ("base_model.model.lm_head.weight", &[2], &[5.0, 6.0]),
    ])
}

const ADAPTER_CONFIG: &str = r#"{"peft_type": "LORA", "r": 1, "lora_alpha": 2, "bias": "none",
    "target_modules": ["q_proj"], "alpha_pattern": {}, "rank_pattern": {}}"#;
const TARGET: &str = "model.layers.0.self_attn.q_proj.weight";

fn merge(config: &[u8], weights: Vec<u8>) -> Result<[f32; 6], CheckpointError> {
    let checkpoint = Checkpoint::from_source(Source::memory("adapter", weights))?;
    let adapter = Adapter::new(&Source::memory("config", config.to_vec()), checkpoint)?;
    let mut values = [10.0; 6];
    adapter.merge(TARGET, &[2, 3], &mut values)?;
    let mut whole = [0.0; 2];
    adapter.merge("lm_head.weight", &[2], &mut whole)?;
    Ok(values)
}

#[test]
fn adapter_weights_and_config() {
    let merged = merge(ADAPTER_CONFIG.as_bytes(), adapter()).unwrap();
    assert_eq!(merged, [12.0, 14.0, 16.0, 8.0, 6.0, 4.0]);
    let file = adapter();
    survives(&file, file.len(), |bytes| merge(ADAPTER_CONFIG.as_bytes(), bytes).map(drop));
    survives(ADAPTER_CONFIG.as_bytes(), ADAPTER_CONFIG.len(), |bytes| {
        merge(&bytes, adapter()).map(drop)
    });
}

/// Settings of PEFT with patterns.
#[test]
fn adapter_patterns() {
    let weights = fixture("lora/rslora/adapter_model.safetensors");
    let config = fixture("lora/rslora/adapter_config.json");
    survives(&config, config.len(), |bytes| {
        let checkpoint = Checkpoint::from_source(Source::memory("adapter", weights.clone()))?;
        Adapter::new(&Source::memory("config", bytes), checkpoint).map(drop)
    });
}

/// Patterns that would take much memory or time if they were compiled all at once.
#[test]
fn greedy_patterns() {
    let weights = fixture("lora/plain/adapter_model.safetensors");
    let read = |bytes| {
        let checkpoint = Checkpoint::from_source(Source::memory("adapter", weights.clone()))?;
        Adapter::new(&Source::memory("config", bytes), checkpoint).map(drop)
    };
    for (count, pattern) in [(200, r"\\w{9}"), (11_000, "x"), (1, r"((\\w{50}){50}){50}")] {
        let patterns = (0..count).map(|k| format!(r#""{pattern}{k}": 2"#)).collect::<Vec<_>>();
        let config =
            format!(r#"{{"r": 2, "lora_alpha": 4, "alpha_pattern": {{{}}}}}"#, patterns.join(","));
        within_bounds(pattern, config.into_bytes(), read).unwrap_err();
    }
}
