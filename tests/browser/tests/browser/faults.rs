//! Networks and servers that fail.

use crate::known::PACKAGE;
use crate::{IMPORT, LOAD, blank};
use refvlm_browser_tests::{Fault, Server};
use serde_json::{Value, json};

const SHARD: &str = ".safetensors";
const FAIL: &str = "window.model = await RefVlm.load('models/scenes');";

#[test]
fn the_second_load_needs_no_shard_and_then_no_network() {
    let server = Server::start();
    let browser = blank(&server);
    let info = browser.get(LOAD, json!(null));
    assert_eq!(info["cached"], false);
    let progress = browser.get("return progress;", json!(null));
    let progress = progress.as_array().unwrap();
    let last = progress.last().unwrap();
    assert_eq!((&last["phase"], &last["bytes"]), (&json!("build"), &last["total"]));
    assert!(last["total"].as_u64().unwrap() > 1_000_000);
    for pair in progress.windows(2) {
        assert!(pair[0]["bytes"].as_u64() <= pair[1]["bytes"].as_u64(), "{pair:?}");
    }
    server.reset();
    assert_eq!(browser.get(LOAD, json!(null))["cached"], true);
    assert_eq!(server.requests(SHARD), Vec::<usize>::new());
    assert_eq!(server.requests("tokenizer.json"), Vec::<usize>::new());
    server.plan("models/scenes/refvlm.json", Fault::Silence, usize::MAX);
    assert_eq!(browser.get(LOAD, json!(null))["cached"], true);
}

#[test]
fn a_broken_connection_goes_on_where_it_broke() {
    let server = Server::start();
    let browser = blank(&server);
    server.plan(SHARD, Fault::Drop(1_000_000), 3);
    assert_eq!(browser.get(LOAD, json!(null))["cached"], false);
    let starts = server.requests(SHARD);
    assert_eq!(starts.len(), 4, "{starts:?}");
    assert!(starts.is_sorted() && starts[1] > 0 && starts[3] > starts[1], "{starts:?}");
}

#[test]
fn a_flipped_bit_is_fetched_again_once() {
    let server = Server::start();
    let browser = blank(&server);
    browser.get(IMPORT, json!(null));
    server.plan(SHARD, Fault::Flip(500_000), usize::MAX);
    assert_eq!(browser.kind(FAIL, json!(null)), "hash_mismatch");
    assert_eq!(server.requests(SHARD), [0, 0]);
    server.reset();
    server.plan(SHARD, Fault::Flip(500_000), 1);
    assert_eq!(browser.get(LOAD, json!(null))["cached"], false);
    assert_eq!(server.requests(SHARD), [0, 0]);
}

#[test]
fn what_is_cut_off_or_missing_or_silent_is_named() {
    let server = Server::start();
    let browser = blank(&server);
    browser.get(IMPORT, json!(null));
    server.plan(SHARD, Fault::Truncate(500_000), usize::MAX);
    assert_eq!(browser.kind(FAIL, json!(null)), "truncated");
    server.reset();
    server.plan("models/scenes/refvlm.json", Fault::Truncate(100), usize::MAX);
    assert_eq!(browser.kind(FAIL, json!(null)), "bad_package");
    server.reset();
    server.plan(SHARD, Fault::Silence, usize::MAX);
    assert_eq!(browser.kind(FAIL, json!(null)), "offline");
    let elsewhere = "await RefVlm.load('models/none');";
    assert_eq!(browser.kind(elsewhere, json!(null)), "not_found");
    // Nothing of that was kept.
    server.reset();
    assert_eq!(browser.get(LOAD, json!(null))["cached"], false);
}

#[test]
fn a_download_is_aborted() {
    let server = Server::start();
    let browser = blank(&server);
    browser.get(IMPORT, json!(null));
    let script = "
        const abort = new AbortController();
        const onProgress = () => abort.abort();
        await RefVlm.load('models/scenes', { onProgress, signal: abort.signal });";
    let thrown = browser.run(script, json!(null));
    assert_eq!(thrown["thrown"]["name"], "AbortError", "{thrown}");
    assert_eq!(browser.get(LOAD, json!(null))["preset"], "scenes");
}

#[test]
fn the_vocabulary_is_checked_too_and_packages_without_its_hash_still_load() {
    let server = Server::start();
    let browser = blank(&server);
    browser.get(IMPORT, json!(null));
    server.plan("tokenizer.json", Fault::Flip(100), usize::MAX);
    assert_eq!(browser.kind(FAIL, json!(null)), "hash_mismatch");
    assert_eq!(server.requests("tokenizer.json"), [0, 0]);
    server.reset();
    let manifest = std::fs::read(format!("{PACKAGE}refvlm.json")).unwrap();
    let mut manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert!(manifest.as_object_mut().unwrap().remove("tokenizer").is_some());
    let older = manifest.to_string().into_bytes();
    server.plan("models/scenes/refvlm.json", Fault::Replace(older), usize::MAX);
    assert_eq!(browser.get(LOAD, json!(null))["cached"], false);
    // It is kept; with the newer manifest its hash is its key.
    assert_eq!(browser.get(LOAD, json!(null))["cached"], true);
    assert_eq!(server.requests("tokenizer.json"), [0]);
    server.reset();
    assert_eq!(browser.get(LOAD, json!(null))["cached"], true);
    assert_eq!(server.requests("tokenizer.json"), [0]);
}

#[test]
fn requests_that_make_no_sense_are_refused_as_such() {
    let server = Server::start();
    let browser = blank(&server);
    browser.get(LOAD, json!(null));
    let asks = [
        "for await (const _ of model.ask({ text: 'What?', budget: 10n })) {}",
        "const loop = {}; loop.loop = loop; for await (const _ of model.ask({ text: 'What?', prompts: [loop] })) {}",
        "for await (const _ of model.ask({ text: 'What?', prompts: [() => 1] })) {}",
        "await RefVlm.load('data:text/plain,refvlm');",
    ];
    for ask in asks {
        assert_eq!(browser.kind(ask, json!(null)), "bad_request", "{ask}");
    }
    // The engine lives: it has only no picture yet.
    let ask = "for await (const _ of model.ask({ text: 'What?' })) {}";
    assert_eq!(browser.kind(ask, json!(null)), "no_picture");
}

/// A browser that never says whether it has a card, and is too old for `AbortSignal.any`.
const OLDER: &str = "
    if (self.GPU) GPU.prototype.requestAdapter = () => new Promise(() => {});
    delete AbortSignal.any;";

#[test]
fn an_older_browser_and_one_that_never_answers_about_its_card_load_all_the_same() {
    let server = Server::start();
    server.plan("engine/worker.js", Fault::Append(OLDER.into()), usize::MAX);
    let browser = blank(&server);
    let start = std::time::Instant::now();
    assert_eq!(browser.get(LOAD, json!(null))["backend"], "cpu");
    println!("loaded after {:.1} s", start.elapsed().as_secs_f32());
    let abort = "
        const abort = new AbortController();
        await RefVlm.load('models/scenes', { onProgress: () => abort.abort(), signal: abort.signal });";
    assert_eq!(browser.run(abort, json!(null))["thrown"]["name"], "AbortError");
}
