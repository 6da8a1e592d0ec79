//! What training programs wrap around a model, files in parts, and what is no checkpoint.

use refvlm_checkpoint::{Checkpoint, CheckpointError, Source};
use refvlm_helpers::Folder;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/wrapped").join(name)
}

fn error(path: &Path) -> String {
    Checkpoint::open(path).map(drop).unwrap_err().to_string()
}

fn text(bytes: &[u8]) -> String {
    let source = Source::memory("test", bytes.to_vec());
    Checkpoint::from_source(source).map(drop).unwrap_err().to_string()
}

/// The tensors of the plain model are in `found` under their own names.
fn is_plain(found: &Checkpoint) {
    let plain = Checkpoint::open(&fixture("plain.safetensors")).unwrap();
    for tensor in plain.tensors() {
        let other = found.require(&tensor.name).unwrap();
        assert_eq!(other.shape, tensor.shape);
        assert_eq!(found.read(other).unwrap(), plain.read(tensor).unwrap(), "{}", tensor.name);
    }
}

#[test]
fn wrappers_around_names_are_taken_off_with_a_note() {
    for (file, notes, tensors) in [
        ("plain.safetensors", &[][..], 4),
        ("parallel.pth", &["`_orig_mod.`", "`module.`"], 4),
        // The count of the average stays.
        ("average.pth", &["`module.`"], 5),
        ("lightning.ckpt", &["Lightning: `model.`"], 4),
        ("deepspeed.pt", &["zero_to_fp32.py", "`module.`"], 4),
    ] {
        let found = Checkpoint::open(&fixture(file)).unwrap();
        is_plain(&found);
        assert_eq!(found.tensors().len(), tensors, "{file}");
        assert_eq!(found.notes.len(), notes.len(), "{file}: {:?}", found.notes);
        for (note, said) in found.notes.iter().zip(notes) {
            assert!(note.contains(said), "{file}: {note}");
        }
    }
}

