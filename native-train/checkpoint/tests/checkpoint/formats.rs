//! Files that the formats' own writers made, read back to the number.

use crate::common;
use refvlm_checkpoint::{Checkpoint, Source, Tensor, llama};
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[test]
fn gguf_is_dequantised_as_its_own_package_does() {
    for (file, expected, count) in
        [("all.gguf", "gguf.safetensors", 9), ("quantised.gguf", "quantised.safetensors", 17)]
    {
        let gguf = Checkpoint::open(&fixture(file)).unwrap();
        let expected = Checkpoint::open(&fixture(expected)).unwrap();
        assert_eq!(gguf.tensors().len(), count);
        for tensor in gguf.tensors() {
            dequantised(&gguf, tensor, &expected);
        }
    }
}

fn dequantised(gguf: &Checkpoint, tensor: &Tensor, expected: &Checkpoint) {
    let wanted = expected.require(&tensor.name).unwrap();
    assert_eq!(tensor.shape, wanted.shape, "{}", tensor.name);
    assert!(tensor.encoding.is_float());
    let (found, wanted) = (gguf.read(tensor).unwrap(), expected.read(wanted).unwrap());
    for (i, (a, b)) in found.iter().zip(&wanted).enumerate() {
        // One rounding of a product and a sum, which the package orders differently.
        let near = (a - b).abs() <= 1e-6 * b.abs().max(1.0) || a == b;
        assert!(near, "{} {i}: {a} {b}", tensor.name);
    }
    let block = tensor.encoding.block();
    let mut part = vec![0.0; found.len() - block];
    gguf.read_range(tensor, block, &mut part).unwrap();
    assert_eq!(part, found[block..], "{}", tensor.name);
}

#[test]
fn gguf_settings_have_their_types() {
    let gguf = Checkpoint::open(&fixture("all.gguf")).unwrap();
    let metadata = &gguf.metadata;
    assert_eq!(metadata.text("general.architecture").unwrap(), "llama");
    assert_eq!(metadata.float("llama.rope.freq_base").unwrap(), 10000.0);
    assert_eq!(metadata.texts("tokenizer.ggml.tokens").unwrap()[3], "▁Hello");
    assert_eq!(metadata.floats("tokenizer.ggml.scores").unwrap(), [0.0, -1.0, -2.5, 0.25]);
    assert_eq!(metadata.integers("tokenizer.ggml.token_type").unwrap(), [2, 3, 3, 1]);
    assert_eq!(llama::heads(metadata).unwrap(), (2, 1));
    let error = metadata.text("llama.rope.freq_base").unwrap_err().to_string();
    assert!(error.contains("llama.rope.freq_base: is not a text"), "{error}");
}

#[test]
fn query_rows_come_back_to_hugging_faces_order() {
    let gguf = Checkpoint::open(&fixture("all.gguf")).unwrap();
    let expected = Checkpoint::open(&fixture("gguf.safetensors")).unwrap();
    let tensor = gguf.require("blk.0.attn_q.weight").unwrap();
    let name = llama::hugging_face_name(&tensor.name).unwrap();
    let plain = expected.read(expected.require(&name).unwrap()).unwrap();
    assert_eq!(llama::read(&gguf, tensor).unwrap(), plain);
    assert_ne!(gguf.read(tensor).unwrap(), plain);
}

/// Every tensor of `file` is in `expected`, shape and numbers, and the other way round.
fn equal(file: &str, expected: &str) {
    let (found, expected) =
        (Checkpoint::open(&fixture(file)).unwrap(), Checkpoint::open(&fixture(expected)).unwrap());
    assert_eq!(found.tensors().len(), expected.tensors().len());
    for wanted in expected.tensors() {
        let tensor = found.require(&wanted.name).unwrap();
        assert_eq!(tensor.shape, wanted.shape, "{}", tensor.name);
        let (values, wanted) = (found.read(tensor).unwrap(), expected.read(wanted).unwrap());
        assert_eq!(values, wanted, "{}", tensor.name);
        let mut part = vec![0.0; values.len().saturating_sub(1)];
        found.read_range(tensor, values.len() - part.len(), &mut part).unwrap();
        assert_eq!(part, values[values.len() - part.len()..], "{}", tensor.name);
    }
}

#[test]
fn a_nested_pickle_with_views_is_read() {
    equal("nested.pth", "torch.safetensors");
}

#[test]
fn both_forms_of_torch_save_say_the_same() {
    let archive = Checkpoint::open(&fixture("archive.pth")).unwrap();
    assert_eq!(archive.tensors().len(), 16);
    let nested = archive.require("d.nested.inner.weight").unwrap();
    assert_eq!(nested.shape, [2, 2]);
    for file in ["legacy.pth", "legacy4.pth"] {
        equal(file, "archive.pth");
        let legacy = Checkpoint::open(&fixture(file)).unwrap();
        for tensor in archive.tensors() {
            assert_eq!(legacy.require(&tensor.name).unwrap().encoding, tensor.encoding);
        }
        // One storage, seen in different ways.
        let (whole, corner) =
            (legacy.require("a.weight").unwrap(), legacy.require("a.corner").unwrap());
        assert_eq!(corner.at, whole.at + 8 * 4);
        let (whole, corner) = (legacy.read(whole).unwrap(), legacy.read(corner).unwrap());
        assert_eq!(corner, [&whole[8..11], &whole[14..17]].concat());
    }
}

/// Python 2 wrote texts as bytes and an `OrderedDict` as a list of pairs, and before 0.4 tensors
/// were rebuilt by another function.
#[test]
fn a_file_of_python_2_is_read() {
    let file = common::legacy(common::PICKLE, common::LIST, &common::storage());
    let checkpoint = Checkpoint::from_source(Source::memory("python 2", file)).unwrap();
    let tensor = checkpoint.require("w").unwrap();
    assert_eq!(checkpoint.read(tensor).unwrap(), [2.0, 3.0]);
}

#[test]
fn an_exported_graph_gets_its_modules_names_back() {
    equal("graph.onnx", "onnx.safetensors");
}

/// A view of a storage of six numbers as a matrix of three rows, columns first, as programs leave it
/// that had a tensor of another framework transposed.
#[test]
fn a_transposed_tensor_comes_row_by_row() {
    let tensor = b"\x80\x02}U\x01wctorch._utils\n_rebuild_tensor_v2\n((U\x07storage\
        ctorch\nFloatStorage\nU\x018U\x03cpuK\x06NtQK\x00K\x03K\x02\x86K\x01K\x03\x86\x89NtRs.";
    let numbers = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0].map(f32::to_le_bytes).concat();
    let file = common::legacy(tensor, common::LIST, &[&6u64.to_le_bytes()[..], &numbers].concat());
    let checkpoint = Checkpoint::from_source(Source::memory("transposed", file)).unwrap();
    let tensor = checkpoint.require("w").unwrap();
    assert_eq!(tensor.shape, [3, 2]);
    assert_eq!(checkpoint.read(tensor).unwrap(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    let mut part = [0.0; 3];
    checkpoint.read_range(tensor, 2, &mut part).unwrap();
    assert_eq!(part, [2.0, 5.0, 3.0]);
}
