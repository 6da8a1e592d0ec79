//! Packages: written and read back, and everything that can be wrong with one.

use burn::nn::conv::Conv2dConfig;
use burn::tensor::{Device, Tensor, TensorData};
use refvlm_model::language::{Llama, LlamaConfig, Positions};
use refvlm_model::layers::{Linear, PackedWeight};
use refvlm_model::package::by_name::{names, visit_named};
use refvlm_model::package::{
    Description, FileEntry, INDEX_FILE, Loader, MANIFEST_FILE, Manifest, PackageError, Plan,
    Quantisation, SHARD_BYTES, TOKENIZER_FILE, Writer, encode,
};
use std::collections::BTreeMap;
use std::sync::LazyLock;

type Files = BTreeMap<String, Vec<u8>>;

fn config() -> LlamaConfig {
    serde_json::from_str(
        r#"{"vocab_size": 40, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": true,
            "initializer_range": 0.1}"#,
    )
    .unwrap()
}

fn model() -> Llama {
    Llama::new(&config(), &Device::flex())
}

fn description() -> Description {
    Description {
        preset: "toy".into(),
        config: serde_json::to_value(config()).unwrap(),
        licence: "MIT".into(),
        training_command: "refvlm train toy".into(),
        scores: BTreeMap::from([("loss".into(), 1.5)]),
    }
}

/// The files of a package whose shards may be small, tensor by tensor as an import writes them.
fn write(model: &Llama, quantisation: Quantisation, shard_bytes: usize) -> Files {
    let (mut parameters, mut stored) = (vec![], vec![]);
    visit_named(model, &mut |name, data| {
        let shape = data.shape().to_vec();
        let values = data.try_to_vec::<f32>().unwrap();
        stored.push(encode(quantisation, name, &shape, &values).unwrap().concat());
        parameters.push((name.to_string(), shape));
    });
    let plan = Plan::new(quantisation, &parameters, shard_bytes);
    let (mut files, mut entries) = (Files::new(), vec![]);
    for shard in &plan.shards {
        let data: Vec<u8> = shard.parameters.iter().flat_map(|&at| stored[at].clone()).collect();
        let bytes = [shard.header.clone(), data].concat();
        entries.push(FileEntry::new(shard.file.clone(), &bytes));
        files.insert(shard.file.clone(), bytes);
    }
    files.insert(INDEX_FILE.into(), plan.index());
    files.insert(MANIFEST_FILE.into(), plan.manifest(description(), None, entries).unwrap());
    files
}

fn manifest(files: &Files) -> Manifest {
    Manifest::parse(&files[MANIFEST_FILE]).unwrap()
}

fn read(manifest: Manifest, files: &Files) -> Result<Llama, PackageError> {
    let mut loader = Loader::new(manifest, model());
    while let Some(file) = loader.waiting().last().cloned() {
        loader.shard(&file, &files[&file])?;
    }
    loader.finish()
}

fn weights(model: &Llama) -> BTreeMap<String, Vec<f32>> {
    let mut all = BTreeMap::new();
    visit_named(model, &mut |name, data| {
        all.insert(name.to_string(), data.try_to_vec::<f32>().unwrap());
    });
    all
}

fn hidden(model: &Llama) -> Vec<f32> {
    let ids = TensorData::new((0..30i64).map(|i| i * 11 % 40).collect::<Vec<_>>(), [2, 15]);
    let embeds = model.embed(Tensor::from_data(ids, &Device::flex()));
    let hidden = model.forward(embeds, &Positions::sequence(2, 0, 15), None, None).unwrap();
    Tensor::cat(vec![model.logits(hidden.clone()), hidden], 2).into_data().try_to_vec().unwrap()
}

#[test]
fn f32_is_exact_and_f16_is_rounded() {
    let saved = model();
    let files = write(&saved, Quantisation::F32, 60_000);
    let listed = manifest(&files);
    assert!(listed.shards.len() > 2, "several shards are wanted here");
    assert_eq!(listed.description, description());
    for FileEntry { file, bytes, .. } in &listed.shards {
        assert_eq!(*bytes, files[file].len() as u64);
        assert!(*bytes < 62_000, "{file}: {bytes}");
        // Any reader of the format must open them.
        safetensors::SafeTensors::deserialize(&files[file]).unwrap();
    }
    let index: serde_json::Value = serde_json::from_slice(&files[INDEX_FILE]).unwrap();
    for (name, _) in names(&saved) {
        assert!(files.contains_key(index["weight_map"][name].as_str().unwrap()));
    }
    assert_eq!(weights(&read(listed, &files).unwrap()), weights(&saved));

    let files = write(&saved, Quantisation::F16, SHARD_BYTES);
    let mut writer = Writer::new(Quantisation::F16);
    visit_named(&saved, &mut |name, data| writer.add(name, &data).unwrap());
    let written: Files = writer.finish(description()).unwrap().into_iter().collect();
    assert_eq!(written, files, "a writer and an import store alike");
    let loaded = weights(&read(manifest(&files), &files).unwrap());
    for (name, expected) in weights(&saved) {
        for (a, b) in loaded[&name].iter().zip(&expected) {
            assert!((a - b).abs() <= b.abs() / 2048.0 + 1e-7, "{name}: {a} for {b}");
        }
    }
}

