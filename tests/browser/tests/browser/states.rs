//! Every state of the page before axe-core: wide and phone, light and dark.

use crate::hands::{Fingers, Hand, Mouse};
use crate::known::Known;
use crate::page::Page;
use refvlm_browser_tests::{Browser, Screen, Server};
use serde_json::json;

#[test]
fn nothing_keeps_people_out() {
    let Some(script) = std::env::var_os("REFVLM_AXE") else {
        println!("skipped: axe-core is not there; `cargo xtask test` fetches it where npm is");
        return;
    };
    let axe = std::fs::read_to_string(script).unwrap();
    let known = Known::find();
    let server = Server::start();
    let mut found = Vec::new();
    for (screen, hand) in [(Screen::Wide, &Mouse as &dyn Hand), (Screen::Phone, &Fingers)] {
        let media = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
        let page = Page::of(Browser::with(screen, &media));
        page.browser.go(&server.url("index.html"));
        page.ready();
        page.browser.command("execute/sync", json!({"script": axe, "args": []}));
        let mut look = |state: &str| {
            for theme in ["light", "dark"] {
                let feature = json!({"name": "prefers-color-scheme", "value": theme});
                page.browser.devtools("Emulation.setEmulatedMedia", json!({"features": [feature]}));
                let name = format!("{screen:?}-{state}-{theme}").to_lowercase();
                // Colours fade when the theme changes: looked at is what they become.
                let settled = "
                    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
                    const ends = (a) => a.effect?.getComputedTiming().endTime !== Infinity;
                    const fading = document.getAnimations().filter(ends);
                    await Promise.allSettled(fading.map((animation) => animation.finished));";
                page.browser.get(settled, json!(null));
                page.browser.shot(&name);
                let script = "
                    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
                    return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) =>
                        `${id}: ${html.slice(0, 200)}: ${failureSummary}`));";
                let violations = page.browser.get(script, json!(null));
                let violations = violations.as_array().unwrap().iter();
                found.extend(violations.map(|violation| format!("{name}: {violation}")));
            }
        };
        look("start");
        hand.press(&page, ".chooser .toggle");
        page.browser.until("document.querySelector('.chooser .sheet')");
        look("models");
        page.browser.keys(&[refvlm_browser_tests::input::ESCAPE]);
        page.show("scene.png", &known.png(), known.size);
        look("open");
        hand.take(&page, "Point");
        hand.draw(&page, &[known.at]);
        hand.take(&page, "Brush");
        let [x, y] = known.at;
        hand.draw(&page, &[[x - 30.0, y - 30.0], [x + 30.0, y + 30.0]]);
        page.expect_prompts(&["point", "mask"]);
        look("prompts");
        hand.press(&page, ".go");
        page.answered(1);
        look("answer");
        hand.press(&page, "[aria-label='Settings']");
        hand.press(&page, ".settings .check:nth-of-type(2) input");
        hand.press(&page, "[aria-label='Settings']");
        hand.press(&page, ".turn:last-child .plan summary");
        look("details");
        hand.press(&page, ".top [aria-label='Help']");
        page.browser.until("document.querySelector('.help[open]')");
        look("help");
        hand.press(&page, ".help .button");
        hand.press(&page, ".turn:last-child .menu > button");
        page.browser.until("document.querySelector('.sheet')");
        look("menu");
        page.browser.keys(&[refvlm_browser_tests::input::ESCAPE]);
        hand.press(&page, "[aria-label='Settings']");
        page.browser.until("document.querySelector('.settings')");
        look("settings");
        hand.press(&page, "[aria-label='Settings']");
        hand.press(&page, "[aria-label='Camera']");
        page.browser.until("document.querySelector('dialog[open] video')?.videoWidth > 0");
        look("camera");
        hand.press(&page, "dialog .button:last-child");
        page.choose("nothing.png", b"");
        page.notice();
        look("fault");
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
