//! One damage at a time, and the error it has to give.

use crate::common::{LIST, PICKLE, legacy, storage};
use refvlm_checkpoint::{Checkpoint, CheckpointError, Source};
use refvlm_helpers::Folder;
use std::path::Path;

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read(path).unwrap()
}

fn open(bytes: Vec<u8>) -> Result<Checkpoint, CheckpointError> {
    Checkpoint::from_source(Source::memory("test", bytes))
}

fn error(bytes: Vec<u8>) -> CheckpointError {
    open(bytes).map(drop).unwrap_err()
}

fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), &vec![0; data]].concat()
}

/// Puts `new` where `old` first stands.
fn replaced(mut bytes: Vec<u8>, old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let at = bytes.windows(old.len()).position(|window| window == old).unwrap();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

/// A folder with these files.
fn folder(name: &str, files: &[(&str, &[u8])]) -> Folder {
    let folder = Folder::new(name);
    for (file, bytes) in files {
        folder.file(file, bytes);
    }
    folder
}

#[test]
fn a_truncated_shard() {
    let mut shard = fixture("torch.safetensors");
    shard.pop();
    let index = br#"{"weight_map": {"a.weight": "a.safetensors"}}"#;
    let files: [(&str, &[u8]); 2] =
        [("model.safetensors.index.json", index), ("a.safetensors", &shard)];
    let folder = folder("truncated", &files);
    let error = Checkpoint::open(&folder.0).unwrap_err();
    assert!(matches!(error, CheckpointError::Truncated { .. }), "{error}");
    assert!(error.to_string().contains("a.safetensors"), "{error}");
}

#[test]
fn an_index_that_names_a_missing_file_or_a_missing_tensor() {
    let shard = fixture("torch.safetensors");
    let index = br#"{"weight_map": {"a.weight": "a.safetensors", "x": "b.safetensors"}}"#;
    let files: [(&str, &[u8]); 2] =
        [("model.safetensors.index.json", index), ("a.safetensors", &shard)];
    let folder = folder("missing", &files);
    let error = Checkpoint::open(&folder.0).unwrap_err();
    assert!(
        matches!(&error, CheckpointError::MissingShard { shard, .. } if shard == "b.safetensors")
    );
    std::fs::write(folder.0.join("b.safetensors"), safetensors("{}", 0)).unwrap();
    let error = Checkpoint::open(&folder.0).unwrap_err();
    assert!(matches!(error, CheckpointError::Index { .. }), "{error}");
    let outside = br#"{"weight_map": {"a.weight": "../a.safetensors"}}"#;
    std::fs::write(folder.0.join("model.safetensors.index.json"), outside).unwrap();
    let error = Checkpoint::open(&folder.0).unwrap_err();
    assert!(matches!(error, CheckpointError::Damaged { .. }), "{error}");
}

#[test]
fn a_wrong_dtype() {
    let header = r#"{"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}"#;
    let error = error(safetensors(header, 4));
    assert!(
        matches!(&error, CheckpointError::Dtype { dtype, .. } if dtype == "F8_E4M3"),
        "{error}"
    );
    let gguf = fixture("all.gguf");
    let at = gguf.windows(4).position(|w| w == b"q4_1").unwrap() + 4 + 4 + 16;
    assert_eq!(gguf[at], 3);
    for (kind, said) in [
        (9, "Q8_1"),
        (31, "Q4_0_4_4"),
        (36, "IQ4_NL_4_4"),
        (40, "NVFP4"),
        (41, "Q1_0"),
        (99, "GGML's type 99, newer than this program"),
    ] {
        let mut other = gguf.clone();
        other[at] = kind;
        let error = self::error(other);
        let dtype = matches!(&error, CheckpointError::Dtype { tensor, .. } if tensor == "q4_1");
        assert!(dtype && error.to_string().contains(said), "{error}");
    }
}

#[test]
fn a_wrong_shape() {
    for shape in ["[5]", "[3]", "[18446744073709551615,2]"] {
        let header = format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[0,16]}}}}"#);
        let error = error(safetensors(&header, 16));
        assert!(matches!(error, CheckpointError::Shape { .. }), "{error}");
    }
    // 24 numbers are stored: 25 of them are no view.
    let pickle = replaced(fixture("nested.pth"), b"K\x04K\x06", b"K\x05K\x06");
    let error = error(pickle);
    assert!(matches!(error, CheckpointError::Shape { .. }), "{error}");
}