#[test]
fn quantised_packages_hold_a_model_that_computes_alike() {
    let saved = model();
    let expected = hidden(&saved);
    for (quantisation, bound) in [(Quantisation::Q8, 0.02), (Quantisation::Q4, 0.3)] {
        let files = write(&saved, quantisation, 20_000);
        let loaded = read(manifest(&files), &files).unwrap();
        assert_eq!(names(&loaded), names(&saved), "same parameters under the same names");
        let found = hidden(&loaded);
        let error: f32 = found.iter().zip(&expected).map(|(a, b)| (a - b).powi(2)).sum();
        let relative = (error / expected.iter().map(|b| b * b).sum::<f32>()).sqrt();
        assert!(relative > 1e-4 && relative < bound, "{quantisation:?}: {relative}");
        // Whoever reads the packed model's parameters, to train from them or to write them again,
        // gets what it computes with.
        let unpacked = weights(&loaded);
        for (name, values) in weights(&saved) {
            let error: f32 =
                unpacked[&name].iter().zip(&values).map(|(a, b)| (a - b).powi(2)).sum();
            let relative = (error / values.iter().map(|v| v * v).sum::<f32>()).sqrt();
            assert!(relative < bound, "{quantisation:?} {name}: {relative}");
        }
    }
}

/// A map of 88 to 64 as the only module, and a reader of its files by a map of other sizes.
fn odd(quantisation: Quantisation) -> (Linear, Manifest, Vec<u8>) {
    let saved = Linear::new(88, 64, true, &Device::flex());
    let mut writer = Writer::new(quantisation);
    visit_named(&saved, &mut |name, data| writer.add(name, &data).unwrap());
    let mut files: Files = writer.finish(description()).unwrap().into_iter().collect();
    let listed = manifest(&files);
    let bytes = files.remove(&listed.shards[0].file).unwrap();
    (saved, listed, bytes)
}

fn read_odd(
    manifest: &Manifest,
    bytes: &[u8],
    [out, width]: [usize; 2],
) -> Result<Linear, PackageError> {
    let mut listed = manifest.clone();
    listed.shards = vec![FileEntry::new("odd.safetensors", bytes)];
    let mut loader = Loader::new(listed, Linear::new(width, out, true, &Device::flex()));
    loader.shard("odd.safetensors", bytes)?;
    loader.finish()
}

#[test]
fn rows_of_any_width_are_filled_up_and_read_back() {
    let device = Device::flex();
    let x = (0..3 * 88).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect::<Vec<_>>();
    let x = Tensor::<2>::from_data(TensorData::new(x, [3, 88]), &device);
    let numbers = |map: &Linear| map.forward(x.clone()).into_data().try_to_vec::<f32>().unwrap();
    for (quantisation, words, bound) in [(Quantisation::Q8, 24, 0.01), (Quantisation::Q4, 12, 0.2)]
    {
        let (saved, listed, bytes) = odd(quantisation);
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(tensors.tensor("weight.qweight").unwrap().shape(), [64, words]);
        let loaded = read_odd(&listed, &bytes, [64, 88]).unwrap();
        assert!(loaded.weight.reparameterization::<PackedWeight>().is_some());
        assert_eq!(loaded.weight.val().dims(), [64, 88]);
        let (found, expected) = (numbers(&loaded), numbers(&saved));
        let error: f32 = found.iter().zip(&expected).map(|(a, b)| (a - b).powi(2)).sum();
        let relative = (error / expected.iter().map(|b| b * b).sum::<f32>()).sqrt();
        assert!(relative > 1e-4 && relative < bound, "{quantisation:?}: {relative}");

        // Another number of blocks, or of rows, is another matrix.
        for shape @ [out, width] in [[64, 64], [64, 97], [63, 88], [65, 88], [88, 64]] {
            let error = read_odd(&listed, &bytes, shape).unwrap_err();
            assert!(
                matches!(&error, PackageError::Shape { .. }),
                "{out} x {width} of {quantisation:?}: {error}"
            );
        }
        // Words for a part of a block.
        let header = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
        let text = std::str::from_utf8(&bytes[8..8 + header]).unwrap();
        let shape = format!("[64,{words}]");
        assert!(text.contains(&shape));
        let other = text.replace(&shape, &format!("[{},{}]", 64 * 4, words / 4));
        let mut cut = (other.len() as u64).to_le_bytes().to_vec();
        cut.extend(other.into_bytes());
        cut.extend(&bytes[8 + header..]);
        let error = read_odd(&listed, &cut, [64, 88]).unwrap_err();
        assert!(
            matches!(&error, PackageError::Tensor { tensor, .. }
            if tensor == "weight.qweight"),
            "{error}"
        );
    }
    // Before rows were filled up, such matrices were stored in f16 among packed ones.
    let (_, mut listed, bytes) = odd(Quantisation::F16);
    let expected = numbers(&read_odd(&listed, &bytes, [64, 88]).unwrap());
    for quantisation in [Quantisation::Q8, Quantisation::Q4] {
        listed.quantisation = quantisation;
        let loaded = read_odd(&listed, &bytes, [64, 88]).unwrap();
        assert!(loaded.weight.reparameterization::<PackedWeight>().is_none());
        assert_eq!(numbers(&loaded), expected);
    }
}

