//! Hosts as they are: a new version, single-page hosts, files that do not come, strict policies.

use crate::hands::{Hand, Mouse};
use crate::page::Page;
use crate::{IMPORT, blank};
use refvlm_browser_tests::{Browser, Fault, Screen, Server};
use serde_json::json;
use std::time::Instant;

#[test]
fn a_new_version_is_offered_while_the_old_one_runs() {
    let server = Server::start();
    let page = Page::automatic(Browser::start(Screen::Wide));
    page.browser.go(&server.url("index.html"));
    page.browser.until("document.querySelector('.start')");
    page.browser.until("navigator.serviceWorker.controller");
    server.plan("sw.js", Fault::Append("\n// newer".into()), usize::MAX);
    let update =
        "await (await navigator.serviceWorker.getRegistration()).update(); window.old = true;";
    page.browser.get(update, json!(null));
    page.browser.until("document.querySelector('.update')");
    page.browser.shot("update");
    Mouse.press(&page, ".update .button");
    page.browser.until("!window.old && document.querySelector('.start')");
    let waiting = "return (await navigator.serviceWorker.getRegistration()).waiting === null;";
    assert_eq!(page.browser.get(waiting, json!(null)), true);
    assert_eq!(
        page.browser.get("return document.querySelector('.update') === null;", json!(null)),
        true
    );
}

#[test]
fn a_host_that_answers_with_a_page_for_missing_files_is_seen_through() {
    let server = Server::start();
    server.plan("models/pocket/refvlm.json", Fault::Page, usize::MAX);
    let page = Page::automatic(Browser::start(Screen::Wide));
    page.browser.go(&server.url("index.html"));
    page.browser.until("document.querySelector('.start .example')");
    page.browser.click("[aria-label='Photos'] li:nth-child(1) .example");
    assert!(page.notice().starts_with("This server has no model for photos."));
    let browser = blank(&server);
    browser.get(IMPORT, json!(null));
    server.plan(".safetensors", Fault::Page, usize::MAX);
    assert_eq!(browser.kind("await RefVlm.load('models/scenes');", json!(null)), "not_found");
}

/// Opens the start page and waits for words in what stands there until the page has started.
fn told(server: &Server, words: &str) {
    let start = Instant::now();
    let browser = Browser::start(Screen::Wide);
    browser.go(&server.url("index.html"));
    let told = "[...document.querySelectorAll('.starting p')]
        .filter((p) => p.checkVisibility({ visibilityProperty: true })).map((p) => p.textContent).join(' ')";
    browser.until(&format!("{told}.includes({words:?})"));
    let seconds = start.elapsed().as_secs_f32();
    println!("{words}: after {seconds:.1} s");
    browser.shot("not-started");
}

#[test]
fn a_page_that_cannot_start_says_why() {
    let server = Server::start();
    server.plan("_bg.wasm", Fault::Silence, usize::MAX);
    told(&server, "could not be fetched");
    server.reset();
    server.plan("boot.js", Fault::Missing, usize::MAX);
    told(&server, "Load it again");
    server.reset();
    let site = std::env::var("REFVLM_SITE").unwrap();
    let index = std::fs::read_to_string(format!("{site}/index.html")).unwrap();
    let strict = index.replace(" 'wasm-unsafe-eval'", "");
    assert_ne!(index, strict);
    server.plan("index.html", Fault::Replace(strict.into_bytes()), usize::MAX);
    told(&server, "has to allow 'wasm-unsafe-eval'");
}
