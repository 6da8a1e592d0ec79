//! Whatever is written or drawn, and on whatever window: what is needed stays in sight.

use crate::hands::{Fingers, Hand, Mouse};
use crate::known::Known;
use crate::page::Page;
use refvlm_browser_tests::{Screen, Server};
use serde_json::{from_value, json};

/// What is wrong with the layout, in words.
const FAULTS: &str = "
    const faults = [];
    const { innerWidth: width, innerHeight: height } = window;
    if (document.scrollingElement.scrollWidth > width) faults.push('the page is too wide');
    for (const css of ['.go', '.field textarea', '.turn:last-child .answer']) {
        const element = document.querySelector(css);
        if (css.startsWith('.turn')) element?.scrollIntoView({ block: 'nearest' });
        const { left, top, right, bottom } = element?.getBoundingClientRect() ?? {};
        const tall = css === '.field textarea';
        const inside = left >= 0 && right <= width + 0.5 && (tall ? top < height : top >= 0 && bottom <= height + 0.5);
        if (!inside) faults.push(`${css} lies at ${[left, top, right, bottom]} of ${width} x ${height}`);
    }
    const { height: seen } = document.querySelector('.scroll').getBoundingClientRect();
    if (seen < 60) faults.push(`of the conversation ${seen} px are seen`);
    return faults;";

fn faults(page: &Page) -> Vec<String> {
    from_value(page.browser.get(FAULTS, json!(null))).unwrap()
}

fn window(page: &Page, width: u32, height: u32, mobile: bool) {
    let metrics =
        json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile});
    page.browser.devtools("Emulation.setDeviceMetricsOverride", metrics);
    page.browser.get("await new Promise((resolve) => setTimeout(resolve, 200));", json!(null));
}

fn write(page: &Page, words: &str) {
    let script = "
        const field = document.querySelector('.field textarea');
        field.value = args;
        field.dispatchEvent(new Event('input', { bubbles: true }));
        await new Promise((resolve) => setTimeout(resolve, 100));";
    page.browser.get(script, json!(words));
}

#[test]
fn long_words_many_lines_and_many_prompts_push_nothing_out_of_sight() {
    let known = Known::find();
    let server = Server::start();
    let page = Page::open(&server, Screen::Wide);
    page.show("scene.png", &known.png(), known.size);
    Mouse.press(&page, ".stagebar.right .toggle:last-child");
    write(&page, &"unbroken".repeat(400));
    Mouse.press(&page, ".go");
    page.answered(1);
    assert_eq!(faults(&page), [""; 0]);
    write(&page, &"a line\n".repeat(60));
    assert_eq!(faults(&page), [""; 0]);
    page.browser.shot("bounds-lines");
    write(&page, "");
    for k in 0..40_u32 {
        let [x, y] = [k % 8, k / 8].map(|v| v as f32);
        let [w, h] = known.size.map(|side| side as f32);
        page.browser.draw("mouse", &[page.spot([w * (0.1 + 0.1 * x), h * (0.1 + 0.17 * y)])]);
    }
    page.browser.until("document.querySelectorAll('.prompt').length > 30");
    assert_eq!(faults(&page), [""; 0]);
    let tall = page.browser.get(
        "return document.querySelector('.prompts').getBoundingClientRect().height;",
        json!(null),
    );
    assert!(tall.as_f64().unwrap() < 130.0, "{tall}");
    page.browser.shot("bounds-prompts");
}

#[test]
fn small_windows_show_the_answer() {
    let known = Known::find();
    let server = Server::start();
    let page = Page::open(&server, Screen::Wide);
    page.show("scene.png", &known.png(), known.size);
    Mouse.draw(&page, &[known.at]);
    page.expect_prompts(&["point"]);
    Mouse.press(&page, ".go");
    page.answered(1);
    // A phone on its side, 1280 x 800 at 200 %, a small phone.
    for [width, height] in [[844, 390], [640, 400], [360, 640]] {
        window(&page, width, height, false);
        page.browser.shot(&format!("bounds-{width}"));
        assert_eq!(faults(&page), [""; 0], "{width} x {height}");
    }
}

#[test]
fn fingers_hit_what_they_press() {
    let known = Known::find();
    let server = Server::start();
    let page = Page::open(&server, Fingers.screen());
    let small = "
        const open = [...document.querySelectorAll('button, select, summary')].filter((e) => e.checkVisibility());
        const of = (e) => e.getBoundingClientRect();
        const inline = (e) => e.matches('.phrase'); // stands in a sentence
        return open.filter((e) => !inline(e) && (of(e).width < 43.5 || of(e).height < 43.5))
            .map((e) => `${e.className} ${e.ariaLabel ?? e.textContent}: ${of(e).width} x ${of(e).height}`);";
    let none: Vec<String> = from_value(page.browser.get(small, json!(null))).unwrap();
    assert_eq!(none, [""; 0], "start");
    page.show("scene.png", &known.png(), known.size);
    Fingers.draw(&page, &[known.at]);
    page.expect_prompts(&["point"]);
    Fingers.press(&page, ".go");
    page.answered(1);
    page.browser.shot("fingers");
    let wide = "return document.querySelector('.top').scrollWidth <= innerWidth && scrollWidth() <= innerWidth;
        function scrollWidth() { return document.scrollingElement.scrollWidth; }";
    assert_eq!(page.browser.get(wide, json!(null)), true, "the page is too wide");
    let none: Vec<String> = from_value(page.browser.get(small, json!(null))).unwrap();
    assert_eq!(none, [""; 0], "answered");
}