#[test]
fn kernels_are_packed_in_q8_and_dense_once_loaded() {
    let device = Device::flex();
    let fresh = || Conv2dConfig::new([10, 64], [3, 3]).init(&device);
    let saved = fresh();
    let expected = saved.weight.val().into_data().try_to_vec::<f32>().unwrap();
    for (quantisation, stored, bound) in
        [(Quantisation::Q8, "weight.qweight", 0.01), (Quantisation::Q4, "weight", 1e-3)]
    {
        let mut writer = Writer::new(quantisation);
        visit_named(&saved, &mut |name, data| writer.add(name, &data).unwrap());
        let mut files: Files = writer.finish(description()).unwrap().into_iter().collect();
        let listed = manifest(&files);
        let bytes = files.remove(&listed.shards[0].file).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert!(tensors.tensor(stored).is_ok(), "{:?}", tensors.names());
        let (file, mut loader) = (listed.shards[0].file.clone(), Loader::new(listed, fresh()));
        loader.shard(&file, &bytes).unwrap();
        let loaded = loader.finish().unwrap();
        assert!(loaded.weight.reparameterization::<PackedWeight>().is_none());
        let found = loaded.weight.val();
        assert_eq!(found.dims(), [64, 10, 3, 3]);
        let found = found.into_data().try_to_vec::<f32>().unwrap();
        let error: f32 = found.iter().zip(&expected).map(|(a, b)| (a - b).powi(2)).sum();
        let relative = (error / expected.iter().map(|b| b * b).sum::<f32>()).sqrt();
        assert!(relative > 0.0 && relative < bound, "{quantisation:?}: {relative}");
    }
}

/// A shard with this header text and these bytes, listed with its true hash.
fn forged(header: &str, data: &[u8]) -> Result<Llama, PackageError> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    listed(bytes, Quantisation::F32)
}

fn listed(bytes: Vec<u8>, quantisation: Quantisation) -> Result<Llama, PackageError> {
    static ANY: LazyLock<Manifest> =
        LazyLock::new(|| manifest(&write(&model(), Quantisation::F32, usize::MAX)));
    let mut listed = ANY.clone();
    listed.quantisation = quantisation;
    listed.shards = vec![FileEntry::new("forged.safetensors", &bytes)];
    read(listed, &Files::from([("forged.safetensors".into(), bytes)]))
}

#[test]
fn damaged_shards_are_named() {
    let saved = model();
    let files = write(&saved, Quantisation::F32, usize::MAX);
    let listed = manifest(&files);
    let file = listed.shards[0].file.clone();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut files = files.clone();
        change(files.get_mut(&file).unwrap());
        read(listed.clone(), &files).unwrap_err()
    };
    let short = with(&|bytes| bytes.truncate(1000));
    assert!(matches!(&short, PackageError::Length { found: 1000, .. }));
    assert!(short.to_string().contains(&file) && short.to_string().contains("download"));
    assert_eq!(with(&|bytes| bytes[5000] ^= 1), PackageError::Hash { file: file.clone() });

    let mut loader = Loader::new(listed.clone(), model());
    let stranger = loader.shard("other.safetensors", &[]).unwrap_err();
    assert!(matches!(stranger, PackageError::UnknownShard { .. }));
    // After a shard that did not fit, the right one still does, once.
    assert!(loader.shard(&file, &files[&file][..1000]).is_err());
    loader.shard(&file, &files[&file]).unwrap();
    let twice = loader.shard(&file, &files[&file]).unwrap_err();
    assert!(matches!(twice, PackageError::UnknownShard { .. }));
    assert_eq!(weights(&loader.finish().unwrap()), weights(&saved));
    let none = Loader::new(listed, model()).finish().unwrap_err();
    assert_eq!(none, PackageError::Missing(vec![file]));
}