fn safetensors(names: &[&str]) -> Vec<u8> {
    let entry = |(k, name): (usize, &&str)| {
        format!(r#""{name}":{{"dtype":"U8","shape":[1],"data_offsets":[{k},{}]}}"#, k + 1)
    };
    let header = names.iter().enumerate().map(entry).collect::<Vec<_>>().join(",");
    let header = format!("{{{header}}}");
    let data = vec![7; names.len()];
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

#[test]
fn names_lose_no_more_than_wrappers() {
    let names = |all: &[&str]| {
        let found = Checkpoint::from_source(Source::memory("test", safetensors(all))).unwrap();
        found.tensors().iter().map(|t| t.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&["module.a", "b"]), ["module.a", "b"]);
    assert_eq!(names(&["model.a", "model.b"]), ["model.a", "model.b"]);
    assert_eq!(names(&["module.module.a", "module.module.b"]), ["a", "b"]);
    assert_eq!(names(&["module."]), ["module."]);
    assert_eq!(names(&["llm._orig_mod.a", "b"]), ["llm.a", "b"]);
    assert_eq!(names(&["_fsdp_wrapped_module.a._checkpoint_wrapped_module.b"]), ["a.b"]);
    let twice = safetensors(&["a._orig_mod.b", "a.b"]);
    let error = Checkpoint::from_source(Source::memory("test", twice)).unwrap_err();
    assert!(matches!(error, CheckpointError::Duplicate { .. }), "{error}");
}

#[test]
fn parts_of_deepspeed_name_the_way_out() {
    for file in ["deepspeed-zero3.pt", "deepspeed-optimizer.pt"] {
        let error = error(&fixture(file));
        assert!(error.contains("zero_to_fp32.py . OUT"), "{error}");
    }
    assert!(error(&fixture("deepspeed-split.pt")).contains("split over 2 devices"));
    let folder = Folder::new("deepspeed");
    folder.file("zero_to_fp32.py", b"");
    folder.file("latest", b"global_step3");
    assert!(error(&folder.0).contains("zero_to_fp32.py . OUT"));
}

#[test]
fn all_parts_of_a_split_gguf_are_one_checkpoint() {
    let names = [1, 2, 3].map(|k| format!("tiny-0000{k}-of-00003.gguf"));
    let folder = Folder::new("split");
    for name in &names {
        folder.file(name, &std::fs::read(fixture(name)).unwrap());
    }
    let paths = names.iter().map(|name| folder.0.join(name)).chain([folder.0.clone()]);
    for path in paths {
        let found = Checkpoint::open(&path).unwrap();
        is_plain(&found);
        let fifth = found.require("fifth").unwrap();
        assert_eq!(found.read(fifth).unwrap(), [0.0, 1.0, 2.0]);
        assert_eq!((found.files().len(), found.tensors().len()), (3, 5));
        assert_eq!(found.metadata.integer("llama.attention.head_count").unwrap(), 2);
    }
    // Under another name it can't be joined, and its place is told.
    let second = std::fs::read(folder.0.join(&names[1])).unwrap();
    assert!(text(&second).contains("part 2 of 3 of a split GGUF"));
    folder.file(&names[2], &second);
    assert!(error(&folder.0).contains("it is part 2 of 3 by its settings"));
    folder.file(&names[2], b"version https://git-lfs.github.com/spec/v1\n");
    assert!(error(&folder.0).contains("git lfs pull"));
    std::fs::remove_file(folder.0.join(&names[2])).unwrap();
    let error = error(&folder.0.join(&names[0]));
    assert!(error.contains(&names[2]) && error.contains("download it too"), "{error}");
}

#[test]
fn a_folder_without_the_usual_names() {
    let folder = Folder::new("folder");
    let open = || Checkpoint::open(&folder.0);
    assert!(matches!(open(), Err(CheckpointError::Unknown { .. })));
    folder.file("training_args.bin", b"");
    folder.file("mine.safetensors", &safetensors(&["a"]));
    assert_eq!(open().unwrap().tensors().len(), 1);
    folder.file("other.safetensors", &safetensors(&["a"]));
    assert!(error(&folder.0).contains("2 files of weights: mine.safetensors, other.safetensors"));
    folder.file("model-00001-of-00002.safetensors", &safetensors(&["a"]));
    assert!(error(&folder.0).contains(".index.json"));
    let part = Checkpoint::open(&folder.0.join("model-00001-of-00002.safetensors")).unwrap();
    assert!(part.notes[0].contains("one of 2 parts"), "{:?}", part.notes);
    let distributed = Folder::new("distcp");
    distributed.file("__0_0.distcp", b"");
    assert!(error(&distributed.0).contains("dcp_to_torch"));
}

#[test]
fn what_stands_in_place_of_weights_is_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 2345678\n";
    for (bytes, said) in [
        (&b""[..], "an empty file; download it again"),
        (pointer.as_bytes(), "Git LFS pointer to the weights of 2345678 bytes"),
        (pointer.as_bytes(), "git lfs pull"),
        (b"<!DOCTYPE html>\n<html class=\"\">", "a web page"),
        (b"\xef\xbb\xbf  <HTML>", "HF_TOKEN"),
        (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "/resolve/"),
        (b"Access to model x/y is restricted.\nx", "\"Access to model x/y is restricted.\""),
        (b"{\"error\":\"Repository not found\"}", "Repository not found"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"\x89HDF\r\n\x1a\n\0\0", "HDF5"),
        (b"tjgg\x01\0\0\0", "came before GGUF"),
        (b"\x1c\0\0\0TFL3\0\0", "TensorFlow Lite"),
    ] {
        let error = text(bytes);
        assert!(error.contains(said), "{error}");
    }
    let folder = Folder::new("settings");
    folder.file("config.json", b"{\"model_type\": \"llama\"}");
    let error_text = error(&folder.0.join("config.json"));
    assert!(error_text.contains("lists no weights; give the file"), "{error_text}");
    let folder = Folder::new("piece");
    folder.file("m.gguf.part2of3", &[0xff, 0, 1, 2]);
    assert!(error(&folder.0.join("m.gguf.part2of3")).contains("cat NAME.gguf.part*"));
}

/// Objects of other classes are passed over beside the weights, and named where weights should be.
#[test]
fn a_whole_module_in_a_pickle_is_named_by_its_class() {
    let whole = b"\x80\x02cmodels\nNet\n)\x81}b";
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let machine = b"\x80\x02M\xe9\x03.\x80\x02}U\x0dlittle_endian\x88s.";
    let file = |pickle: &[u8]| [magic, &machine[..], pickle, b".\x80\x02]."].concat();
    let error = text(&file(whole));
    assert!(error.contains("models.Net") && error.contains("state_dict"), "{error}");
    let beside = file(b"\x80\x02}(U\x01xcmodels\nNet\n)\x81}bu");
    let found = Checkpoint::from_source(Source::memory("test", beside)).unwrap();
    assert!(found.notes[0].contains("x (models.Net)"), "{:?}", found.notes);
}
