//! What a person sees without asking: the mask of what was pointed at.

use crate::hands::{Fingers, Hand, Mouse};
use crate::known::Known;
use crate::page::{Page, covers};
use refvlm_browser_tests::Server;
use serde_json::{from_value, json};

const MASKED: &str = "document.querySelector('.prompt .fast')?.textContent.includes('%')";

/// Notes when a pointer was released on the picture, and when the prompt's mask was there.
const WATCH: &str = "
    window.times = [];
    const canvas = document.querySelector('canvas.canvas');
    canvas.addEventListener('pointerup', () => times.push(performance.now()), { once: true });
    const look = () => {
        const there = document.querySelector('.prompt .fast')?.textContent.includes('%');
        if (there) times.push(performance.now());
        else requestAnimationFrame(look);
    };
    look();";

#[test]
fn a_click_shows_the_mask_and_asks_nothing() {
    let mut known = Known::find();
    for hand in [&Mouse as &dyn Hand, &Fingers] {
        let server = Server::start();
        let page = Page::open(&server, hand.screen());
        page.show("scene.png", &known.png(), known.size);
        page.browser.get(WATCH, json!(null));
        hand.draw(&page, &[known.at]);
        page.browser.until("times.length === 2");
        let times: [f64; 2] = from_value(page.browser.get("return times;", json!(null))).unwrap();
        println!(
            "{:?}: the mask is there {:.0} ms after the click",
            hand.screen(),
            times[1] - times[0]
        );
        let ask = page.asked().pop().unwrap();
        let masks = known.masks(&ask);
        covers("at once", &page.shown_by("Results"), &masks[0]);
        page.browser.shot(&format!("at-once-{:?}", hand.screen()).to_lowercase());
        let turns = "return document.querySelectorAll('.turn').length;";
        assert_eq!(page.browser.get(turns, json!(null)), 0);
        // Each prompt has its own.
        let [x, y] = known.at;
        hand.draw(&page, &[[x + 30.0, y + 10.0]]);
        page.browser.until("document.querySelectorAll('.prompt .fast').length === 2");
        // Who asks has a turn; what it found stands in the mask's place.
        hand.press(&page, ".go");
        page.answered(1);
        page.browser.until(MASKED);
        assert_eq!(page.rows().len(), 1);
    }
}

#[test]
fn a_box_and_a_scribble_are_masked_at_once_too() {
    let known = Known::find();
    let server = Server::start();
    let page = Page::open(&server, Mouse.screen());
    page.show("scene.png", &known.png(), known.size);
    let [x, y, w, h] = known.bounds;
    Mouse.take(&page, "Box");
    Mouse.draw(&page, &[[x, y], [x + w, y + h]]);
    page.browser.until(MASKED);
    Mouse.press(&page, "[aria-label='Clear prompts']");
    Mouse.take(&page, "Scribble");
    let [x, y] = known.at;
    Mouse.draw(&page, &[[x - 15.0, y], [x, y], [x + 15.0, y]]);
    page.browser.until(MASKED);
    // Switched off, a prompt is a prompt and nothing more.
    Mouse.press(&page, ".stagebar.right .toggle:last-child");
    let before = page.asked().len();
    Mouse.take(&page, "Point");
    Mouse.draw(&page, &[[x, y + 20.0]]);
    page.expect_prompts(&["scribble", "point"]);
    page.browser.get("await new Promise((resolve) => setTimeout(resolve, 400));", json!(null));
    assert_eq!(page.asked().len(), before);
}