#[test]
fn impossible_headers_are_refused() {
    let norm = |shape: &str, end: u64| {
        format!(r#""model.norm.weight":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}"#)
    };
    let good = norm("[64]", 256);
    let whole = forged(&format!("{{{good}}}"), &[0; 256]).unwrap_err();
    assert!(matches!(&whole, PackageError::Missing(names) if names.len() == names_of().len() - 1));
    let cases = [
        (format!("{{{good},{good}}}"), "two tensors"),
        (format!("{{{}}}", norm("[1152921504606846976]", 1 << 60)), "is said to be"),
        (format!("{{{}}}", norm("[4294967296,4294967296,4]", 256)), "is said to be"),
        (format!("{{{}}}", norm("[63]", 256)), "is said to be"),
        (format!("{{{}}}", good.replace("[0,256]", "[256,0]")), "is said to be"),
        (format!("{{{}}}", good.replace("[0,256]", "[4,260]")), "is said to be"),
        (format!("{{{}}}", good.replace("F32", "F8_E4M3")), "unknown variant"),
        (format!("{{{}}}", norm("[32]", 128)), "belong to no tensor"),
        ("[]".into(), "safetensors header"),
        ("{".into(), "EOF"),
    ];
    for (header, reason) in cases {
        let error = forged(&header, &[0; 256]).unwrap_err();
        assert!(matches!(error, PackageError::Header { .. }), "{header}: {error}");
        assert!(error.to_string().contains(reason), "{header}: {error}");
    }
    for length in [1u64 << 60, u64::MAX, 9] {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend([0; 8]);
        let error = listed(bytes, Quantisation::F32).unwrap_err();
        assert!(matches!(error, PackageError::Header { .. }), "{error}");
    }
    assert!(matches!(listed(vec![1, 2], Quantisation::F32), Err(PackageError::Header { .. })));
}

fn names_of() -> Vec<(String, Vec<usize>)> {
    names(&model())
}

#[test]
fn tensors_that_do_not_belong_are_refused() {
    let entry = |name: &str, dtype: &str, shape: &str, end: usize| {
        format!(r#"{{"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,{end}]}}}}"#)
    };
    let nan = forged(&entry("model.norm.weight", "F32", "[64]", 256), &[255; 256]).unwrap_err();
    assert!(matches!(&nan, PackageError::Tensor { tensor, .. } if tensor == "model.norm.weight"));
    let shape = forged(&entry("model.norm.weight", "F32", "[63]", 252), &[0; 252]).unwrap_err();
    assert!(matches!(shape, PackageError::Shape { found, expected, .. }
        if found == [63] && expected == [64]));
    let other = forged(&entry("lm_head.weight", "F32", "[1]", 4), &[0; 4]).unwrap_err();
    assert!(matches!(other, PackageError::Unexpected { tensors, .. }
        if tensors == ["lm_head.weight"]));
    let words = forged(&entry("model.norm.weight", "U32", "[64]", 256), &[0; 256]).unwrap_err();
    assert!(matches!(words, PackageError::Tensor { .. }));

    let name = "model.layers.0.self_attn.q_proj.weight";
    let half = |part: &str, dtype: &str, shape: &str, size: usize, quantisation| {
        let header = entry(&format!("{name}.{part}"), dtype, shape, size);
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(vec![0; size]);
        listed(bytes, quantisation).unwrap_err()
    };
    for error in [
        half("qweight", "U32", "[64,16]", 4096, Quantisation::Q8),
        half("qweight", "U32", "[64,16]", 4096, Quantisation::F16),
        half("scales", "F16", "[64,2]", 256, Quantisation::Q8),
    ] {
        assert!(matches!(error, PackageError::Tensor { .. }), "{error}");
    }
}

#[test]
fn the_vocabulary_is_held_against_the_manifest() {
    let json = br#"{"version": "1.0"}"#.to_vec();
    let mut writer = Writer::new(Quantisation::F32).with_tokenizer(json.clone());
    visit_named(&model(), &mut |name, data| writer.add(name, &data).unwrap());
    let files: Files = writer.finish(description()).unwrap().into_iter().collect();
    assert_eq!(files[TOKENIZER_FILE], json);
    let listed = manifest(&files);
    listed.check_tokenizer(&json).unwrap();
    let file = TOKENIZER_FILE.to_string();
    let short = listed.check_tokenizer(&json[1..]).unwrap_err();
    let (found, expected) = (json.len() as u64 - 1, json.len() as u64);
    assert_eq!(short, PackageError::Length { file: file.clone(), found, expected });
    let mut flipped = json.clone();
    flipped[3] ^= 1;
    assert_eq!(listed.check_tokenizer(&flipped).unwrap_err(), PackageError::Hash { file });

    let text = String::from_utf8(files[MANIFEST_FILE].clone()).unwrap();
    let elsewhere = text.replace("tokenizer.json", "../tokenizer.json");
    assert!(matches!(Manifest::parse(elsewhere.as_bytes()), Err(PackageError::Manifest(_))));
    // Packages of before it was listed take any vocabulary.
    let older = manifest(&write(&model(), Quantisation::F32, usize::MAX));
    assert_eq!(older.tokenizer, None);
    older.check_tokenizer(&flipped).unwrap();
}

#[test]
fn manifests_are_checked() {
    let files = write(&model(), Quantisation::Q8, usize::MAX);
    let text = String::from_utf8(files[MANIFEST_FILE].clone()).unwrap();
    for (from, to) in [
        ("\"version\":1", "\"version\":2"),
        ("model-00001", "../model-00001"),
        ("model-00001", ".model-00001"),
        ("\"q8\"", "\"q3\""),
        ("\"sha256\":\"", "\"sha256\":\"0"),
        ("\"bytes\":", "\"bytes\":-"),
    ] {
        assert!(text.contains(from));
        let error = Manifest::parse(text.replace(from, to).as_bytes()).unwrap_err();
        assert!(matches!(error, PackageError::Manifest(_)), "{to}");
    }
    let mut twice = manifest(&files);
    twice.shards.push(twice.shards[0].clone());
    assert!(Manifest::parse(&serde_json::to_vec(&twice).unwrap()).is_err());
    twice.shards.clear();
    assert!(Manifest::parse(&serde_json::to_vec(&twice).unwrap()).is_err());
}

#[test]
fn what_cannot_be_written_is_refused() {
    let add = |quantisation, name: &str, values: Vec<f32>| {
        let mut writer = Writer::new(quantisation);
        writer.add("a", &TensorData::from([1.0f32])).unwrap();
        let shape = [values.len() / 32, 32];
        writer.add(name, &TensorData::new(values, shape))
    };
    add(Quantisation::F32, "b", vec![1e30; 64]).unwrap();
    assert!(add(Quantisation::F32, "a", vec![0.0; 64]).is_err(), "taken");
    assert!(add(Quantisation::F32, "b", vec![f32::NAN; 64]).is_err(), "NaN");
    assert!(add(Quantisation::F16, "b", vec![1e30; 64]).is_err(), "too large for f16");
    assert!(add(Quantisation::Q4, "b", vec![1e30; 64]).is_err(), "too large for a scale");
    assert!(Writer::new(Quantisation::F32).finish(description()).is_err(), "empty");
}

#[test]
fn two_thousand_mutated_files_never_panic() {
    let mut state = 9u64;
    let mut random = move |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n.max(1)
    };
    let packages = [Quantisation::F32, Quantisation::Q4].map(|q| (q, write(&model(), q, 1 << 30)));
    let (mut refused, mut survived) = (0, 0);
    for round in 0..2000 {
        let (quantisation, files) = &packages[round % 2];
        let listed_files = manifest(files);
        let mut bytes = files[&listed_files.shards[0].file].clone();
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        for _ in 0..=random(3) {
            // Mostly the header, where the structure is.
            let region = if random(4) > 0 { header } else { bytes.len() };
            let at = random(region.min(bytes.len()));
            match random(5) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes[at] ^= 1 << random(8),
                2 => drop(bytes.remove(at)),
                3 => bytes.insert(at, b"0123456789[]{},:\""[random(17)]),
                _ => bytes.truncate(bytes.len() - random(64)),
            }
        }
        // The true hash is listed, so that the mutation gets past it.
        match listed(bytes, *quantisation) {
            Ok(_) => survived += 1,
            Err(_) => refused += 1,
        }
        let mut text = files[MANIFEST_FILE].clone();
        let at = random(text.len());
        text[at] = random(256) as u8;
        let _ = Manifest::parse(&text);
    }
    // A changed weight is still a weight; most changes must be noticed.
    assert!(refused > survived, "{refused} refused, {survived} accepted");
}
