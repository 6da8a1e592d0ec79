//! The field for questions: the kind of answer follows the words, and nothing typed is lost.

use crate::hands::{Hand, Mouse};
use crate::known::Known;
use crate::page::Page;
use refvlm_browser_tests::{Screen, Server};
use refvlm_protocol::Task;
use serde_json::json;

const ASK: &str = ".go[aria-label='Ask']";

fn open(server: &Server) -> (Page, Known) {
    let known = Known::find();
    let page = Page::open(server, Screen::Wide);
    page.show("scene.png", &known.png(), known.size);
    (page, known)
}

/// With a thing that was pointed at and asked about.
fn asked(server: &Server) -> (Page, Known) {
    let (page, known) = open(server);
    Mouse.draw(&page, &[known.at]);
    page.expect_prompts(&["point"]);
    Mouse.press(&page, ASK);
    page.answered(1);
    (page, known)
}

fn text(page: &Page, script: &str) -> String {
    page.browser.get(script, json!(null)).as_str().unwrap_or_default().to_string()
}

fn kind(page: &Page) -> String {
    text(page, "return document.querySelector('.select option:checked').textContent;")
}

fn typed(page: &Page) -> String {
    text(page, "return document.querySelector('.field textarea').value;")
}

fn choose(page: &Page, name: &str) {
    let script = "
        const select = document.querySelector('.select select');
        select.value = [...select.options].find((option) => option.textContent.startsWith(args)).value;
        select.dispatchEvent(new Event('change', { bubbles: true }));";
    page.browser.get(script, json!(name));
}

#[test]
fn the_words_decide_the_kind_of_answer_and_the_person_may_change_it() {
    let server = Server::start();
    let (page, known) = open(&server);
    assert_eq!(kind(&page), "Automatic: caption with masks");
    Mouse.write(&page, "How many cars are there?");
    assert_eq!(kind(&page), "Automatic: answer in words");
    Mouse.press(&page, ASK);
    page.answered(1);
    assert_eq!(page.asked().pop().unwrap().task, Task::Vqa);
    Mouse.write(&page, "Where is the thing on the left?");
    assert_eq!(kind(&page), "Automatic: box of one thing");
    // Another kind keeps the words.
    choose(&page, "Mask of one thing");
    assert_eq!(typed(&page), "Where is the thing on the left?");
    Mouse.press(&page, ASK);
    page.answered(2);
    let ask = page.asked().pop().unwrap();
    assert_eq!(
        (ask.task, ask.text.as_str()),
        (Task::GroundingSegmentation, "Where is the thing on the left?")
    );
    // And back to the words.
    choose(&page, "Automatic");
    Mouse.draw(&page, &[known.at]);
    page.expect_prompts(&["point"]);
    assert_eq!(kind(&page), "Automatic: mask of one thing");
    Mouse.write(&page, "What is this?");
    assert_eq!(kind(&page), "Automatic: answer in words");
    page.browser.shot("automatic");
}

#[test]
fn the_enter_that_ends_a_composition_asks_nothing() {
    let server = Server::start();
    let (page, _) = open(&server);
    Mouse.write(&page, "\u{72ac}");
    let script = "
        const field = document.querySelector('.field textarea');
        const enter = { key: 'Enter', bubbles: true, cancelable: true };
        field.dispatchEvent(new KeyboardEvent('keydown', { ...enter, keyCode: 229 }));
        field.dispatchEvent(new KeyboardEvent('keydown', { ...enter, isComposing: true }));
        await new Promise((resolve) => setTimeout(resolve, 200));
        return document.querySelectorAll('.turn').length;";
    assert_eq!(page.browser.get(script, json!(null)), 0);
    assert_eq!(typed(&page), "\u{72ac}");
}

#[test]
fn words_that_come_with_a_picture_of_them_are_pasted_as_words() {
    let server = Server::start();
    let (page, known) = open(&server);
    let paste = "
        const data = new DataTransfer();
        if (args.words) data.setData('text/plain', args.words);
        const png = Uint8Array.from(args.png);
        data.items.add(new File([png], 'pasted.png', { type: 'image/png' }));
        const event = new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true });
        document.querySelector(args.into).dispatchEvent(event);
        return event.defaultPrevented;";
    let args = |words: &str, into: &str| json!({"words": words, "png": known.png(), "into": into});
    assert_eq!(page.browser.get(paste, args("a table", ".field textarea")), false);
    // A picture alone is opened, and so is one that is pasted elsewhere.
    assert_eq!(page.browser.get(paste, args("", ".field textarea")), true);
    page.opened("pasted", known.size);
}

#[test]
fn a_picture_that_is_replaced_can_be_had_back_with_its_conversation() {
    let server = Server::start();
    let (page, known) = asked(&server);
    Mouse.write(&page, "half a question");
    page.show("other.png", &known.png(), known.size);
    page.expect_prompts(&[]);
    assert_eq!(typed(&page), "half a question");
    page.browser.shot("replaced");
    Mouse.press(&page, ".notice .button");
    page.opened("scene", known.size);
    page.answered(1);
    page.expect_prompts(&["point"]);
    assert_eq!(page.rows().len(), 1);
    // Nothing was done on the other picture, so there is nothing to go back to.
    page.browser.until("!document.querySelector('.notice')");
    // It can be asked about as before.
    Mouse.press(&page, ASK);
    page.answered(2);
}

#[test]
fn what_is_unsure_is_grey_and_how_an_answer_is_made_is_shown_on_demand() {
    let server = Server::start();
    let (page, _) = asked(&server);
    let count = |css: &str| {
        let script = "return document.querySelectorAll(args).length;";
        page.browser.get(script, json!(css)).as_u64().unwrap()
    };
    let making = ".turn .plan, .turn .timings";
    assert_eq!((count(".result"), count(".result.unsure"), count(making)), (1, 0, 0));
    assert!(!page.browser.words().contains("token"), "{}", page.browser.words());
    Mouse.press(&page, "[aria-label='Settings']");
    let slide = "
        const slider = document.querySelector('.settings input[type=range]');
        slider.value = args;
        slider.dispatchEvent(new Event('input', { bubbles: true }));";
    page.browser.get(slide, json!(100));
    page.browser.until("document.querySelector('.result.unsure')");
    page.browser.get(slide, json!(0));
    page.browser.until("!document.querySelector('.result.unsure')");
    page.browser.get("document.querySelector('.settings [type=checkbox]').click();", json!(null));
    page.browser.until("document.querySelector('.turn .timings')?.textContent.includes('tokens')");
    assert_eq!(count(making), 2);
    // The sheet of tools and keys.
    page.browser.get("document.activeElement.blur();", json!(null));
    page.browser.keys(&["?"]);
    page.browser.until("document.querySelector('.help[open]')?.textContent.includes('Scribble')");
    Mouse.press(&page, ".help .button");
    page.browser.until("!document.querySelector('.help')");
}
