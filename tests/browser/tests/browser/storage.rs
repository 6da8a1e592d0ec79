//! Browsers that lack something, damaged downloads, and two tabs at once: what a person sees.

use crate::hands::{Hand, Mouse};
use crate::known::Known;
use crate::page::Page;
use refvlm_browser_tests::{Browser, Fault, Screen, Server};
use serde_json::json;

const SHARD: &str = ".safetensors";

/// Opens the known scene and asks about the thing in it.
fn answers(page: &Page, known: &Known) {
    page.show("scene.png", &known.png(), known.size);
    Mouse.draw(page, &[known.at]);
    page.expect_prompts(&["point"]);
    Mouse.press(page, ".go");
    page.answered(1);
    assert_eq!(page.rows().len(), 1);
}

#[test]
fn a_damaged_download_is_told_and_tried_again_by_a_button() {
    let server = Server::start();
    let page = Page::of(Browser::start(Screen::Wide));
    for (fault, words) in [
        (Fault::Flip(500_000), "sha-256"),
        (Fault::Truncate(500_000), "refvlm.json says"),
        (Fault::Silence, "cannot be reached"),
    ] {
        server.plan(SHARD, fault, usize::MAX);
        page.browser.go(&server.url("index.html"));
        page.browser.until("document.querySelector('.failed p')");
        let told = page.browser.words();
        assert!(told.contains(words) && told.contains("No engine"), "no {words} in: {told}");
        page.browser.shot("fault-download");
        server.reset();
        page.browser.click(".failed .button");
        page.ready();
        page.browser
            .get("for (const name of await caches.keys()) await caches.delete(name);", json!(null));
    }
    // A connection that breaks and resumes is not shown.
    server.reset();
    server.plan(SHARD, Fault::Drop(1_000_000), 2);
    page.browser.go(&server.url("index.html"));
    page.ready();
    assert_eq!(server.requests(SHARD).len(), 3);
    answers(&page, &Known::find());
}

#[test]
fn without_room_to_keep_anything_the_page_works_from_memory() {
    let server = Server::start();
    let page = Page::of(Browser::start(Screen::Wide));
    let quota = json!({"origin": server.origin(), "quotaSize": 100_000});
    page.browser.devtools("Storage.overrideQuotaForOrigin", quota);
    page.browser.go(&server.url("index.html"));
    page.ready();
    let known = Known::find();
    answers(&page, &known);
    let said = page.browser.words();
    assert!(!said.to_lowercase().contains("quota"), "{said}");
    assert_eq!(page.browser.complaints(), Vec::<String>::new());
    // Nothing was kept, so the next visit fetches it again, and works.
    server.reset();
    page.browser.command("refresh", json!({}));
    page.ready();
    assert_eq!(server.requests(SHARD), [0]);
    answers(&page, &known);
}

#[test]
fn a_browser_without_simd_is_told_what_to_do() {
    let server = Server::start();
    // V8 has no vectors in WebAssembly where the processor has no SSE 4.1.
    let page = Page::of(Browser::with(Screen::Wide, &["--js-flags=--no-enable-sse4-1"]));
    page.browser.go(&server.url("index.html"));
    // The engine is needed with the first picture.
    page.browser.until("document.querySelector('.start .example')");
    page.browser.click(".start .example");
    page.browser.until("document.querySelector('.failed p')");
    let told = page.browser.words();
    for words in
        ["This browser cannot run WebAssembly with SIMD", "Use a current version of", "No engine"]
    {
        assert!(told.contains(words), "no {words} in: {told}");
    }
    page.browser.shot("fault-simd");
    assert_eq!(server.requests(SHARD), Vec::<usize>::new(), "the model was fetched for nothing");
}

#[test]
fn two_tabs_load_and_answer_at_once() {
    let server = Server::start();
    let page = Page::open(&server, Screen::Wide);
    let known = Known::find();
    let tabs = || page.browser.windows();
    let first = tabs()[0].clone();
    page.browser.command("window/new", json!({"type": "tab"}));
    let second = tabs().into_iter().find(|tab| *tab != first).unwrap();
    let there = |tab: &str| page.browser.command("window", json!({"handle": tab}));
    // Nothing is kept, and both begin to load before either is done.
    let kept = json!({"origin": server.origin(), "storageTypes": "all"});
    page.browser.devtools("Storage.clearDataForOrigin", kept);
    there(&second);
    page.scenes();
    for tab in [&first, &second] {
        there(tab);
        page.browser.go(&server.url("index.html?again"));
    }
    for tab in [&second, &first] {
        there(tab);
        page.ready();
    }
    for tab in [&first, &second] {
        there(tab);
        page.show("scene.png", &known.png(), known.size);
        Mouse.draw(&page, &[known.at]);
        page.browser.get("document.querySelector('.go').click();", json!(null));
    }
    let mut rows = Vec::new();
    for tab in [&first, &second] {
        there(tab);
        page.answered(1);
        rows.push(page.rows());
    }
    assert_eq!(rows[0].len(), 1);
    assert_eq!(rows[0], rows[1]);
    assert_eq!(page.browser.complaints(), Vec::<String>::new());
}