#[test]
fn a_duplicate_key() {
    let entry = |range| format!(r#""a":{{"dtype":"U8","shape":[1],"data_offsets":{range}}}"#);
    let header = format!("{{{},{}}}", entry("[0,1]"), entry("[1,2]"));
    let error = error(safetensors(&header, 2));
    assert!(
        matches!(&error, CheckpointError::Duplicate { tensor, .. } if tensor == "a"),
        "{error}"
    );
    let gguf = replaced(fixture("all.gguf"), b"\x04\0\0\0\0\0\0\0q4_1", b"\x04\0\0\0\0\0\0\0q4_0");
    let error = self::error(gguf);
    assert!(matches!(error, CheckpointError::Duplicate { .. }), "{error}");
}

#[test]
fn a_header_that_claims_two_to_the_sixty() {
    let mut file = safetensors("{}", 0);
    file[..8].copy_from_slice(&(1u64 << 60).to_le_bytes());
    assert!(matches!(error(file), CheckpointError::Truncated { .. }));
    // Counts of tensors and settings in GGUF.
    for at in [8, 16] {
        let mut file = fixture("all.gguf");
        file[at..at + 8].copy_from_slice(&(1u64 << 60).to_le_bytes());
        assert!(matches!(error(file), CheckpointError::TooMuch { .. }));
    }
}

#[test]
fn a_pickle_with_a_foreign_opcode_or_global() {
    // INST would make an object of any class.
    let pickle = replaced(fixture("nested.pth"), b"\x80\x02}", b"\x80\x02i");
    let error = error(pickle);
    assert!(matches!(error, CheckpointError::Opcode { opcode: b'i', at: 2, .. }), "{error}");
    let pickle = replaced(fixture("nested.pth"), b"torch\nHalfStorage", b"posix\nHalfStorage");
    let error = self::error(pickle);
    let named = |global: &str| global == "posix.HalfStorage";
    assert!(matches!(&error, CheckpointError::Global { global, .. } if named(global)), "{error}");
}

#[test]
fn a_form_of_torch_save_that_is_not_read() {
    let sound = || legacy(PICKLE, LIST, &storage());
    open(sound()).unwrap();
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    // An empty tuple where a whole storage has nothing.
    let part = replaced(sound(), b"K\x03Nt", b"K\x03)t");
    for (file, said) in [
        (replaced(sound(), b"\x50\x19.", b"\x50\x18."), "torch.save did not write"),
        (replaced(sound(), b"M\xe9\x03", b"M\xea\x03"), "not 1001"),
        (replaced(sound(), b"endian\x88", b"endian\x89"), "little-endian machine"),
        (part, "clone its tensors"),
        (tar, "before 0.1.10; load it with torch.load"),
    ] {
        let error = error(file);
        assert!(matches!(error, CheckpointError::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
    let error = error(replaced(sound(), b"little_endian", b"little_endiam"));
    assert!(matches!(error, CheckpointError::Damaged { .. }), "{error}");
    let error = self::error(replaced(sound(), b"\x02ccoll", b"\x02icoll"));
    assert!(matches!(error, CheckpointError::Opcode { opcode: b'i', at: 2, .. }), "{error}");
}

#[test]
fn storages_that_are_not_as_the_pickle_says() {
    let counted = |numbers: u64| {
        let number = &numbers.to_le_bytes();
        let at = PICKLE.windows(3).position(|window| window == b"K\x03N").unwrap();
        let pickle = [&PICKLE[..at], b"\x8a\x08", number, &PICKLE[at + 2..]].concat();
        legacy(&pickle, LIST, &[number, &storage()[8..]].concat())
    };
    open(counted(3)).unwrap();
    let short = |numbers| matches!(error(counted(numbers)), CheckpointError::Truncated { .. });
    assert!(short(4));
    assert!(short(1 << 60));
    let mut cut = storage();
    cut.pop();
    assert!(matches!(error(legacy(PICKLE, LIST, &cut)), CheckpointError::Truncated { .. }));
    assert!(matches!(error(legacy(PICKLE, LIST, b"\x03")), CheckpointError::Truncated { .. }));
    // A second tensor in the same storage.
    let at = PICKLE.windows(4).position(|window| window == b"]U\x01w").unwrap();
    let end = PICKLE.len() - b"\x85R.".len();
    let pair = replaced(PICKLE[at..end].to_vec(), b"U\x01w", b"U\x01v");
    let two = |old: &[u8], new: &[u8]| {
        let pair = replaced(pair.clone(), old, new);
        legacy(&[&PICKLE[..end], &pair, &PICKLE[end..]].concat(), LIST, &storage())
    };
    assert_eq!(open(two(b"U", b"U")).unwrap().tensors().len(), 2);
    for (file, said) in [
        (counted(1 << 62), "storage 8"),
        (legacy(PICKLE, LIST, &[&[4][..], &storage()[1..]].concat()), "4 numbers instead of 3"),
        (legacy(PICKLE, b"\x80\x02].", &storage()), "storage 8 is not in the list"),
        (legacy(PICKLE, b"\x80\x02]U\x019a.", &storage()), "not that of its tensors"),
        (legacy(PICKLE, b"\x80\x02]U\x018aU\x018a.", &storage().repeat(2)), "not that of its"),
        (legacy(PICKLE, b"\x80\x02}.", &storage()), "no list of storages"),
        (two(b"FloatStorage", b"ShortStorage"), "in two ways"),
        (two(b"K\x03N", b"K\x02N"), "in two ways"),
    ] {
        let error = error(file);
        assert!(matches!(error, CheckpointError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn values_outside_of_an_onnx_file() {
    // Field 14 of a tensor is where its values are; 1 stands for another file.
    let tensor = b"\x08\x01\x10\x01\x42\x01w\x70\x01";
    let graph = [&[0x2a, tensor.len() as u8][..], tensor].concat();
    let model = [&[0x08, 7, 0x3a, graph.len() as u8][..], &graph].concat();
    let error = error(model);
    assert!(matches!(error, CheckpointError::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("another file"), "{error}");
}

#[test]
fn what_is_no_checkpoint() {
    for bytes in [&b"\x01"[..], b"\xff\xfe\0\x03", &[0; 100]] {
        assert!(matches!(error(bytes.to_vec()), CheckpointError::Unknown { .. }));
    }
}
